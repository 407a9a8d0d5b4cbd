"""Replication before KIP-101: a follower truncates to its own high watermark.

A follower that becomes follower again throws away everything above its high watermark, which may lag behind the
leader's: records that were committed are lost (KAFKA-1211, KIP-101's first scenario).

Source: hachikuji/kafka-specification, KafkaTruncateToHighWatermark.tla, and the actions of KafkaReplication.tla that
the later designs replace.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, least
from model.machines.published.base import (
    EPOCH,
    REPLICA,
    base,
    expand,
    follows,
    is_asked,
    presumes_leadership,
    shrink,
)

truncate_to_hw = base.extended("truncate-to-hw", "Followers truncate to their high watermark (before KIP-101).")


def is_caught_up(s: State, leader: Any, follower: Any, end: Any) -> Any:
    """Whether the follower has everything before `end`, as far as its log's length tells."""
    both_reach = allof(end <= s.log[leader].end, end <= s.log[follower].end)
    return allof(follows(s, leader, follower), anyof(end == 0, both_reach))


@truncate_to_hw.action(leader=REPLICA)
def leader_advances_hw(s: State, leader: Any) -> Step:
    """A leader raises its high watermark by one.

    Who: whoever holds itself to be the leader.
    When: all of the ISR that it knows of hold it to be the leader and reach past the high watermark.
    Changes: its high watermark.
    Source: KafkaReplication.tla, LeaderIncHighWatermark.
    """
    hw = s.hw[leader]
    return Step(
        (
            Guard("it_presumes_to_lead", presumes_leadership(s, leader)),
            Guard(
                "the_isr_reaches_past_it",
                s.isr[leader].every(lambda q: allof(follows(s, leader, q), hw < s.log[q].end)),
                safety_critical=True,
            ),
        ),
        lambda: s.but(hw=s.hw.set(leader, hw + 1)),
    )


@truncate_to_hw.action(leader=REPLICA, follower=REPLICA)
def leader_shrinks_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader removes a follower that lags behind.

    Who: the leader that the controller chose.
    When: the follower does not reach the leader's log end.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: KafkaReplication.tla, LeaderShrinkIsr.
    """
    return shrink(s, leader, follower, is_caught_up)


@truncate_to_hw.action(leader=REPLICA, follower=REPLICA)
def leader_expands_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader takes a follower into the ISR.

    Who: the leader that the controller chose.
    When: the follower reaches the leader's high watermark.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: KafkaReplication.tla, LeaderExpandIsr.
    """
    return expand(s, leader, follower, is_caught_up)


def followed(s: State, replica: Any, leader: Any, epoch: Any, end: Any) -> State:
    """A replica follows a leader from now on, its log cut at `end`."""
    return s.but(
        log=s.log.set(replica, s.log[replica].truncated(end)),
        hw=s.hw.set(replica, least(end, s.hw[replica])),
        epoch=s.epoch.set(replica, epoch),
        leader=s.leader.set(replica, leader),
        isr=s.isr.set(replica, s.requests[epoch].isr),
    )


@truncate_to_hw.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH)
def become_follower(s: State, replica: Any, leader: Any, epoch: Any) -> Step:
    """A replica becomes follower and truncates to its high watermark.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own.
    Changes: its epoch, leader and ISR are the request's; its log ends at its high watermark.
    Source: KafkaTruncateToHighWatermark.tla, BecomeFollowerTruncateToHighWatermark.
    """
    hw = s.hw[replica]
    return Step(
        (
            *is_asked(s, replica, leader, epoch),
            Guard("it_is_another", replica != leader),
            Guard("there_is_something_to_truncate", hw <= s.log[replica].end),
        ),
        lambda: followed(s, replica, leader, epoch, hw),
    )


def fetched(s: State, follower: Any, leader: Any) -> State:
    """The follower's log is one record longer; its high watermark is the leader's, as far as the log goes."""
    end = s.log[follower].end
    return s.but(
        log=s.log.set(follower, s.log[follower].append(s.log[leader][end])),
        hw=s.hw.set(follower, least(s.hw[leader], end + 1)),
    )


@truncate_to_hw.action(follower=REPLICA, leader=REPLICA)
def follower_fetches(s: State, follower: Any, leader: Any) -> Step:
    """A follower copies the next record.

    Who: a follower.
    When: whom it holds to be the leader does so too, in whatever epoch, and has a record at the follower's log end.
    Changes: the record is at its log's end; its high watermark is the leader's, as far as its log goes.
    Source: KafkaReplication.tla, FollowerReplicate.
    """
    return Step(
        (
            Guard("the_leader_presumes_to_lead", presumes_leadership(s, leader)),
            Guard("it_follows", follows(s, leader, follower)),
            Guard("there_is_more", s.log[follower].end < s.log[leader].end),
        ),
        lambda: fetched(s, follower, leader),
    )
