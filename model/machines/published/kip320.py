"""KIP-320: leader and follower must be in the same epoch for anything to pass between them.

Source: hachikuji/kafka-specification, Kip320.tla.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, anyof, no
from model.machines.published.base import (
    EPOCH,
    OFFSET,
    REPLICA,
    follows_in_epoch,
    is_asked,
    is_true_leader,
    presumes_leadership,
    with_isr,
)
from model.machines.published.kip279 import is_end_of_shared, kip279
from model.machines.published.kip320_first_try import hw_reached_epoch
from model.machines.published.truncate_to_hw import fetched, followed

kip320 = kip279.extended(
    "kip320",
    "Fetches, truncation and the counting of followers are fenced by the leader epoch.",
    without=("become_follower_while_empty", "leader_shrinks_isr"),
)


@kip320.action(leader=REPLICA)
def leader_advances_hw(s: State, leader: Any) -> Step:
    """A leader raises its high watermark by one.

    Who: whoever holds itself to be the leader.
    When: it and all of the ISR that it knows of, in the same epoch, reach past the high watermark.
    Changes: its high watermark.
    Source: KIP-320; Kip320.tla, FencedLeaderIncHighWatermark.
    """
    hw = s.hw[leader]
    return Step(
        (
            Guard("it_has_the_record", hw < s.log[leader].end),
            Guard(
                "the_isr_is_in_its_epoch",
                s.isr[leader].every(lambda q: follows_in_epoch(s, leader, q)),
                safety_critical=True,
            ),
            Guard("the_isr_reaches_past_it", s.isr[leader].every(lambda q: hw < s.log[q].end), safety_critical=True),
        ),
        lambda: s.but(hw=s.hw.set(leader, hw + 1)),
    )


def _may_shrink(s: State, leader: Any, follower: Any, why: Guard) -> Step:
    return Step(
        (
            Guard("it_is_the_leader", is_true_leader(s, leader), safety_critical=True),
            Guard("it_is_another", follower != leader),
            Guard("it_is_in_the_isr", s.isr[leader].has(follower)),
            why,
        ),
        lambda: with_isr(s, leader, s.isr[leader].minus(follower)),
    )


@kip320.action(leader=REPLICA, follower=REPLICA)
def leader_removes_absent(s: State, leader: Any, follower: Any) -> Step:
    """A leader removes a follower that does not follow it.

    Who: the leader that the controller chose.
    When: the follower is not in its epoch.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: Kip320.tla, FencedLeaderShrinkIsr, the first disjunct (where both hold, TLC counts the step twice).
    """
    return _may_shrink(s, leader, follower, Guard("it_does_not_follow", no(follows_in_epoch(s, leader, follower))))


@kip320.action(leader=REPLICA, follower=REPLICA)
def leader_removes_lagging(s: State, leader: Any, follower: Any) -> Step:
    """A leader removes a follower that lags behind.

    Who: the leader that the controller chose.
    When: the follower's log is shorter.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: Kip320.tla, FencedLeaderShrinkIsr, the second disjunct.
    """
    return _may_shrink(s, leader, follower, Guard("it_lags_behind", s.log[follower].end < s.log[leader].end))


@kip320.action(leader=REPLICA, follower=REPLICA)
def leader_expands_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader takes a follower into the ISR.

    Who: the leader that the controller chose.
    When: the follower is in its epoch and reaches its high watermark, and that has reached the epoch.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: KAFKA-7128; Kip320.tla, FencedLeaderExpandIsr.
    """
    hw = s.hw[leader]
    return Step(
        (
            Guard("it_is_the_leader", is_true_leader(s, leader), safety_critical=True),
            Guard("it_is_not_in_the_isr", no(s.isr[leader].has(follower))),
            Guard("it_is_in_its_epoch", follows_in_epoch(s, leader, follower), safety_critical=True),
            Guard("it_reaches_the_hw", anyof(hw == 0, hw <= s.log[follower].end), safety_critical=True),
            Guard("the_hw_reached_the_epoch", hw_reached_epoch(s, leader), safety_critical=True),
        ),
        lambda: with_isr(s, leader, s.isr[leader].plus(follower)),
    )


@kip320.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH, end=OFFSET)
def become_follower(s: State, replica: Any, leader: Any, epoch: Any, end: Any) -> Step:
    """A replica becomes follower and keeps what it shares with the leader.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own, and the leader is in just that epoch.
    Changes: its epoch, leader and ISR are the request's; its log ends after the last record that both hold.
    Source: KIP-320; Kip320.tla, FencedBecomeFollowerAndTruncate.
    """
    return Step(
        (
            *is_asked(s, replica, leader, epoch),
            Guard("it_is_another", replica != leader),
            Guard("the_leader_presumes_to_lead", presumes_leadership(s, leader)),
            Guard("the_leader_is_in_that_epoch", s.epoch[leader] == epoch, safety_critical=True),
            Guard("what_they_share_ends_there", is_end_of_shared(s, leader, replica, end), safety_critical=True),
            Guard("its_log_reaches_so_far", end <= s.log[replica].end),
        ),
        lambda: followed(s, replica, leader, epoch, end),
    )


@kip320.action(follower=REPLICA, leader=REPLICA)
def follower_fetches(s: State, follower: Any, leader: Any) -> Step:
    """A follower copies the next record.

    Who: a follower.
    When: it and the leader are in the same epoch, and the leader has a record at the follower's log end.
    Changes: the record is at its log's end; its high watermark is the leader's, as far as its log goes.
    Source: KIP-320; Kip320.tla, FencedFollowerFetch.
    """
    return Step(
        (
            Guard("it_follows_in_its_epoch", follows_in_epoch(s, leader, follower), safety_critical=True),
            Guard("there_is_more", s.log[follower].end < s.log[leader].end),
        ),
        lambda: fetched(s, follower, leader),
    )
