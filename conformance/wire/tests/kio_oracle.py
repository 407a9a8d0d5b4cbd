"""kio as a second opinion on Kafka's encodings: random messages of its classes, written by its writers.

kio's reader aborts the process on malformed input, so it is fed only bytes that were made here.
"""

from __future__ import annotations

import dataclasses
import io
import types
import typing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from random import Random
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import TZAware, f64, i32Timedelta, i64Timedelta

from conformance.wire.apis import Api

TEXTS = ("", "a", "topic-1", "été", "x" * 130)
BLOBS = (b"", b"\0", b"abc", bytes(200))
UUIDS = (None, UUID(int=1), UUID("8cd9641e-dfa2-4465-87f9-9b4fac7759e5"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kio_class(api: Api, version: int, kind: str) -> Any:
    """kio's class of a request or a response (`kind`)."""
    module = import_module(f"kio.schema.{api.name.lower()}.v{version}.{kind}")
    return getattr(module, f"{api.title}{kind.capitalize()}")


def write(entity: Any) -> bytes:
    """The entity's bytes."""
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def read(kind: Any, data: bytes) -> Any:
    """The entity in `data`, which must be well formed, to the last byte."""
    entity, size = entity_reader(kind)(data, 0)
    assert size == len(data)
    return entity


def random_entity(kind: Any, random: Random) -> Any:
    """An instance of a kio class with random fields."""
    hints = typing.get_type_hints(kind)
    return kind(**{field.name: _random_value(hints[field.name], random) for field in dataclasses.fields(kind)})


def _random_value(hint: Any, random: Random) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        present = [argument for argument in arguments if argument is not types.NoneType]
        return None if random.random() < 0.3 else _random_value(present[0], random)
    if origin is tuple:
        return tuple(_random_value(arguments[0], random) for _ in range(random.choice((0, 1, 2))))
    if dataclasses.is_dataclass(hint):
        return random_entity(hint, random)
    return _random_primitive(hint, random)


def _random_primitive(hint: Any, random: Random) -> Any:
    if hint is bool:
        return random.random() < 0.5
    if hint is UUID:
        return random.choice(UUIDS[1:])
    if hint is ErrorCode:
        return random.choice(list(ErrorCode))
    if hint in (i32Timedelta, i64Timedelta):
        return timedelta(milliseconds=random.randrange(-(2**31), 2**31))
    if hint is TZAware:
        return EPOCH + timedelta(seconds=random.randrange(2**31))
    if hint is f64:
        return random.choice((0.0, -1.5, 1e300))
    if issubclass(hint, int):
        return random.choice((hint.__low__, hint.__high__, -1 if hint.__low__ else 1, 0, 7))
    return random.choice(BLOBS if issubclass(hint, bytes) else TEXTS)


def plain(value: Any) -> Any:
    """A kio value as kafka-python would hold it: numbers for times and codes, lists for tuples."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1000)
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, ErrorCode):
        return int(value.value)
    return value
