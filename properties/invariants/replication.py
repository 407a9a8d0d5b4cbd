"""What is claimed of `model.machines.replication`, and why it holds.

The heart of it: a record is committed once all of the leader's ISR have fetched it. Whoever is elected later comes
from the controller's ISR, and nobody joins that without having fetched up to the start of the leader's epoch. What
makes it hard is the leader that was deposed and does not know: it may still raise its high watermark from fetches
that it received before its followers moved on (`outlived_by`). Such a record is safe, because those followers had it
when they moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.language import Sort, State, allof, implies, no
from model.machines.replication import EPOCH, OFFSET, REPLICA, replication, sizes
from properties.claims import Claims, Theorem

claims = Claims(
    replication,
    sizes(replicas=2, log=2, epochs=2),
    refuted_at=tuple(
        sizes(replicas=replicas, log=log, epochs=epochs)
        for replicas, log, epochs in ((2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 1, 2), (3, 1, 3), (3, 2, 3))
    ),
)


def every(s: State, sorts: tuple[Sort, ...], body: Callable[..., Any]) -> Any:
    """For all values of some sorts."""

    def nested(rest: tuple[Sort, ...], found: tuple[Any, ...]) -> Any:
        return body(*found) if not rest else s.every(rest[0], lambda each: nested(rest[1:], (*found, each)))

    return nested(sorts, ())


# -- words -----------------------------------------------------------------------------------------------------------


def has(s: State, replica: Any, offset: Any, epoch: Any) -> Any:
    """Whether a replica's record at an offset is of an epoch."""
    return allof(offset >= 0, offset < s.end[replica], s.log[replica, offset] == epoch)


def was_issued(s: State, epoch: Any) -> Any:
    """Whether an epoch was issued with a leader."""
    return allof(epoch > 0, epoch <= s.leader_epoch, s.issued_leader[epoch].exists)


def leader_of(s: State, epoch: Any) -> Any:
    """The leader that an epoch was issued with."""
    return s.issued_leader[epoch].value


def is_pending(s: State, epoch: Any) -> Any:
    """Whether an epoch's leader has not yet heard of it."""
    return allof(was_issued(s, epoch), s.epoch[leader_of(s, epoch)] < epoch)


def may_lead(s: State, epoch: Any) -> Any:
    """Whether an epoch's leader is still the incarnation that it was issued to."""
    leader = leader_of(s, epoch)
    return allof(was_issued(s, epoch), s.incarnation[leader] <= epoch, no(s.wiped[leader]))


def outlived_by(s: State, leader: Any, offset: Any) -> Any:
    """Whether all of a leader's ISR that have moved past its epoch had fetched an offset before they did."""
    return allof(
        s.leads[leader],
        offset >= 0,
        offset < s.end[leader],
        s.leader_isr[leader].every(
            lambda q: implies(allof(q != leader, s.epoch[q] > s.epoch[leader]), s.fetched[leader, q] > offset)
        ),
    )


def someone_in_view_moved_on(s: State, leader: Any) -> Any:
    """Whether somebody in the ISR that a leader knows of is past its epoch."""
    return s.leader_isr[leader].some(lambda q: s.epoch[q] > s.epoch[leader])


def someone_in_issued_isr_moved_on(s: State, epoch: Any) -> Any:
    """Whether somebody in the ISR that was issued with an epoch is past it."""
    return s.issued_isr[epoch].some(lambda q: s.epoch[q] > epoch)


# -- brokers ---------------------------------------------------------------------------------------------------------


@claims.clause
def survivor_lives_in_isr(s: State) -> Any:
    """The survivor is alive, in the ISR, and has its disk."""
    return allof(s.alive[s.survivor], s.isr.has(s.survivor), no(s.wiped[s.survivor]))


@claims.clause
def the_wiped_in_isr_are_dead(s: State) -> Any:
    """Who lost its disk and is still in the ISR is down."""
    return every(s, (REPLICA,), lambda r: implies(allof(s.wiped[r], s.isr.has(r)), no(s.alive[r])))


