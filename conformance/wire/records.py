"""Records of message format v2 as bytes: the part of a batch that its codec compresses.

A record's timestamp and offset are written relative to its batch's. What `Record` cannot say is refused in
answers rather than dropped: a record's own attributes (unused in v2, always 0) and header names that are
null or no UTF-8. Not here: the batch's header (`batch`) and its codec (`compression`).

Source: DefaultRecord.java; KIP-98, KIP-82 (headers).
"""

from __future__ import annotations

from conformance.wire.primitives import Reader, Writer
from model.reference.batch import Record

NO_ATTRIBUTES = 0


def encode_records(records: tuple[Record, ...], base_timestamp: int) -> bytes:
    """The records one after the other, each with its length before it."""
    writer = Writer()
    for index, record in enumerate(records):
        body = _encode_record(record, index, base_timestamp)
        writer.varint(len(body))
        writer.raw(body)
    return writer.written()


def _encode_record(record: Record, index: int, base_timestamp: int) -> bytes:
    writer = Writer()
    writer.int8(NO_ATTRIBUTES)
    writer.varlong(record.timestamp - base_timestamp)
    writer.varint(index if record.offset_delta is None else record.offset_delta)
    _write_nullable(writer, record.key)
    _write_nullable(writer, record.value)
    writer.varint(len(record.headers))
    for name, value in record.headers:
        _write_nullable(writer, name.encode())
        _write_nullable(writer, value)
    return writer.written()


def _write_nullable(writer: Writer, data: bytes | None) -> None:
    writer.varint(-1 if data is None else len(data))
    if data is not None:
        writer.raw(data)


def decode_records(data: bytes, base_timestamp: int) -> tuple[Record, ...]:
    """Every record in `data`, whatever number of them the batch's header claims."""
    reader = Reader(data)
    records: list[Record] = []
    while reader.remaining():
        body = Reader(reader.take(reader.varint(), "a record"))
        records.append(_decode_record(body, len(records), base_timestamp))
        body.end("a record")
    return tuple(records)


def _decode_record(reader: Reader, index: int, base_timestamp: int) -> Record:
    attributes = reader.int8()
    if attributes != NO_ATTRIBUTES:
        raise reader.fail(f"a record has attributes {attributes}; format v2 leaves them 0")
    timestamp = base_timestamp + reader.varlong()
    offset_delta = reader.varint()
    key = _read_nullable(reader, "a key")
    value = _read_nullable(reader, "a value")
    count = reader.varint()
    if not 0 <= count <= reader.remaining():
        raise reader.fail(f"a record claims {count} headers")
    headers = tuple(_read_header(reader) for _ in range(count))
    delta = None if offset_delta == index else offset_delta
    return Record(value=value, key=key, headers=headers, timestamp=timestamp, offset_delta=delta)


def _read_nullable(reader: Reader, what: str) -> bytes | None:
    length = reader.varint()
    return None if length == -1 else reader.take(length, what)


def _read_header(reader: Reader) -> tuple[str, bytes | None]:
    name = reader.take(reader.varint(), "a header's name")
    try:
        return name.decode(), _read_nullable(reader, "a header's value")
    except UnicodeDecodeError as error:
        raise reader.fail(f"a header's name is not UTF-8 ({error.reason})") from error
