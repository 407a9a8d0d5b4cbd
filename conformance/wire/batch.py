"""Record batches as bytes, message format v2: `Batch` is written with every lie that it tells, and read back.

Reading what was written gives an equal `Batch`, with exceptions that bytes cannot show: a length field that
lies (`claimed_length_excess`) or a cut (`missing_bytes`) moves the border of the batch, a `payload` is read as
records or not at all, and a claim equal to the truth reads as `None`. Record timestamps are read as the
producer set them, also under LogAppendTime, where consumers show the batch's greatest timestamp instead.

Messages of format v0 and v1 are written by `message_set`; in answers they are recognised and kept as bytes.
Not here: checking a batch (`model`).

Source: DefaultRecordBatch.java, LegacyRecord.java; KIP-98, KIP-32, KIP-534 (delete horizon).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from attrs import evolve, frozen
from crc32c import crc32c

from conformance.wire.compression import compress, decompress
from conformance.wire.errors import MalformedAnswer, Unencodable
from conformance.wire.message_set import encode_message_set
from conformance.wire.records import decode_records, encode_records
from model.reference.batch import Batch, TimestampType

FRAME = struct.Struct(">qi")
"""Base offset, then the length of all that follows."""
EPOCH_MAGIC_CRC = struct.Struct(">ibI")
CHECKED = struct.Struct(">hiqqqhii")
"""Attributes, last offset delta, base and max timestamp, producer id and epoch, base sequence, count."""
FRAME_BYTES = FRAME.size
HEADER_BYTES = FRAME.size + EPOCH_MAGIC_CRC.size + CHECKED.size
MAGIC_POSITION = 16
LEGACY_BODY_BYTES_MIN = 14
"""CRC, magic, attributes, and the lengths of key and value (LegacyRecord.RECORD_OVERHEAD_V0)."""

COMPRESSION_BITS = 0x07
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40
KNOWN_BITS = 0x7F

CURRENT_MAGIC = 2
WRONG_CRC = 0xFFFFFFFF
"""What a right checksum is XORed with to make it wrong."""


@frozen
class LegacyMessage:
    """A message of format v0 or v1, as bytes: told apart, not read."""

    offset: int
    magic: int
    data: bytes


@frozen
class DecodedRecords:
    """What a partition's records in an answer hold."""

    batches: tuple[Batch, ...]
    partial_tail: int = 0
    """Bytes of an incomplete last batch; a broker may cut a fetch answer anywhere."""
    legacy_messages: tuple[LegacyMessage, ...] = ()


def encode_batch(batch: Batch, *, raw_snappy: bool = False) -> bytes:
    """The batch's bytes; `raw_snappy` compresses as librdkafka does, without the Java client's framing."""
    if batch.is_message_set:
        return encode_message_set(batch.records, batch.magic, batch.compression, batch.base_offset)
    payload = batch.payload
    if payload is None:
        records = encode_records(batch.records, batch.base_timestamp)
        payload = compress(batch.compression, records, raw_snappy=raw_snappy)
    try:
        checked = _checked_header(batch) + payload
        crc = crc32c(checked) ^ (0 if batch.crc_is_right else WRONG_CRC)
        unchecked = EPOCH_MAGIC_CRC.pack(batch.partition_leader_epoch, batch.magic, crc)
        length = len(unchecked) + len(checked) + batch.claimed_length_excess
        whole = FRAME.pack(batch.base_offset, length) + unchecked + checked
        return whole[: len(whole) - batch.missing_bytes]
    except struct.error as error:
        raise Unencodable(f"a field of the batch does not fit its type ({error}): {batch}") from error


def _checked_header(batch: Batch) -> bytes:
    """The part of the header that the checksum covers."""
    return CHECKED.pack(
        _attributes(batch),
        batch.last_offset_delta,
        batch.base_timestamp,
        batch.max_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.count,
    )


