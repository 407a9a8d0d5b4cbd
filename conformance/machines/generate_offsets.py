"""Steps that ask where things are: ListOffsets, OffsetForLeaderEpoch, producer ids; and DeleteRecords."""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.generate_log import PARTITIONS, TIME_MS, TOPICS
from conformance.machines.steps import kind
from model.reference.operations import (
    EARLIEST,
    EARLIEST_LOCAL,
    HIGH_WATERMARK,
    LATEST,
    MAX_TIMESTAMP,
    DeleteRecords,
    DeleteRecordsPart,
    InitProducerId,
    Isolation,
    ListOffsets,
    ListOffsetsPart,
    Operation,
)

CLAIMED_EPOCHS = st.sampled_from(("none", "none", "none", "current", "older", "newer"))
"""Which leader epoch a client claims to know."""
NOWHERE = 100
"""A partition that there is not."""


def claimed_epoch(actor: Actor, topic: str, partition: int, choice: str) -> int:
    """The leader epoch that a choice means; -1 (none) where none is known."""
    known = actor.world.cluster.partition(topic, partition)
    epoch = known.leader_epoch if known is not None else None
    if choice == "none" or epoch is None:
        return -1
    return {"current": epoch, "older": max(epoch - 1, 0), "newer": epoch + 1}[choice]


@kind(
    "LST", "EPO",
    topic=TOPICS, partition=PARTITIONS,
    what=st.sampled_from((LATEST, EARLIEST, LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, -6)),
    epoch=CLAIMED_EPOCHS, committed=st.booleans(),
)  # fmt: skip
def list_end(actor: Actor, topic: int, partition: int, what: int, epoch: str, committed: bool) -> Operation:
    """Where a partition starts or ends, or where its newest record is."""
    name = actor.topic(topic)
    index = actor.partition(name, partition)
    part = ListOffsetsPart(
        topic=name,
        partition=index,
        timestamp=what,
        current_leader_epoch=claimed_epoch(actor, name, index, epoch),
    )
    return ListOffsets(parts=(part,), isolation=Isolation(int(committed)))


@kind("LST", topic=TOPICS, partition=PARTITIONS, after_ms=st.integers(-2, 60))
def list_by_time(actor: Actor, topic: int, partition: int, after_ms: int) -> Operation:
    """The first record of a time or later."""
    name = actor.topic(topic)
    index = actor.partition(name, partition)
    return ListOffsets(parts=(ListOffsetsPart(topic=name, partition=index, timestamp=TIME_MS + after_ms),))


@kind("LST", twice=st.booleans())
def list_oddly(actor: Actor, twice: bool) -> Operation:
    """A partition named twice in one request, or one that there is not."""
    name = actor.topic(0)
    part = ListOffsetsPart(topic=name, partition=0 if twice else NOWHERE)
    return ListOffsets(parts=(part, part) if twice else (part,))


@kind("IDM", flaw=st.sampled_from(("", "", "empty_id", "half_named")))
def init_producer_id(actor: Actor, flaw: str) -> Operation:  # noqa: ARG001  no actor is needed to ask
    """A fresh producer id, or a request that must be refused."""
    if flaw == "half_named":
        return InitProducerId(producer_id=1, producer_epoch=-1)
    return InitProducerId(transactional_id="" if flaw == "empty_id" else None)


@kind(
    "LOG",
    topic=TOPICS, partition=PARTITIONS, back=st.integers(-1, 6),
    choice=st.sampled_from(("", "", "", "all", "nowhere", "negative")),
)  # fmt: skip
def delete_records(actor: Actor, topic: int, partition: int, back: int, choice: str) -> Operation:
    """Delete records up to some way before the end of the log, or past it."""
    name = actor.topic(topic)
    index = actor.partition(name, partition)
    known = actor.world.cluster.partition(name, index)
    end = known.log_end_offset if known is not None else 0
    offset = {"all": HIGH_WATERMARK, "negative": -5}.get(choice, max(end - back, 0))
    part = DeleteRecordsPart(topic=name, partition=NOWHERE if choice == "nowhere" else index, offset=offset)
    return DeleteRecords(parts=(part,))
