"""The good batches of a segment, a piece of the file at a time: what recovery reads (`LogSegment.recover`).

The headers of a piece are columns, because what is asked of every batch is asked of thousands at once much faster. A
batch is good if its length, magic and CRC are right, and its offsets follow those before it and are within reach of
the segment's indexes. Records inside a batch are not looked at, like in Kafka. NumPy is loaded with this module; a
broker that was stopped cleanly never needs it.
"""

from __future__ import annotations

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
_WIDTHS: Final = (">i8", ">i4", ">i4", "i1", ">u4", ">i2", ">i4", ">i8", ">i8", ">i8", ">i2", ">i4", ">i4")
COLUMNS: Final = np.dtype(list(zip((each.name for each in attrs.fields(BatchHeader)), _WIDTHS, strict=True)))
_ANYTHING: Final = np.dtype(f"V{HEADER_SIZE}")
_CHECKED: Final = Struct(">iibI")  # length, partition leader epoch, magic, CRC


@attrs.frozen(slots=True, eq=False)
class GoodBatches:
    """Batches that follow each other in a segment."""

    positions: list[int]
    """Bytes of the segment: where each begins, and where the last one ends."""
    headers: NDArray[np.void]
    """A row of `COLUMNS` for each."""
    last_offsets: list[int]
    max_timestamps: list[int]
    """In milliseconds since 1970."""

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


def good_batches(segment: Segment, on_progress: Callable[[int], None]) -> Iterator[GoodBatches]:
    """All batches from the beginning up to the first bad one. Raises StorageError.

    Args:
        segment: its indexes are not used.
        on_progress: told how many bytes more were found good.
    """
    position, next_offset, size = 0, segment.base_offset, READ_SIZE
    while segment.size - position >= HEADER_SIZE:
        window = memoryview(segment.read(position, size))
        ends = _ends_of_whole(window)
        if len(ends) == 1:
            needed = LOG_OVERHEAD + _CHECKED.unpack_from(window, SIZE_POSITION)[0] if len(window) >= HEADER_SIZE else 0
            if not len(window) < needed <= segment.size - position:
                return
            size = needed
            continue
        headers = np.ndarray((len(window) - HEADER_SIZE + 1,), _ANYTHING, window, strides=(1,))[ends[:-1]].view(COLUMNS)
        last_offsets, count = _last_offsets(headers, segment.base_offset, next_offset)
        if count:
            position_before, position = position, position + ends[count]
            next_offset = last_offsets[count - 1] + 1
            on_progress(position - position_before)
            yield GoodBatches(
                positions=[position_before + end for end in ends[: count + 1]],
                headers=headers[:count],
                last_offsets=last_offsets[:count],
                max_timestamps=headers["max_timestamp"][:count].tolist(),
            )
        if count < len(headers):
            return
        size = READ_SIZE


def _ends_of_whole(window: memoryview) -> list[int]:
    """0, and where each batch ends that is whole and unchanged, up to the first that is not."""
    begin, size = 0, len(window)
    ends = [0]
    header_of, checksum, is_at = _CHECKED.unpack_from, crc32c, ends.append  # this loop is what recovery waits for
    while begin <= size - HEADER_SIZE:
        length, _, magic, crc = header_of(window, begin + SIZE_POSITION)
        end = begin + LOG_OVERHEAD + length
        if not begin + HEADER_SIZE <= end <= size or magic != MAGIC:
            break
        if checksum(window[begin + CHECKED_FROM : end]) != crc:
            break
        is_at(end)
        begin = end
    return ends


def _last_offsets(headers: NDArray[np.void], base_offset: int, next_offset: int) -> tuple[list[int], int]:
    """The last offset of each batch, and of how many, from the first on, the offsets can be right."""
    first = headers["base_offset"].astype(np.int64)
    delta = headers["last_offset_delta"].astype(np.int64)
    last = first + delta
    least = np.concatenate(([next_offset], last[:-1] + 1))
    # Compared without a sum: a damaged offset may be so large that adding to it goes round.
    right = (first >= least) & (delta >= 0) & (first <= base_offset + RELATIVE_OFFSET_MAX - delta)
    return last.tolist(), len(right) if right.all() else int(right.argmin())
