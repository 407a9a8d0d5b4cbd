"""KIP-279: a follower truncates to just after the last record that it shares with the leader.

What it can't do: a fetch is not held to an epoch, so a leader that was deposed may still count followers that have
moved on (KIP-320).

Source: hachikuji/kafka-specification, Kip279.tla.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, implies, no
from model.machines.published.base import EPOCH, OFFSET, REPLICA, has_entry_of, is_asked
from model.machines.published.kip101 import kip101
from model.machines.published.truncate_to_hw import followed

kip279 = kip101.extended("kip279", "Followers truncate to the last record that they share with the leader.")


def is_end_of_shared(s: State, leader: Any, follower: Any, end: Any) -> Any:
    """Whether `end` comes just after the last record that both hold at the same offset; 0 if there is none."""

    def shared(offset: Any) -> Any:
        return has_entry_of(s, leader, follower, offset)

    return allof(
        anyof(end == 0, allof(end > 0, shared(end - 1))),
        s.every(OFFSET, lambda offset: implies(shared(offset), offset < end)),
    )


@kip279.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH, end=OFFSET)
def become_follower(s: State, replica: Any, leader: Any, epoch: Any, end: Any) -> Step:
    """A replica becomes follower and keeps what it shares with the leader.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own. The leader answers in whatever state it is.
    Changes: its epoch, leader and ISR are the request's; its log ends after the last record that both hold.
    Source: KIP-279; Kip279.tla, BecomeFollowerTruncateKip279.
    """
    return Step(
        (
            *is_asked(s, replica, leader, epoch),
            Guard("it_is_another", replica != leader),
            Guard("what_they_share_ends_there", is_end_of_shared(s, leader, replica, end), safety_critical=True),
        ),
        lambda: followed(s, replica, leader, epoch, end),
    )


@kip279.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH)
def become_follower_while_empty(s: State, replica: Any, leader: Any, epoch: Any) -> Step:
    """A replica with an empty log becomes follower.

    The original says so twice: an empty log also shares nothing with the leader. It adds no state, but TLC counts
    the step twice, and so does this.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own, and its log is empty.
    Changes: its epoch, leader and ISR are the request's.
    Source: Kip279.tla, BecomeFollowerTruncateKip279, the first disjunct.
    """
    return Step(
        (
            *is_asked(s, replica, leader, epoch),
            Guard("it_is_another", replica != leader),
            Guard("its_log_is_empty", no(s.log[replica].end > 0)),
        ),
        lambda: followed(s, replica, leader, epoch, 0),
    )
