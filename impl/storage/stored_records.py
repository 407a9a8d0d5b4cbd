"""A batch that is on the disk, and its records, checked as they are read.

Kafka's broker does not look at the checksum here (`FileRecords.searchForTimestamp`, `GroupMetadataManager`, `Cleaner`):
a bit that has flipped since a batch was written would be answered as a time or an offset that nobody has sent, and what
compaction leaves of the batch would have a right checksum again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from impl.storage.batch import HEADER_SIZE, DamagedBatchError, stored_crc_matches
from impl.storage.compression import CompressionError, decompress
from impl.storage.records import InvalidRecordError, Record, read_records
from impl.storage.segment import LOG, BatchAt, Segment


def checked(segment: Segment, batch: BatchAt) -> bytes:
    """One whole batch of a segment. Raises DamagedBatchError unless its checksum is right, StorageError."""
    data = segment.read(batch.position, batch.header.size)
    if not stored_crc_matches(data):
        raise DamagedBatchError(segment.path(LOG), batch.position, "its checksum is not that of its bytes")
    return data


def records_in(segment: Segment, batch: BatchAt) -> Iterator[Record]:
    """The records of one batch of a segment. Raises DamagedBatchError, StorageError."""
    header = batch.header
    body = memoryview(checked(segment, batch))[HEADER_SIZE:]
    with told_where(segment, batch):
        yield from read_records(decompress(header.compression, body), header.record_count)


@contextmanager
def told_where(segment: Segment, batch: BatchAt) -> Iterator[None]:
    """While the records of a batch of a segment are looked at: DamagedBatchError says where there are none."""
    try:
        yield
    except (CompressionError, InvalidRecordError) as error:
        raise DamagedBatchError(segment.path(LOG), batch.position, str(error)) from error
