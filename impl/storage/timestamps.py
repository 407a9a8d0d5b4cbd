"""Lookups by timestamp: the record in a batch that answers one (`FileRecords.searchForTimestamp`)."""

import attrs

from impl.storage.batch import HEADER_SIZE
from impl.storage.compression import decompress
from impl.storage.records import read_records
from impl.storage.segment import BatchAt, Segment


@attrs.frozen(slots=True)
class TimestampAndOffset:
    """The answer to a lookup by timestamp; the epoch is the one that the batch carries."""

    timestamp: int
    offset: int
    leader_epoch: int


def first_record(segment: Segment, batch: BatchAt, timestamp: int, from_offset: int) -> TimestampAndOffset | None:
    """The first record of a batch at or after a timestamp and an offset. Raises CompressionError."""
    header = batch.header
    if header.has_log_append_time:
        offset = max(header.base_offset, from_offset)
        return TimestampAndOffset(header.max_timestamp, offset, header.partition_leader_epoch)
    body = segment.read(batch.position + HEADER_SIZE, header.size - HEADER_SIZE)
    for record in read_records(decompress(header.compression, body), header.record_count):
        offset = header.base_offset + record.offset_delta
        record_timestamp = header.base_timestamp + record.timestamp_delta
        if record_timestamp >= timestamp and offset >= from_offset:
            return TimestampAndOffset(record_timestamp, offset, header.partition_leader_epoch)
    return None
