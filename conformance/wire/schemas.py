"""Every request that has no codec of ours: kafka-python's message classes, and a strict reader for them.

kafka-python generates its classes from Kafka's own JSON schemas. Its encoders are used as they are (the
tests hold them to kio's). Its decoders are not: they read an array length of -5 as empty, take null for any
string, never check the size of an unknown tagged field, and fail with whatever Python raises. So answers
are read here, by the same schemas, into the same classes.

This is the only file that knows kafka-python's schema objects. Not here: Produce and Fetch.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.wire.errors import Unencodable
from conformance.wire.primitives import Reader

with warnings.catch_warnings():
    # kafka-python 3.0 loads its schemas by importlib.resources.read_text, deprecated in Python 3.11.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.protocol import admin, consumer, metadata, producer, sasl
    from kafka.protocol.data_container import DataContainer
    from kafka.protocol.schemas.fields.codecs import BitField

MODULES = (metadata, admin, consumer, producer, sasl)
ENCODING_ERRORS = (struct.error, TypeError, ValueError, AttributeError, KeyError, AssertionError)
"""What kafka-python's encoders have been seen to raise for a value that does not fit its field."""

OPERATIONS_UNSET = {31}
"""The bit field that Kafka sends for "authorized operations were not asked for"."""


def message_class(name: str) -> Any:
    """kafka-python's class of that name, such as `MetadataRequest`."""
    for module in MODULES:
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(f"kafka-python has no message class {name}")


def version_range(name: str) -> tuple[int, int]:
    """The least and greatest version in the schema of `name`."""
    least, greatest = message_class(name).valid_versions
    return least, greatest


def is_flexible(name: str, version: int) -> bool:
    """Whether that version of `name` has compact lengths and tagged fields."""
    return bool(message_class(name).flexible_version_q(version))


def build(name: str, version: int, fields: dict[str, Any]) -> Any:
    """An object of the class `name`; structures inside it may be given as plain dicts of their fields."""
    try:
        return _build(message_class(name), version, fields)
    except (ValueError, TypeError) as error:
        raise Unencodable(f"{name} version {version}: {error}") from error


def _build(kind: Any, version: int, fields: dict[str, Any]) -> Any:
    known = kind.fields
    built = {key: _build_value(known.get(key), version, value) for key, value in fields.items()}
    return kind(version=version, **built)


def _build_value(field: Any, version: int, value: Any) -> Any:
    """The value, with dicts made into the structures that `field` says they are."""
    if isinstance(value, dict) and field is not None:
        return _build(field.data_class, version, value)
    if isinstance(value, (list, tuple)):
        return [_build_value(field, version, item) for item in value]
    return value


def is_message(value: object) -> bool:
    """Whether this is one of kafka-python's objects, or a structure inside one."""
    return isinstance(value, DataContainer)


def message_fields(message: Any) -> Iterator[tuple[str, Any]]:
    """The names and values of the fields that the message's version has."""
    for field in message.fields.values():
        if message.version is None or field.for_version_q(message.version):
            yield field.name, getattr(message, field.name)


def encode(message: Any, version: int) -> bytes:
    """The body of a message, by kafka-python's encoder."""
    try:
        return bytes(message.encode(version=version))
    except ENCODING_ERRORS as error:
        kind = type(message).__name__
        raise Unencodable(f"{kind} version {version}: {error!r}; check the fields of {message!r}") from error


def decode(name: str, version: int, body: bytes) -> Any:
    """The body of a message, read strictly, as an object of kafka-python's class."""
    kind = message_class(name)
    reader = Reader(body, flexible=is_flexible(name, version))
    message = _read_fields(reader, kind.fields, kind, version)
    reader.end(f"{name} version {version}")
    return message


def _read_fields(reader: Reader, fields: Mapping[str, Any], kind: Any, version: int) -> Any:
    """A structure: its fields in order, then the tagged ones."""
    present = [field for field in fields.values() if field.for_version_q(version)]
    tagged = {field.tag: field for field in present if field.tagged_field_q(version)}
    values = {field.name: _read(reader, field, version) for field in present if not field.tagged_field_q(version)}
    found = reader.tags({tag: _tagged_reader(field, version) for tag, field in tagged.items()})
    values.update({tagged[tag].name: value for tag, value in found.items()})
    return kind(version=version, **values)


def _tagged_reader(field: Any, version: int) -> Callable[[Reader], Any]:
    return lambda reader: _read(reader, field, version)


def _read(reader: Reader, field: Any, version: int) -> Any:
    """One field, by its kind."""
    nullable = field.nullable_for_version_q(version)
    if field.is_array():
        read_items = reader.nullable_array if nullable else reader.array
        items = read_items(lambda: _read(reader, field.array_of, version))
        return None if items is None else list(items)
    if field.is_struct():
        if nullable and reader.int8() < 0:
            return None
        return _read_fields(reader, field.fields, field.data_class, version)
    return _read_simple(reader, field.type_str, nullable)


def _read_simple(reader: Reader, kind: str, nullable: bool) -> Any:
    """A value of a primitive type."""
    match kind:
        case "string":
            return reader.nullable_string() if nullable else reader.string()
        case "bytes" | "records":
            return reader.nullable_byte_string() if nullable else reader.byte_string()
        case "bool":
            return reader.boolean()
        case "bitfield":
            operations = BitField.from_32_bit_field(reader.int32() & 0xFFFFFFFF)
            return None if operations == OPERATIONS_UNSET else operations
        case _:
            return getattr(reader, kind)()
