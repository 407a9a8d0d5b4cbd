"""What holds of brokers, epochs and decisions in `model.machines.replication`, whatever happens to anybody's log.

Nothing here needs an assumption but that who comes back without its log does not take up its epoch again, which
both `NOTICES` and `LAST_MEMBER_KEEPS` say (`properties.invariants.replication`); unclean elections break none of it.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, anyof, implies, no
from model.machines.replication import BROKER_EPOCH, EPOCH, REPLICA, VERSION
from properties.claims import Clauses
from properties.invariants.replication_words import every, is_decided, is_eligible

DECISIONS = Clauses()
"""Clauses that every step keeps."""


# -- bounds -----------------------------------------------------------------------------------------------------------


@DECISIONS.add
def bounds(s: State) -> Any:
    """Replicas are within what there is: their logs, decisions, epochs and registrations."""
    return every(
        s,
        (REPLICA,),
        lambda r: allof(
            s.flushed[r] >= 0,
            s.flushed[r] <= s.end[r],
            s.hw[r] >= 0,
            s.hw[r] <= s.end[r],
            s.epoch[r] >= 0,
            s.epoch[r] <= s.leader_epoch,
            s.knows[r] >= 0,
            s.knows[r] <= s.partition_epoch,
            s.started_at[r] >= 0,
            s.started_at[r] <= s.partition_epoch,
            s.broker_epoch[r] > 0,
        ),
    )


@DECISIONS.add
def controller_bounds(s: State) -> Any:
    """Epochs are not negative."""
    return allof(s.leader_epoch >= 0, s.partition_epoch >= 0)


@DECISIONS.add
def fetched_bounds(s: State) -> Any:
    """Offsets and broker epochs that were sent are not negative."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: allof(s.fetched[leader, q] >= 0, s.fetched_as[leader, q] >= 0, s.cached[leader, q] >= 0),
    )


@DECISIONS.add
def sent_bounds(s: State) -> Any:
    """A fetch is sent from an offset that the epoch's leader has, by a broker that has been in the epoch."""
    return every(
        s,
        (EPOCH, REPLICA, BROKER_EPOCH),
        lambda e, q, b: allof(
            s.sent_to[e, q, b] >= 0,
            s.sent_to[e, q, b] <= s.written_end[e],
            implies(b >= s.entered_as[e, q], s.sent_to[e, q, b] <= s.took[e, q]),
            implies(
                anyof(s.has_sent[e, q, b], s.sent_to[e, q, b] > 0),
                allof(s.has_sent[e, q, b], b > 0, b <= s.broker_epoch[q], s.entered_as[e, q] > 0),
            ),
        ),
    )


@DECISIONS.add
def stays(s: State) -> Any:
    """A broker was in epochs up to its own, as registered by then; in its own, if it has heard of anything."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: allof(
            s.entered_as[e, q] >= 0,
            s.entered_as[e, q] <= s.broker_epoch[q],
            implies(s.entered_as[e, q] > 0, s.epoch[q] >= e),
            implies(s.knows[q] == 0, implies(s.alive[q], s.entered_as[e, q] < s.broker_epoch[q])),
            implies(allof(s.knows[q] > 0, s.epoch[q] == e), s.entered_as[e, q] > 0),
            s.took[e, q] >= 0,
            s.took[e, q] <= s.written_end[e],
            implies(s.took[e, q] > 0, s.entered_as[e, q] > 0),
        ),
    )


@DECISIONS.add
def who_has_heard_of_nothing_has_sent_nothing(s: State) -> Any:
    """Who has started and heard of nothing has not sent a fetch since, nor if it then shut down by itself."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: implies(
            allof(anyof(s.alive[q], s.was_clean[q]), s.knows[q] == 0), no(s.has_sent[e, q, s.broker_epoch[q]])
        ),
    )


@DECISIONS.add
def who_shut_down_is_down(s: State) -> Any:
    """Who shut down by itself is down, and has all on disk."""
    return every(s, (REPLICA,), lambda q: implies(s.was_clean[q], allof(no(s.alive[q]), s.flushed[q] == s.end[q])))


# -- the controller's decisions ---------------------------------------------------------------------------------------


@DECISIONS.add
def newest_decision(s: State) -> Any:
    """The newest decision is what the controller knows."""
    now = s.partition_epoch
    return allof(
        s.epoch_of[now] == s.leader_epoch,
        implies(s.leader.exists, s.elected[s.leader_epoch] == s.leader),
        implies(s.elected[s.leader_epoch].exists, s.elected[s.leader_epoch] == s.leader),
        every(
            s,
            (REPLICA,),
            lambda q: allof(
                s.decided_isr[now].has(q) == s.isr.has(q),
                s.last_eligible[s.leader_epoch].has(q) == is_eligible(s, q),
                implies(s.elr.has(q), allof(s.has_elr, no(s.is_enough[now]), no(s.isr.has(q)))),
            ),
        ),
    )


@DECISIONS.add
def decisions_are_in_order(s: State) -> Any:
    """A later decision is not of an earlier leader epoch."""
    return every(
        s,
        (VERSION, VERSION),
        lambda v, w: implies(allof(v <= w, is_decided(s, w)), s.epoch_of[v] <= s.epoch_of[w]),
    )


