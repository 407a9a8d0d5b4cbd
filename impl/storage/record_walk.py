"""Quick walks over the records of a batch, for what a validator or a compaction must know of all of them.

Walking is most of the work of an append. A record's leading fields are found by one regular expression; and where
records of the same size follow each other, whole runs of them are checked by strided slices, a column at a time. The
rules of structure are those of `records`, which reads records one by one.
"""

import re
from collections.abc import Iterator
from typing import Final

import attrs

from impl.storage.records import InvalidRecordError, headers_end

# size, attributes, timestamp delta, offset delta, size of the key
RECORD_HEAD: Final = re.compile(
    rb"([\x80-\xff]{0,4}[\x00-\x7f])(.)([\x80-\xff]{0,9}[\x00-\x7f])"
    rb"([\x80-\xff]{0,4}[\x00-\x7f])([\x80-\xff]{0,4}[\x00-\x7f])",
    re.DOTALL,
)
VARINT: Final = re.compile(rb"[\x80-\xff]{0,4}[\x00-\x7f]")
CONTINUED: Final = re.compile(rb"[\x80-\xff]*")
FINAL: Final = re.compile(rb"[\x00-\x7f]*")

# Setting a run up costs about as much as this many single records.
SHORTEST_RUN: Final = 4
CACHED_BYTES: Final = 2
# The lowest bytes of 64 offset deltas in a row, which then repeat: as the last byte of a varint, and before others.
LOWEST_BYTES: Final = {mark: bytes((2 * step) | mark for step in range(64)) for mark in (0, 0x80)}


@attrs.frozen(slots=True)
class RecordsSummary:
    """What is known of all records: the extremes of their timestamp deltas in ms, their keys, their numbering."""

    earliest_delta: int
    latest_delta: int
    every_record_has_key: bool
    offsets_are_consecutive: bool


class _Varints(dict[bytes, int]):
    """Zigzag varints by their bytes; short ones are remembered."""

    def __missing__(self, field: bytes) -> int:
        raw = 0
        for number, byte in enumerate(field):
            raw |= (byte & 0x7F) << (7 * number)
        value = (raw >> 1) ^ -(raw & 1)
        if len(field) <= CACHED_BYTES:
            self[field] = value
        return value


VALUES: Final = _Varints()


Span = tuple[int, int]


@attrs.frozen(slots=True)
class _Shape:
    """Where the fields of a record without headers are; the next one may have the same shape."""

    size: int
    timestamp: Span
    offset: Span
    fixed: tuple[Span, ...]  # the fields that records of one shape have in common: sizes, and no headers


def summarize(data: bytes, count: int) -> RecordsSummary:
    """Walk `count` records, which must fill `data`. Raises InvalidRecordError as `read_records` does."""
    walk = _Walk(data)
    last_size = 0
    while walk.index < count:
        start = walk.position
        shape = walk.record(last_size)
        last_size = walk.position - start
        if shape is not None and count - walk.index >= SHORTEST_RUN:
            walk.run(shape, count - walk.index)
    if walk.position != len(data):
        raise InvalidRecordError("incorrect declared batch size, records still remaining")
    return RecordsSummary(walk.earliest, walk.latest, walk.every_record_has_key, walk.is_consecutive)


def walk_keys(data: bytes, count: int) -> Iterator[tuple[int, int, bytes | None, bool]]:
    """Of each of `count` records, which must fill `data`: position, offset delta, key, whether it has a value.

    What follows a record's key is not looked into. Raises InvalidRecordError.
    """
    position = 0
    for _ in range(count):
        start = position
        head = RECORD_HEAD.match(data, start)
        if head is None:
            raise InvalidRecordError("a record ends after the end of its batch")
        size_field, offset_field, key_field = head.group(1, 4, 5)
        key_size = VALUES[key_field]
        key_from = head.end()
        value_from = key_from + max(0, key_size)
        position = head.end(1) + VALUES[size_field]
        if not value_from < position <= len(data):
            raise InvalidRecordError("a record ends after the end of its batch")
        is_negative = data[value_from] & 1  # the lowest bit of a zigzag varint: the size of no value
        yield start, VALUES[offset_field], data[key_from:value_from] if key_size >= 0 else None, not is_negative
    if position != len(data):
        raise InvalidRecordError("incorrect declared batch size, records still remaining")


