"""Steps that bring about what must come together: records of many segments that are deleted, stamps that nobody told.

Each performs what leads there by itself, and ends with the question.
"""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.generate_log import TIME_MS, produce_to, records_of
from conformance.machines.generate_topics import topic_of_character
from conformance.machines.steps import kind
from model.reference.batch import Batch
from model.reference.operations import (
    MAX_TIMESTAMP,
    DeleteRecords,
    DeleteRecordsPart,
    ListOffsets,
    ListOffsetsPart,
    Operation,
)


@kind(
    "LST",
    batches=st.integers(1, 6), back=st.integers(0, 4), after_ms=st.integers(0, 50), greatest=st.booleans(),
)  # fmt: skip
def list_among_deleted(actor: Actor, batches: int, back: int, after_ms: int, greatest: bool) -> Operation | None:
    """Fill small segments, delete most of their records, and look for a time or for the greatest one."""
    name = topic_of_character(actor, "segmented")
    if name is None:
        return None
    produces = [produce_to((name, 0), Batch(records=records_of(actor, 2))) for _ in range(batches)]
    actor.perform([(produce, 0) for produce in produces])
    known = actor.world.cluster.partition(name, 0)
    end = known.log_end_offset if known is not None else 0
    actor.perform([(DeleteRecords(parts=(DeleteRecordsPart(topic=name, offset=max(end - back, 0)),)), 0)])
    timestamp = MAX_TIMESTAMP if greatest else TIME_MS + after_ms
    return ListOffsets(parts=(ListOffsetsPart(topic=name, timestamp=timestamp),))


@kind("LST", "ACK", after_ms=st.integers(-2, 60))
def list_untold(actor: Actor, after_ms: int) -> Operation | None:
    """Have the broker stamp records without an answer, and look for a time among them."""
    name = topic_of_character(actor, "stamped")
    if name is None:
        return None
    actor.perform([(produce_to((name, 0), Batch(records=records_of(actor, 1)), acks=0), 0)])
    return ListOffsets(parts=(ListOffsetsPart(topic=name, timestamp=TIME_MS + after_ms),))
