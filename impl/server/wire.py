"""Reading and writing the primitive types of Kafka's protocol, for the codecs written by hand.

`Reader` walks a memoryview without copying it; `Writer` gathers an answer whose records stay in their file. Types and
their compact forms: https://kafka.apache.org/protocol#protocol_types, KIP-482. Messages are the codecs' business.
"""

import struct
from collections.abc import Callable
from struct import Struct
from typing import Final, TypeVar

INT8 = Struct(">b")
INT16 = Struct(">h")
INT32 = Struct(">i")
INT64 = Struct(">q")
VARINT_BYTES_MAX: Final = 5

Item = TypeVar("Item")


class MalformedRequestError(Exception):
    """Bytes that are not the message that their header announces; the connection is closed."""


class Reader:
    """A position in a request's bytes. Every method raises MalformedRequestError at the end of the data."""

    __slots__ = ("_view", "is_flexible", "position")

    def __init__(self, view: memoryview, position: int = 0, *, is_flexible: bool = False) -> None:
        self._view = view
        self.position = position
        self.is_flexible = is_flexible

    def struct(self, layout: Struct) -> tuple[int, ...]:
        """Several fixed fields at once."""
        try:
            fields = layout.unpack_from(self._view, self.position)
        except struct.error:
            raise MalformedRequestError("the request ends too early") from None
        self.position += layout.size
        return fields

    def int16(self) -> int:
        """A 16-bit number."""
        return self.struct(INT16)[0]

    def int32(self) -> int:
        """A 32-bit number."""
        return self.struct(INT32)[0]

    def unsigned_varint(self) -> int:
        """A number of up to five bytes of seven bits."""
        value = shift = 0
        view = self._view
        for position in range(self.position, min(self.position + VARINT_BYTES_MAX, len(view))):
            byte = view[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.position = position + 1
                return value
            shift += 7
        raise MalformedRequestError("a variable-length number does not end")

    def _span(self, size: int) -> memoryview:
        start = self.position
        if size < 0 or size > len(self._view) - start:
            raise MalformedRequestError(f"a field of {size} bytes reaches over the end")
        self.position = start + size
        return self._view[start : start + size]

    def raw(self, size: int) -> bytes:
        """A field of fixed size."""
        return bytes(self._span(size))

    def nullable_string(self) -> str | None:
        """A string that may be null."""
        size = self.unsigned_varint() - 1 if self.is_flexible else self.int16()
        if size == -1:
            return None
        try:
            return str(self._span(size), "utf-8")
        except UnicodeDecodeError:
            raise MalformedRequestError("a string is not UTF-8") from None

    def string(self) -> str:
        """A string that must not be null."""
        text = self.nullable_string()
        if text is None:
            raise MalformedRequestError("a string is null that must not be")
        return text

    def nullable_bytes(self) -> memoryview | None:
        """A byte field that may be null, as a view of the request."""
        size = self.unsigned_varint() - 1 if self.is_flexible else self.int32()
        return None if size == -1 else self._span(size)

    def array_length(self) -> int:
        """The length of an array, 0 for null; it is checked against the bytes that are left."""
        size = self.unsigned_varint() - 1 if self.is_flexible else self.int32()
        if size > len(self._view) - self.position:
            raise MalformedRequestError(f"an array of {size} items reaches over the end")
        if size < -1:
            raise MalformedRequestError(f"an array has {size} items")
        return max(0, size)

    def array(self, item: Callable[[], Item]) -> list[Item]:
        """An array; null is read as empty."""
        return [item() for _ in range(self.array_length())]

    def tagged_fields(self) -> dict[int, memoryview]:
        """The tagged fields that end a flexible structure; none in other versions."""
        if not self.is_flexible:
            return {}
        fields = {}
        for _ in range(self.unsigned_varint()):
            tag = self.unsigned_varint()
            fields[tag] = self._span(self.unsigned_varint())
        return fields


class Writer:
    """The bytes of an answer, in order."""

    __slots__ = ("data", "is_flexible")

    def __init__(self, *, is_flexible: bool) -> None:
        self.data = bytearray()
        self.is_flexible = is_flexible

    def unsigned_varint(self, value: int) -> None:
        """A number in as few bytes of seven bits as it needs."""
        while value > 0x7F:
            self.data.append((value & 0x7F) | 0x80)
            value >>= 7
        self.data.append(value)

    def length(self, size: int) -> None:
        """The length of an array or byte field that follows."""
        if self.is_flexible:
            self.unsigned_varint(size + 1)
        else:
            self.data += INT32.pack(size)

    def nullable_string(self, text: str | None) -> None:
        """A string or null."""
        if text is None:
            self.data += b"\x00" if self.is_flexible else b"\xff\xff"
            return
        encoded = text.encode()
        if self.is_flexible:
            self.unsigned_varint(len(encoded) + 1)
        else:
            self.data += INT16.pack(len(encoded))
        self.data += encoded

    def tagged_fields(self, fields: dict[int, bytes] | None = None) -> None:
        """The tagged fields that end a flexible structure."""
        if not self.is_flexible:
            return
        fields = fields or {}
        self.unsigned_varint(len(fields))
        for tag in sorted(fields):
            self.unsigned_varint(tag)
            self.unsigned_varint(len(fields[tag]))
            self.data += fields[tag]
