"""Retention: which segments of a log are deleted, and how.

The oldest segments go, whole, as long as each breaks a rule and all that it holds is committed. There are three rules,
looked at one after the other: the log's start has passed the segment, the log is larger than `retention.bytes`
without it, its newest record is older than `retention.ms`. The latter two only if `cleanup.policy` has `delete`.

Source: UnifiedLog.deleteOldSegments, deletableSegments, deleteSegments (3.9). Not modelled: tiered storage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from attrs import evolve, frozen

from model.reference.segments import Segment

NO_LIMIT = -1
"""No limit is set."""


@frozen(kw_only=True)
class Policy:
    """The settings that let segments go, by Kafka's names; -1: no limit."""

    retention_ms: int = 604_800_000
    retention_bytes: int = NO_LIMIT
    deletes: bool = True
    """Whether `cleanup.policy` has `delete`."""


class Breach(StrEnum):
    """Why a segment goes."""

    LOG_START = "the log's start has passed it"
    SIZE = "the log is as large as retention.bytes without it"
    TIME = "its newest record is older than retention.ms"


@frozen
class Retained:
    """A log after retention: what stays, where it starts, and what went, each segment with the reason."""

    segments: tuple[Segment, ...]
    log_start_offset: int
    gone: tuple[tuple[Segment, Breach], ...] = ()


def deletable(
    segments: Sequence[Segment], high_watermark: int, breaks: Callable[[Segment, Segment | None], bool]
) -> int:
    """How many of the oldest segments may go: each of them breaks a rule (given the segment and the next one).

    None goes that holds an offset at or above the high watermark, and the active one does not if it is empty.
    Source: UnifiedLog.deletableSegments.
    """
    for place, segment in enumerate(segments):
        is_last = place + 1 == len(segments)
        following = None if is_last else segments[place + 1]
        upper = segment.next_offset if following is None else following.base_offset
        if high_watermark < upper or not breaks(segment, following) or (is_last and segment.size == 0):
            return place
    return len(segments)


def _start_breached(log_start_offset: int) -> Callable[[Segment, Segment | None], bool]:
    return lambda _segment, following: following is not None and following.base_offset <= log_start_offset


def _size_breached(segments: Sequence[Segment], retention_bytes: int) -> Callable[[Segment, Segment | None], bool]:
    """Whether the log, without the segments so far and this one, still has `retention.bytes`."""
    excess = sum(each.size for each in segments) - retention_bytes

    def breaks(segment: Segment, _following: Segment | None) -> bool:
        nonlocal excess
        if retention_bytes < 0 or excess - segment.size < 0:
            return False
        excess -= segment.size
        return True

    return breaks


def _time_breached(retention_ms: int, now_ms: int) -> Callable[[Segment, Segment | None], bool]:
    return lambda segment, _following: retention_ms >= 0 and now_ms - segment.largest_timestamp > retention_ms


def retained(
    segments: Sequence[Segment], log_start_offset: int, high_watermark: int, policy: Policy, now_ms: int
) -> Retained:
    """A log after its old segments were deleted.

    If all would go, a new one is begun first, at the log's end. The log's start rises to the first segment that stays,
    and never falls.
    """
    kept = Retained(tuple(segments), log_start_offset)
    kept = _without(kept, _start_breached(log_start_offset), high_watermark, Breach.LOG_START, now_ms)
    if policy.deletes:
        by_size = _size_breached(kept.segments, policy.retention_bytes)
        kept = _without(kept, by_size, high_watermark, Breach.SIZE, now_ms)
        by_time = _time_breached(policy.retention_ms, now_ms)
        kept = _without(kept, by_time, high_watermark, Breach.TIME, now_ms)
    return kept


def _without(
    log: Retained,
    breaks: Callable[[Segment, Segment | None], bool],
    high_watermark: int,
    why: Breach,
    now_ms: int,
) -> Retained:
    """The log without what one rule lets go (UnifiedLog.deleteSegments)."""
    count = deletable(log.segments, high_watermark, breaks)
    if not count:
        return log
    gone, left = log.segments[:count], log.segments[count:]
    left = left or (Segment(base_offset=gone[-1].next_offset, created_ms=now_ms, modified_ms=now_ms),)
    start = max(log.log_start_offset, left[0].base_offset)
    return evolve(log, segments=left, log_start_offset=start, gone=(*log.gone, *((each, why) for each in gone)))


def is_removed(given_up_ms: int, now_ms: int, delay_ms: int) -> bool:
    """Whether the files of a segment that was given up are gone by now.

    They are renamed at once (`.deleted`), so that no reader begins on them, and removed `file.delete.delay.ms` later,
    so that those who read can end.
    Source: LocalLog.deleteSegmentFiles.
    """
    return now_ms - given_up_ms >= delay_ms
