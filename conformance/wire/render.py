"""Requests, answers and bytes as text for people: what a failure report shows.

Error codes are named, records are shown as the batches they hold, absent fields are left out of our own
classes and shown as null in kafka-python's. SASL tokens are not shown: they carry passwords.
Not here: any format that a program reads back; the bytes in an `Exchange` serve for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from conformance.wire.apis import Api
from conformance.wire.batch import decode_batches
from conformance.wire.errors import MalformedAnswer
from conformance.wire.schemas import is_message, message_fields
from model.reference.batch import Batch, Compression, Record, TimestampType
from model.reference.errors import ErrorCode

DUMP_LIMIT = 512
"""Bytes that a dump shows unless told otherwise."""
DUMP_WIDTH = 16
SHOWN_BYTES = 32
SHOWN_RECORDS = 5
INDENT = "  "
SECRET_FIELDS = ("auth_bytes", "salt", "salted_password")


def hexdump(data: bytes, limit: int = DUMP_LIMIT) -> str:
    """Offset, bytes and ASCII, sixteen bytes a line, of the first `limit` bytes."""
    lines = []
    for start in range(0, min(len(data), limit), DUMP_WIDTH):
        row = data[start : min(start + DUMP_WIDTH, limit)]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<{3 * DUMP_WIDTH - 1}}  {text}")
    if len(data) > limit:
        lines.append(f"... {len(data) - limit} more bytes")
    return "\n".join(lines) or "(no bytes)"


def error_name(code: int) -> str:
    """The code with Kafka's name for it, such as `3 UNKNOWN_TOPIC_OR_PARTITION`."""
    try:
        return f"{code} {ErrorCode(code).name}"
    except ValueError:
        return f"{code} (no name known)"


def describe_request(api: Api, version: int, request: object) -> str:
    """The request's fields, one a line."""
    return "\n".join([f"{api.title} request, version {version}", *_fields(request, INDENT)])


def describe_answer(api: Api, version: int, answer: object) -> str:
    """The answer's fields, one a line; `None` is the answer that Produce with acks 0 never gets."""
    title = f"{api.title} answer, version {version}"
    if answer is None:
        return f"{title}: none is sent"
    return "\n".join([title, *_fields(answer, INDENT)])


def describe_batch(batch: Batch) -> str:
    """A batch's header on one line, and its first records below."""
    return "\n".join(_batch_lines(batch, ""))


def _fields(message: Any, indent: str) -> Iterator[str]:
    """The lines of a structure's fields."""
    for name, value in _named_values(message):
        yield from _lines(name, value, indent)


def _named_values(message: Any) -> Iterator[tuple[str, Any]]:
    if is_message(message):
        yield from message_fields(message)
        return
    for field in attrs.fields(type(message)):
        value = getattr(message, field.name)
        if value is not None:
            yield field.name, value


def _is_structure(value: object) -> bool:
    return is_message(value) or attrs.has(type(value))


def _lines(name: str, value: Any, indent: str) -> Iterator[str]:
    """The lines of one named value."""
    if name == "records" and isinstance(value, bytes):
        yield from _record_lines(value, indent)
    elif _is_structure(value):
        yield f"{indent}{name}:"
        yield from _fields(value, indent + INDENT)
    elif isinstance(value, (list, tuple)) and any(map(_is_structure, value)):
        for index, item in enumerate(value):
            yield f"{indent}{name}[{index}]:"
            yield from _fields(item, indent + INDENT)
    else:
        yield f"{indent}{name}: {_scalar(name, value)}"


def _scalar(name: str, value: object) -> str:
    """A value that fits a line."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"{len(value)} bytes, not shown" if name in SECRET_FIELDS else _short(value)
    if isinstance(value, int) and name.endswith("error_code"):
        return error_name(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar("", item) for item in value) + "]"
    return str(value) if isinstance(value, (bool, int, float)) else repr(str(value))


def _short(data: bytes) -> str:
    """Bytes on one line: as text where they are text, else in hexadecimal."""
    shown = data[:SHOWN_BYTES]
    more = f" ... {len(data)} bytes" if len(data) > SHOWN_BYTES else ""
    text = repr(shown) if shown.isascii() and shown.decode("ascii").isprintable() else f"0x{shown.hex()}"
    return text + more


def _record_lines(data: bytes, indent: str) -> Iterator[str]:
    """A partition's records as the batches that they hold, or as bytes where they hold none."""
    yield f"{indent}records: {len(data)} bytes"
    try:
        decoded = decode_batches(data)
    except MalformedAnswer as error:
        yield f"{indent}{INDENT}(no readable batches: {error.reason})"
        yield from (indent + INDENT + line for line in hexdump(data).splitlines())
        return
    for batch in decoded.batches:
        yield from _batch_lines(batch, indent + INDENT)
    for legacy in decoded.legacy_messages:
        yield f"{indent}{INDENT}message of format v{legacy.magic} at offset {legacy.offset}"
    if decoded.partial_tail:
        yield f"{indent}{INDENT}and {decoded.partial_tail} bytes of an incomplete batch"


def _batch_lines(batch: Batch, indent: str) -> Iterator[str]:
    yield f"{indent}batch " + ", ".join(_batch_words(batch))
    for index, record in enumerate(batch.records[:SHOWN_RECORDS]):
        yield f"{indent}{INDENT}{_record_words(index, record)}"
    if len(batch.records) > SHOWN_RECORDS:
        yield f"{indent}{INDENT}... {len(batch.records) - SHOWN_RECORDS} more records"


def _batch_words(batch: Batch) -> Iterator[str]:
    """What a batch's header says, in order of interest; what is usual is left out."""
    yield f"offsets {batch.base_offset} to {batch.last_offset}"
    yield f"leader epoch {batch.partition_leader_epoch}"
    yield f"{batch.count} records"
    if batch.count != len(batch.records):
        yield f"WRONG: {len(batch.records)} are there"
    if not batch.crc_is_right:
        yield "WRONG CRC"
    if batch.compression:
        named = batch.compression in tuple(Compression)
        yield Compression(batch.compression).name.lower() if named else f"UNKNOWN CODEC {batch.compression}"
    yield f"timestamps {batch.base_timestamp} to {batch.max_timestamp}"
    if batch.timestamp_type is TimestampType.LOG_APPEND_TIME:
        yield "log append time"
    if batch.is_idempotent:
        yield f"producer {batch.producer_id} epoch {batch.producer_epoch} sequence {batch.base_sequence}"
    if batch.is_transactional:
        yield "transactional"
    if batch.is_control:
        yield "control"
    if batch.has_delete_horizon:
        yield "delete horizon"


def _record_words(index: int, record: Record) -> str:
    delta = index if record.offset_delta is None else record.offset_delta
    key = "null" if record.key is None else _short(record.key)
    value = "null" if record.value is None else _short(record.value)
    headers = "".join(f", {name}={_scalar('', header)}" for name, header in record.headers)
    return f"+{delta} at {record.timestamp}: {key} = {value}{headers}"
