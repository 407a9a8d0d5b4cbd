"""What is claimed of `model.machines.replication`, under which failures and assumptions.

There are four settings. `anything`: every failure and unclean elections; what holds of epochs and logs. `last`: no
unclean election, and the last member of an ISR never comes back with less than it had; nothing committed is lost.
`survivor` and `clean` are what users ask for: one replica never fails, or no disk ever loses anything. Whatever can
happen in these two can happen in `last` (shown action by action), so its invariant is theirs.

The proof itself is in `replication_decisions`, `replication_logs`, `replication_isr`, `replication_commits` and
`replication_lemmas`; begin with `replication_commits`.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, implies, no
from model.machines.replication import OFFSET, REPLICA, VERSION, replication, sizes
from properties.claims import Assumption, Claims, Theorem, under
from properties.invariants.replication_commits import COMMITS
from properties.invariants.replication_decisions import DECISIONS
from properties.invariants.replication_hints import HINTS
from properties.invariants.replication_isr import ISR
from properties.invariants.replication_lemmas import (
    LEMMAS,
    LOG_LEMMAS,
    isr_holds_committed,
    later_leaders_hold_committed,
)
from properties.invariants.replication_logs import LOGS
from properties.invariants.replication_words import every, has

SMALL = sizes(replicas=2, log=1, epochs=2, versions=3)
LAST = "properties.invariants.replication:last"

# -- whatever fails --------------------------------------------------------------------------------------------------

anything = Claims(
    under(replication, "Any failure, and unclean elections."),
    SMALL,
    clauses={**DECISIONS, **LOGS},
    lemmas=dict(LOG_LEMMAS),
)


def same_records_same_past(s: State) -> Any:
    """Logs that have a record of the same epoch at an offset are the same before it."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET, OFFSET),
        lambda r, q, i, j: implies(
            allof(i <= j, j < s.end[r], j < s.end[q], s.log[r, j] == s.log[q, j]), s.log[r, i] == s.log[q, i]
        ),
    )


anything.theorem(
    Theorem(
        "LOG-MATCHING",
        "Two logs that have a record of the same leader epoch at the same offset are the same up to there.",
        of_state=same_records_same_past,
    )
)


def one_leader_per_epoch(s: State) -> Any:
    """No two replicas lead in the same epoch."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, m: implies(allof(s.leads[l], s.leads[m], s.epoch[l] == s.epoch[m]), l == m),  # noqa: E741
    )


anything.theorem(
    Theorem(
        "ONE-LEADER-PER-EPOCH", "No two replicas ever lead in the same leader epoch.", of_state=one_leader_per_epoch
    )
)


def fetches_are_of_the_epoch(s: State) -> Any:
    """A leader has heeded fetches only of those that were in its epoch."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda l, q: implies(allof(s.leads[l], s.fetched[l, q] > 0), s.epoch[q] >= s.epoch[l]),  # noqa: E741
    )


def nobody_goes_back(before: State, after: State) -> Any:
    """No replica goes back to an earlier leader epoch."""
    return before.every(REPLICA, lambda r: after.epoch[r] >= before.epoch[r])


anything.theorem(
    Theorem(
        "EPOCH-FENCED",
        "No replica goes back to an earlier leader epoch, and no leader heeds a fetch but from its own.",
        of_state=fetches_are_of_the_epoch,
        of_step=nobody_goes_back,
    )
)


def leaders_hw_grows(before: State, after: State) -> Any:
    """Who goes on leading in the same epoch does not lower its high watermark."""
    return before.every(
        REPLICA,
        lambda l: implies(  # noqa: E741
            allof(before.leads[l], after.leads[l], before.epoch[l] == after.epoch[l]), after.hw[l] >= before.hw[l]
        ),
    )


anything.theorem(
    Theorem(
        "HW-MONOTONE",
        "As long as a replica leads in a leader epoch its high watermark does not fall.",
        of_step=leaders_hw_grows,
    )
)


# -- as long as the last member keeps its log ------------------------------------------------------------------------