@DECISIONS.add
def decisions_have_epochs(s: State) -> Any:
    """A decision is of an epoch that there is."""
    return every(
        s,
        (VERSION,),
        lambda v: implies(is_decided(s, v), allof(s.epoch_of[v] >= 0, s.epoch_of[v] <= s.leader_epoch)),
    )


@DECISIONS.add
def leaders_stay_in_the_isr(s: State) -> Any:
    """The leader of an epoch is eligible by its last decision; the present one is in the ISR."""
    return allof(
        implies(s.leader.exists, s.isr.has(s.leader.value)),
        every(
            s,
            (EPOCH,),
            lambda e: implies(
                allof(e <= s.leader_epoch, s.elected[e].exists),
                allof(e > 0, s.last_eligible[e].has(s.elected[e].value)),
            ),
        ),
    )


@DECISIONS.add
def reigns(s: State) -> Any:
    """An epoch that has begun has a leader, who is in it or past it; one that has not has no records."""
    return every(
        s,
        (EPOCH,),
        lambda e: allof(
            s.written_end[e] >= 0,
            s.began_at[e] >= 0,
            s.began_at[e] <= s.written_end[e],
            s.announced[e] >= 0,
            s.announced[e] <= s.written_end[e],
            implies(
                s.has_begun[e],
                allof(e > 0, e <= s.leader_epoch, s.elected[e].exists, s.epoch[s.elected[e].value] >= e),
            ),
            implies(no(s.has_begun[e]), allof(s.written_end[e] == 0, s.announced[e] == 0)),
        ),
    )


@DECISIONS.add
def who_leads(s: State) -> Any:
    """Who leads was elected in the epoch that it is in, knows a decision of it, and is alive.

    Nobody was told of a higher watermark than it has, but before it last started, and not past the epoch's start.
    """
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            s.leads[leader],
            allof(
                s.alive[leader],
                s.epoch[leader] > 0,
                s.has_begun[s.epoch[leader]],
                s.elected[s.epoch[leader]] == leader,
                s.knows[leader] > 0,
                s.epoch_of[s.knows[leader]] == s.epoch[leader],
                s.hw[leader] <= s.announced[s.epoch[leader]],
                anyof(
                    s.announced[s.epoch[leader]] == s.hw[leader],
                    s.announced[s.epoch[leader]] <= s.began_at[s.epoch[leader]],
                ),
            ),
        ),
    )


@DECISIONS.add
def only_leaders_ask(s: State) -> Any:
    """Who asks for a change of the ISR leads."""
    return every(s, (REPLICA,), lambda r: implies(s.asking[r], s.leads[r]))


@DECISIONS.add
def the_known_decision_is_of_ones_epoch(s: State) -> Any:
    """A replica that is up is in the epoch of the decision that it knows."""
    return every(
        s,
        (REPLICA,),
        lambda r: implies(s.knows[r] > 0, allof(s.epoch[r] == s.epoch_of[s.knows[r]], s.knows[r] >= s.started_at[r])),
    )


@DECISIONS.add
def starts_are_late(s: State) -> Any:
    """A broker that started again and has heard of nothing will hear of no epoch before its own."""
    return every(s, (REPLICA,), lambda r: implies(s.knows[r] == 0, s.epoch[r] <= s.epoch_of[s.started_at[r]]))


@DECISIONS.add
def who_stopped_leading_starts_later_or_has_its_log(s: State) -> Any:
    """Who led in the epoch that it is in and leads no more is down, or started in a later epoch, or lost nothing."""
    return every(
        s,
        (REPLICA,),
        lambda r: implies(
            allof(s.has_begun[s.epoch[r]], s.elected[s.epoch[r]] == r, no(s.leads[r]), s.alive[r]),
            anyof(s.epoch_of[s.started_at[r]] > s.epoch[r], no(s.has_lost[r])),
        ),
    )


@DECISIONS.add
def nothing_is_asked_of_the_undecided(s: State) -> Any:
    """Nobody asks for changes of an ISR that is yet to be decided."""
    return every(
        s,
        (VERSION,),
        lambda v: implies(no(is_decided(s, v)), allof(no(s.asks_to_add[v].exists), no(s.asks_to_drop[v].exists))),
    )


@DECISIONS.add
def leaders_do_not_ask_to_be_dropped(s: State) -> Any:
    """Nobody asks to drop the leader."""
    return every(
        s,
        (VERSION,),
        lambda v: implies(s.asks_to_drop[v].exists, s.elected[s.epoch_of[v]] != s.asks_to_drop[v].value),
    )


# -- losses -----------------------------------------------------------------------------------------------------------


@DECISIONS.add
def who_lost_has_heard_of_nothing(s: State) -> Any:
    """Who lost records and started again has heard of no decision since, nor had it when it shut down by itself."""
    return every(
        s,
        (REPLICA,),
        lambda r: implies(allof(s.has_lost[r], anyof(s.alive[r], s.was_clean[r])), s.knows[r] == 0),
    )


@DECISIONS.add
def who_lost_does_not_lead(s: State) -> Any:
    """Who lost records leads only after it has heard of a decision since."""
    return every(s, (REPLICA,), lambda r: implies(s.has_lost[r], no(s.leads[r])))
