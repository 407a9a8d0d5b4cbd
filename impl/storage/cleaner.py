"""Compaction of one log: which segments, in what groups, and how their successors take their places.

The part of a log that was compacted before is clean, what follows is dirty, and the active segment is never touched
(`LogCleanerManager.cleanableOffsets`). A pass notes the newest offset of each dirty key, then copies what is to stay of
all segments up to there, clean ones too, into new files; these are made durable, renamed from `.cleaned` to `.swap`,
put in the place of the old ones, and renamed again (`Cleaner.doClean`, `LocalLog.replaceSegments`). `leftovers`
finishes or undoes a swap that was interrupted. Offsets never change. Sizes are bytes, times milliseconds since 1970.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Final

import attrs

from impl.storage.batch import parse_header
from impl.storage.cleaned_transactions import CleanedTransactions
from impl.storage.compaction import Compaction, NewestOffsets
from impl.storage.log import Log
from impl.storage.segment import RELATIVE_OFFSET_MAX, BatchAt, Segment
from impl.storage.stored_records import checked, told_where
from impl.storage.transactions import read_marker

logger = logging.getLogger(__name__)

SYNC_BYTES: Final = 4 << 20
# Yields the bytes that were worked through, and answers the offset up to which the log is clean.
Pass = Generator[int, None, int]


@attrs.frozen(slots=True)
class CompactionConfig:
    """When a compacted topic is compacted. Topic configs are named beside each."""

    dirty_ratio_min: float  # min.cleanable.dirty.ratio
    lag_ms_min: int  # min.compaction.lag.ms
    lag_ms_max: int  # max.compaction.lag.ms
    delete_retention_ms: int  # delete.retention.ms


@attrs.frozen(slots=True)
class Cleanable:
    """What of a log could be compacted now: offsets from `first_dirty` to before `end`, which begins a segment."""

    first_dirty: int
    end: int
    clean_bytes: int
    dirty_bytes: int
    is_overdue: bool  # a dirty record is older than max.compaction.lag.ms

    @property
    def ratio(self) -> float:
        """The part of the bytes that is dirty."""
        total = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total if total else 0.0

    def is_due(self, config: CompactionConfig) -> bool:
        """Whether it is worth a pass (`LogCleanerManager.grabFilthiestCompactedLog`)."""
        return (self.is_overdue and self.dirty_bytes > 0) or self.ratio > config.dirty_ratio_min


def cleanable(
    log: Log, checkpoint: int | None, config: CompactionConfig, last_stable_offset: int, now_ms: int
) -> Cleanable:
    """What could be compacted, if the log was clean up to `checkpoint` (None: nowhere).

    A checkpoint outside of the log counts for nothing (`LogCleanerManager.cleanableOffsets`).
    """
    is_inside = checkpoint is not None and log.log_start_offset <= checkpoint <= log.log_end_offset
    first_dirty = checkpoint if checkpoint is not None and is_inside else log.log_start_offset
    ends = [segment.base_offset for segment in log.segments[1:]]
    dirty = [segment for segment, end in zip(log.segments, ends, strict=False) if end > first_dirty]
    limits = [last_stable_offset]
    if config.lag_ms_min > 0:
        limits += [each.base_offset for each in dirty if each.largest_timestamp() > now_ms - config.lag_ms_min]
    uncleanable = max(first_dirty, min(limits))
    # The segment that holds this offset is spared; the log's end is held by the active segment.
    end = max(segment.base_offset for segment in log.segments if segment.base_offset <= uncleanable)
    times = [time for segment in dirty if (time := segment.first_batch_timestamp()) > 0]
    return Cleanable(
        first_dirty,
        end,
        sum(segment.size for segment in log.segments if segment.base_offset < first_dirty),
        sum(segment.size for segment in dirty if segment.base_offset < end),
        is_overdue=bool(times) and min(times) < now_ms - config.lag_ms_max,
    )


def clean(
    log: Log,
    part: Cleanable,
    config: CompactionConfig,
    keys_max: int,
    now_ms: int,
    discard: Callable[[Segment], None],
) -> Pass:
    """Compact a log, a batch at each step; it may be appended to and read meanwhile.

    `discard` is given each segment that was replaced; its files are renamed. Closing the generator ends the pass and
    leaves nothing behind. Raises DamagedBatchError, StorageError; segments that are not replaced by then stay as
    they are.
    """
    newest = NewestOffsets(keys_max)
    yield from _note_keys(log, part, newest)
    producers = log.producers
    remembered = producers.last_offsets(), producers.epochs_of_markers()
    compaction = Compaction(newest, *remembered, now_ms, config.delete_retention_ms)
    segments = [segment for segment in log.segments if segment.base_offset < newest.end_offset]
    for group in _groups(segments, part.end, log):
        cleaned = log.new_cleaned(group[0].base_offset, now_ms)
        try:
            yield from _copy(log, group, cleaned, compaction)
            cleaned.seal()
            cleaned.set_modified_ms(group[-1].modified_ms())
            cleaned.sync()
        except BaseException:
            cleaned.remove()
            raise
        before = sum(segment.size for segment in group)
        logger.info("%s: %d bytes were compacted to %d", cleaned.path(".log"), before, cleaned.size)
        log.replace(group, cleaned)
        for segment in group:
            discard(segment)
    return newest.end_offset


def _note_keys(log: Log, part: Cleanable, newest: NewestOffsets) -> Generator[int, None, None]:
    """Note the newest offsets of the keys in the dirty part, or in as much of it as there is room for.

    Keys of what was aborted are none. A pass may begin inside a segment. Transactions that were over by then must not
    be expected, though Kafka's cleaner does (`UnifiedLog.collectAbortedTransactions`): their markers don't come again,
    so that what their producers commit next would be taken for aborted and, if it is a tombstone, for nothing.
    """
    transactions = CleanedTransactions()
    transactions.expect(log.aborted_between(part.first_dirty, part.end))
    for header, segment, position in log.batches(part.first_dirty):
        if header.base_offset >= part.end:
            break
        if newest.is_full:
            return
        place = BatchAt(position, header)
        batch = checked(segment, place)
        if header.is_control:
            transactions.is_over(header, read_marker(batch, header))
        elif not transactions.is_aborted(header):
            with told_where(segment, place):
                newest.add(batch, header, part.first_dirty)
        newest.end_offset = header.next_offset
        yield header.size
    newest.end_offset = part.end  # also where the last offsets of a segment are missing


def _copy(log: Log, group: Sequence[Segment], cleaned: Segment, compaction: Compaction) -> Generator[int, None, None]:
    """Write what is to stay of the segments into a new one, and flush it bit by bit: at the end little is left."""
    synced_to = 0
    for segment in group:
        later = (each.base_offset for each in log.segments if each.base_offset > segment.base_offset)
        end = next(later, log.log_end_offset)
        compaction.transactions.expect(log.aborted_between(segment.base_offset, end))
        for batch in segment.batches_from(0):
            whole = checked(segment, batch)
            with told_where(segment, batch):
                kept = compaction.remaining(whole, batch.header)
            if kept is not None:
                header = parse_header(kept)
                cleaned.append(kept, header, header.max_timestamp)
            if cleaned.size - synced_to >= SYNC_BYTES:
                cleaned.sync()
                synced_to = cleaned.size
            yield batch.header.size
        if segment.aborted:
            cleaned.make_transaction_index()  # a swap that is interrupted takes the old one for it otherwise
        cleaned.note_aborted(compaction.transactions.still_there())


def _groups(segments: Sequence[Segment], end: int, log: Log) -> list[list[Segment]]:
    """Neighbours that fit into one segment together (`Cleaner.groupSegmentsBySize`).

    Their sizes before compaction count, so that a group may be smaller than it could be, but never too large.
    """
    limits = log.limits
    room = limits.bytes_max, limits.index_bytes_max, limits.index_bytes_max
    groups: list[list[Segment]] = []
    used = [0, 0, 0]
    for number, segment in enumerate(segments):
        last_offset = (segments[number + 1].base_offset if number + 1 < len(segments) else end) - 1
        own = [segment.size, *segment.index_bytes]
        together = [sum(pair) for pair in zip(used, own, strict=True)]
        fits = (
            bool(groups)
            and all(size <= size_max for size, size_max in zip(together, room, strict=True))
            and (segment.size == 0 or last_offset - groups[-1][0].base_offset <= RELATIVE_OFFSET_MAX)
        )
        if not fits:
            groups.append([])
        groups[-1].append(segment)
        used = together if fits else own
    return groups
