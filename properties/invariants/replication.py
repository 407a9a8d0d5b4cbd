"""What is claimed of `model.machines.replication`, under which failures and assumptions.

`unassumed`: every failure and unclean elections, and nothing is assumed; what holds of leaders. `anything`: brokers
come back only after their death was noticed; what holds of logs and fetches. `last`: no unclean election, and nobody
comes back with less than it had as long as it is in the ISR; nothing committed is lost. The others are what users ask
for: one replica never fails (`survivor`), no disk ever loses anything (`clean`), KIP-966 is on (`eligible`), and what
producers are told (`acknowledged`). Whatever can happen in these can happen in `last` (shown action by action), so its
invariant is theirs. But for `eligible`, all hold with and without KIP-966, and whether or not a smaller ISR raises the
leader epoch. At first the ISR is everybody, no less than min.insync.replicas (which is what it is effectively).

The proof itself is in `replication_decisions`, `replication_logs`, `replication_isr`, `replication_commits` and
`replication_lemmas`; begin with `replication_commits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import State, allof, anyof, implies, no
from model.machines.replication import OFFSET, REPLICA, VERSION, replication, sizes
from properties.claims import Assumption, Claims, Theorem, under
from properties.invariants.replication_commits import COMMITS
from properties.invariants.replication_decisions import DECISIONS
from properties.invariants.replication_hints import HINTS
from properties.invariants.replication_isr import ISR
from properties.invariants.replication_kinds import (
    a_deposed_leader,
    a_log_that_differs,
    a_replica_that_lost_what_was_committed,
    a_shrunk_isr,
    an_acknowledged_record,
    an_eligible_leader_replica,
    an_empty_isr,
)
from properties.invariants.replication_lemmas import LEMMAS, LOG_LEMMAS
from properties.invariants.replication_logs import LOGS
from properties.invariants.replication_theorems import (
    committed_is_kept,
    committed_stays,
    fetches_are_of_the_epoch,
    nobody_goes_back,
    read_is_committed,
    same_records_same_past,
    somebody_can_be_elected,
)
from properties.invariants.replication_unassumed import SMALL as SMALL
from properties.invariants.replication_unassumed import UNTOLD
from properties.invariants.replication_unassumed import unassumed as unassumed
from properties.invariants.replication_words import every, is_eligible

LAST = "properties.invariants.replication:last"

# -- assumptions ------------------------------------------------------------------------------------------------------

NOT_UNCLEAN = (
    "nobody is elected but from the ISR and the eligible leader replicas: nor is the last known leader",
    "controller_elects_unclean",
)
NOTICES = Assumption(
    "broker_registers",
    "the_controller_noticed_its_death",
    "a broker registers again only after the controller noticed its death",
    lambda s, replica, hw: allof(  # noqa: ARG005
        s.leader != replica, anyof(no(s.isr.has(replica)), s.isr.is_only(replica))
    ),
)
"""It dropped it from the ISR, or it is alone there and does not lead."""
NOTICED = NOTICES.named
_FORGETS = (
    "a leader that takes up a newer epoch while it leads (it was elected again and has not heard that it was deposed,"
    " or its ISR became smaller where that raises the epoch) forgets what it knew of its followers"
)
FORGETS = (_FORGETS, "keeps_positions = True")
NOT_AGAIN = (
    "a request that the controller refused is not handled again",
    "controller_adds.it_was_not_refused_before",
)
NOT_TWICE = (
    "a leader that hears once more of the decision that it knows goes on waiting for what it asked for",
    "leader_learns_isr.it_is_newer",
)
COMMON = (NOT_UNCLEAN, FORGETS, NOT_AGAIN, NOT_TWICE)

# -- whatever fails --------------------------------------------------------------------------------------------------

FORGETTING: Mapping[str, Any] = {"keeps_positions": False}
"""What is assumed of all releases, and true of none since 0.9.0.0 (KAFKA-2721); see `FORGETS`."""

anything = Claims(
    under(
        replication,
        "Any failure, and unclean elections; a broker comes back only after the controller noticed its death.",
        without=(UNTOLD,),
        assuming=(NOTICES,),
    ),
    SMALL,
    clauses={**DECISIONS, **LOGS},
    lemmas=dict(LOG_LEMMAS),
    hints=HINTS,
)


anything.theorem(
    Theorem(
        "LOG-MATCHING",
        "Two logs that have a record of the same leader epoch at the same offset are the same up to there.",
        of_state=same_records_same_past,
        assumes=(NOTICED,),
    )
)


anything.theorem(
    Theorem(
        "EPOCH-FENCED",
        "No replica goes back to an earlier leader epoch, and no leader heeds a fetch but of its own epoch, as long as"
        " it forgets what it knew of its followers when it is elected again.",
        of_state=fetches_are_of_the_epoch,
        of_step=nobody_goes_back,
        assumes=(NOTICED,),
    )
)


# -- as long as the last member keeps its log ------------------------------------------------------------------------

LAST_MEMBER_KEEPS = Assumption(
    "broker_registers",
    "it_is_not_a_member_that_lost_records",
    "nobody comes back with less than it had as long as it is in the ISR, or eligible beside it; its last member always"
    " is",
    lambda s, replica, hw: implies(s.has_lost[replica], no(is_eligible(s, replica))),  # noqa: ARG005
)
GROWING = tuple(
    sizes(replicas=replicas, log=log, epochs=epochs)
    for replicas, log, epochs in ((2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 1, 2), (3, 1, 3), (3, 2, 3))
)
"""Sizes for refutations, the small ones first."""

last = Claims(
    under(
        replication,
        "Any failure, but no member of an ISR comes back with less than it had; no unclean election.",
        without=("controller_elects_unclean", UNTOLD),
        assuming=(LAST_MEMBER_KEEPS,),
        settings=FORGETTING,
    ),
    SMALL,
    refuted_at=GROWING,
    clauses={**DECISIONS, **LOGS, **ISR, **COMMITS},
    lemmas={**LOG_LEMMAS, **LEMMAS},
    hints=HINTS,
)
claims = last


BY_LAST = (LAST_MEMBER_KEEPS.named, *COMMON)

last.theorem(
    Theorem(
        "LAST-MEMBER",
        "No committed record is lost or replaced, whatever crashes, losses of power and losses of disks befall"
        " replicas, unless somebody comes back with less than it had as long as it is in the ISR; its last member"
        " always is.",
        of_state=committed_is_kept,
        of_step=committed_stays,
        assumes=BY_LAST,
    )
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


# -- what producers are told -----------------------------------------------------------------------------------------

acknowledged = Claims(
    under(
        replication,
        "As where the last member keeps its log, and producers are told that records are safe.",
        without=("controller_elects_unclean",),
        assuming=(LAST_MEMBER_KEEPS,),
        settings=FORGETTING,
    ),
    SMALL,
    refuted_at=GROWING,
    within=LAST,
)


@acknowledged.clause
def acknowledged_is_committed(s: State) -> Any:
    """What was acknowledged to acks=all at an offset is what is committed there."""
    return every(s, (OFFSET,), lambda o: implies(s.acked[o] != 0, s.committed[o] == s.acked[o]))


acknowledged.theorem(
    Theorem(
        "ACKED-IS-COMMITTED",
        "What was acknowledged to a producer with acks=all is committed: everybody in the ISR that has its log has it,"
        " and every later leader.",
        of_state=lambda s: allof(acknowledged_is_committed(s), committed_is_kept(s)),
        of_step=committed_stays,
        assumes=BY_LAST,
    )
)

# -- one replica never fails -----------------------------------------------------------------------------------------

SURVIVES = {
    "it never stops": {"broker_crashes": "replica", "broker_stops": "replica"},
    "its power is never lost": {"power_is_lost": "replica"},
    "its disk is never lost": {"disk_is_lost": "replica"},
    "its session is never over": {"controller_fences": "replica"},
    "it never lags": {"leader_asks_to_drop": "follower"},
}
"""Assumptions, each with the actions of which it is made, and which of their parameters is not the survivor."""


def _is_not_the_survivor(parameter: str) -> Any:
    return lambda s, **arguments: arguments[parameter] != s.survivor


survivor = Claims(
    under(
        replication,
        "One replica of the first ISR never fails and never leaves the ISR; to all others anything may happen.",
        without=(UNTOLD,),
        assuming=(
            NOTICES,
            *(
                Assumption(action, "it_is_not_the_survivor", sentence, _is_not_the_survivor(parameter))
                for sentence, actions in SURVIVES.items()
                for action, parameter in actions.items()
            ),
        ),
        settings=FORGETTING,
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
                (
                    f"one replica of the first ISR: {why}",
                    ", ".join(f"{each}.it_is_not_the_survivor" for each in actions),
                )
                for why, actions in SURVIVES.items()
            ),
            NOTICED,
            FORGETS,
            NOT_AGAIN,
            NOT_TWICE,
        ),
    )
)

# -- no disk loses anything ------------------------------------------------------------------------------------------

LOSSES = ("power_is_lost", "disk_is_lost")
clean = Claims(
    under(
        replication,
        "Any number of crashes, of all replicas at once too; every log is kept. No unclean election.",
        without=("controller_elects_unclean", UNTOLD, *LOSSES),
        settings=FORGETTING,
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


# -- eligible leader replicas ----------------------------------------------------------------------------------------

eligible = Claims(
    under(
        replication,
        "Any failure, of all replicas at once too, and KIP-966 is on. No unclean election.",
        without=("controller_elects_unclean", UNTOLD),
        settings={**FORGETTING, "has_elr": True},
    ),
    SMALL,
    refuted_at=GROWING,
    explored_with={"min_isr": 2},
    at_first=lambda s: s.at_least(s.min_isr, REPLICA, lambda _replica: True),
    within=LAST,
)


def who_is_eligible_or_dropped(s: State) -> Any:
    """Who is eligible, or is no more because it did not shut down by itself, are at least min.insync.replicas."""
    return s.at_least(s.min_isr, REPLICA, lambda r: anyof(is_eligible(s, r), s.was_dropped[r]))


eligible.clause(who_is_eligible_or_dropped)


eligible.theorem(
    Theorem(
        "ELIGIBLE-HOLD-COMMITTED",
        "With KIP-966 nobody is elected, and nobody whose log is there is eligible, without what is committed, and no"
        " committed record is replaced, whatever crashes, losses of power and losses of disks befall replicas.",
        of_state=committed_is_kept,
        of_step=committed_stays,
        assumes=COMMON,
    )
)
eligible.theorem(
    Theorem(
        "MIN-ISR",
        "With KIP-966 and min.insync.replicas = m, as long as fewer than m replicas have lost records or come back"
        " after shutting down otherwise than by themselves, there is a replica that may be elected and has all that is"
        " committed.",
        of_state=somebody_can_be_elected,
        assumes=COMMON,
    )
)

# -- states that must remain possible --------------------------------------------------------------------------------

for _claims, _kinds in (
    (clean, (a_deposed_leader, a_shrunk_isr, a_log_that_differs)),
    (eligible, (an_eligible_leader_replica, an_empty_isr)),
    (acknowledged, (an_acknowledged_record,)),
    (last, (a_replica_that_lost_what_was_committed,)),
):
    for _kind in _kinds:
        _claims.sometime(_kind)
