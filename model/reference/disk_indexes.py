"""What the indexes of a log's closed segments must hold, also of one that was active at a start (`disk_rules`).

Without a start they are those of `segments`. At a start Kafka counts `index.interval.bytes` from zero again
(LogSegment.bytesSinceLastIndexEntry), and a stop adds an entry to the time index (LogSegment.onBecomeInactiveSegment):
what entries lead to is the same, and which there are is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from model.reference.disk_log import DiskLog
from model.reference.disk_seen import expect, meets
from model.reference.outcomes import Expect
from model.reference.segments import NO_TIMESTAMP, Limits, Segment, offset_index, time_index

Entries = tuple[tuple[int, int], ...]
"""What an index holds."""


def indexes(log: DiskLog, of_offsets: str, of_times: str) -> list[Expect]:
    """The indexes of the closed segments, and which rules speak of them; nothing if there is no such segment."""
    if len(log.segments) == 1:
        return []
    closed, limits = log.segments[:-1], log.limits
    offsets = tuple(tuple(offset_index(each, limits)) for each in closed)
    times = tuple(closed_time_index(each, limits) for each in closed)
    return [
        _indexes("offset_indexes", log, offsets, partial(may_be_offset_index, limits=limits), of_offsets),
        _indexes("time_indexes", log, times, may_be_time_index, of_times),
    ]


def _indexes(
    field: str,
    log: DiskLog,
    entries: Sequence[Entries],
    may_be: Callable[[Segment, Entries], bool],
    requirement: str,
) -> Expect:
    """What an index of each closed segment holds; `may_be` tells for those that were active at a start."""
    closed = log.segments[:-1]
    reopened = {place for place, each in enumerate(closed) if each.base_offset in log.reopened}
    if not reopened:
        return expect(field, tuple(entries), requirement)

    def hold(seen: Sequence[Entries]) -> bool:
        return len(seen) == len(closed) and all(
            may_be(closed[place], each) if place in reopened else each == entries[place]
            for place, each in enumerate(seen)
        )

    words = f"{tuple(entries)}; at {sorted(reopened)}, which were active at a start, other entries are missing or there"
    return meets(field, words, hold, requirement)  # type: ignore[arg-type]  # what is seen has a type by its field


def closed_time_index(segment: Segment, limits: Limits) -> Entries:
    """A closed segment's time index: the last entry is for its greatest timestamp (LogSegment.onBecomeInactive)."""
    entries = time_index(segment, limits)
    greatest = max((each.max_timestamp for each in segment.batches), default=NO_TIMESTAMP)
    if greatest > (entries[-1][0] if entries else NO_TIMESTAMP):
        entries.append((greatest, next(b.last_offset for b in segment.batches if b.max_timestamp == greatest)))
    return tuple(entries)


def may_be_offset_index(segment: Segment, entries: Entries, limits: Limits) -> bool:
    """Whether these are entries for batches of a segment, in order, each more than `index.interval.bytes` later."""
    position, there = 0, set()
    for batch in segment.batches:
        there.add((batch.last_offset, position))
        position += batch.size
    positions = [0, *(each for _, each in entries)]
    return there.issuperset(entries) and all(
        later - one > limits.index_interval_bytes for one, later in pairwise(positions)
    )


def may_be_time_index(segment: Segment, entries: Entries) -> bool:
    """Whether these are entries for batches of a closed segment, of rising times, the last of its largest."""
    times = [each for each, _ in entries]
    there = {(each.max_timestamp, each.last_offset) for each in segment.batches}
    greatest = max((each.max_timestamp for each in segment.batches), default=NO_TIMESTAMP)
    return (
        there.issuperset(entries)
        and all(one < later for one, later in pairwise(times))
        and (times[-1] if times else NO_TIMESTAMP) == greatest
    )
