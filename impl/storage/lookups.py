"""How the two indexes of a segment lead to its batches, and that they never lead past one.

An index has no checksum, so that any bit of it may have flipped. Therefore an entry is only a hint: it is used if what
is found at its position can't be too late, else an earlier one is, and in the end the segment's start. Only what
Kafka's own indexes always keep is asked for (`LogSegment.append`): an entry's offset is the last one of the last batch
that was appended there, which may be one of several; that of a time is in the first batch with it, and since Kafka 3.9
the batch's last one. Nothing is written here.
"""

import logging
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from impl.storage.batch import HEADER_SIZE, MAGIC, CorruptBatchError
from impl.storage.indexes import OffsetIndex, TimeIndex

if TYPE_CHECKING:
    from impl.storage.segment import BatchAt, Segment

logger = logging.getLogger(__name__)


def batches_to(segment: "Segment", index: OffsetIndex, offset: int) -> "Iterator[BatchAt]":
    """The batches from one on that is not after `offset`, as near to it as the index leads.

    No batch before one whose first offset is not after `offset` can hold that. Raises DamagedBatchError.
    """
    for position in index.positions_before(offset):
        batches = segment.batches_from(position)
        try:
            first = next(batches, None)
        except CorruptBatchError:
            first = None  # perhaps the batch is damaged, and not the entry: whoever comes from before it is told
        if first is not None and first.header.base_offset <= offset:
            return chain((first,), batches)
        _tell(segment, index, f"byte {position}, where no batch is that begins at offset {offset} or before")
    return segment.batches_from(0)


def batches_at_time(segment: "Segment", index: TimeIndex, timestamp: int, from_offset: int) -> "Iterator[BatchAt]":
    """The batches from one on that is not after the first record at or after `timestamp` and `from_offset`."""
    for time, offset in index.entries_before(timestamp):
        if offset <= from_offset:
            break
        batches = from_first_with(segment, time, offset)
        if batches is not None:
            return batches
        _tell(segment, index, f"offset {offset}, whose batch is not the first one of time {time}")
    return segment.batches_to(from_offset)


def from_first_with(segment: "Segment", timestamp: int, offset: int) -> "Iterator[BatchAt] | None":
    """The batches from the one on that holds `offset`, if this is its largest timestamp and none so late is before it.

    Just before it, that is: from the entry of the offset index on. All batches before may be many. None: it is not so.
    """
    batches = segment.batches_to(offset - 1)
    try:
        for batch in batches:
            if batch.header.last_offset >= offset:
                return chain((batch,), batches) if batch.header.max_timestamp == timestamp else None
            if batch.header.max_timestamp >= timestamp:
                return None
    except CorruptBatchError:
        return segment.batches_to(offset)  # says nothing against the index; whoever reads the batch is told
    return None


def fits_last(segment: "Segment", index: OffsetIndex) -> bool:
    """Whether the last entry leads to batches that end with its offset. Raises CorruptBatchError."""
    if not index.count:
        return True
    offset, position = index.last()
    if not 0 <= position <= segment.size - HEADER_SIZE:
        return False
    header = segment.header_at(position)
    if header.magic != MAGIC or not segment.base_offset <= header.base_offset <= header.last_offset <= offset:
        return False
    if header.last_offset == offset:
        return True
    ends = (batch.header.last_offset for batch in segment.batches_from(position))  # appended together, by Kafka
    return next((end for end in ends if end >= offset), None) == offset


def offset_after(segment: "Segment", index: OffsetIndex, position: int) -> int | None:
    """An offset that no batch before `position` reaches, as far as the index leads to one."""
    entry = index.entry_after(position)
    if entry is None:
        return None
    offset, found = entry
    try:
        header = segment.header_at(found)
    except CorruptBatchError:
        return None
    is_right = header.magic == MAGIC and segment.base_offset <= header.base_offset <= header.last_offset <= offset
    return offset if is_right else None


def _tell(segment: "Segment", index: OffsetIndex | TimeIndex, where: str) -> None:
    """Say once for each index that an entry is not used."""
    if not index.was_doubted:
        index.was_doubted = True
        logger.warning(
            "an entry of %s leads to %s; it is not used. If the batches are good, lookups are faster again after the "
            "indexes of the segment were moved away while the broker was stopped: the start makes them again",
            segment.path(index.suffix), where,
        )  # fmt: skip
