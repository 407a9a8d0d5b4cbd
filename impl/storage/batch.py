"""The header of a record batch, format v2: read, check, stamp.

Layout and field order: `org.apache.kafka.common.record.DefaultRecordBatch`. Lengths are in bytes, times in
milliseconds since 1970. Records inside a batch are the business of `records`; offsets and epochs are decided by
the log and only written here. Formats v0 and v1 are not read: Kafka 3.9 stores nothing but v2.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final

import attrs
from crc32c import crc32c

from impl.storage.buffers import Buffer

HEADER = Struct(">qiibIhiqqqhii")
HEADER_SIZE: Final = HEADER.size  # 61
LOG_OVERHEAD: Final = 12  # base offset and length, which precede what the length counts
SIZE_FIELD = Struct(">i")
SIZE_POSITION: Final = 8
MAGIC_POSITION: Final = 16
MAGIC_FIELD = Struct(">b")
CRC_POSITION: Final = 17
CRC_FIELD = Struct(">I")
CHECKED_FROM: Final = 21  # the CRC covers everything from the attributes on
OFFSET_AND_SIZE = Struct(">qi")
ATTRIBUTES_POSITION: Final = 21
ATTRIBUTES_FIELD = Struct(">h")
MAX_TIMESTAMP_POSITION: Final = 35
TIMESTAMP_FIELD = Struct(">q")
STAMP = Struct(">qiib")  # base offset, length, partition leader epoch, magic

MAGIC: Final = 2
COMPRESSION_MASK: Final = 0x07
TIMESTAMP_TYPE_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20
DELETE_HORIZON_BIT: Final = 0x40

# The smallest length that Kafka's own reader takes for a batch: a v0 message (LegacyRecord.RECORD_OVERHEAD_V0).
SMALLEST_LENGTH: Final = 14
LENGTH_MAX: Final = 2**31 - 1 - LOG_OVERHEAD
NO_PRODUCER_ID: Final = -1
NO_SEQUENCE: Final = -1
NO_TIMESTAMP: Final = -1
SEQUENCE_MODULUS: Final = 2**31
# What an operator can do about a batch that is damaged on the disk.
ADVICE: Final = "check the disk; later segments can be read, and deleting the records before them removes this one"


class CorruptBatchError(Exception):
    """Bytes that are no record batch: a wrong length, magic or checksum. The text says which."""


class DamagedBatchError(CorruptBatchError):
    """Bytes on the disk that were a batch, or should be: in which file, at which byte, and what is wrong there."""

    def __init__(self, path: Path, position: int, why: str) -> None:
        super().__init__(path, position, why)
        self.where = f"{path} at byte {position}"
        self.why = why

    def __str__(self) -> str:
        return f"{self.where}: no good batch ({self.why}); {ADVICE}"


class OversizedBatchError(CorruptBatchError):
    """A length so large that Kafka's own arithmetic on it overflows, which it answers as its own failure."""


