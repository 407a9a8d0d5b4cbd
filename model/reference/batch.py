"""Records and record batches, as a client claims them to be (message format v2, KIP-98).

A `Batch` is data, not bytes: it says what its header claims and which records it holds, so that the
model can tell whether a broker must take it. Every claim that a well-behaved client derives from the
records (counts, deltas, timestamps, checksum) can be overridden, because a broker must refuse the lie.

Not modelled here: what message sets of format v0 and v1 hold (no broker may take them), and how bytes are laid out
(`conformance.wire`).

Source: DefaultRecordBatch.java, DefaultRecord.java; KIP-98 (format), KIP-32 (timestamps).
"""

from __future__ import annotations

from enum import IntEnum

from attrs import evolve, field, frozen

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1
NO_LEADER_EPOCH = -1
NO_OFFSET = -1

SEQUENCE_LIMIT = 2**31
"""Sequence numbers count modulo this (DefaultRecordBatch.incrementSequence)."""


class Compression(IntEnum):
    """The codecs of bits 0 to 2 of a batch's attributes (CompressionType.java)."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class TimestampType(IntEnum):
    """Who stamps records: bit 3 of a batch's attributes (KIP-32, `message.timestamp.type`)."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


@frozen
class Record:
    """One record. `timestamp` is in milliseconds since the epoch; `None` for a key or value is Kafka's null."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0
    offset_delta: int | None = None
    """The claimed distance to the batch's base offset; `None` stands for the right one, its index."""


@frozen(kw_only=True)
class Batch:
    """A record batch. A field that is `None` stands for the value that follows from the records."""

    records: tuple[Record, ...]
    base_offset: int = 0
    partition_leader_epoch: int = NO_LEADER_EPOCH
    magic: int = 2
    crc_is_right: bool = True
    compression: int = field(default=Compression.NONE)
    """A codec number; 5 to 7 name no codec and are a lie that only a test tells."""
    timestamp_type: TimestampType = TimestampType.CREATE_TIME
    is_transactional: bool = False
    is_control: bool = False
    has_delete_horizon: bool = False
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH
    base_sequence: int = NO_SEQUENCE
    claimed_last_offset_delta: int | None = None
    claimed_base_timestamp: int | None = None
    claimed_max_timestamp: int | None = None
    claimed_count: int | None = None
    claimed_length_excess: int = 0
    """Bytes by which the length field lies: positive claims more than is there."""
    missing_bytes: int = 0
    """Bytes that are cut off at the end; length field and checksum are those of the whole batch."""
    is_message_set: bool = False
    """Whether the records are laid out as messages of format v0 or v1 (`magic`), which had no batches."""
    payload: bytes | None = None
    """Bytes that stand where the (compressed) records should be, and are none; `None`: the records."""

    @property
    def count(self) -> int:
        """How many records the header claims."""
        return len(self.records) if self.claimed_count is None else self.claimed_count

    @property
    def last_offset_delta(self) -> int:
        """The claimed offset of the last record, relative to the first."""
        return len(self.records) - 1 if self.claimed_last_offset_delta is None else self.claimed_last_offset_delta

    @property
    def base_timestamp(self) -> int:
        """The first record's timestamp, in milliseconds, as the header claims it."""
        if self.claimed_base_timestamp is not None:
            return self.claimed_base_timestamp
        return self.records[0].timestamp if self.records else NO_TIMESTAMP

    @property
    def max_timestamp(self) -> int:
        """The greatest timestamp, in milliseconds, as the header claims it."""
        if self.claimed_max_timestamp is not None:
            return self.claimed_max_timestamp
        return max((record.timestamp for record in self.records), default=NO_TIMESTAMP)

    @property
    def last_offset(self) -> int:
        """The offset of the last record."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The first offset after this batch."""
        return self.last_offset + 1

    @property
    def is_idempotent(self) -> bool:
        """Whether a producer id is named (AbstractRecordBatch.hasProducerId)."""
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record; it wraps to 0 after 2^31 - 1."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) % SEQUENCE_LIMIT

    def at(self, base_offset: int, leader_epoch: int) -> Batch:
        """This batch as a leader stores it: offset and epoch stamped, all else as it came."""
        return evolve(self, base_offset=base_offset, partition_leader_epoch=leader_epoch)
