"""The good batches of a segment, a piece of the file at a time: what recovery reads (`LogSegment.recover`).

The headers of a piece are columns, because what is asked of every batch is asked of thousands at once much faster. A
batch is good if its length, magic and CRC are right, and its offsets follow those before it and are within reach of
the segment's indexes. Records inside a batch are not looked at, like in Kafka. NumPy is loaded with this module; a
broker that was stopped cleanly never needs it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final

import attrs
import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from impl.storage.batch import (
    CHECKED_FROM,
    CONTROL_BIT,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    SIZE_POSITION,
    TRANSACTIONAL_BIT,
    BatchHeader,
)
from impl.storage.producer_state import BATCHES_REMEMBERED
from impl.storage.segment import RELATIVE_OFFSET_MAX, Segment

# Larger pieces are not faster, and each needs fresh memory.
READ_SIZE: Final = 2 * 1024 * 1024
NATIVE_FROM: Final = 300_000  # batches
_WIDTHS: Final = (">i8", ">i4", ">i4", "i1", ">u4", ">i2", ">i4", ">i8", ">i8", ">i8", ">i2", ">i4", ">i4")
COLUMNS: Final = np.dtype(list(zip((each.name for each in attrs.fields(BatchHeader)), _WIDTHS, strict=True)))
_OFFSET_ENTRY: Final = np.dtype([("offset", ">i4"), ("position", ">i4")])
_TIME_ENTRY: Final = np.dtype([("timestamp", ">i8"), ("offset", ">i4")])
_ANYTHING: Final = np.dtype(f"V{HEADER_SIZE}")
_LENGTH_AND_CRC: Final = Struct(">i5xI")  # between them the partition leader epoch and the magic byte


@attrs.frozen(slots=True)
class Loops:
    """The two loops over single batches; `native` has them compiled."""

    ends_of_whole: Callable[[memoryview], list[int]]
    far_enough: Callable[[list[int], int, int], tuple[NDArray[np.int64], int]]


@attrs.frozen(slots=True, eq=False)
class GoodBatches:
    """Batches that follow each other in a segment."""

    position: int
    """The byte of the segment at which the first one begins."""
    ends: list[int]
    """0, and where each ends, in bytes from there."""
    headers: NDArray[np.void]
    """A row of `COLUMNS` for each."""
    last_offsets: NDArray[np.int64]
    loops: Loops

    @property
    def end(self) -> int:
        """The byte of the segment at which the last one ends."""
        return self.position + self.ends[-1]

    @property
    def next_offset(self) -> int:
        """The offset after the last one's."""
        return int(self.last_offsets[-1]) + 1

    def index(self, segment: Segment) -> None:
        """Keep a segment's indexes and its largest timestamp, as `Segment.note_batch` does for each batch."""
        interval = segment.limits.index_interval_bytes
        chosen, last = self.loops.far_enough(self.ends, segment.bytes_since_index_entry, interval)
        segment.bytes_since_index_entry = self.ends[-1] - last
        times = self.headers["max_timestamp"].astype(np.int64)
        largest = np.maximum.accumulate(np.maximum(times, segment.max_timestamp))
        is_new = times > np.concatenate(([segment.max_timestamp], largest[:-1]))
        newest = np.maximum.accumulate(np.where(is_new, np.arange(len(times)), -1))
        of_largest = np.where(newest < 0, segment.offset_of_max_timestamp, self.last_offsets[newest])
        offsets = np.empty(len(chosen), _OFFSET_ENTRY)
        offsets["offset"] = self.last_offsets[chosen] - segment.base_offset
        offsets["position"] = np.array(self.ends)[chosen] + self.position
        is_later = largest[chosen] > np.concatenate(([segment.last_indexed_timestamp], largest[chosen][:-1]))
        stamps = np.empty(int(is_later.sum()), _TIME_ENTRY)
        stamps["timestamp"] = largest[chosen][is_later]
        stamps["offset"] = of_largest[chosen][is_later] - segment.base_offset
        segment.note_indexed(offsets.tobytes(), stamps.tobytes())
        segment.max_timestamp, segment.offset_of_max_timestamp = int(largest[-1]), int(of_largest[-1])

    def telling(self, epoch: int) -> Iterator[BatchHeader]:
        """The headers from which all is learned that the batches say of producers and leader epochs.

        These are the first of each epoch after `epoch`, those of transactions, and the last few of each producer: no
        more of them are remembered (`ProducerStateEntry`).
        """
        epochs, attributes = self.headers["partition_leader_epoch"], self.headers["attributes"]
        chosen = attributes & (TRANSACTIONAL_BIT | CONTROL_BIT) != 0
        producers = np.where(chosen, NO_PRODUCER_ID, self.headers["producer_id"])
        if epochs.max() > epoch:
            chosen |= epochs > np.maximum.accumulate(np.concatenate(([epoch], epochs[:-1])))
        if producers.max() >= 0:
            chosen[_last_of_each(producers)] = True
        for row in self.headers[chosen]:
            yield BatchHeader(*row.item())