@attrs.frozen(slots=True)
class BatchHeader:
    """The fixed 61 bytes before the records, by Kafka's field names."""

    base_offset: int
    length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """All bytes of the batch, with the twelve that its length field leaves out."""
        return self.length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        """The offset of the batch's last record."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset after the batch's last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record, modulo 2^31; -1 when the batch carries none."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) % SEQUENCE_MODULUS

    @property
    def compression(self) -> int:
        """The codec's id: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."""
        return self.attributes & COMPRESSION_MASK

    @property
    def has_log_append_time(self) -> bool:
        """Whether the timestamps were set by a broker."""
        return bool(self.attributes & TIMESTAMP_TYPE_BIT)

    @property
    def delete_horizon_ms(self) -> int | None:
        """When the batch's tombstones may go (KIP-534); None as long as nobody has said so.

        It is kept in place of the base timestamp, which the records' deltas then refer to.
        """
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None

    @property
    def is_transactional(self) -> bool:
        """Whether the batch is part of a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a marker instead of data."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def has_producer_id(self) -> bool:
        """Whether an idempotent or transactional producer sent it."""
        return self.producer_id > NO_PRODUCER_ID


def parse_header(data: Buffer, position: int = 0) -> BatchHeader:
    """The header at `position`. Raises CorruptBatchError when fewer than 61 bytes are left."""
    if len(data) - position < HEADER_SIZE:
        raise CorruptBatchError(f"{len(data) - position} bytes are too few for a batch header")
    return BatchHeader(*HEADER.unpack_from(data, position))


def is_transactional(batch: Buffer) -> bool:
    """Whether a batch, however short, has the transactional bit of format v2 set."""
    if len(batch) < ATTRIBUTES_POSITION + ATTRIBUTES_FIELD.size or batch[MAGIC_POSITION] != MAGIC:
        return False
    return bool(ATTRIBUTES_FIELD.unpack_from(batch, ATTRIBUTES_POSITION)[0] & TRANSACTIONAL_BIT)


def stored_crc_matches(data: Buffer) -> bool:
    """Whether one whole batch carries the CRC-32C of its bytes from the attributes on."""
    (stored,) = CRC_FIELD.unpack_from(data, CRC_POSITION)
    return crc32c(memoryview(data)[CHECKED_FROM:]) == int(stored)


def stamp(batch: bytearray | memoryview, base_offset: int, leader_epoch: int) -> None:
    """Write the base offset and partition leader epoch into a batch. Neither is covered by the CRC."""
    STAMP.pack_into(batch, 0, base_offset, len(batch) - LOG_OVERHEAD, leader_epoch, MAGIC)


def stamp_timestamp(batch: bytearray | memoryview, max_timestamp: int, *, log_append_time: bool) -> bool:
    """Set the maximum timestamp and the timestamp type, and recompute the CRC if that changes anything.

    As `DefaultRecordBatch.setMaxTimestamp`: the base timestamp stays as the producer sent it. Answers whether
    anything changed.
    """
    (attributes,) = ATTRIBUTES_FIELD.unpack_from(batch, ATTRIBUTES_POSITION)
    (current,) = TIMESTAMP_FIELD.unpack_from(batch, MAX_TIMESTAMP_POSITION)
    if bool(attributes & TIMESTAMP_TYPE_BIT) == log_append_time and current == max_timestamp:
        return False
    attributes &= COMPRESSION_MASK | TRANSACTIONAL_BIT | CONTROL_BIT | DELETE_HORIZON_BIT
    if log_append_time:
        attributes |= TIMESTAMP_TYPE_BIT
    ATTRIBUTES_FIELD.pack_into(batch, ATTRIBUTES_POSITION, attributes)
    TIMESTAMP_FIELD.pack_into(batch, MAX_TIMESTAMP_POSITION, max_timestamp)
    CRC_FIELD.pack_into(batch, CRC_POSITION, crc32c(memoryview(batch)[CHECKED_FROM:]))
    return True


def split_batches(data: Buffer) -> Iterator[memoryview]:
    """The batches that lie one after the other in `data`; an incomplete last one is left out.

    As `ByteBufferLogInputStream`: raises CorruptBatchError at a length or magic that no batch can have.
    """
    view = memoryview(data)
    position = 0
    while len(view) - position >= LOG_OVERHEAD:
        (length,) = SIZE_FIELD.unpack_from(view, position + SIZE_POSITION)
        if length < SMALLEST_LENGTH:
            raise CorruptBatchError(
                f"Record size {length} is less than the minimum record overhead ({SMALLEST_LENGTH})"
            )
        if length > LENGTH_MAX:
            raise OversizedBatchError(f"Record size {length} overflows")
        if len(view) - position > MAGIC_POSITION and view[position + MAGIC_POSITION] > MAGIC:
            (magic,) = MAGIC_FIELD.unpack_from(view, position + MAGIC_POSITION)
            raise CorruptBatchError(f"Invalid magic found in record: {magic}")
        if len(view) - position < length + LOG_OVERHEAD:
            return
        yield view[position : position + length + LOG_OVERHEAD]
        position += length + LOG_OVERHEAD
