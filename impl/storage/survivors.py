"""What a loss of power leaves of a file and of a directory: everything that was made durable, and some of the rest.

`FileContent` and `Names` hold what programs see (cached) beside what is durable, and the changes between them. Which
changes survive is drawn from a random generator, so that a seed tells everything. A file's bytes are written back in
pages in any order, at any time since the last flush, each whole or torn; its size may be of another time than its bytes
(what was not written then reads as zeros). Changes of names survive each for itself, in their order.
"""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Final, Generic, TypeVar

PAGE_SIZE: Final = 4096
# A change of a file: bytes written at a position, or the file cut to a size (None).
Change = tuple[int, bytes | None]
Node = TypeVar("Node")


def apply_change(content: bytearray, change: Change) -> None:
    """Do one change; what lies between the end and a position beyond it becomes zeros."""
    position, data = change
    if len(content) < position:
        content.extend(bytes(position - len(content)))
    if data is None:
        del content[position:]
    else:
        content[position : position + len(data)] = data


def _applied(content: bytes, changes: Iterable[Change]) -> bytes:
    result = bytearray(content)
    for change in changes:
        apply_change(result, change)
    return bytes(result)


class FileContent:
    """One file's bytes: as programs read them, as they are on the disk, and the changes in between, oldest first."""

    __slots__ = ("_has_dropped", "cached", "durable", "modified_ms", "pending")

    def __init__(self, content: bytes = b"", modified_ms: int = 0) -> None:
        self.durable = content
        self.cached = bytearray(content)
        self.pending: list[Change] = []
        self.modified_ms = modified_ms
        self._has_dropped = False

    def change(self, change: Change) -> None:
        """Write or truncate, in the cache."""
        apply_change(self.cached, change)
        self.pending.append(change)

    def sync(self) -> None:
        """Make durable all changes that are still known to be pending."""
        self.durable = _applied(self.durable, self.pending) if self._has_dropped else bytes(self.cached)
        self.pending.clear()

    def fail_sync(self) -> None:
        """Forget the pending changes: the cache is clean after a failed flush, and the next one reports success."""
        self._has_dropped = True
        self.pending.clear()

    def flip(self, position: int, bit: int) -> None:
        """Change a bit at rest."""
        content = bytearray(self.durable)
        if position < len(content):
            content[position] ^= 1 << bit
        self.durable = bytes(content)
        if position < len(self.cached):
            self.cached[position] ^= 1 << bit

    def copy(self) -> "FileContent":
        """The same, for a process that was killed while the machine ran on."""
        copy = FileContent(self.durable, self.modified_ms)
        copy.cached = bytearray(self.cached)
        copy.pending = list(self.pending)
        copy._has_dropped = self._has_dropped
        return copy

    def survivor(self, random: Random, page_size: int) -> bytes:
        """What is read after a loss of power."""
        if not self.pending:
            return self.durable
        way = random.randrange(6)
        if way == 0:
            return self.durable
        if way == 1:
            return _applied(self.durable, self.pending)
        if way == 2:
            return self._size_without_data()
        if way == 3:
            return self._pages(random, page_size)
        return self._prefix(random)

    def _size_without_data(self) -> bytes:
        size = len(_applied(self.durable, self.pending))
        return self.durable[:size] + bytes(max(0, size - len(self.durable)))

    def _prefix(self, random: Random) -> bytes:
        """The oldest changes, and a part of the next."""
        count = random.randrange(len(self.pending))
        position, data = self.pending[count]
        torn = [] if data is None else [(position, data[: random.randint(0, len(data))])]
        return _applied(self.durable, [*self.pending[:count], *torn])

    def _pages(self, random: Random, page_size: int) -> bytes:
        """Each page, and the size, as they were at some time since the last flush; a page may be torn between two."""
        versions = [self.durable]
        for change in self.pending:
            versions.append(_applied(versions[-1], (change,)))
        size = len(random.choice(versions))
        content = bytearray()
        for start in range(0, size, page_size):
            older, newer = sorted(random.randrange(len(versions)) for _ in range(2))
            tear = start + random.choice((0, page_size, random.randint(0, page_size)))
            page = versions[newer][start:tear].ljust(tear - start, b"\0") + versions[older][tear : start + page_size]
            content += page.ljust(page_size, b"\0")
        return bytes(content[:size])


class Names(Generic[Node]):
    """The names in one directory: as programs see them, as they are on the disk, and the changes in between."""

    __slots__ = ("cached", "durable", "pending")

    def __init__(self, names: Mapping[str, Node] | None = None) -> None:
        self.durable: dict[str, Node] = dict(names or {})
        self.cached: dict[str, Node] = dict(names or {})
        self.pending: list[Mapping[str, Node | None]] = []

    def change(self, change: Mapping[str, Node | None]) -> None:
        """Let names stand for something else, or for nothing (None); all of one change or none of it survives."""
        _rename(self.cached, change)
        self.pending.append(change)

    def sync(self) -> None:
        """Make all names durable."""
        self.durable = dict(self.cached)
        self.pending.clear()

    def survivors(self, random: Random) -> dict[str, Node]:
        """The names that are there after a loss of power: some changes, as a prefix or any of them."""
        names = dict(self.durable)
        way = random.randrange(4)
        kept = random.randint(0, len(self.pending))
        for number, change in enumerate(self.pending):
            if way == 1 or (way == 2 and number < kept) or (way == 3 and random.random() < 0.5):
                _rename(names, change)
        return names


def _rename(names: dict[str, Node], change: Mapping[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node
