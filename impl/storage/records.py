"""The records inside one batch of format v2, after decompression: walk, read, write.

Layout: `org.apache.kafka.common.record.DefaultRecord` (KIP-98). Timestamps and offsets appear as the deltas
that are stored; whoever knows the batch's header adds its base. Nothing here decides whether a record is
acceptable beyond its structure, and nothing here compresses.
"""

from collections.abc import Iterator
from typing import Final

import attrs

# Where a varint (32 bit) and a varlong (64 bit) must have ended: ByteUtils.readVarint and readVarlong.
VARINT_BITS: Final = 35
VARLONG_BITS: Final = 70


class InvalidRecordError(Exception):
    """Records whose structure is broken, or that are not as many as declared. The text says where."""


@attrs.frozen(slots=True)
class Record:
    """One record as it lies in its batch; `headers` stays encoded, beginning with their count."""

    attributes: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value: bytes | None
    headers: bytes


def _varint(data: bytes, position: int, bits: int = VARINT_BITS) -> tuple[int, int]:
    """A zigzag varint and the position after it. Raises IndexError at the end, InvalidRecordError if too long."""
    raw = shift = 0
    while True:
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), position
        shift += 7
        if shift >= bits:
            raise InvalidRecordError("a variable-length integer does not end")


def headers_end(data: bytes, position: int, end: int) -> int:
    """The position after the headers that begin at `position`."""
    count, position = _varint(data, position)
    if count < 0 or count > end - position:
        raise InvalidRecordError(f"invalid number of headers {count}")
    for _ in range(count):
        size, position = _varint(data, position)
        if size < 0:
            raise InvalidRecordError(f"invalid header key size {size}")
        position += size
        size, position = _varint(data, position)
        position += max(size, 0)
    return position


def _record_at(data: bytes, position: int) -> tuple[Record, int]:
    """The record at `position` and the position after it. IndexError and InvalidRecordError as `_varint`."""
    size, position = _varint(data, position)
    end = position + size
    if size < 0 or end > len(data):
        raise InvalidRecordError("incorrect declared batch size, premature end of the records")
    attributes = data[position]
    timestamp_delta, position = _varint(data, position + 1, VARLONG_BITS)
    offset_delta, position = _varint(data, position)
    key_size, position = _varint(data, position)
    key = data[position : position + key_size] if key_size >= 0 else None
    position += max(key_size, 0)
    value_size, position = _varint(data, position)
    value = data[position : position + value_size] if value_size >= 0 else None
    position += max(value_size, 0)
    headers_from = position
    position = headers_end(data, position, end)
    if position != end:
        raise InvalidRecordError(f"a record of {size} bytes does not end where it should")
    return Record(attributes, timestamp_delta, offset_delta, key, value, data[headers_from:end]), end


def read_record(data: bytes, position: int) -> Record:
    """The record that begins at `position`. Raises InvalidRecordError."""
    try:
        return _record_at(data, position)[0]
    except IndexError:
        raise InvalidRecordError("a record ends after the end of its batch") from None


def read_records(data: bytes, count: int) -> Iterator[Record]:
    """`count` records, which must fill `data` exactly. Raises InvalidRecordError when they do not."""
    position = 0
    try:
        for _ in range(count):
            record, position = _record_at(data, position)
            yield record
    except IndexError:
        raise InvalidRecordError("a record ends after the end of its batch") from None
    if position != len(data):
        raise InvalidRecordError("incorrect declared batch size, records still remaining")


def _append_varint(out: bytearray, value: int) -> None:
    """Append a signed number in zigzag encoding."""
    raw = (value << 1) ^ (value >> 63)
    while raw > 0x7F:
        out.append((raw & 0x7F) | 0x80)
        raw >>= 7
    out.append(raw)


def encode_record(out: bytearray, timestamp_delta: int, offset_delta: int, record: Record) -> None:
    """Append a record to a batch's body, with other deltas than its own."""
    body = bytearray((record.attributes,))
    _append_varint(body, timestamp_delta)
    _append_varint(body, offset_delta)
    for part in (record.key, record.value):
        _append_varint(body, -1 if part is None else len(part))
        body += part or b""
    body += record.headers
    _append_varint(out, len(body))
    out += body