@claims.clause
def leaders_are_not_wiped(s: State) -> Any:
    """A leader took up its epoch after its broker started, with its disk."""
    return every(s, (REPLICA,), lambda r: implies(s.leads[r], allof(no(s.wiped[r]), s.incarnation[r] <= s.epoch[r])))


@claims.clause
def the_wiped_are_not_issued_leadership(s: State) -> Any:
    """A broker that started without its disk was not made leader since."""
    return every(
        s,
        (REPLICA, EPOCH),
        lambda r, e: implies(
            allof(s.wiped[r], s.alive[r], was_issued(s, e), s.incarnation[r] <= e), leader_of(s, e) != r
        ),
    )


@claims.clause
def incarnation_bounds(s: State) -> Any:
    """Brokers started in the controller's past."""
    return every(s, (REPLICA,), lambda r: allof(s.incarnation[r] >= 0, s.incarnation[r] <= s.leader_epoch))


@claims.clause
def bounds(s: State) -> Any:
    """Offsets and epochs are not negative, and nobody is in an epoch that was not issued."""
    return allof(
        s.leader_epoch >= 0,
        every(
            s, (REPLICA,), lambda r: allof(s.end[r] >= 0, s.hw[r] >= 0, s.epoch[r] >= 0, s.epoch[r] <= s.leader_epoch)
        ),
    )


# -- the controller's word -------------------------------------------------------------------------------------------


@claims.clause
def entries_are_from_the_past(s: State) -> Any:
    """No record is of a later epoch than the replica that holds it."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda r, o: implies(allof(o >= 0, o < s.end[r]), allof(s.log[r, o] > 0, s.log[r, o] <= s.epoch[r])),
    )


@claims.clause
def leaders_were_issued(s: State) -> Any:
    """Who leads was made leader of its epoch, is alive, and in the ISR that it knows of."""
    return every(
        s,
        (REPLICA,),
        lambda r: implies(
            s.leads[r],
            allof(
                s.epoch[r] > 0,
                s.issued_leader[s.epoch[r]] == r,
                s.alive[r],
                s.leader_isr[r].has(r),
            ),
        ),
    )


@claims.clause
def newest_issue_is_the_controllers(s: State) -> Any:
    """The leader of the newest epoch is the one that the controller knows."""
    newest = s.issued_leader[s.leader_epoch]
    return allof(
        implies(s.leader.exists, allof(s.leader_epoch > 0, newest == s.leader)),
        implies(allof(s.leader_epoch > 0, newest.exists), newest == s.leader),
    )


@claims.clause
def current_leader_knows_isr(s: State) -> Any:
    """A leader in the newest epoch knows the controller's ISR."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, q: implies(  # noqa: E741  l is a leader throughout
            allof(s.leads[l], s.epoch[l] == s.leader_epoch), s.leader_isr[l].has(q) == s.isr.has(q)
        ),
    )


@claims.clause
def leader_in_isr(s: State) -> Any:
    """The leader is in the ISR."""
    return implies(s.leader.exists, s.isr.has(s.leader.value))


@claims.clause
def issued_leader_in_issued_isr(s: State) -> Any:
    """Every epoch's leader was in the ISR that it was issued with."""
    return every(s, (EPOCH,), lambda e: implies(was_issued(s, e), s.issued_isr[e].has(leader_of(s, e))))


@claims.clause
def newest_issued_isr(s: State) -> Any:
    """Until the newest epoch's leader hears of it, the ISR is the one that was issued with it."""
    unheard = implies(s.leader.exists, s.epoch[s.leader.value] < s.leader_epoch)
    return every(
        s,
        (REPLICA,),
        lambda q: implies(allof(s.leader_epoch > 0, unheard), s.issued_isr[s.leader_epoch].has(q) == s.isr.has(q)),
    )


@claims.clause
def isr_not_empty(s: State) -> Any:
    """Somebody is in the ISR."""
    return s.some(REPLICA, s.isr.has)


# -- logs ------------------------------------------------------------------------------------------------------------


