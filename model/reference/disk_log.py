"""A log on a disk through a history of steps: what it must be after each.

The rules are those of `segments`, `retention` and `compaction`; what a step is judged by is in `disk_rules`.

Not modelled: bytes torn at a loss of power (`model.machines.durability`), several logs, checkpoints beside a log,
producers and epochs, operations that fail.
"""

from __future__ import annotations

from attrs import evolve, field, frozen

from model.reference.batch import Batch
from model.reference.compaction import Cleanable, cleanable, cleaned, is_due
from model.reference.disk_steps import (
    DELETE_DELAY_MS,
    NO_LIMIT,
    Append,
    Clean,
    Damage,
    DiskHistory,
    DiskStep,
    Flush,
    FlushOverdue,
    RaiseStart,
    Remove,
    Restart,
    Retain,
)
from model.reference.retention import Breach, is_removed, retained
from model.reference.segments import (
    INDEX_BYTES_MAX,
    DiskBatch,
    DiskRecord,
    Ending,
    Limits,
    RollReason,
    Segment,
    is_flush_due,
    is_flush_overdue,
    jitters_ms,
    may_have_full_index,
    recovered,
    recovery_point,
    roll_reason,
)


@frozen(kw_only=True)
class DiskLog:
    """A log: its segments, where it starts, what was flushed, and what happened in the step that led here."""

    limits: Limits = field(factory=Limits)
    flush_messages: int = NO_LIMIT
    flush_ms: int = NO_LIMIT
    delete_delay_ms: int = DELETE_DELAY_MS
    segments: tuple[Segment, ...] = (Segment(base_offset=0),)
    log_start_offset: int = 0
    recovery_point: int = 0
    """The least that it is: a log may flush up to its active segment besides, as Kafka's does when it rolls."""
    last_flush_ms: int | None = 0
    """When the log was flushed, or made, or opened; None: nobody said so."""
    rolled_ms: int | None = None
    """When a segment was begun last, if none was flushed for another reason since: a roll may have flushed the log."""
    clean_to: int | None = None
    """Up to where it was compacted; None: never."""
    sizes_are_known: bool = True
    """Whether the sizes of all batches are known: not those of batches that compaction wrote anew."""
    reopened: frozenset[int] = frozenset()
    """First offsets of the segments that were active at a start: their indexes need not go on as they began.

    Kafka counts `index.interval.bytes` from zero again (LogSegment.bytesSinceLastIndexEntry), and a stop or a recovery
    adds an entry to the time index (LogSegment.onBecomeInactiveSegment, recover).
    """
    given_up: tuple[tuple[int, int], ...] = ()
    """The first offsets of segments that retention deleted, whose files are not removed yet, and when it did so."""
    rolled: RollReason | None = None
    gone: tuple[Breach, ...] = ()
    offsets_cleaned: Cleanable | None = None
    """Which offsets the last step cleaned; None: none."""

    @property
    def log_end_offset(self) -> int:
        """The offset of the next record."""
        return self.segments[-1].next_offset

    @property
    def batches(self) -> tuple[DiskBatch, ...]:
        """All batches, in order."""
        return tuple(batch for segment in self.segments for batch in segment.batches)

    @property
    def records(self) -> tuple[DiskRecord, ...]:
        """All records that can be read, in order: from the log's start on."""
        found = (record for batch in self.batches for record in batch.records)
        return tuple(each for each in found if each.offset >= self.log_start_offset)


def on_disk(batch: Batch, base_offset: int, size: int) -> DiskBatch:
    """A batch as it lies on the disk."""
    records = tuple(
        DiskRecord(offset=base_offset + place, key=each.key, value=each.value)
        for place, each in enumerate(batch.records)
    )
    return DiskBatch(
        base_offset=base_offset,
        last_offset=base_offset + batch.last_offset_delta,
        size=size,
        max_timestamp=batch.max_timestamp,
        records=records,
        producer_id=batch.producer_id,
        producer_epoch=batch.producer_epoch,
        is_transactional=batch.is_transactional,
        ending=_ending(batch),
    )


