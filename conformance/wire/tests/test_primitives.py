"""Kafka's primitive types: limits of numbers, and lengths that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.errors import MalformedAnswer, Unencodable
from conformance.wire.primitives import Reader, Writer


@given(st.integers(0, 2**32 - 1))
def test_unsigned_varints(value: int) -> None:
    writer = Writer()
    writer.unsigned_varint(value)
    assert Reader(writer.written()).unsigned_varint() == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_varlongs(value: int) -> None:
    writer = Writer()
    writer.varlong(value)
    assert Reader(writer.written()).varlong() == value


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (64, "8001"), (-(2**31), "ffffffff0f"), (2**31 - 1, "feffffff0f")],
)
def test_varints_by_example(value: int, encoded: str) -> None:
    writer = Writer()
    writer.varint(value)
    assert writer.written().hex() == encoded
    assert Reader(bytes.fromhex(encoded)).varint() == value


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("", "needs more bytes, 0 are left"),
        ("8080", "needs more bytes, 2 are left"),
        ("8080808080", "longer than 5 bytes"),
        ("ffffffff7f", "greater than 32 bits"),
    ],
)
def test_varints_that_are_none(encoded: str, reason: str) -> None:
    with pytest.raises(MalformedAnswer, match=reason):
        Reader(bytes.fromhex(encoded)).varint()


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.int8(128),
        lambda writer: writer.int16(-(2**15) - 1),
        lambda writer: writer.int32(2**31),
        lambda writer: writer.int64(2**63),
        lambda writer: writer.varint(2**31),
        lambda writer: writer.unsigned_varint(-1),
        lambda writer: writer.string("x" * 2**15),
    ],
)
def test_what_does_not_fit_is_refused(write: Callable[[Writer], None]) -> None:
    with pytest.raises(Unencodable):
        write(Writer())


@given(text=st.none() | st.text(), data=st.none() | st.binary(), flexible=st.booleans())
def test_strings_bytes_and_arrays(text: str | None, data: bytes | None, flexible: bool) -> None:
    writer = Writer(flexible)
    writer.array([1, 2], writer.int8)
    writer.string(text)
    writer.byte_string(data)
    writer.array(None, writer.int8)
    writer.tags({3: b"three", 1: b""})
    reader = Reader(writer.written(), flexible)
    assert reader.array(reader.int8) == (1, 2)
    assert reader.nullable_string() == text
    assert reader.nullable_byte_string() == data
    assert reader.nullable_array(reader.int8) is None
    expected = {3: b"three"} if flexible else {}
    assert reader.tags({3: lambda field: field.take(field.remaining())}) == expected
    reader.end("the test")


def test_a_tagged_field_must_be_read_to_its_end() -> None:
    with pytest.raises(MalformedAnswer, match="left over after tagged field 0"):
        Reader(bytes.fromhex("0100020000"), flexible=True).tags({0: Reader.int8})


def test_text_must_be_utf_8() -> None:
    with pytest.raises(MalformedAnswer, match="not UTF-8"):
        Reader(bytes.fromhex("0001ff")).string()


def test_an_error_shows_where_and_what() -> None:
    reader = Reader(bytes.fromhex("00010203"))
    reader.int16()
    with pytest.raises(MalformedAnswer, match=r"at byte 2 of 4; bytes there: 00 01 02 03") as caught:
        reader.int32()
    assert (caught.value.data, caught.value.position) == (bytes.fromhex("00010203"), 2)
