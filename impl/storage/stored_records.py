"""The records of a batch that is on the disk, checked as they are read.

Kafka's broker does not look at the checksum here (`FileRecords.searchForTimestamp`, `GroupMetadataManager`): a bit that
has flipped since a batch was written would be answered as a time or an offset that nobody has sent.
"""

from collections.abc import Iterator

from impl.storage.batch import HEADER_SIZE, DamagedBatchError, stored_crc_matches
from impl.storage.compression import CompressionError, decompress
from impl.storage.records import InvalidRecordError, Record, read_records
from impl.storage.segment import LOG, BatchAt, Segment


def records_in(segment: Segment, batch: BatchAt) -> Iterator[Record]:
    """The records of one batch of a segment. Raises DamagedBatchError, StorageError."""
    header = batch.header
    data = memoryview(segment.read(batch.position, header.size))
    if not stored_crc_matches(data):
        raise DamagedBatchError(segment.path(LOG), batch.position, "its checksum is not that of its bytes")
    try:
        yield from read_records(decompress(header.compression, data[HEADER_SIZE:]), header.record_count)
    except (CompressionError, InvalidRecordError) as error:
        raise DamagedBatchError(segment.path(LOG), batch.position, str(error)) from error
