"""The segments of a log: when a new one begins, what their indexes hold, what a flush covers and a recovery yields.

A log is kept in segments, named by the offset of their first record; the last one is active and the only one that is
written to. All functions here are over data: a clock's value and a setting are arguments. Sizes are bytes, times
milliseconds since 1970, offsets those of records.

Not here: what is deleted (`model.reference.retention`), what compaction keeps (`model.reference.compaction`), and what
a loss of power leaves (`model.machines.durability`).

Source: LogSegment.java, OffsetIndex.java, TimeIndex.java, LogLoader.scala, UnifiedLog.scala (3.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from attrs import evolve, frozen

NO_TIMESTAMP = -1
RELATIVE_OFFSET_MAX = 2**31 - 1
"""How far an offset may be from its segment's first (AbstractIndex.toRelative): four bytes, signed."""
OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES = 8, 12
INDEX_BYTES_MAX = 2**31 - 1
"""The largest that segment.index.bytes can be."""


class Ending(StrEnum):
    """How a control batch ends the transaction of its producer (EndTransactionMarker)."""

    COMMIT = "commit"
    ABORT = "abort"


@frozen(kw_only=True)
class DiskRecord:
    """A record as compaction looks at it. Without a value it is a tombstone."""

    offset: int
    key: bytes | None = None
    value: bytes | None = b""


@frozen(kw_only=True)
class DiskBatch:
    """A batch as it lies in a segment: its offsets, its bytes, its greatest timestamp."""

    base_offset: int
    last_offset: int
    size: int
    max_timestamp: int = NO_TIMESTAMP
    is_valid: bool = True
    """Whether its bytes are all there and the checksum is theirs."""
    records: tuple[DiskRecord, ...] = ()
    delete_horizon_ms: int | None = None
    """From when on its tombstones may go; it is set by the first cleaning that sees them. A marker has one, too."""
    producer_id: int = -1
    producer_epoch: int = -1
    is_transactional: bool = False
    ending: Ending | None = None
    """For a control batch: what it says of its producer's transaction."""


@frozen(kw_only=True)
class Segment:
    """A segment: its batches in order. `created_ms` and `modified_ms` are its file's."""

    base_offset: int
    batches: tuple[DiskBatch, ...] = ()
    created_ms: int = 0
    modified_ms: int = 0

    @property
    def size(self) -> int:
        """How many bytes its batches take."""
        return sum(each.size for each in self.batches)

    @property
    def next_offset(self) -> int:
        """The offset after its last record; its own first if it is empty (`readNextOffset`)."""
        return self.batches[-1].last_offset + 1 if self.batches else self.base_offset

    @property
    def largest_timestamp(self) -> int:
        """The greatest timestamp, or when the file was changed if no batch has any (`LogSegment.largestTimestamp`)."""
        greatest = max((each.max_timestamp for each in self.batches), default=NO_TIMESTAMP)
        return greatest if greatest >= 0 else self.modified_ms

    def appended(self, batch: DiskBatch, now_ms: int) -> Segment:
        """This segment with one more batch."""
        return evolve(self, batches=(*self.batches, batch), modified_ms=now_ms)


@frozen(kw_only=True)
class Limits:
    """The settings that end a segment, by Kafka's names."""

    segment_bytes: int = 1_073_741_824
    segment_ms: int = 604_800_000
    """What `life_ms` says of it."""
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10_485_760
    index_interval_bytes: int = 4096


def life_ms(segment_ms: int, max_compaction_lag_ms: int, *, compacts: bool) -> int:
    """How old a segment may become: `segment.ms`, or `max.compaction.lag.ms` if that is less and the log is compacted.

    A record is compacted only once its segment is no longer active. What lets whole segments go for their age is
    another rule (`model.reference.retention`).
    Source: LogConfig.maxSegmentMs.
    """
    return min(segment_ms, max_compaction_lag_ms) if compacts and max_compaction_lag_ms > 0 else segment_ms


# -- a new segment ---------------------------------------------------------------------------------------------------