@claims.clause
def log_matching(s: State) -> Any:
    """Logs that have a record of the same epoch at an offset are the same before it."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET, OFFSET),
        lambda r, q, i, j: implies(
            allof(i >= 0, i <= j, j < s.end[r], j < s.end[q], s.log[r, j] == s.log[q, j]), s.log[r, i] == s.log[q, i]
        ),
    )


@claims.clause
def leader_has_its_epochs_entries(s: State) -> Any:
    """Whatever there is of a leader's epoch, the leader has."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET),
        lambda l, q, o: implies(  # noqa: E741
            allof(s.leads[l], has(s, q, o, s.epoch[l])), has(s, l, o, s.epoch[l])
        ),
    )


@claims.clause
def no_entry_of_an_epoch_without_reign(s: State) -> Any:
    """There is no record of an epoch whose leader has not heard of it, or that has none."""
    return every(
        s,
        (REPLICA, OFFSET, EPOCH),
        lambda q, o, e: implies(
            allof(
                e > 0,
                implies(allof(e <= s.leader_epoch, s.issued_leader[e].exists), is_pending(s, e)),
                o >= 0,
                o < s.end[q],
            ),
            s.log[q, o] != e,
        ),
    )


@claims.clause
def fetched_bounds(s: State) -> Any:
    """A leader knows of no fetch past its log end, and of none by who has not reached its epoch."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, q: implies(  # noqa: E741
            s.leads[l],
            allof(
                s.fetched[l, q] >= 0,
                s.fetched[l, q] <= s.end[l],
                implies(allof(q != l, s.epoch[q] < s.epoch[l]), s.fetched[l, q] == 0),
            ),
        ),
    )


@claims.clause
def fetched_is_held(s: State) -> Any:
    """What a follower has fetched in the leader's epoch it has, while it is in that epoch with its disk."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET),
        lambda l, q, o: implies(  # noqa: E741
            allof(s.leads[l], q != l, no(s.wiped[q]), s.epoch[q] == s.epoch[l], o >= 0, o < s.fetched[l, q]),
            has(s, q, o, s.log[l, o]),
        ),
    )


# -- who is in whose view --------------------------------------------------------------------------------------------


@claims.clause
def isr_laggards_are_in_view(s: State) -> Any:
    """Who is in the ISR and not past a leader's epoch is in the ISR that the leader knows of."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, r: implies(  # noqa: E741
            allof(s.leads[l], s.isr.has(r), s.epoch[r] <= s.epoch[l]), s.leader_isr[l].has(r)
        ),
    )


@claims.clause
def lagging_later_leaders_are_in_view(s: State) -> Any:
    """A later epoch's leader that is not past a leader's epoch is in the ISR that the leader knows of."""
    return every(
        s,
        (REPLICA, EPOCH),
        lambda l, e: implies(  # noqa: E741
            allof(s.leads[l], s.epoch[l] < e, was_issued(s, e), s.epoch[leader_of(s, e)] <= s.epoch[l]),
            s.leader_isr[l].has(leader_of(s, e)),
        ),
    )


@claims.clause
def isr_laggards_are_in_pending_isr(s: State) -> Any:
    """Who is in the ISR and not past an epoch still unheard of is in the ISR that was issued with it."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, r: implies(allof(is_pending(s, e), s.isr.has(r), s.epoch[r] <= e), s.issued_isr[e].has(r)),
    )


@claims.clause
def lagging_later_leaders_are_in_pending_isr(s: State) -> Any:
    """A later epoch's leader that is not past an epoch still unheard of is in the ISR that was issued with it."""
    return every(
        s,
        (EPOCH, EPOCH),
        lambda e, f: implies(
            allof(is_pending(s, e), e < f, was_issued(s, f), s.epoch[leader_of(s, f)] <= e),
            s.issued_isr[e].has(leader_of(s, f)),
        ),
    )