last = Claims(
    under(
        replication,
        "Any failure, but the last member of an ISR never comes back with less than it had; no unclean election.",
        without=("controller_elects_unclean",),
        assuming=(
            Assumption(
                "broker_registers",
                "it_is_not_a_last_member_that_lost_records",
                "the last member of an ISR never comes back with less than it had",
                lambda s, replica, hw: implies(s.has_lost[replica], no(s.isr.has(replica))),  # noqa: ARG005
            ),
        ),
    ),
    SMALL,
    refuted_at=tuple(
        sizes(replicas=replicas, log=log, epochs=epochs)
        for replicas, log, epochs in ((2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 1, 2), (3, 1, 3), (3, 2, 3))
    ),
    clauses={**DECISIONS, **LOGS, **ISR, **COMMITS},
    lemmas={**LOG_LEMMAS, **LEMMAS},
    hints=HINTS,
)
claims = last


def committed_is_kept(s: State) -> Any:
    """Everybody in the ISR that has its log, and every later leader, has what is committed."""
    return allof(isr_holds_committed(s), later_leaders_hold_committed(s))


def committed_stays(before: State, after: State) -> Any:
    """What was committed at an offset stays what it is."""
    return before.every(OFFSET, lambda o: implies(before.committed[o] != 0, after.committed[o] == before.committed[o]))


NOT_UNCLEAN = ("nobody outside the ISR is elected", "controller_elects")
NOTICED = (
    "a broker registers again only after the controller noticed its death",
    "broker_registers.the_controller_noticed_its_death",
)
NOT_AGAIN = (
    "a request that the controller refused is not handled again",
    "controller_adds.it_was_not_refused_before",
)
COMMON = (NOT_UNCLEAN, NOTICED, NOT_AGAIN)
BY_LAST = (
    (
        "the last member of an ISR never comes back with less than it had",
        "broker_registers.it_is_not_a_last_member_that_lost_records",
    ),
    *COMMON,
)

last.theorem(
    Theorem(
        "LAST-MEMBER",
        "No committed record is lost or replaced, whatever crashes, losses of power and losses of disks befall"
        " replicas, unless the last member of an ISR loses records.",
        of_state=committed_is_kept,
        of_step=committed_stays,
        assumes=BY_LAST,
    )
)


