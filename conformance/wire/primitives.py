"""Kafka's primitive types as bytes: a writer, and a reader that never trusts a length.

Flexible versions (KIP-482) write lengths as unsigned varints of length + 1 and end every structure with
tagged fields; older versions write int16 or int32 lengths. `flexible` on the reader or writer selects this.

The reader refuses what Kafka's generated readers refuse (truncation, negative lengths, nulls where none
may be, tags out of order) and varints longer than their type. It takes redundant varint bytes (0x80 0x00).
Not here: which fields a message has (`produce`, `fetch`, `schemas`), and records (`records`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from uuid import UUID

from conformance.wire.errors import MalformedAnswer, Unencodable

T = TypeVar("T")

INT32_BYTES_MAX = 5
INT64_BYTES_MAX = 10
NO_UUID = UUID(int=0)
SMALLEST_ITEM_BYTES = 1
"""No array item of Kafka's protocol is empty, so a count above the bytes left is a lie."""


class Writer:
    """Appends values to a growing buffer; null is `None` wherever a length is written."""

    def __init__(self, flexible: bool = False) -> None:
        """Start empty."""
        self.flexible = flexible
        self.buffer = bytearray()

    def written(self) -> bytes:
        """All that was written."""
        return bytes(self.buffer)

    def raw(self, data: bytes) -> None:
        """These bytes as they are."""
        self.buffer += data

    def _pack(self, layout: str, value: int) -> None:
        try:
            self.buffer += struct.pack(layout, value)
        except struct.error as error:
            raise Unencodable(f"{value!r} does not fit the field's type {layout[1:]!r}: {error}") from error

    def int8(self, value: int) -> None:
        """One signed byte."""
        self._pack(">b", value)

    def int16(self, value: int) -> None:
        """Two bytes, signed."""
        self._pack(">h", value)

    def int32(self, value: int) -> None:
        """Four bytes, signed."""
        self._pack(">i", value)

    def int64(self, value: int) -> None:
        """Eight bytes, signed."""
        self._pack(">q", value)

    def uuid(self, value: UUID | None) -> None:
        """Sixteen bytes; Kafka's "no id" is all zeros."""
        self.buffer += (value or NO_UUID).bytes

    def unsigned_varint(self, value: int) -> None:
        """Seven bits a byte, the lowest first."""
        if value < 0:
            raise Unencodable(f"{value} is negative and cannot be an unsigned varint")
        while value > 0x7F:
            self.buffer.append(value & 0x7F | 0x80)
            value >>= 7
        self.buffer.append(value)

    def varint(self, value: int) -> None:
        """A signed 32-bit number, zigzag encoded so that small negative numbers are short."""
        self._zigzag(value, 32)

    def varlong(self, value: int) -> None:
        """A signed 64-bit number, zigzag encoded."""
        self._zigzag(value, 64)

    def _zigzag(self, value: int, bits: int) -> None:
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise Unencodable(f"{value} does not fit a signed varint of {bits} bits")
        self.unsigned_varint((value << 1) ^ (value >> (bits - 1)))

    def _length(self, length: int, classic: Callable[[int], None]) -> None:
        if self.flexible:
            self.unsigned_varint(length + 1)
        else:
            classic(length)

    def string(self, value: str | None) -> None:
        """Text in UTF-8, or null (also where the schema allows none: a broker must refuse it)."""
        if value is None:
            self._length(-1, self.int16)
        else:
            encoded = value.encode()
            self._length(len(encoded), self.int16)
            self.buffer += encoded

    def byte_string(self, value: bytes | None) -> None:
        """Bytes or records, or null."""
        self._length(-1 if value is None else len(value), self.int32)
        if value is not None:
            self.buffer += value

    def array(self, items: Iterable[T] | None, write: Callable[[T], None]) -> None:
        """A count, then each item by `write`."""
        listed = None if items is None else list(items)
        self._length(-1 if listed is None else len(listed), self.int32)
        for item in listed or ():
            write(item)

    def tags(self, fields: Mapping[int, bytes] | None = None) -> None:
        """The tagged fields that end a structure, in ascending order; nothing in a version without them."""
        if not self.flexible:
            return
        fields = fields or {}
        self.unsigned_varint(len(fields))
        for tag in sorted(fields):
            self.unsigned_varint(tag)
            self.unsigned_varint(len(fields[tag]))
            self.buffer += fields[tag]