@claims.clause
def view_moves_first(s: State) -> Any:
    """If somebody in the ISR is past a leader's epoch, so is somebody whom the leader counts."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, r: implies(  # noqa: E741
            allof(s.leads[l], s.isr.has(r), s.epoch[r] > s.epoch[l]), someone_in_view_moved_on(s, l)
        ),
    )


@claims.clause
def view_moves_before_leaders(s: State) -> Any:
    """If a later epoch's leader is past a leader's epoch, so is somebody whom the leader counts."""
    return every(
        s,
        (REPLICA, EPOCH),
        lambda l, e: implies(  # noqa: E741
            allof(s.leads[l], s.epoch[l] < e, was_issued(s, e), s.epoch[leader_of(s, e)] > s.epoch[l]),
            someone_in_view_moved_on(s, l),
        ),
    )


@claims.clause
def pending_isr_moves_first(s: State) -> Any:
    """If somebody in the ISR is past an epoch still unheard of, so is somebody that was issued with it."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, r: implies(
            allof(is_pending(s, e), s.isr.has(r), s.epoch[r] > e), someone_in_issued_isr_moved_on(s, e)
        ),
    )


@claims.clause
def pending_isr_moves_before_leaders(s: State) -> Any:
    """If a later epoch's leader is past an epoch still unheard of, so is somebody that was issued with it."""
    return every(
        s,
        (EPOCH, EPOCH),
        lambda e, f: implies(
            allof(is_pending(s, e), e < f, was_issued(s, f), s.epoch[leader_of(s, f)] > e),
            someone_in_issued_isr_moved_on(s, e),
        ),
    )


# -- what outlives a leader, and what is committed -------------------------------------------------------------------


@claims.clause
def isr_keeps_what_outlives(s: State) -> Any:
    """What all that moved on had fetched from a leader, everybody in the ISR that is past its epoch has."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET),
        lambda l, r, o: implies(  # noqa: E741
            allof(outlived_by(s, l, o), s.isr.has(r), no(s.wiped[r]), s.epoch[r] > s.epoch[l]),
            has(s, r, o, s.log[l, o]),
        ),
    )


@claims.clause
def later_leaders_keep_what_outlives(s: State) -> Any:
    """What all that moved on had fetched from a leader, every later epoch's leader that is past its epoch has."""
    return every(
        s,
        (REPLICA, EPOCH, OFFSET),
        lambda l, e, o: implies(  # noqa: E741
            allof(outlived_by(s, l, o), s.epoch[l] < e, may_lead(s, e), s.epoch[leader_of(s, e)] > s.epoch[l]),
            has(s, leader_of(s, e), o, s.log[l, o]),
        ),
    )


@claims.clause
def committed_when(s: State) -> Any:
    """What is committed was committed in an epoch that there was."""
    return every(
        s,
        (OFFSET,),
        lambda o: implies(
            s.committed[o] != 0, allof(o >= 0, s.committed_in[o] > 0, s.committed_in[o] <= s.leader_epoch)
        ),
    )


@claims.clause
def isr_is_past_commits(s: State) -> Any:
    """Nobody in the ISR is in an earlier epoch than the one in which something was committed."""
    return every(
        s,
        (OFFSET, REPLICA),
        lambda o, r: implies(allof(s.committed[o] != 0, s.isr.has(r)), s.epoch[r] >= s.committed_in[o]),
    )


@claims.clause
def isr_holds_committed(s: State) -> Any:
    """Everybody in the ISR that has its disk has what is committed."""
    return every(
        s,
        (OFFSET, REPLICA),
        lambda o, r: implies(allof(s.committed[o] != 0, s.isr.has(r), no(s.wiped[r])), has(s, r, o, s.committed[o])),
    )


@claims.clause
def later_leaders_hold_committed(s: State) -> Any:
    """Every later epoch's leader has what is committed."""
    return every(
        s,
        (OFFSET, EPOCH),
        lambda o, e: implies(
            allof(s.committed[o] != 0, s.committed_in[o] <= e, may_lead(s, e)),
            allof(s.epoch[leader_of(s, e)] >= s.committed_in[o], has(s, leader_of(s, e), o, s.committed[o])),
        ),
    )


@claims.clause
def epoch_start_bounds(s: State) -> Any:
    """A leader's epoch began within its log."""
    return every(
        s,
        (REPLICA,),
        lambda l: implies(s.leads[l], allof(s.epoch_start[l] >= 0, s.epoch_start[l] <= s.end[l])),  # noqa: E741
    )


