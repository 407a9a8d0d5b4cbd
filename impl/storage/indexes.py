"""The two indexes beside a segment: offset to position, and timestamp to offset.

Entries are byte-compatible with Kafka's `.index` (8 bytes: relative offset, position) and `.timeindex` (12 bytes:
timestamp in ms, relative offset), big-endian and ascending (`OffsetIndex`, `TimeIndex`). Unlike Kafka's, the files
are not preallocated: they hold exactly their entries. Lookups read from the file, so an index costs next to no memory;
the newest entries are kept back and written together. An index is complete on disk after `flush`; it is rebuilt
from its segment when it is in doubt.
"""

from collections.abc import Iterator
from struct import Struct
from typing import ClassVar, Final

from impl.storage.buffers import Buffer
from impl.storage.filesystem import File
from impl.storage.lengths import check_length, read_written

OFFSET_ENTRY = Struct(">ii")
TIME_ENTRY = Struct(">qi")
NO_TIMESTAMP: Final = -1
ENTRIES_KEPT_BACK: Final = 256


class _EntryFile:
    """Entries of one fixed size in a file, searched by their first field."""

    suffix: ClassVar[str]

    def __init__(self, file: File, entry: Struct, size_max: int) -> None:
        self._file = file
        self._entry = entry
        size = file.size()
        self._written = size // entry.size
        self.is_whole = size % entry.size == 0
        self._kept_back = bytearray()
        self._count = self._written
        self._count_max = size_max // entry.size
        self.was_doubted = False  # whether it was told that an entry is wrong

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self._count

    def entry(self, number: int) -> tuple[int, int]:
        """The entry at `number`, from 0."""
        size = self._entry.size
        if number >= self._written:
            key, value = self._entry.unpack_from(self._kept_back, (number - self._written) * size)
        else:
            key, value = self._entry.unpack(read_written(self._file, number * size, size, self._written * size))
        return key, value

    def append_packed(self, entries: Buffer) -> None:
        """Add entries as they are in the file."""
        self._kept_back += entries
        self._count += len(entries) // self._entry.size
        if self._count - self._written >= ENTRIES_KEPT_BACK:
            self.flush()

    def flush(self) -> None:
        """Write what was kept back."""
        if self._kept_back:
            check_length(self._file, self._written * self._entry.size)
            self._file.write_at(self._written * self._entry.size, (self._kept_back,))
            self._written = self._count
            self._kept_back = bytearray()

    def _entries_before(self, key: int) -> Iterator[tuple[int, int]]:
        """The last entry whose first field is <= key, and others further and further before it, should it be wrong."""
        end, step = self._count, 1
        while (number := self._floor(key, end=end)) >= 0:
            yield self.entry(number)
            end = max(0, number + 1 - step)
            step *= 2

    def _floor(self, key: int, field: int = 0, *, end: int | None = None) -> int:
        """The number of the last entry before `end` whose first field (or second: 1) is <= key; -1 if there is none.

        One entry that is too large does not hide those after it.
        """
        end = self._count if end is None else end
        number = self._search(key, field, 0, end)
        if number + 2 < end and self.entry(number + 2)[field] <= key:
            number = self._search(key, field, number + 2, end)
        return number

    def _search(self, key: int, field: int, low: int, high: int) -> int:
        while low < high:
            middle = (low + high) // 2
            if self.entry(middle)[field] <= key:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def clear(self) -> None:
        """Forget all entries, before a rebuild."""
        self._file.truncate(0)
        self.is_whole = True
        self._count = self._written = 0
        self._kept_back = bytearray()

    def close(self) -> None:
        """Close the file, which then has all entries."""
        self.flush()
        self._file.close()

    def abandon(self) -> None:
        """Close the file and forget what was kept back, before the file is removed."""
        self._kept_back = bytearray()
        self._file.close()


class OffsetIndex(_EntryFile):
    """`.index`: where in the segment a batch begins, for one batch in every `index.interval.bytes`."""

    suffix = ".index"

    def __init__(self, file: File, base_offset: int, size_max: int) -> None:
        super().__init__(file, OFFSET_ENTRY, size_max)
        self._base_offset = base_offset

    @property
    def is_full(self) -> bool:
        """Whether `segment.index.bytes` leaves no room for an entry."""
        return self.count >= self._count_max

    def append(self, offset: int, position: int) -> None:
        """Say that the batch with last offset `offset` begins at `position` (a byte of the segment)."""
        self.append_packed(OFFSET_ENTRY.pack(offset - self._base_offset, position))

    def last(self) -> tuple[int, int]:
        """Last offset and position of the batch that the last entry is about; there must be one."""
        relative, position = self.entry(self.count - 1)
        return relative + self._base_offset, position

    def positions_before(self, offset: int) -> Iterator[int]:
        """A position at or before the batch that holds `offset`, and earlier ones, should the entry be wrong."""
        return (position for _, position in self._entries_before(offset - self._base_offset))

    def entry_after(self, position: int) -> tuple[int, int] | None:
        """Offset and position of the first entry at or after `position`, if there is one (`fetchUpperBoundOffset`)."""
        number = self._floor(position - 1, 1) + 1
        if number >= self.count:
            return None
        relative, found = self.entry(number)
        return relative + self._base_offset, found


class TimeIndex(_EntryFile):
    """`.timeindex`: the largest timestamp so far, and the offset that it was seen at."""

    suffix = ".timeindex"

    def __init__(self, file: File, base_offset: int, size_max: int) -> None:
        super().__init__(file, TIME_ENTRY, size_max)
        self._base_offset = base_offset
        self._last_timestamp = self.entry(self.count - 1)[0] if self.count else NO_TIMESTAMP

    @property
    def is_full(self) -> bool:
        """Whether room is left only for the entry that closing the segment adds (`TimeIndex.isFull`)."""
        return self.count >= self._count_max - 1

    def append(self, timestamp: int, offset: int) -> None:
        """Add an entry unless the timestamp is not later than the last one's."""
        if timestamp > self._last_timestamp:
            self.append_packed(TIME_ENTRY.pack(timestamp, offset - self._base_offset))

    def append_packed(self, entries: Buffer) -> None:
        """See `_EntryFile.append_packed`; their timestamps ascend, and are later than the last one's."""
        super().append_packed(entries)
        if entries:
            self._last_timestamp, _ = TIME_ENTRY.unpack_from(entries, len(entries) - TIME_ENTRY.size)

    def last(self) -> tuple[int, int]:
        """Timestamp and offset of the last entry; (-1, base offset) when there is none (`TimeIndex.lastEntry`)."""
        if not self.count:
            return NO_TIMESTAMP, self._base_offset
        timestamp, relative = self.entry(self.count - 1)
        return timestamp, relative + self._base_offset

    def entries_before(self, timestamp: int) -> Iterator[tuple[int, int]]:
        """The last entry at or before `timestamp`, and earlier ones, should it be wrong (`TimeIndex.lookup`)."""
        return ((time, relative + self._base_offset) for time, relative in self._entries_before(timestamp))

    def clear(self) -> None:
        """See `_EntryFile.clear`."""
        super().clear()
        self._last_timestamp = NO_TIMESTAMP
