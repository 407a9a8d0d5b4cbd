"""What the theorems about `model.machines.replication` say, of a state or of a step.

What they are called, what they assume and where they hold is in `properties.invariants.replication`.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, anyof, implies, no
from model.machines.replication import EPOCH, OFFSET, REPLICA
from properties.invariants.replication_lemmas import eligible_hold_committed, later_leaders_hold_committed
from properties.invariants.replication_words import every, has, is_eligible


def same_records_same_past(s: State) -> Any:
    """Logs that have a record of the same epoch at an offset are the same before it."""
    return every(
        s,
        (REPLICA, REPLICA, OFFSET, OFFSET),
        lambda r, q, i, j: implies(
            allof(i <= j, j < s.end[r], j < s.end[q], s.log[r, j] == s.log[q, j]), s.log[r, i] == s.log[q, i]
        ),
    )


def one_leader_per_epoch(s: State) -> Any:
    """Who leads in an epoch is the one who was elected in it."""
    return every(s, (REPLICA,), lambda leader: implies(s.leads[leader], s.elected[s.epoch[leader]] == leader))


def fetches_are_of_the_epoch(s: State) -> Any:
    """What a leader that forgets knows of a fetch was sent in its epoch, and no further than was asked for there."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: implies(
            allof(no(s.keeps_positions), s.leads[leader], s.fetched_as[leader, q] > 0),
            allof(
                s.has_sent[s.epoch[leader], q, s.fetched_as[leader, q]],
                s.fetched[leader, q] <= s.sent_to[s.epoch[leader], q, s.fetched_as[leader, q]],
            ),
        ),
    )


def leaders_stay_elected(before: State, after: State) -> Any:
    """Whoever was elected in a leader epoch remains the only one."""
    return before.every(
        EPOCH,
        lambda e: implies(
            allof(e <= before.leader_epoch, before.elected[e].exists), after.elected[e] == before.elected[e]
        ),
    )


def nobody_goes_back(before: State, after: State) -> Any:
    """No replica goes back to an earlier leader epoch."""
    return before.every(REPLICA, lambda r: after.epoch[r] >= before.epoch[r])


def leaders_hw_grows(before: State, after: State) -> Any:
    """Who goes on leading in the same epoch does not lower its high watermark."""
    return before.every(
        REPLICA,
        lambda leader: implies(
            allof(before.leads[leader], after.leads[leader], before.epoch[leader] == after.epoch[leader]),
            after.hw[leader] >= before.hw[leader],
        ),
    )


def committed_is_kept(s: State) -> Any:
    """Everybody who is eligible and has its log, and every later leader, has what is committed."""
    return allof(eligible_hold_committed(s), later_leaders_hold_committed(s))


def committed_stays(before: State, after: State) -> Any:
    """What was committed at an offset stays what it is."""
    return before.every(OFFSET, lambda o: implies(before.committed[o] != 0, after.committed[o] == before.committed[o]))


def read_is_committed(s: State) -> Any:
    """What is below anybody's high watermark, leader or follower, is committed, and is what the log has there."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda r, o: implies(o < s.hw[r], allof(s.committed[o] != 0, has(s, r, o, s.committed[o]))),
    )


def somebody_can_be_elected(s: State) -> Any:
    """Unless min.insync.replicas have lost records or were dropped, somebody eligible has all that is committed."""
    are_gone = s.at_least(s.min_isr, REPLICA, lambda r: anyof(s.was_dropped[r], s.has_lost[r]))
    return anyof(
        are_gone,
        s.some(
            REPLICA,
            lambda r: allof(
                is_eligible(s, r),
                no(s.has_lost[r]),
                s.every(OFFSET, lambda o: implies(s.committed[o] != 0, has(s, r, o, s.committed[o]))),
            ),
        ),
    )