@claims.clause
def earlier_commits_are_below_epoch_start(s: State) -> Any:
    """What was committed before a leader's epoch is in its log, below its epoch's start."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda l, o: implies(  # noqa: E741
            allof(s.leads[l], s.committed[o] != 0, s.committed_in[o] < s.epoch[l]),
            allof(o < s.epoch_start[l], s.log[l, o] == s.committed[o]),
        ),
    )


@claims.clause
def own_commits_are_below_hw(s: State) -> Any:
    """What was committed in a leader's epoch is below its high watermark."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda l, o: implies(  # noqa: E741
            allof(s.leads[l], s.committed[o] != 0, s.committed_in[o] == s.epoch[l]), o < s.hw[l]
        ),
    )


@claims.clause
def what_outlives_is_below_epoch_start(s: State) -> Any:
    """What all that moved on had fetched from a leader is in every later leader's log, below its epoch's start."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET),
        lambda l, n, o: implies(  # noqa: E741
            allof(outlived_by(s, l, o), s.leads[n], s.epoch[n] > s.epoch[l]),
            allof(o < s.epoch_start[n], s.log[n, o] == s.log[l, o]),
        ),
    )


@claims.clause
def below_hw_is_committed(s: State) -> Any:
    """All that is below anybody's high watermark is committed."""
    return every(s, (REPLICA, OFFSET), lambda r, o: implies(allof(o >= 0, o < s.hw[r]), s.committed[o] != 0))


# -- theorems --------------------------------------------------------------------------------------------------------


def committed_stays(before: State, after: State) -> Any:
    """What was committed at an offset stays what it is."""
    return before.every(OFFSET, lambda o: implies(before.committed[o] != 0, after.committed[o] == before.committed[o]))


claims.theorem(
    Theorem(
        "N-1",
        "If one replica of the ISR never fails, and nobody leaves the ISR but by dying, then no committed record is"
        " lost or replaced, whatever crashes and losses of disks befall all others.",
        of_state=isr_holds_committed,
        of_step=committed_stays,
        assumes=(
            ("one replica that starts in the ISR never fails", "disk_is_lost.it_is_not_the_survivor"),
            ("the ISR shrinks for death only", "leader_shrinks_isr.it_is_dead"),
            (
                "a broker starts again only after the controller dropped it from the ISR",
                "broker_starts.the_controller_noticed_its_death",
            ),
        ),
    )
)
claims.theorem(
    Theorem(
        "LOG-MATCHING",
        "Two logs that have a record of the same leader epoch at the same offset are the same up to there.",
        of_state=log_matching,
    )
)


def one_leader_per_epoch(s: State) -> Any:
    """No two replicas lead in the same epoch."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, m: implies(allof(s.leads[l], s.leads[m], s.epoch[l] == s.epoch[m]), l == m),  # noqa: E741
    )


claims.theorem(
    Theorem(
        "ONE-LEADER-PER-EPOCH", "No two replicas ever lead in the same leader epoch.", of_state=one_leader_per_epoch
    )
)


# -- states that must remain possible --------------------------------------------------------------------------------


@claims.sometime
def a_deposed_leader(s: State) -> Any:
    """A leader goes on in an old epoch while another leads in a newer one."""
    return s.some(
        REPLICA,
        lambda l: s.some(REPLICA, lambda m: allof(s.leads[l], s.leads[m], s.epoch[l] < s.epoch[m], s.hw[l] > 0)),  # noqa: E741
    )


@claims.sometime
def a_shrunk_isr(s: State) -> Any:
    """Something is committed, and somebody is out of the ISR."""
    return s.some(REPLICA, lambda r: allof(no(s.isr.has(r)), s.some(OFFSET, lambda o: s.committed[o] != 0)))


@claims.sometime
def a_log_that_differs(s: State) -> Any:
    """A follower has a record that its leader does not have at that offset."""
    return s.some(
        REPLICA,
        lambda l: s.some(  # noqa: E741
            REPLICA, lambda f: allof(s.leads[l], s.epoch[f] == s.epoch[l], s.end[f] > 0, s.log[f, 0] != s.log[l, 0])
        ),
    )