class _Walk:
    """How far the walk has come, and what it has seen."""

    __slots__ = ("_data", "earliest", "every_record_has_key", "index", "is_consecutive", "latest", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = self.index = 0
        self.earliest, self.latest = 2**63, -(2**63)
        self.every_record_has_key = self.is_consecutive = True

    def record(self, size_before: int) -> _Shape | None:
        """Take one record; answers its shape if it has no headers and the size of the one before it."""
        data, start = self._data, self.position
        head = RECORD_HEAD.match(data, start)
        if head is None:
            raise InvalidRecordError("incorrect declared batch size, premature end of the records")
        size_field, timestamp_field, offset_field, key_field = head.group(1, 3, 4, 5)
        end = head.end(1) + VALUES[size_field]
        key_size = VALUES[key_field]
        value = VARINT.match(data, head.end() + key_size if key_size > 0 else head.end())
        if value is None or end > len(data):
            raise InvalidRecordError("incorrect declared batch size, premature end of the records")
        headers_from = value.end() + max(0, VALUES[value[0]])
        has_headers = headers_from + 1 != end or data[headers_from] != 0
        if has_headers and self._headers_end(headers_from, end) != end:
            raise InvalidRecordError("a record does not end where it should")
        delta = VALUES[timestamp_field]
        self._see(delta, delta)
        if key_size < 0:
            self.every_record_has_key = False
        if VALUES[offset_field] != self.index:
            self.is_consecutive = False
        self.position = end
        self.index += 1
        if has_headers or end - start != size_before:
            return None
        fixed = head.span(1), head.span(5), value.span(), (end - 1, end)
        return _Shape(size_before, head.span(3), head.span(4), fixed)

    def run(self, shape: _Shape, count_max: int) -> None:
        """Take the records that follow with the same shape, at most `count_max`."""
        count = min(count_max, (len(self._data) - self.position) // shape.size)
        for first, after in shape.fixed:
            for position in range(first, after):
                column = self._column(shape, position, count)
                count -= len(column.lstrip(self._data[position : position + 1]))
        for first, after in (shape.timestamp, shape.offset):
            for position in range(first, after):
                bits = FINAL if position == after - 1 else CONTINUED
                found = bits.match(self._column(shape, position, count))
                count = found.end() if found is not None else 0
        if count:
            times = self._numbers(shape, shape.timestamp, count)
            self._see(min(times), max(times))
            if self.is_consecutive:
                self.is_consecutive = self._are_consecutive(shape, count)
            self.index += count
            self.position += count * shape.size

    def _see(self, earliest: int, latest: int) -> None:
        self.earliest = min(self.earliest, earliest)
        self.latest = max(self.latest, latest)

    def _headers_end(self, position: int, end: int) -> int:
        try:
            return headers_end(self._data, position, end)
        except IndexError:
            raise InvalidRecordError("a record ends after the end of its batch") from None

    def _column(self, shape: _Shape, position: int, count: int) -> bytes:
        """One byte of each of the next `count` records: that which the shape has at `position`."""
        start = position + shape.size
        return self._data[start : start + count * shape.size : shape.size]

    def _numbers(self, shape: _Shape, span: Span, count: int) -> set[int]:
        """The different values of a variable-length field in the next `count` records."""
        columns = [self._column(shape, position, count) for position in range(*span)]
        return {VALUES[bytes(field)] for field in set(zip(*columns, strict=True))}

    def _are_consecutive(self, shape: _Shape, count: int) -> bool:
        """Whether the offset deltas of the next `count` records continue the numbering."""
        first, after = shape.offset
        for number, position in enumerate(range(first, after)):
            mark = 0 if position == after - 1 else 0x80
            if self._column(shape, position, count) != _numbering(number, mark, self.index, count):
                return False
        return True


def _numbering(number: int, mark: int, index: int, count: int) -> bytes:
    """Byte `number` of the varints of `count` offset deltas from `index` on, with `mark` as its highest bit."""
    if number == 0:
        return (LOWEST_BYTES[mark] * (count // 64 + 2))[index % 64 :][:count]
    block = 64 << (7 * (number - 1))  # neighbours that share this byte
    blocks = range(index // block, (index + count) // block + 1)
    shared = b"".join(bytes(((each & 0x7F) | mark,)) * block for each in blocks)
    return shared[index % block :][:count]
