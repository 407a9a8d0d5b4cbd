"""Compaction: what a cleaning of a log with `cleanup.policy=compact` must keep, and what it may drop.

The newest record of every key stays. An older one is removed the next time the log is cleaned; one without a value (a
tombstone) goes too, but not before `delete.retention.ms` have passed since a cleaning first saw it, so that whoever
reads the log from its start in that time learns of the deletion. Offsets, order and timestamps of what stays do not
change. What was aborted goes, and counts for no key; the marker that ends a transaction goes `delete.retention.ms`
after a cleaning found nothing of it.

Source: LogCleaner.scala, LogCleanerManager.cleanableOffsets, MemoryRecords.filterTo, KIP-58, KIP-354, KIP-534
(3.9). Not modelled: producers that are forgotten after a while, the size of the offset map, and the merging of small
segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, frozen

from model.reference.segments import DiskBatch, DiskRecord, Ending, Segment

NO_LAG_MAX = 2**63 - 1


@frozen(kw_only=True)
class CleaningPolicy:
    """The settings of compaction, by Kafka's names."""

    min_cleanable_dirty_ratio: float = 0.5
    delete_retention_ms: int = 86_400_000
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = NO_LAG_MAX


@frozen
class Cleanable:
    """The offsets that a cleaning looks at anew, the end not included."""

    first_dirty_offset: int
    end: int


def closed_from(segments: Sequence[Segment], offset: int) -> list[Segment]:
    """The segments before the active one, from the one that holds an offset on (LogSegments.nonActiveLogSegmentsFrom).

    A segment holds all offsets up to the next one's first, also where it has no records.
    """
    following = (each.base_offset for each in segments[1:])
    return [segment for segment, end in zip(segments, following, strict=False) if end > offset]


def cleanable(
    segments: Sequence[Segment],
    last_clean_offset: int | None,
    log_start_offset: int,
    stable_offset: int,
    policy: CleaningPolicy,
    now_ms: int,
) -> Cleanable:
    """Which offsets can be cleaned.

    From where the last cleaning ended (the log's start, if that is unknown, or lies outside the log), up to the active
    segment, the last stable offset, and the first segment that has a record younger than `min.compaction.lag.ms`.
    Source: LogCleanerManager.cleanableOffsets.
    """
    end = segments[-1].next_offset
    first = log_start_offset if last_clean_offset is None else last_clean_offset
    if not log_start_offset <= first <= end:
        first = log_start_offset
    bounds = [stable_offset, segments[-1].base_offset]
    if policy.min_compaction_lag_ms > 0:
        young = now_ms - policy.min_compaction_lag_ms
        bounds += [each.base_offset for each in closed_from(segments, first) if each.largest_timestamp > young][:1]
    return Cleanable(first, max(first, min(bounds)))


def is_overdue(segments: Sequence[Segment], first_dirty_offset: int, policy: CleaningPolicy, now_ms: int) -> bool:
    """Whether what was not cleaned yet waits for too long: a segment began more than `max.compaction.lag.ms` ago.

    Told by the time of each segment's first batch; the active one does not count.
    Source: KIP-354, LogCleanerManager.maxCompactionDelay.
    """
    begun = (each.batches[0].max_timestamp for each in closed_from(segments, first_dirty_offset) if each.batches)
    return any(0 < time_ms < now_ms - policy.max_compaction_lag_ms for time_ms in begun)


def is_due(segments: Sequence[Segment], offsets: Cleanable, policy: CleaningPolicy, now_ms: int) -> bool:
    """Whether a log is cleaned.

    The part that would be cleaned anew is more than `min.cleanable.dirty.ratio` of all, or has waited for too long. A
    segment in the midst of which that part begins counts twice: as clean, and as dirty.
    Source: LogToClean.cleanableRatio, LogCleanerManager.calculateCleanableBytes, grabFilthiestCompactedLog.
    """
    first, end = offsets.first_dirty_offset, offsets.end
    clean = sum(each.size for each in segments if each.base_offset < first)
    dirty = sum(each.size for each in closed_from(segments, first) if each.base_offset < end) if first < end else 0
    is_late = is_overdue(segments, first, policy, now_ms)
    return dirty > 0 and (is_late or dirty / (clean + dirty) > policy.min_cleanable_dirty_ratio)


def newest_offsets(records: Iterable[DiskRecord]) -> dict[bytes, int]:
    """The newest offset of each key, of the records that are cleaned anew (Cleaner.buildOffsetMap)."""
    return {each.key: each.offset for each in records if each.key is not None}


def stays(
    record: DiskRecord, newest: Mapping[bytes, int], end: int, delete_horizon_ms: int | None, now_ms: int
) -> bool:
    """Whether a cleaning keeps a record.

    Args:
        record: of a segment that is cleaned.
        newest: the newest offset of each key that was looked at anew.
        end: where that ends; what is there or later stays.
        delete_horizon_ms: its batch's; None: no cleaning has seen its tombstones yet, and they stay.
        now_ms: when the cleaning began.

    Source: Cleaner.shouldRetainRecord. A record without a key goes: producers are not let write any.
    """
    if record.offset >= end:
        return True
    if record.key is None or record.offset < newest.get(record.key, -1):
        return False
    return record.value is not None or delete_horizon_ms is None or now_ms < delete_horizon_ms