def _ending(batch: Batch) -> Ending | None:
    """What a control batch says, by the type in its record's key (ControlRecordType)."""
    if not batch.is_control:
        return None
    key = batch.records[0].key or b""
    return Ending.ABORT if int.from_bytes(key[2:4], "big") == 0 else Ending.COMMIT


def begun(history: DiskHistory) -> DiskLog:
    """The log with which a history begins."""
    return DiskLog(
        limits=history.limits,
        flush_messages=history.flush_messages,
        flush_ms=history.flush_ms,
        delete_delay_ms=history.delete_delay_ms,
    )


def taken(log: DiskLog, step: DiskStep) -> DiskLog:
    """The log after a step."""
    log = evolve(log, rolled=None, gone=(), offsets_cleaned=None)
    match step:
        case Append():
            return _appended(log, step)
        case Flush():
            return evolve(log, recovery_point=log.log_end_offset, last_flush_ms=None, rolled_ms=None)
        case Restart():
            return _restarted(log, step)
        case RaiseStart():
            return evolve(log, log_start_offset=max(log.log_start_offset, step.offset))
        case Retain():
            return _retained(log, step)
        case Clean():
            return _cleaned(log, step)
        case Remove():
            left = (each for each in log.given_up if not is_removed(each[1], step.now_ms, log.delete_delay_ms))
            return evolve(log, given_up=tuple(left))
        case FlushOverdue():
            return _flushed_if_overdue(log, step)


def _appended(log: DiskLog, step: Append) -> DiskLog:
    batch = on_disk(step.batch, log.log_end_offset, step.size)
    reason = _roll_reason(log, batch, step.now_ms)
    segments, rolled_ms = log.segments, log.rolled_ms
    if reason is not None and segments[-1].batches:
        segments = (*segments, Segment(base_offset=log.log_end_offset, created_ms=step.now_ms))
        rolled_ms = step.now_ms
    grown = (*segments[:-1], segments[-1].appended(batch, step.now_ms))
    log = evolve(log, segments=grown, rolled=reason, rolled_ms=rolled_ms)
    return _flushed(log, step.now_ms) if _is_flush_due(log) else log


def recovery_point_max(log: DiskLog) -> int:
    """The most that the recovery point may be: all segments before the active one may have been flushed by a roll.

    Kafka flushes them soon after it has begun a new one (UnifiedLog.roll); the sentences ask nobody to.
    """
    return max(log.recovery_point, log.segments[-1].base_offset)


def _is_flush_due(log: DiskLog) -> bool:
    """Whether an append has to flush the log, whatever a roll has flushed.

    Raises:
        UndecidedError: it depends on that.
    """
    points = (log.recovery_point, recovery_point_max(log))
    found = {is_flush_due(log.log_end_offset - point, log.flush_messages) for point in points}
    if len(found) > 1:
        raise UndecidedError("the append reaches flush.messages or not, by whether a roll has flushed the log")
    return found.pop()


def _flushed(log: DiskLog, now_ms: int) -> DiskLog:
    point = recovery_point(log.recovery_point, log.log_end_offset)
    return evolve(log, recovery_point=point, last_flush_ms=now_ms, rolled_ms=None)


def _flushed_if_overdue(log: DiskLog, step: FlushOverdue) -> DiskLog:
    if log.recovery_point == log.log_end_offset:
        return log  # nothing is flushed, so that the last flush is when it was
    if log.last_flush_ms is None:
        raise UndecidedError("it is not known when the log was flushed")
    times = {log.last_flush_ms} if log.rolled_ms is None else {log.last_flush_ms, log.rolled_ms}
    found = {is_flush_overdue(each, step.now_ms, log.flush_ms) for each in times}
    if len(found) > 1:
        raise UndecidedError("the last flush is flush.ms ago or not, by whether a roll has flushed the log")
    return _flushed(log, step.now_ms) if found.pop() else log