class RollReason(StrEnum):
    """Why a batch goes to a new segment."""

    SIZE = "the segment would be larger than segment.bytes"
    AGE = "its first batch is older than segment.ms"
    OFFSET_INDEX = "its offset index is full"
    TIME_INDEX = "its time index has room for the last entry only"
    OFFSETS = "the batch's last offset is too far from the segment's first"


def waited_ms(segment: Segment, batch_max_timestamp: int, now_ms: int) -> int:
    """How old a segment is when a batch comes.

    Told by the records' times if the first batch has one, so that replicas roll alike; by the clock if not.
    Source: KIP-33, LogSegment.timeWaitedForRoll.
    """
    first = segment.batches[0].max_timestamp if segment.batches else NO_TIMESTAMP
    return batch_max_timestamp - first if first >= 0 else now_ms - segment.created_ms


def jitters_ms(limits: Limits) -> tuple[int, int]:
    """The least and the most that a segment's life may be shortened by: less than `segment.jitter.ms`, drawn for each.

    Source: LogConfig.randomSegmentJitter.
    """
    return 0, max(0, min(limits.segment_jitter_ms, limits.segment_ms) - 1)


def roll_reason(segment: Segment, batch: DiskBatch, limits: Limits, now_ms: int, jitter_ms: int) -> RollReason | None:
    """Why a batch must go to a new segment; None: it goes to this one.

    `jitter_ms` is what was drawn for the segment. A batch that fits exactly stays; an empty segment is not too old, and
    may be too small.
    Source: LogSegment.shouldRoll.
    """
    if segment.size > limits.segment_bytes - batch.size:
        return RollReason.SIZE
    if segment.size > 0 and waited_ms(segment, batch.max_timestamp, now_ms) > limits.segment_ms - jitter_ms:
        return RollReason.AGE
    if len(offset_index(segment, limits)) >= limits.segment_index_bytes // OFFSET_ENTRY_BYTES:
        return RollReason.OFFSET_INDEX
    if len(time_index(segment, limits)) >= limits.segment_index_bytes // TIME_ENTRY_BYTES - 1:
        return RollReason.TIME_INDEX
    if not 0 <= batch.last_offset - segment.base_offset <= RELATIVE_OFFSET_MAX:
        return RollReason.OFFSETS
    return None


# -- indexes ---------------------------------------------------------------------------------------------------------


def _indexed(segment: Segment, limits: Limits) -> list[tuple[DiskBatch, int]]:
    """The batches that have an index entry, with their positions.

    A batch has one if more than `index.interval.bytes` lie between it and the last that has one (or the beginning).
    """
    found, position, since = [], 0, 0
    for batch in segment.batches:
        if since > limits.index_interval_bytes:
            found.append((batch, position))
            since = 0
        since += batch.size
        position += batch.size
    return found


def offset_index(segment: Segment, limits: Limits) -> list[tuple[int, int]]:
    """The offset index: last offset and position of some batches, the same after a recovery as after the appends.

    Source: LogSegment.append, LogSegment.recover.
    """
    return [(batch.last_offset, position) for batch, position in _indexed(segment, limits)]


def time_index(segment: Segment, limits: Limits) -> list[tuple[int, int]]:
    """The time index of an active segment: a greatest timestamp so far, and the last offset of the batch that has it.

    An entry is only made if the timestamp is greater than the last entry's. A segment that is closed has one more, for
    its greatest timestamp.
    Source: KIP-33, TimeIndex.maybeAppend.
    """
    entries: list[tuple[int, int]] = []
    indexed = {position for _, position in _indexed(segment, limits)}
    greatest, offset, position = NO_TIMESTAMP, segment.base_offset, 0
    for batch in segment.batches:
        if batch.max_timestamp > greatest:
            greatest, offset = batch.max_timestamp, batch.last_offset
        if position in indexed and greatest > (entries[-1][0] if entries else NO_TIMESTAMP):
            entries.append((greatest, offset))
        position += batch.size
    return entries


def may_have_full_index(segment: Segment, limits: Limits) -> bool:
    """Whether an index may be full of a segment that was active at a start, once or several times.

    `index.interval.bytes` may be counted from zero again then (LogSegment.bytesSinceLastIndexEntry), so that there are
    fewer entries; a stop adds one to the time index (LogSegment.onBecomeInactiveSegment). But in neither index a batch
    has more than one, and the time index is the first to be full.
    """
    return len(segment.batches) >= limits.segment_index_bytes // TIME_ENTRY_BYTES - 1