def _last_of_each(producers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last places of each producer, as many as are remembered; a negative id is nobody's."""
    newest_first = np.flatnonzero(producers >= 0)[::-1]
    order = newest_first[np.argsort(producers[newest_first], kind="stable")]
    together = producers[order]
    rank = np.arange(len(together)) - np.searchsorted(together, together)
    return order[rank < BATCHES_REMEMBERED]


def good_batches(
    segment: Segment, on_progress: Callable[[int], None], loops: Loops | None = None
) -> Iterator[GoodBatches]:
    """All batches from the beginning up to the first bad one. Raises StorageError.

    Args:
        segment: its indexes are not used.
        on_progress: told how many bytes more were found good.
        loops: what the work is done with; chosen by how much there is, if not given.
    """
    position, next_offset, size = 0, segment.base_offset, READ_SIZE
    chosen = loops or PLAIN
    while segment.size - position >= HEADER_SIZE:
        window = memoryview(segment.read(position, size))
        ends = chosen.ends_of_whole(window)
        if len(ends) == 1:
            needed = (
                LOG_OVERHEAD + _LENGTH_AND_CRC.unpack_from(window, SIZE_POSITION)[0]
                if len(window) >= HEADER_SIZE
                else 0
            )
            if not len(window) < needed <= segment.size - position:
                return
            size = needed
            continue
        headers = np.ndarray((len(window) - HEADER_SIZE + 1,), _ANYTHING, window, strides=(1,))[ends[:-1]].view(COLUMNS)
        last_offsets, count = _last_offsets(headers, segment.base_offset, next_offset)
        if count:
            found = GoodBatches(position, ends[: count + 1], headers[:count], last_offsets[:count], chosen)
            position, next_offset = found.end, found.next_offset
            on_progress(ends[count])
            yield found
        if count < len(headers):
            return
        if loops is None and position == ends[-1]:
            chosen = _loops_for((segment.size - position) // (position // count))
        size = READ_SIZE


def _loops_for(batches: int) -> Loops:
    """What so many batches are best worked through with."""
    if batches < NATIVE_FROM:
        return PLAIN
    from impl.storage import native  # noqa: PLC0415  Numba takes as long to load as many batches take without it

    return Loops(native.ends_of_whole, native.far_enough) if native.is_possible() else PLAIN


def far_enough(ends: list[int], waited: int, interval: int) -> tuple[NDArray[np.int64], int]:
    """Which batches have index entries: those with more bytes than the interval before them since the last one's.

    `waited` is how many there were before the first batch. Answers also where the last one that has an entry begins.
    """
    chosen = []
    last = -waited
    batch, count = bisect_right(ends, last + interval), len(ends) - 1
    while batch < count:
        chosen.append(batch)
        last = ends[batch]
        batch = bisect_right(ends, last + interval, batch)
    return np.array(chosen, np.int64), last


def ends_of_whole(window: memoryview) -> list[int]:
    """0, and where each batch ends that is whole and unchanged, up to the first that is not."""
    begin, size = 0, len(window)
    ends = [0]
    header_of, checksum, is_at = (
        _LENGTH_AND_CRC.unpack_from,
        crc32c,
        ends.append,
    )  # this loop is what recovery waits for
    while begin <= size - HEADER_SIZE:
        length, crc = header_of(window, begin + SIZE_POSITION)
        end = begin + LOG_OVERHEAD + length
        if not begin + HEADER_SIZE <= end <= size:
            break
        if checksum(window[begin + CHECKED_FROM : end]) != crc:
            break
        is_at(end)
        begin = end
    return ends


def _last_offsets(headers: NDArray[np.void], base_offset: int, next_offset: int) -> tuple[NDArray[np.int64], int]:
    """The last offset of each batch, and of how many, from the first on, magic and offsets can be right."""
    first = headers["base_offset"].astype(np.int64)
    delta = headers["last_offset_delta"].astype(np.int64)
    last = first + delta
    least = np.concatenate(([next_offset], last[:-1] + 1))
    # Compared without a sum: a damaged offset may be so large that adding to it goes round.
    right = (headers["magic"] == MAGIC) & (first >= least) & (delta >= 0)
    right &= first <= base_offset + RELATIVE_OFFSET_MAX - delta
    return last, len(right) if right.all() else int(right.argmin())


PLAIN: Final = Loops(ends_of_whole, far_enough)