class UndecidedError(ValueError):
    """What the log is after a step depends on what is random, unknown, or left open."""


def _roll_reason(log: DiskLog, batch: DiskBatch, now_ms: int) -> RollReason | None:
    """Why a batch goes to a new segment, whatever jitter was drawn, and whatever a start did to indexes.

    Raises:
        UndecidedError: it depends on that.
    """
    active, limits = log.segments[-1], log.limits
    was_reopened = active.base_offset in log.reopened
    if was_reopened:
        limits = evolve(limits, segment_index_bytes=INDEX_BYTES_MAX)
    found = {roll_reason(active, batch, limits, now_ms, each) for each in jitters_ms(limits)}
    if len(found) > 1:
        raise UndecidedError("the batch comes when a new segment may begin or not, by segment.jitter.ms")
    reason = found.pop()
    if reason is None and was_reopened and may_have_full_index(active, log.limits):
        raise UndecidedError("an index of the segment is full or not, by what a start has done to it")
    return reason


def _restarted(log: DiskLog, step: Restart) -> DiskLog:
    start = log.log_start_offset if step.log_start_offset is None else step.log_start_offset
    place = damaged_place(log, step)
    found = log.segments if place is None else _broken(log.segments, place)
    made = recovered(found, log.recovery_point, start, was_clean=step.clean, now_ms=step.now_ms)
    bases = frozenset(each.base_offset for each in made.segments)
    return evolve(
        log,
        segments=made.segments,
        log_start_offset=max(start, made.segments[0].base_offset),
        recovery_point=made.recovery_point,
        last_flush_ms=step.now_ms,
        rolled_ms=None,
        reopened=bases & {*log.reopened, made.segments[-1].base_offset},
        given_up=(),
    )


def damaged_place(log: DiskLog, step: Restart) -> int | None:
    """Which batch is damaged, counted from the log's first; None: none is."""
    if step.damage is Damage.TORN:
        return len(log.batches) - 1
    return step.place % len(log.batches) if step.damage is Damage.FLIPPED else None


def _broken(segments: tuple[Segment, ...], place: int) -> tuple[Segment, ...]:
    made, seen = [], 0
    for segment in segments:
        batches = [evolve(each, is_valid=seen + n != place) for n, each in enumerate(segment.batches)]
        made.append(evolve(segment, batches=tuple(batches)))
        seen += len(batches)
    return tuple(made)


def _retained(log: DiskLog, step: Retain) -> DiskLog:
    high = log.log_end_offset if step.high_watermark is None else step.high_watermark
    made = retained(log.segments, log.log_start_offset, high, step.policy, step.now_ms)
    return evolve(
        log,
        segments=made.segments,
        log_start_offset=made.log_start_offset,
        rolled_ms=step.now_ms if len(made.gone) == len(log.segments) else log.rolled_ms,
        given_up=(*log.given_up, *((each.base_offset, step.now_ms) for each, _ in made.gone)),
        gone=tuple(why for _, why in made.gone),
    )


def _cleaned(log: DiskLog, step: Clean) -> DiskLog:
    stable = log.log_end_offset if step.stable_offset is None else step.stable_offset
    offsets = cleanable(log.segments, log.clean_to, log.log_start_offset, stable, step.policy, step.now_ms)
    bases = [each.base_offset for each in log.segments if each.base_offset <= offsets.end]
    offsets = evolve(offsets, end=max(offsets.first_dirty_offset, *bases))  # whole segments only
    if not is_due(log.segments, offsets, step.policy, step.now_ms):
        return log
    made = cleaned(log.segments, offsets, step.policy, step.now_ms)
    left = tuple(each for each in made if each.base_offset < offsets.end)
    later = [each for each in log.segments if each.base_offset >= offsets.end]
    first = Segment(base_offset=log.segments[0].base_offset, batches=left)
    return evolve(
        log,
        segments=(first, *later),
        clean_to=offsets.end,
        sizes_are_known=False,
        offsets_cleaned=offsets,
    )