# -- flushes ---------------------------------------------------------------------------------------------------------


def is_flush_due(unflushed: int, flush_messages: int) -> bool:
    """Whether an append has to flush the log before it is done: `flush.messages` records are not flushed.

    Source: UnifiedLog.append (`unflushedMessages >= config.flushInterval`).
    """
    return unflushed >= flush_messages


def is_flush_overdue(last_flush_ms: int, now_ms: int, flush_ms: int) -> bool:
    """Whether the scheduler flushes the log when it runs, each `log.flush.scheduler.interval.ms`: after `flush.ms`.

    Source: LogManager.flushDirtyLogs.
    """
    return now_ms - last_flush_ms >= flush_ms


def recovery_point(point: int, flushed_to: int) -> int:
    """The offset below which everything was flushed, after a flush up to an offset. It never falls by a flush.

    A roll flushes up to the new segment's first offset, a clean stop up to the log's end.
    Source: UnifiedLog.flush, UnifiedLog.roll, LocalLog.markFlushed.
    """
    return max(point, flushed_to)


# -- recovery --------------------------------------------------------------------------------------------------------


@frozen
class Recovered:
    """What a recovery yields: segments, the offset of the next record, and the segments that it set aside."""

    segments: tuple[Segment, ...]
    log_end_offset: int
    recovery_point: int
    dropped: tuple[Segment, ...] = ()


def valid_batches(segment: Segment) -> tuple[DiskBatch, ...]:
    """The batches of a segment up to the first that is not valid (LogSegment.recover)."""
    for place, batch in enumerate(segment.batches):
        if not batch.is_valid:
            return segment.batches[:place]
    return segment.batches


def first_checked(found: Sequence[Segment], point: int) -> int:
    """Which segment holds the recovery point, by its place: a recovery begins with it (LogSegments.values)."""
    return max((place for place, each in enumerate(found) if each.base_offset <= point), default=0)


def _checked(found: Sequence[Segment], point: int, *, may_have_gaps: bool) -> list[Segment]:
    """The segments that are left when those from the one with the recovery point on were checked."""
    first = first_checked(found, point)
    left = list(found[:first])
    for segment in found[first:]:
        if len(left) > first and not may_have_gaps and left[-1].next_offset != segment.base_offset:
            break
        left.append(evolve(segment, batches=valid_batches(segment)))
        if left[-1] != segment:
            break
    return left


def recovered(
    found: Sequence[Segment],
    point: int,
    log_start_offset: int,
    *,
    was_clean: bool,
    may_have_gaps: bool = True,
    now_ms: int = 0,
) -> Recovered:
    """What is left of a log after a start.

    After a clean stop the segments are believed. After any other, those from the one that holds the recovery point on
    are checked batch by batch; the log is cut at the first batch that is not valid, and all later segments go. If what
    is left ends before the log's start, all of it goes, and the log begins anew at its start. The recovery point is the
    log's end if all was believed; in any other case it does not rise.

    `may_have_gaps` is whether offsets may be missing between two of the segments that are checked: true of Kafka's
    logs, where a compaction or a leader's gaps leave them, and where nobody looks. A log of which it is false is cut
    there, too: a loss of power may leave less of a segment than of the next one, and what is recovered is a prefix of
    what was appended (the theorem RECOVERED-IS-PREFIX of `model.machines.durability`).
    Source: LogLoader.recoverLog.
    """
    segments, dropped = list(found), []
    if not was_clean:
        segments = _checked(found, point, may_have_gaps=may_have_gaps)
        dropped = list(found[len(segments) :])
    if segments and segments[-1].next_offset < log_start_offset:
        segments, dropped = [], [*segments, *dropped]
    is_believed = was_clean and bool(segments)
    if not segments:
        segments = [Segment(base_offset=log_start_offset, created_ms=now_ms, modified_ms=now_ms)]
    end = segments[-1].next_offset
    return Recovered(tuple(segments), end, end if is_believed else min(point, end), tuple(dropped))
