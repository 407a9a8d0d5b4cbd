"""KIP-101: a follower asks the leader where the epoch of its own last record ended, and truncates there.

What it can't do: where the leader knows nothing of that epoch, the follower cuts at the first newer one, and may keep
records that the leader never had (KIP-279).

Source: hachikuji/kafka-specification, Kip101.tla.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, implies, ite, no
from model.machines.published.base import EPOCH, OFFSET, REPLICA, is_asked
from model.machines.published.truncate_to_hw import followed, truncate_to_hw

kip101 = truncate_to_hw.extended("kip101", "Followers truncate to where the leader says that their last epoch ended.")


def ends_epoch(s: State, leader: Any, follower: Any, end: Any) -> Any:
    """Whether `end` is where the leader says that the epoch of the follower's last record ended."""
    log, epoch = s.log[leader], s.log[follower].last.epoch
    is_latest = allof(no(log.is_empty()), log.last.epoch == epoch)

    def is_newer(offset: Any) -> Any:
        return allof(offset < log.end, log[offset].epoch > epoch)

    no_newer = s.every(OFFSET, lambda offset: no(is_newer(offset)))
    first_newer = allof(is_newer(end), s.every(OFFSET, lambda offset: implies(is_newer(offset), end <= offset)))
    other = ite(no_newer, end == s.hw[follower], first_newer)
    return ite(is_latest, end == log.end, other)


@kip101.action(replica=REPLICA, leader=REPLICA, epoch=EPOCH, end=OFFSET)
def become_follower(s: State, replica: Any, leader: Any, epoch: Any, end: Any) -> Step:
    """A replica becomes follower and truncates to the end of its last epoch, as the leader knows it.

    Who: a replica that a LeaderAndIsr request tells of another leader; the request may be stale.
    When: the request's epoch is newer than its own. The leader answers in whatever state it is.
    Changes: its epoch, leader and ISR are the request's; its log ends at `end`.
    Source: KIP-101; Kip101.tla, BecomeFollowerTruncateKip101.
    """
    is_empty = s.log[replica].is_empty()
    return Step(
        (
            *is_asked(s, replica, leader, epoch),
            Guard("it_is_another", replica != leader),
            Guard("its_log_is_that_long", end <= s.log[replica].end),
            Guard(
                "its_last_epoch_ended_there",
                anyof(allof(is_empty, end == 0), allof(no(is_empty), ends_epoch(s, leader, replica, end))),
                safety_critical=True,
            ),
        ),
        lambda: followed(s, replica, leader, epoch, end),
    )
