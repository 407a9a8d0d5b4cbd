"""Lookups by timestamp: the record that answers one, in segments and in a batch (`FileRecords.searchForTimestamp`)."""

from collections.abc import Sequence

import attrs

from impl.storage.segment import BatchAt, Segment
from impl.storage.stored_records import records_in


@attrs.frozen(slots=True)
class TimestampAndOffset:
    """The answer to a lookup by timestamp; the epoch is the one that the batch carries."""

    timestamp: int
    offset: int
    leader_epoch: int


def first_record(segment: Segment, batch: BatchAt, timestamp: int, from_offset: int) -> TimestampAndOffset | None:
    """The first record of a batch at or after a timestamp and an offset. Raises DamagedBatchError."""
    header = batch.header
    if header.has_log_append_time:
        offset = max(header.base_offset, from_offset)
        return TimestampAndOffset(header.max_timestamp, offset, header.partition_leader_epoch)
    for record in records_in(segment, batch):
        offset = header.base_offset + record.offset_delta
        record_timestamp = header.base_timestamp + record.timestamp_delta
        if record_timestamp >= timestamp and offset >= from_offset:
            return TimestampAndOffset(record_timestamp, offset, header.partition_leader_epoch)
    return None


def find_timestamp(segments: Sequence[Segment], timestamp: int, from_offset: int) -> TimestampAndOffset | None:
    """The first record at or after a timestamp and an offset, in the first segment that reaches the timestamp."""
    for segment in segments:
        if segment.largest_timestamp() >= timestamp:
            for batch in segment.find_timestamp(timestamp, from_offset):
                found = first_record(segment, batch, timestamp, from_offset)
                if found is not None:
                    return found
            return None
    return None


def find_max_timestamp(segments: Sequence[Segment]) -> TimestampAndOffset | None:
    """The first record with the largest timestamp (KIP-734)."""
    segment = max(segments, key=lambda each: each.max_timestamp)
    batch = segment.find_max_timestamp()
    return first_record(segment, batch, batch.header.max_timestamp, 0) if batch else None
