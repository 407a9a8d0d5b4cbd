"""The good batches of a segment, a window at a time: what recovery reads (`LogSegment.recover`).

A batch is good if its length, magic and CRC are right, and its offsets follow those before it and are within reach of
the segment's indexes. Records inside a batch are not looked at, as in Kafka. What a walk does is here in Python;
`native` has the same, compiled, for segments of so many batches that Python's own pace is what is waited for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Final

import attrs
from crc32c import crc32c

from impl.storage.batch import (
    CHECKED_FROM,
    CONTROL_BIT,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    NO_TIMESTAMP,
    SIZE_FIELD,
    SIZE_POSITION,
    TRANSACTIONAL_BIT,
)
from impl.storage.checkpoints import OFFSET_MAX
from impl.storage.indexes import OFFSET_ENTRY, TIME_ENTRY
from impl.storage.producer_state import BATCHES_REMEMBERED
from impl.storage.segment import RELATIVE_OFFSET_MAX, Segment

NATIVE_FROM: Final = 100_000  # batches; for fewer, the compiled walk is not worth the time that it takes to be made
SPECIAL_BITS: Final = TRANSACTIONAL_BIT | CONTROL_BIT
_HEADER = Struct(">qiibIhi8xqq")  # up to the producer id, without the base timestamp


@attrs.define(slots=True)
class Walked:
    """What is known of a segment's batches up to a position."""

    base_offset: int
    index_interval_bytes: int
    epoch: int
    """The latest leader epoch; -1 when there is none."""
    next_offset: int
    offset_of_max_timestamp: int
    position: int = 0
    """The byte of the segment at which the last good batch ends."""
    bytes_since_index_entry: int = 0
    max_timestamp: int = NO_TIMESTAMP
    last_indexed_timestamp: int = NO_TIMESTAMP


@attrs.frozen(slots=True, eq=False)
class Found:
    """Good batches at the beginning of a window."""

    size: int
    """How many bytes they are."""
    count: int
    offset_entries: bytes | bytearray
    """Their entries in the segment's indexes, as `Segment.note_batch` makes them."""
    time_entries: bytes | bytearray
    relevant: Sequence[int]
    """Positions in the window of the batches that change producer state or leader epochs.

    These are the first of each later epoch, those of transactions, and at least the last few of each producer: no more
    of them are remembered (`ProducerStateEntry`).
    """


Walk = Callable[[Walked, memoryview], Found]
"""Goes on from what was walked through, and changes it, over a window that begins there."""


def good_batches(segment: Segment, walked: Walked, walk: Walk | None = None) -> Iterator[tuple[memoryview, Found]]:
    """Windows of a segment that begin with good batches, up to the first bad one. Raises StorageError.

    Args:
        segment: its indexes are not used.
        walked: where to begin; kept up to date.
        walk: chosen by how much there is to do, if not given.
    """
    chosen, needed = walk or walk_in_python, HEADER_SIZE
    windows = segment.windows()
    while segment.size - walked.position >= needed:
        window = windows.at(walked.position, needed)
        found = chosen(walked, window)
        if found.size:
            yield window, found
        elif len(window) < needed:
            return
        rest = len(window) - found.size
        needed = HEADER_SIZE if rest < HEADER_SIZE else _size_at(window, found.size)
        if needed <= rest:
            return
        if walk is None and chosen is walk_in_python and found.size:
            chosen = _walk_for(segment.size - walked.position, found)


def _size_at(window: memoryview, begin: int) -> int:
    """The size that a batch in a window says it has, in bytes."""
    size: int = SIZE_FIELD.unpack_from(window, begin + SIZE_POSITION)[0] + LOG_OVERHEAD
    return size


def _walk_for(size: int, found: Found) -> Walk:
    """What so many bytes more are best walked through with, if they are like those that were found."""
    if size // (found.size // found.count) < NATIVE_FROM:
        return walk_in_python
    from impl.storage import native  # noqa: PLC0415  the compiler takes as long to load as many batches to be walked

    return native.Walker() if native.is_possible() else walk_in_python


def walk_in_python(walked: Walked, window: memoryview) -> Found:
    """See `Walk`."""
    offsets, times = bytearray(), bytearray()
    relevant: list[tuple[int, int]] = []
    count = end = 0
    base, waited, interval = walked.base_offset, walked.bytes_since_index_entry, walked.index_interval_bytes
    for begin, end, last_offset, epoch, attributes, timestamp, producer in _good(walked, window):
        if timestamp > walked.max_timestamp:
            walked.max_timestamp, walked.offset_of_max_timestamp = timestamp, last_offset
        if waited > interval:
            offsets += OFFSET_ENTRY.pack(last_offset - base, walked.position + begin)
            if walked.max_timestamp > walked.last_indexed_timestamp:
                times += TIME_ENTRY.pack(walked.max_timestamp, walked.offset_of_max_timestamp - base)
                walked.last_indexed_timestamp = walked.max_timestamp
            waited = 0
        waited += end - begin
        if epoch > walked.epoch or attributes & SPECIAL_BITS:
            walked.epoch = max(epoch, walked.epoch)
            relevant.append((begin, NO_PRODUCER_ID))
        elif producer > NO_PRODUCER_ID:
            relevant.append((begin, producer))
        count += 1
    walked.bytes_since_index_entry = waited
    walked.position += end
    return Found(end, count, offsets, times, _last_of_each(relevant))


def _good(walked: Walked, window: memoryview) -> Iterator[tuple[int, int, int, int, int, int, int]]:
    """Where good batches begin and end, their last offset, epoch, attributes, largest timestamp and producer id."""
    begin, size = 0, len(window)
    furthest, next_offset = min(walked.base_offset + RELATIVE_OFFSET_MAX, OFFSET_MAX - 1), walked.next_offset
    header_of, checksum = _HEADER.unpack_from, crc32c  # recovery waits for this loop
    while begin <= size - HEADER_SIZE:
        offset, length, epoch, magic, crc, attributes, delta, timestamp, producer = header_of(window, begin)
        end = begin + LOG_OVERHEAD + length
        if not begin + HEADER_SIZE <= end <= size or checksum(window[begin + CHECKED_FROM : end]) != crc:
            return
        last_offset = offset + delta
        if magic != MAGIC or delta < 0 or not next_offset <= offset <= last_offset <= furthest:
            return
        walked.next_offset = next_offset = last_offset + 1
        yield begin, end, last_offset, epoch, attributes, timestamp, producer
        begin = end


def _last_of_each(relevant: Sequence[tuple[int, int]]) -> list[int]:
    """Places of batches: of each producer's only the last few, as many as are remembered; all that are nobody's."""
    seen: Counter[int] = Counter()
    kept = []
    for place, producer in reversed(relevant):
        seen[producer] += 1
        if producer == NO_PRODUCER_ID or seen[producer] <= BATCHES_REMEMBERED:
            kept.append(place)
    return kept[::-1]
