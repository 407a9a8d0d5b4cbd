"""What the cases of storage have in common: batches, steps, and histories of a log on a disk."""

from __future__ import annotations

from struct import Struct

from conformance.case import Run
from conformance.wire.batch import encoded_size
from model.reference.batch import Batch, Record
from model.reference.disk_steps import Append, DiskHistory, DiskStep
from model.reference.segments import NO_TIMESTAMP, Limits

TIME = 1_700_000_000_000
"""When the histories begin, in milliseconds since 1970."""
DAY = 86_400_000
NEEDS = ("storage",)
WIDE = Limits(index_interval_bytes=100)

MARKER_KEY, MARKER_VALUE = Struct(">hh"), Struct(">hi")
"""Version and type (0 aborts, 1 commits); version and coordinator's epoch."""

Pair = tuple[bytes | None, bytes | None]


def append(
    *pairs: Pair,
    at: int = 0,
    timestamp: int | None = None,
    now_ms: int | None = None,
    producer: tuple[int, int] = (-1, -1),
    transactional: bool = False,
) -> Append:
    """Append a batch of keys and values.

    Args:
        pairs: keys and values.
        at: how long after the beginning, in milliseconds.
        timestamp: of the records; None: when they are appended.
        now_ms: what the clock says; None: `at`.
        producer: an idempotent producer's id and the first sequence number.
        transactional: whether the batch belongs to a transaction.
    """
    now = TIME + at if now_ms is None else now_ms
    records = tuple(Record(value, key=key, timestamp=now if timestamp is None else timestamp) for key, value in pairs)
    id_, sequence = producer
    epoch = 0 if id_ >= 0 else -1
    batch = Batch(
        records=records,
        producer_id=id_,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=transactional,
    )
    return Append(batch=batch, size=encoded_size(batch), now_ms=now)


def end_transaction(producer_id: int, *, aborts: bool, at: int = 0, epoch: int = 0) -> Append:
    """Append the marker that ends a producer's transaction (EndTransactionMarker), of the coordinator's first epoch.

    The producer's `epoch` is a newer one if the coordinator has fenced it.
    """
    record = Record(MARKER_VALUE.pack(0, 0), key=MARKER_KEY.pack(0, 0 if aborts else 1), timestamp=TIME + at)
    batch = Batch(
        records=(record,), is_control=True, is_transactional=True, producer_id=producer_id, producer_epoch=epoch
    )
    return Append(batch=batch, size=encoded_size(batch), now_ms=TIME + at)


def one(at: int = 0, *, timestamp: int | None = None, now_ms: int | None = None) -> Append:
    """Append a record; all such batches are of one size."""
    return append((b"k", b"v"), at=at, timestamp=timestamp, now_ms=now_ms)


def some(count: int, at: int = 0) -> tuple[Append, ...]:
    """Append so many records, a batch each, a second apart."""
    return tuple(one(at + 1000 * each) for each in range(count))


ONE_BYTES = one().size
"""How many bytes such a batch has."""


def segments_of(batches: int, **given: int) -> Limits:
    """Segments that hold so many batches of one record."""
    return Limits(segment_bytes=batches * ONE_BYTES, **given)


def play(run: Run, *steps: DiskStep, limits: Limits = WIDE, **settings: int) -> None:
    """Play a history, from an empty log on; `settings` are those of `DiskHistory`."""
    run.perform(DiskHistory(steps=steps, limits=limits, **settings))


__all__ = [
    "DAY",
    "NEEDS",
    "NO_TIMESTAMP",
    "ONE_BYTES",
    "TIME",
    "WIDE",
    "Pair",
    "append",
    "end_transaction",
    "one",
    "play",
    "segments_of",
    "some",
]
