"""An idempotent producer as cases drive it: it numbers its records rightly unless it is told to lie.

Not here: retries. A case sends a batch again when that is its matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from conformance.case import Run, batch_of
from conformance.client import poll
from conformance.session import Pending, Performed, now_ms
from conformance.wire.batch import encoded_size
from model.reference.batch import SEQUENCE_LIMIT, Batch
from model.reference.operations import (
    LATEST,
    DeleteRecords,
    DeleteRecordsPart,
    InitProducerId,
    Isolation,
    ListOffsets,
    ListOffsetsPart,
    Produce,
    ProducePart,
)
from model.reference.producer_ids import NOT_YET


def fresh_id(run: Run, connection: str = "main", **asked: Any) -> int:
    """A producer id that the target has just handed out; a broker that has just started may take a while."""

    def handed_out() -> object:
        step = run.perform(InitProducerId(**asked), connection)
        return step.values(-1) if step.reached != (NOT_YET,) else None

    found = poll("a producer id", handed_out)["producer_id"]
    if not isinstance(found, int):
        raise TypeError(f"a producer id is a number, not {found!r}")
    return found


@define
class Producer:
    """A producer with an id of its own; `due` is the sequence number that comes next, by topic and partition."""

    run: Run
    epoch: int = 0
    id: int = field(default=-1)
    due: dict[tuple[str, int], int] = field(factory=dict)
    made: int = 0
    """How many batches were made so far: their values tell them apart."""

    def __attrs_post_init__(self) -> None:
        if self.id == -1:
            self.id = fresh_id(self.run)

    def batch(self, first: int, count: int = 1, *, epoch: int | None = None, age_ms: int = 0) -> Batch:
        """A batch of `count` new records numbered from `first` on, whose timestamps are so many milliseconds old."""
        self.made += 1
        return batch_of(
            *(f"{self.id}-{self.made}-{index}".encode() for index in range(count)),
            timestamp=now_ms() - age_ms,  # what a leader remembers of a producer ages by it
            producer_id=self.id,
            producer_epoch=self.epoch if epoch is None else epoch,
            base_sequence=first,
        )

    def next(self, topic: str, count: int = 1, *, partition: int = 0) -> Batch:
        """The batch that is due on this partition."""
        place = topic, partition
        first = self.due.get(place, 0)
        self.due[place] = (first + count) % SEQUENCE_LIMIT
        return self.batch(first, count)

    def send_next(self, topic: str, count: int = 1, *, partition: int = 0, connection: str = "main") -> Batch:
        """Make the batch that is due and send it."""
        batch = self.next(topic, count, partition=partition)
        self.run.produce(topic, batch, partition=partition, connection=connection)
        return batch


def pipelined(run: Run, topic: str, batches: Sequence[Batch]) -> None:
    """Send batches on one connection without awaiting answers, as a client does with several requests in flight."""
    under_way = []
    for batch in batches:
        part = ProducePart(topic=topic, batches=(batch,), sizes=(encoded_size(batch),))
        sent = run.send(Produce(parts=(part,)))
        if isinstance(sent, Pending):
            under_way.append(sent)
    # All answers are read before one is judged: a case that fails leaves none behind on the connection.
    answers = [(pending, *run.await_answer(pending)) for pending in under_way]
    for pending, outcome, exchange in answers:
        run.judged(pending, outcome, exchange)


def list_offsets(
    run: Run,
    topic: str,
    *timestamps: int,
    partition: int = 0,
    current_leader_epoch: int = -1,
    isolation: Isolation = Isolation.READ_UNCOMMITTED,
) -> Performed:
    """Look up each timestamp in a partition, one request for each; the last answer is returned."""
    steps: Sequence[Performed] = [
        run.perform(
            ListOffsets(
                parts=(
                    ListOffsetsPart(
                        topic=topic,
                        partition=partition,
                        timestamp=timestamp,
                        current_leader_epoch=current_leader_epoch,
                    ),
                ),
                isolation=isolation,
            )
        )
        for timestamp in timestamps
    ]
    return steps[-1]


def show_log(run: Run, topic: str, partition: int = 0) -> None:
    """Look at the log's end and at all that can be read: what was appended that should not have been shows here."""
    list_offsets(run, topic, LATEST, partition=partition)
    run.fetch(topic, run.cluster.topics[topic].partitions[partition].log_start_offset, partition=partition)


def delete_records(run: Run, topic: str, offset: int, partition: int = 0) -> Performed:
    """Raise the log start offset of a partition."""
    return run.perform(DeleteRecords(parts=(DeleteRecordsPart(topic=topic, partition=partition, offset=offset),)))
