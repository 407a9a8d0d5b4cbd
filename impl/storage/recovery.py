"""What is believed of a segment when the broker starts.

After a clean stop the indexes are trusted and only the few batches behind the last index entry are read. After
any other stop every batch of the segment is checked (length, magic, CRC, ascending offsets), the file is cut at
the first byte that is not part of a good batch, and the indexes are rebuilt (`LogSegment.recover`,
`LogLoader.recoverLog`). Nothing is repaired beyond that, and nothing is fetched from elsewhere.
"""

import logging
from typing import Final

from impl.storage.batch import (
    HEADER_SIZE,
    MAGIC,
    MAGIC_POSITION,
    OFFSET_AND_SIZE,
    BatchHeader,
    parse_header,
    stored_crc_matches,
)
from impl.storage.segment import Segment

logger = logging.getLogger(__name__)

# Reading in large pieces is four times as fast as mmap when the file is not in the page cache.
READ_SIZE: Final = 8 * 1024 * 1024


def recover_segment(segment: Segment) -> tuple[int, bool]:
    """Check all batches, rebuild the indexes and cut what is bad.

    Answers the offset after the last good batch, and whether the whole file was good.
    """
    size = segment.size
    segment.forget_indexes()
    position, next_offset = 0, segment.base_offset
    window, window_from = memoryview(b""), 0
    while size - position >= HEADER_SIZE:
        needed = max(_batch_size(window, position - window_from), HEADER_SIZE)
        if needed > size - position:
            break
        if position - window_from + needed > len(window):
            window, window_from = memoryview(segment.read(position, max(READ_SIZE, needed))), position
            continue  # the size is known only now, and may ask for a larger window
        start = position - window_from
        header = _good_batch(window[start : start + needed], next_offset)
        if header is None:
            break
        segment.note_batch(position, header, header.max_timestamp)
        position += header.size
        next_offset = header.next_offset
    if position < size:
        logger.warning("cutting %s from %d to %d bytes: no valid batch there", segment.path(".log"), size, position)
        segment.truncate(position)
    return next_offset, position == size


def _batch_size(window: memoryview, position: int) -> int:
    """The size of the batch at `position`; 0 when the window does not reach its length field."""
    if len(window) - position < OFFSET_AND_SIZE.size:
        return 0
    _, length = OFFSET_AND_SIZE.unpack_from(window, position)
    return int(length) + OFFSET_AND_SIZE.size


def _good_batch(batch: memoryview, next_offset: int) -> BatchHeader | None:
    """The header of a batch that is intact and continues the log; None for any other bytes."""
    if batch[MAGIC_POSITION] != MAGIC or not stored_crc_matches(batch):
        return None
    header = parse_header(batch)
    if header.size != len(batch) or header.base_offset < next_offset or header.last_offset_delta < 0:
        return None
    return header


def trust_segment(segment: Segment) -> tuple[int, bool]:
    """Read the tail of a segment that was closed cleanly; the answer is as `recover_segment` gives it.

    Should the tail not end exactly with the file, the segment is recovered after all.
    """
    last = segment.catch_up()
    if last is None:
        return (segment.base_offset, True) if segment.size == 0 else recover_segment(segment)
    if last.position + last.header.size != segment.size or last.header.magic != MAGIC:
        return recover_segment(segment)
    return last.header.next_offset, True
