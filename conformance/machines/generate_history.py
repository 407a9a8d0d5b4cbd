"""Steps that ask what earlier leaders wrote: where their epochs ended, and whether a reader follows another history.

They mean something in every state, and most after a restart that began another epoch. They look for a partition that
has had several first.
"""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor, Place
from conformance.machines.generate_log import PARTITIONS, TOPICS
from conformance.machines.generate_offsets import CLAIMED_EPOCHS, NOWHERE, claimed_epoch
from conformance.machines.steps import kind
from model.reference import epochs
from model.reference.operations import (
    Fetch,
    FetchPart,
    OffsetForLeaderEpoch,
    OffsetForLeaderEpochPart,
    Operation,
)
from model.reference.state import Partition

NO_EPOCH = -1
EPOCHS_MOST = 7
NAMES = (
    *("end_of_every_epoch", "end_of_epoch", "read_after_epoch", "produce_everywhere") * 2,
    *("delete_records", "list_end", "list_by_time"),
)
"""The kinds of step that are of use when the broker has been restarted, each as often as it is to be taken."""


def place_with_history(actor: Actor, topic: int, partition: int) -> Place:
    """A partition that has had several leader epochs; any if there is none."""
    name = actor.topic(topic)
    known = actor.world.cluster.topics
    places = [
        (each, index)
        for each in actor.topics
        for index, one in enumerate(known[each].partitions)
        if any(epoch > 0 for epoch, _ in epochs.kept(one))
    ]
    return places[(topic + partition) % len(places)] if places else (name, actor.partition(name, partition))


def epoch_of(partition: Partition | None, place: int) -> int:
    """An epoch by its place: from the one before all that the leader keeps to the one after its own."""
    kept = epochs.kept(partition) if partition is not None else ()
    first, last = (kept[0][0], kept[-1][0]) if kept else (0, 0)
    choices = range(max(first - 1, 0), last + 2)
    return choices[place % len(choices)]


@kind(
    "EPO",
    topic=TOPICS, partition=st.one_of(PARTITIONS, PARTITIONS, st.just(NOWHERE)), old=st.booleans(),
    asked=st.integers(-1, 5), epoch=CLAIMED_EPOCHS,
)  # fmt: skip
def end_of_epoch(actor: Actor, topic: int, partition: int, old: bool, asked: int, epoch: str) -> Operation:
    """Where a leader epoch ended; `old`: of a partition that has had several, if there is one."""
    name = actor.topic(topic)
    index = partition if partition == NOWHERE else actor.partition(name, partition)
    if old and partition != NOWHERE:
        name, index = place_with_history(actor, topic, partition)
    known = actor.world.cluster.partition(name, index)
    part = OffsetForLeaderEpochPart(
        topic=name,
        partition=index,
        leader_epoch=NO_EPOCH if asked == NO_EPOCH else epoch_of(known, asked),
        current_leader_epoch=claimed_epoch(actor, name, index, epoch),
    )
    return OffsetForLeaderEpoch(parts=(part,))


@kind("EPO", place=st.integers(0, 5))
def end_of_every_epoch(actor: Actor, place: int) -> None:
    """Where each leader epoch of a partition ended, from one before all that are kept to one that never was."""
    name, index = place_with_history(actor, place, place)
    known = actor.world.cluster.partition(name, index)
    for epoch in sorted({epoch_of(known, each) for each in range(EPOCHS_MOST)}):
        part = OffsetForLeaderEpochPart(topic=name, partition=index, leader_epoch=epoch)
        actor.perform([(OffsetForLeaderEpoch(parts=(part,)), 0)])


@kind(
    "EPO", "LOG",
    topic=TOPICS, partition=PARTITIONS, old=st.booleans(),
    read=st.integers(0, 5), ahead=st.integers(-1, 2), epoch=CLAIMED_EPOCHS,
)  # fmt: skip
def read_after_epoch(
    actor: Actor, topic: int, partition: int, old: bool, read: int, ahead: int, epoch: str
) -> Operation:
    """A read by who has read the records of an epoch, up to its end here, not quite as far, or further."""
    name = actor.topic(topic)
    place = place_with_history(actor, topic, partition) if old else (name, actor.partition(name, partition))
    known = actor.world.cluster.partition(*place)
    last = epoch_of(known, read)
    _, end = epochs.end_of(known, last) if known is not None else epochs.UNDEFINED
    if end < 0:
        end = known.log_end_offset if known is not None else 0
    part = FetchPart(
        topic=place[0],
        partition=place[1],
        offset=max(end + ahead, 0),
        last_fetched_epoch=last,
        current_leader_epoch=claimed_epoch(actor, *place, epoch),
    )
    return Fetch(parts=(part,))