def read_is_committed(s: State) -> Any:
    """What is below anybody's high watermark, leader or follower, is committed, and is what the log has there."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda r, o: implies(o < s.hw[r], allof(s.committed[o] != 0, has(s, r, o, s.committed[o]))),
    )


last.theorem(
    Theorem(
        "READ-STABLE",
        "A record that a consumer can read, from a leader (also a deposed one) or from a follower, is never replaced.",
        of_state=read_is_committed,
        of_step=committed_stays,
        assumes=BY_LAST,
    )
)


def acknowledged_is_held(s: State) -> Any:
    """What a leader may acknowledge to acks=all is committed, and everybody in the ISR that has its log has it."""
    return every(
        s,
        (REPLICA, OFFSET, REPLICA),
        lambda l, o, q: implies(  # noqa: E741
            allof(s.leads[l], o < s.hw[l]),
            allof(
                s.committed[o] == s.log[l, o],
                implies(allof(s.isr.has(q), no(s.has_lost[q])), has(s, q, o, s.log[l, o])),
            ),
        ),
    )


last.theorem(
    Theorem(
        "ACKED-IS-COMMITTED",
        "What a leader acknowledges to acks=all, its high watermark being past it, is committed: everybody in the"
        " ISR has it, and keeps it.",
        of_state=acknowledged_is_held,
        of_step=committed_stays,
        assumes=BY_LAST,
    )
)

# -- one replica never fails -----------------------------------------------------------------------------------------

SURVIVES = {
    "broker_crashes": ("replica", "it never crashes"),
    "power_is_lost": ("replica", "its power is never lost"),
    "disk_is_lost": ("replica", "its disk is never lost"),
    "controller_fences": ("replica", "its session is never over"),
    "leader_asks_to_drop": ("follower", "it never lags"),
}


def _is_not_the_survivor(parameter: str) -> Any:
    return lambda s, **arguments: arguments[parameter] != s.survivor


survivor = Claims(
    under(
        replication,
        "One replica of the first ISR never fails and never leaves the ISR; to all others anything may happen.",
        without=("controller_elects_unclean",),
        assuming=tuple(
            Assumption(action, "it_is_not_the_survivor", sentence, _is_not_the_survivor(parameter))
            for action, (parameter, sentence) in SURVIVES.items()
        ),
    ),
    SMALL,
    within=LAST,
)


@survivor.clause
def survivor_lives_in_isr(s: State) -> Any:
    """The survivor is alive, has a session, is in the ISR, and lost nothing."""
    return allof(s.alive[s.survivor], no(s.fenced[s.survivor]), s.isr.has(s.survivor), no(s.has_lost[s.survivor]))


@survivor.clause
def nobody_asks_to_drop_the_survivor(s: State) -> Any:
    """No leader asks to drop the survivor from the ISR."""
    return every(s, (VERSION,), lambda v: s.asks_to_drop[v] != s.survivor)


survivor.theorem(
    Theorem(
        "N-1",
        "If one replica of the ISR never fails and never leaves the ISR, then no committed record is lost or"
        " replaced, whatever crashes, losses of power and losses of disks befall all others.",
        of_state=committed_is_kept,
        of_step=committed_stays,
        assumes=(
            *(
                (f"one replica of the first ISR: {why}", f"{a}.it_is_not_the_survivor")
                for a, (_, why) in SURVIVES.items()
            ),
            *COMMON,
        ),
    )
)

# -- no disk loses anything ------------------------------------------------------------------------------------------

LOSSES = ("power_is_lost", "disk_is_lost")
clean = Claims(
    under(
        replication,
        "Any number of crashes, of all replicas at once too; every log is kept. No unclean election.",
        without=("controller_elects_unclean", *LOSSES),
    ),
    SMALL,
    within=LAST,
)


@clean.clause
def nobody_lost_records(s: State) -> Any:
    """Nobody lost records."""
    return every(s, (REPLICA,), lambda r: no(s.has_lost[r]))


clean.theorem(
    Theorem(
        "CLEAN",
        "Clean elections lose no committed record under any number of crashes that keep the log.",
        of_state=committed_is_kept,
        of_step=committed_stays,
        assumes=(("every log is kept", "power_is_lost, disk_is_lost"), *COMMON),
    )
)


# -- states that must remain possible --------------------------------------------------------------------------------


@clean.sometime
def a_deposed_leader(s: State) -> Any:
    """A leader that has committed something goes on in an old epoch while another leads in a newer one."""
    return s.some(
        REPLICA,
        lambda l: s.some(REPLICA, lambda m: allof(s.leads[l], s.leads[m], s.epoch[l] < s.epoch[m], s.hw[l] > 0)),  # noqa: E741
    )


@clean.sometime
def a_shrunk_isr(s: State) -> Any:
    """Something is committed, and somebody is out of the ISR."""
    return s.some(REPLICA, lambda r: allof(no(s.isr.has(r)), s.some(OFFSET, lambda o: s.committed[o] != 0)))


@clean.sometime
def a_log_that_differs(s: State) -> Any:
    """A follower has a record that its leader does not have at that offset."""
    return s.some(
        REPLICA,
        lambda l: s.some(  # noqa: E741
            REPLICA, lambda f: allof(s.leads[l], s.epoch[f] == s.epoch[l], s.end[f] > 0, s.log[f, 0] != s.log[l, 0])
        ),
    )


@last.sometime
def a_replica_that_lost_what_was_committed(s: State) -> Any:
    """Somebody lost a record that is committed."""
    return s.some(REPLICA, lambda r: allof(s.has_lost[r], s.end[r] == 0, s.committed[0] != 0))
