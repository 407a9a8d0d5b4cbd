"""KIP-320's first design: truncation apart from becoming follower, and fetches that compare epochs of records.

Kept because it fails: a follower is held to what its log says, not to the epoch that it is in. A leader that was
deposed can still count a follower that has already heard of its successor.

Source: hachikuji/kafka-specification, Kip320FirstTry.tla.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, least, no
from model.machines.published.base import (
    EPOCH,
    OFFSET,
    REPLICA,
    expand,
    follows,
    is_asked,
    presumes_leadership,
    shrink,
)
from model.machines.published.kip279 import is_end_of_shared, kip279
from model.machines.published.truncate_to_hw import fetched

kip320_first_try = kip279.extended(
    "kip320-first-try",
    "Followers truncate in a step of their own; fetches compare the epoch of the last record.",
    without=("become_follower_while_empty",),
)


def is_caught_up_in_epoch(s: State, leader: Any, follower: Any, end: Any) -> Any:
    """Whether the follower has everything before `end`, the last record of it in the leader's epoch."""
    both_reach = allof(end > 0, end <= s.log[leader].end, end <= s.log[follower].end)
    same_epoch = s.log[leader][end - 1].epoch == s.log[follower][end - 1].epoch
    return allof(
        presumes_leadership(s, leader), follows(s, leader, follower), anyof(end == 0, allof(both_reach, same_epoch))
    )


def hw_reached_epoch(s: State, leader: Any) -> Any:
    """Whether the leader's high watermark is at its log end, or at a record of its own epoch."""
    hw = s.hw[leader]
    of_its_epoch = allof(hw < s.log[leader].end, s.log[leader][hw].epoch == s.epoch[leader])
    return anyof(hw == s.log[leader].end, of_its_epoch)


@kip320_first_try.action(leader=REPLICA)
def leader_advances_hw(s: State, leader: Any) -> Step:
    """A leader raises its high watermark by one.

    Who: whoever holds itself to be the leader.
    When: all of the ISR that it knows of hold the record at the high watermark, in the leader's epoch of it.
    Changes: its high watermark.
    Source: Kip320FirstTry.tla, ImprovedLeaderIncHighWatermark.
    """
    hw = s.hw[leader]
    return Step(
        (
            Guard("it_presumes_to_lead", presumes_leadership(s, leader)),
            Guard("it_has_the_record", hw < s.log[leader].end),
            Guard(
                "the_isr_has_the_record",
                s.isr[leader].every(lambda q: is_caught_up_in_epoch(s, leader, q, hw + 1)),
                safety_critical=True,
            ),
        ),
        lambda: s.but(hw=s.hw.set(leader, hw + 1)),
    )


@kip320_first_try.action(leader=REPLICA, follower=REPLICA)
def leader_shrinks_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader removes a follower that lags behind.

    Who: the leader that the controller chose.
    When: the follower has not the record at the leader's log end, or of another epoch.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: Kip320FirstTry.tla, LeaderShrinkIsrBetterFencing.
    """
    return shrink(s, leader, follower, is_caught_up_in_epoch)


@kip320_first_try.action(leader=REPLICA, follower=REPLICA)
def leader_expands_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader takes a follower into the ISR.

    Who: the leader that the controller chose.
    When: the follower reaches the leader's high watermark, and that has reached the leader's epoch.
    Changes: the ISR, of the leader and of the controller; no new epoch.
    Source: Kip320FirstTry.tla, LeaderExpandIsrBetterFencing.
    """
    reached = Guard("the_hw_reached_the_epoch", hw_reached_epoch(s, leader), safety_critical=True)
    return expand(s, leader, follower, is_caught_up_in_epoch, reached)


@kip320_first_try.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH)
def become_follower(s: State, replica: Any, leader: Any, epoch: Any) -> Step:
    """A replica becomes follower; its log stays as it is.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own.
    Changes: its epoch, leader and ISR are the request's.
    Source: Kip320FirstTry.tla, BecomeFollower.
    """
    return Step(
        (*is_asked(s, replica, leader, epoch), Guard("it_is_another", replica != leader)),
        lambda: s.but(
            epoch=s.epoch.set(replica, epoch),
            leader=s.leader.set(replica, leader),
            isr=s.isr.set(replica, s.requests[epoch].isr),
        ),
    )


@kip320_first_try.action(follower=REPLICA, leader=REPLICA)
def follower_fetches(s: State, follower: Any, leader: Any) -> Step:
    """A follower copies the next record.

    Who: a follower.
    When: its last record is of the same epoch as the leader's at that offset, and the leader has one more.
    Changes: the record is at its log's end; its high watermark is the leader's, as far as its log goes.
    Source: Kip320FirstTry.tla, FollowerFetch.
    """
    end = s.log[follower].end
    return Step(
        (
            Guard("its_last_record_matches", is_caught_up_in_epoch(s, leader, follower, end), safety_critical=True),
            Guard("there_is_more", end < s.log[leader].end),
        ),
        lambda: fetched(s, follower, leader),
    )


@kip320_first_try.action(follower=REPLICA, leader=REPLICA, end=OFFSET)
def follower_truncates(s: State, follower: Any, leader: Any, end: Any) -> Step:
    """A follower cuts what it does not share with the leader.

    Who: a follower.
    When: its log is longer than the leader's, or its last record is of another epoch than the leader's there.
    Changes: its log ends after the last record that both hold; its high watermark is not past that.
    Source: Kip320FirstTry.tla, FollowerTruncate.
    """
    log = s.log[follower]
    differs = allof(
        no(log.is_empty()), log.end <= s.log[leader].end, s.log[leader][log.end - 1].epoch != log.last.epoch
    )
    return Step(
        (
            Guard("the_leader_presumes_to_lead", presumes_leadership(s, leader)),
            Guard("it_follows", follows(s, leader, follower)),
            Guard("its_end_is_not_the_leaders", anyof(log.end > s.log[leader].end, differs)),
            Guard("what_they_share_ends_there", is_end_of_shared(s, leader, follower, end), safety_critical=True),
        ),
        lambda: s.but(log=s.log.set(follower, log.truncated(end)), hw=s.hw.set(follower, least(end, s.hw[follower]))),
    )
