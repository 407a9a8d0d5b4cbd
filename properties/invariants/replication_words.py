"""The words in which claims about `model.machines.replication` are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.language import Sort, State, allof, anyof, implies, no
from model.machines.replication import REPLICA, left_with
from model.machines.replication_state import counts


def every(s: State, sorts: tuple[Sort, ...], body: Callable[..., Any]) -> Any:
    """For all values of some sorts."""

    def nested(rest: tuple[Sort, ...], found: tuple[Any, ...]) -> Any:
        return body(*found) if not rest else s.every(rest[0], lambda each: nested(rest[1:], (*found, each)))

    return nested(sorts, ())


def has(s: State, replica: Any, offset: Any, epoch: Any) -> Any:
    """Whether a replica's record at an offset is of an epoch."""
    return allof(offset < s.end[replica], s.log[replica, offset] == epoch)


def was_written_in(s: State, epoch: Any, offset: Any) -> Any:
    """Whether the leader of an epoch wrote a record of its own at an offset."""
    return allof(epoch > 0, s.has_begun[epoch], offset < s.written_end[epoch], s.written[epoch, offset] == epoch)


def may_commit(s: State, epoch: Any, offset: Any) -> Any:
    """Whether all of an epoch's last ISR that have gone on to later epochs took a record of its leader along."""
    first = s.first_to_go[epoch]
    return allof(offset < s.written_end[epoch], implies(first.exists, offset < left_with(s, epoch, first.value)))


def is_decided(s: State, version: Any) -> Any:
    """Whether there is a decision of a partition epoch."""
    return version <= s.partition_epoch


def is_candidate(s: State, replica: Any) -> Any:
    """Whether the controller would now add a replica to the ISR, if it had a session."""
    now = s.partition_epoch
    return allof(
        s.asks_to_add[now] == replica,
        no(s.is_refused[now]),
        s.asks_as[now] == s.broker_epoch[replica],
        is_under_way(s, now),
    )


def is_intact(s: State, replica: Any, epoch: Any) -> Any:
    """Whether a replica has lost nothing since it was in an epoch's last ISR."""
    return allof(no(s.has_lost[replica]), s.epoch_of[s.started_at[replica]] <= epoch)


def is_eligible(s: State, replica: Any) -> Any:
    """Whether a replica is in the ISR, or among the eligible leader replicas."""
    return anyof(s.isr.has(replica), s.elr.has(replica))


def is_unheard(s: State, version: Any) -> Any:
    """Whether a decision's leader has not led under it or a newer one since it started, and may yet."""
    epoch = s.epoch_of[version]
    leader = s.elected[epoch].value
    known, has_started = s.knows[leader], s.started_at[leader] <= version
    only_follows = allof(s.alive[leader], no(s.leads[leader]), known > 0, known <= version, has_started)
    return anyof(
        no(s.has_begun[epoch]),
        allof(s.epoch[leader] == epoch, anyof(allof(s.leads[leader], known < version), only_follows)),
        allof(known == 0, has_started),
    )


def is_under_way(s: State, version: Any) -> Any:
    """Whether the leader asked for a change of a decision's ISR, and has not registered anew since."""
    leader = s.elected[s.epoch_of[version]]
    asks = anyof(s.asks_to_add[version].exists, s.asks_to_drop[version].exists)
    return allof(asks, leader.exists, s.asked_by[version] == s.broker_epoch[leader.value])


def is_its_epochs_leader(s: State, replica: Any) -> Any:
    """Whether a replica was elected in the epoch that it is in; it may have stopped since."""
    return allof(s.epoch[replica] > 0, s.elected[s.epoch[replica]] == replica)


def has_from_all(s: State, leader: Any, offset: Any) -> Any:
    """Whether a leader may raise its high watermark past a record."""
    return allof(
        s.leads[leader],
        offset < s.end[leader],
        s.is_enough[s.knows[leader]],
        s.every(REPLICA, lambda q: implies(allof(q != leader, counts(s, leader, q)), s.fetched[leader, q] > offset)),
    )