def _attributes(batch: Batch) -> int:
    return (
        batch.compression
        | (TIMESTAMP_TYPE_BIT if batch.timestamp_type is TimestampType.LOG_APPEND_TIME else 0)
        | (TRANSACTIONAL_BIT if batch.is_transactional else 0)
        | (CONTROL_BIT if batch.is_control else 0)
        | (DELETE_HORIZON_BIT if batch.has_delete_horizon else 0)
    )


def encode_batches(batches: Iterable[Batch]) -> bytes:
    """The batches' bytes, one after the other."""
    return b"".join(encode_batch(batch) for batch in batches)


def encoded_size(batch: Batch) -> int:
    """How many bytes `encode_batch` writes, which is not what a lying length field claims."""
    return len(encode_batch(batch))


def decode_batches(data: bytes) -> DecodedRecords:
    """Every whole batch in `data`; `MalformedAnswer` for anything that is no batch."""
    batches: list[Batch] = []
    legacy: list[LegacyMessage] = []
    position = 0
    while len(data) - position >= FRAME_BYTES:
        offset, length = FRAME.unpack_from(data, position)
        if length < LEGACY_BODY_BYTES_MIN:
            raise MalformedAnswer(f"a batch claims a length of {length} bytes", data, position)
        if length > len(data) - position - FRAME_BYTES:
            break
        whole = data[position : position + FRAME_BYTES + length]
        magic = int.from_bytes(whole[MAGIC_POSITION : MAGIC_POSITION + 1], signed=True)
        if magic == CURRENT_MAGIC:
            batches.append(_decode_batch(whole))
        elif magic in (0, 1):
            legacy.append(LegacyMessage(offset, magic, whole))
        else:
            raise MalformedAnswer(f"a batch has magic {magic}; 0, 1 and 2 exist", data, position)
        position += len(whole)
    return DecodedRecords(tuple(batches), len(data) - position, tuple(legacy))


def _decode_batch(data: bytes) -> Batch:
    if len(data) < HEADER_BYTES:
        raise MalformedAnswer(f"a batch of {len(data)} bytes is shorter than its header", data)
    base_offset, _ = FRAME.unpack_from(data)
    epoch, magic, crc = EPOCH_MAGIC_CRC.unpack_from(data, FRAME_BYTES)
    checked = data[FRAME_BYTES + EPOCH_MAGIC_CRC.size :]
    attributes, last_delta, base_timestamp, max_timestamp, producer_id, producer_epoch, sequence, count = (
        CHECKED.unpack_from(checked)
    )
    if attributes & ~KNOWN_BITS:
        raise MalformedAnswer(f"a batch has unused attribute bits set: {attributes:#06x}", data)
    crc_is_right = crc == crc32c(checked)
    plain = decompress(attributes & COMPRESSION_BITS, checked[CHECKED.size :])
    truth = Batch(
        records=decode_records(plain, base_timestamp),
        base_offset=base_offset,
        partition_leader_epoch=epoch,
        magic=magic,
        crc_is_right=crc_is_right,
        compression=attributes & COMPRESSION_BITS,
        timestamp_type=TimestampType(1 if attributes & TIMESTAMP_TYPE_BIT else 0),
        is_transactional=bool(attributes & TRANSACTIONAL_BIT),
        is_control=bool(attributes & CONTROL_BIT),
        has_delete_horizon=bool(attributes & DELETE_HORIZON_BIT),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=sequence,
    )
    return evolve(
        truth,
        claimed_last_offset_delta=_unless_true(last_delta, truth.last_offset_delta),
        claimed_base_timestamp=_unless_true(base_timestamp, truth.base_timestamp),
        claimed_max_timestamp=_unless_true(max_timestamp, truth.max_timestamp),
        claimed_count=_unless_true(count, truth.count),
    )


def _unless_true(claimed: int, truth: int) -> int | None:
    """What a header claims, or `None` where that follows from the records."""
    return None if claimed == truth else claimed