def cleaned_batch(
    batch: DiskBatch,
    newest: Mapping[bytes, int],
    end: int,
    policy: CleaningPolicy,
    now_ms: int,
) -> DiskBatch | None:
    """A batch after a cleaning; None: nothing of it is left.

    Its offsets, also in the header, stay as they were. If it keeps a tombstone and has no delete horizon, it gets one.
    Source: MemoryRecords.filterTo, Cleaner.cleanInto.
    """
    kept = tuple(each for each in batch.records if stays(each, newest, end, batch.delete_horizon_ms, now_ms))
    if not kept:
        return None
    horizon = batch.delete_horizon_ms
    if horizon is None and any(each.value is None for each in kept):
        horizon = now_ms + policy.delete_retention_ms
    return evolve(batch, records=kept, delete_horizon_ms=horizon)


def endings(batches: Iterable[DiskBatch]) -> dict[int, DiskBatch]:
    """The marker that ended the transaction of each batch that was in one, by the batch's first offset."""
    open_: dict[int, list[int]] = {}
    found: dict[int, DiskBatch] = {}
    for each in batches:
        if each.ending is not None:
            found |= dict.fromkeys(open_.pop(each.producer_id, ()), each)
        elif each.is_transactional:
            open_.setdefault(each.producer_id, []).append(each.base_offset)
    return found


def aborted(batches: Iterable[DiskBatch]) -> frozenset[int]:
    """The first offsets of the batches of aborted transactions."""
    return frozenset(base for base, marker in endings(batches).items() if marker.ending is Ending.ABORT)


def cleaned_marker(marker: DiskBatch, policy: CleaningPolicy, now_ms: int, *, is_over: bool) -> DiskBatch | None:
    """A marker after a cleaning that found nothing of its transaction (`is_over`), or something; None: it went.

    Source: CleanedTransactionMetadata.onControlBatchRead, Cleaner.cleanInto.
    """
    if not is_over:
        return marker
    if marker.delete_horizon_ms is None:
        return evolve(marker, delete_horizon_ms=now_ms + policy.delete_retention_ms)
    return marker if now_ms < marker.delete_horizon_ms else None


def last_of_producers(batches: Iterable[DiskBatch]) -> dict[int, tuple[int, int | None]]:
    """Each producer's newest epoch, and the last offset of the records that it wrote in it, by the producer's id.

    There is no such offset if the epoch is a marker's, as when the coordinator has fenced the producer.
    Source: ProducerStateEntry.maybeUpdateProducerEpoch, UnifiedLog.lastRecordsOfActiveProducers.
    """
    found: dict[int, tuple[int, int | None]] = {}
    for each in batches:
        epoch, last = found.get(each.producer_id, (None, None))
        if each.ending is None:
            last = each.last_offset
        elif epoch != each.producer_epoch:
            last = None
        if each.producer_id >= 0:
            found[each.producer_id] = each.producer_epoch, last
    return found


def is_last_of_producer(batch: DiskBatch, last_of: Mapping[int, tuple[int, int | None]]) -> bool:
    """Whether a batch is kept for what it says of its producer: the sequence number, or, if there is none, the epoch.

    Source: Cleaner.cleanInto (isBatchLastRecordOfProducer).
    """
    if batch.producer_id not in last_of:
        return False
    epoch, last = last_of[batch.producer_id]
    if last is None:
        return batch.ending is not None and batch.producer_epoch == epoch
    return batch.last_offset == last


def cleaned(
    segments: Sequence[Segment], offsets: Cleanable, policy: CleaningPolicy, now_ms: int
) -> tuple[DiskBatch, ...]:
    """The batches of a log after a cleaning, in order.

    Which segments they lie in is not said: small ones may be put together. Those from `offsets.end` on are as they
    were.
    """
    batches = [batch for segment in segments for batch in segment.batches]
    gone, needed = aborted(batches), {marker.base_offset for marker in endings(batches).values()}
    data = [each for each in batches if each.ending is None]
    counts = (each for each in data if each.base_offset not in gone)
    records = (record for batch in counts for record in batch.records)
    newest = newest_offsets(each for each in records if offsets.first_dirty_offset <= each.offset < offsets.end)
    last_of = last_of_producers(batches)
    made = []
    for batch in batches:
        if batch.base_offset >= offsets.end:
            made.append(batch)
            continue
        left = None
        if batch.ending is not None:
            left = cleaned_marker(batch, policy, now_ms, is_over=batch.base_offset not in needed)
        elif batch.base_offset not in gone:
            left = cleaned_batch(batch, newest, offsets.end, policy, now_ms)
        if left is None and is_last_of_producer(batch, last_of):
            left = evolve(batch, records=())
        if left is not None:
            made.append(left)
    return tuple(made)