class Reader:
    """Reads values from bytes, in order; every failure is a `MalformedAnswer` that names the place."""

    def __init__(self, data: bytes, flexible: bool = False) -> None:
        """Start at the first byte."""
        self.data = data
        self.position = 0
        self.flexible = flexible

    def remaining(self) -> int:
        """How many bytes are unread."""
        return len(self.data) - self.position

    def fail(self, reason: str) -> MalformedAnswer:
        """The error to raise for `reason` at the current position."""
        return MalformedAnswer(reason, self.data, self.position)

    def end(self, what: str) -> None:
        """Insist that everything was read."""
        if self.remaining():
            raise self.fail(f"{self.remaining()} bytes left over after {what}")

    def take(self, length: int, what: str = "a value") -> bytes:
        """The next `length` bytes."""
        if length < 0:
            raise self.fail(f"{what} has the negative length {length}")
        if length > self.remaining():
            raise self.fail(f"{what} needs {length} bytes, {self.remaining()} are left")
        start = self.position
        self.position += length
        return self.data[start : self.position]

    def _unpack(self, layout: str, length: int) -> int:
        value: int = struct.unpack(layout, self.take(length, "a number"))[0]
        return value

    def boolean(self) -> bool:
        """One byte; anything but 0 is true, as in Kafka's own reader."""
        return self.int8() != 0

    def int8(self) -> int:
        """One signed byte."""
        return self._unpack(">b", 1)

    def int16(self) -> int:
        """Two bytes, signed."""
        return self._unpack(">h", 2)

    def uint16(self) -> int:
        """Two bytes, unsigned (ports)."""
        return self._unpack(">H", 2)

    def int32(self) -> int:
        """Four bytes, signed."""
        return self._unpack(">i", 4)

    def int64(self) -> int:
        """Eight bytes, signed."""
        return self._unpack(">q", 8)

    def float64(self) -> float:
        """Eight bytes, IEEE 754."""
        value: float = struct.unpack(">d", self.take(8, "a number"))[0]
        return value

    def uuid(self) -> UUID | None:
        """Sixteen bytes; all zeros is "no id"."""
        value = UUID(bytes=self.take(16, "a uuid"))
        return None if value == NO_UUID else value

    def _unsigned(self, bytes_max: int, bits: int) -> int:
        # Indexed rather than taken byte by byte, and one byte apart: records are many, and most of their
        # varints are that short.
        if self.position < len(self.data) and self.data[self.position] < 0x80:
            self.position += 1
            return self.data[self.position - 1]
        value = 0
        for index, byte in enumerate(self.data[self.position : self.position + bytes_max]):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if value >> bits:
                    raise self.fail(f"a varint is greater than {bits} bits hold")
                self.position += index + 1
                return value
        if self.remaining() < bytes_max:
            raise self.fail(f"a varint needs more bytes, {self.remaining()} are left")
        raise self.fail(f"a varint is longer than {bytes_max} bytes")

    def unsigned_varint(self) -> int:
        """An unsigned 32-bit number, seven bits a byte."""
        return self._unsigned(INT32_BYTES_MAX, 32)

    def varint(self) -> int:
        """A signed 32-bit number, zigzag encoded."""
        value = self._unsigned(INT32_BYTES_MAX, 32)
        return (value >> 1) ^ -(value & 1)

    def varlong(self) -> int:
        """A signed 64-bit number, zigzag encoded."""
        value = self._unsigned(INT64_BYTES_MAX, 64)
        return (value >> 1) ^ -(value & 1)

    def _length(self, classic: Callable[[], int], what: str) -> int:
        length = self.unsigned_varint() - 1 if self.flexible else classic()
        if length < -1:
            raise self.fail(f"{what} has the negative length {length}")
        return length

    def string(self) -> str:
        """Text that may not be null."""
        value = self.nullable_string()
        if value is None:
            raise self.fail("a string that may not be null is null")
        return value

    def nullable_string(self) -> str | None:
        """Text in UTF-8, or null."""
        length = self._length(self.int16, "a string")
        if length < 0:
            return None
        encoded = self.take(length, "a string")
        try:
            return encoded.decode()
        except UnicodeDecodeError as error:
            raise self.fail(f"a string is not UTF-8 ({error.reason})") from error

    def byte_string(self) -> bytes:
        """Bytes that may not be null."""
        value = self.nullable_byte_string()
        if value is None:
            raise self.fail("a byte string that may not be null is null")
        return value

    def nullable_byte_string(self) -> bytes | None:
        """Bytes or records, or null."""
        length = self._length(self.int32, "a byte string")
        return None if length < 0 else self.take(length, "a byte string")

    def array(self, read: Callable[[], T]) -> tuple[T, ...]:
        """Items that `read` reads; the array may not be null."""
        items = self.nullable_array(read)
        if items is None:
            raise self.fail("an array that may not be null is null")
        return items

    def nullable_array(self, read: Callable[[], T]) -> tuple[T, ...] | None:
        """Items that `read` reads, or null."""
        count = self._length(self.int32, "an array")
        if count < 0:
            return None
        if count * SMALLEST_ITEM_BYTES > self.remaining():
            raise self.fail(f"an array claims {count} items, {self.remaining()} bytes are left")
        return tuple(read() for _ in range(count))

    def tags(self, known: Mapping[int, Callable[[Reader], T]] | None = None) -> dict[int, T]:
        """The tagged fields that end a structure: the known ones read, the others skipped (KIP-482)."""
        found: dict[int, T] = {}
        if not self.flexible:
            return found
        previous = -1
        for _ in range(self.unsigned_varint()):
            tag = self.unsigned_varint()
            if tag <= previous:
                raise self.fail(f"tagged field {tag} comes after {previous}: tags must ascend")
            previous = tag
            field = Reader(self.take(self.unsigned_varint(), f"tagged field {tag}"), flexible=True)
            if known and tag in known:
                found[tag] = known[tag](field)
                field.end(f"tagged field {tag}")
        return found
