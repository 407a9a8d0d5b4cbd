"""Which of a log's oldest segments nobody is promised any more (`UnifiedLog.deleteOldSegments`).

By the log's start, by size, by age: three passes, each of which sees what the one before has left. A pass ends at the
first segment that must stay, so that a log never gets a hole. Decisions only; whoever asks removes the segments.
Sizes are bytes, times milliseconds since 1970.
"""

from collections.abc import Callable, Sequence

import attrs

from impl.storage.log import Log
from impl.storage.segment import Segment


@attrs.frozen(slots=True)
class RetentionLimits:
    """How much of a log is kept; a negative limit is none. Topic configs are named beside each."""

    bytes_max: int  # retention.bytes
    age_ms_max: int  # retention.ms
    deletes: bool  # cleanup.policy contains delete; without it only what is before the log's start goes


Breach = Callable[[Segment, int | None], bool]


def delete_old_segments(log: Log, limits: RetentionLimits, high_watermark: int, now_ms: int) -> list[Segment]:
    """Take from the log what it need not keep; answers the segments, whose files are renamed and not yet removed."""
    gone = _delete(log, high_watermark, now_ms, lambda _, next_base: _is_before_start(log, next_base))
    if limits.deletes:
        if limits.bytes_max >= 0:
            gone += _delete(log, high_watermark, now_ms, _exceeding(log.segments, limits.bytes_max))
        if limits.age_ms_max >= 0:
            gone += _delete(log, high_watermark, now_ms, lambda each, _: _is_too_old(each, limits, now_ms))
    return gone


def deletable_count(log: Log, high_watermark: int, breaches: Breach) -> int:
    """How many segments, from the oldest on, breach a limit (`UnifiedLog.deletableSegments`).

    None beyond the high watermark, so that the log's start never passes it; and never an empty last segment.
    `breaches` is asked with a segment and the base offset of the one after it, in order, and at most once each.
    """
    segments = log.segments
    for number, segment in enumerate(segments):
        next_base = segments[number + 1].base_offset if number + 1 < len(segments) else None
        end = log.log_end_offset if next_base is None else next_base
        if high_watermark < end or not breaches(segment, next_base):
            return number
        if next_base is None and segment.size == 0:
            return number
    return len(segments)


def _delete(log: Log, high_watermark: int, now_ms: int, breaches: Breach) -> list[Segment]:
    return log.delete_oldest(deletable_count(log, high_watermark, breaches), now_ms)


def _is_before_start(log: Log, next_base: int | None) -> bool:
    """Whether a segment, which ends at `next_base`, holds nothing that can still be read."""
    return next_base is not None and next_base <= log.log_start_offset


def _exceeding(segments: Sequence[Segment], bytes_max: int) -> Breach:
    """Whether a segment is part of what a log has too much; asked from the oldest on.

    The segment that reaches over the limit stays: a log keeps at least `bytes_max` bytes.
    """
    excess = sum(segment.size for segment in segments) - bytes_max

    def breaches(segment: Segment, _: int | None) -> bool:
        nonlocal excess
        if excess < segment.size:
            return False
        excess -= segment.size
        return True

    return breaches


def _is_too_old(segment: Segment, limits: RetentionLimits, now_ms: int) -> bool:
    """Whether the segment's newest record has outlived `retention.ms`."""
    return now_ms - segment.largest_timestamp() > limits.age_ms_max
