"""A file system in memory that lies as disks do: it forgets what was not made durable, and fails when told to.

`SimulatedFileSystem` performs the operations of `FileSystem`; `after_power_loss` is the disk that a machine finds when
it starts again (see `survivors`), `after_kill` the one that the next process finds. Nothing here depends on the
machine, the clock or the hash seed: the same calls with the same random generators give the same bytes. Files have no
descriptors.
"""

import errno
import io
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Union

from impl.errors import StorageError
from impl.storage.buffers import Buffer, write_rest
from impl.storage.faults import Faults, Kind
from impl.storage.filesystem import File, FileSystem, Lock
from impl.storage.survivors import PAGE_SIZE, FileContent, Names


class Directory(Names[Union["Directory", FileContent]]):
    """A directory: files and directories by name."""


Entry = Directory | FileContent


class SimulatedFile:
    """An open file. It stays good when it is renamed or removed."""

    __slots__ = ("_content", "_system", "path")

    def __init__(self, system: "SimulatedFileSystem", path: Path, content: FileContent) -> None:
        self._system = system
        self._content = content
        self.path = path

    def fileno(self) -> int:
        """See `File`. Raises UnsupportedOperation."""
        raise io.UnsupportedOperation(f"{self.path} is simulated and has no descriptor")

    def read_at(self, position: int, size: int) -> bytes:
        """See `File`."""
        self._system.meet("read", self.path, position)
        return bytes(self._content.cached[position : position + size])

    def read_into(self, position: int, buffer: memoryview) -> int:
        """See `File`."""
        data = self.read_at(position, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write_at(self, position: int, buffers: Sequence[Buffer]) -> int:
        """See `File`."""
        return write_rest(lambda rest, before: self._write_some(rest, position + before), buffers, 0)

    def _write_some(self, rest: memoryview, position: int) -> int:
        """One write; it may be short."""
        fault = self._system.faults.meet("write", str(self.path))
        taken = len(rest) if fault is None else min(len(rest), fault.bytes_taken)
        room = self._system.room_from(self._content, position)
        if room is not None:
            taken = min(taken, room)
        if taken:
            self._content.change((position, bytes(rest[:taken])))
            self._content.modified_ms = self._system.now_ms
        if fault is not None and not fault.is_short_write:
            raise StorageError("write", self.path, fault.error, position)
        if not taken:
            raise StorageError("write", self.path, errno.ENOSPC, position)
        return taken

    def size(self) -> int:
        """See `File`."""
        return len(self._content.cached)

    def modified_ms(self) -> int:
        """See `File`."""
        return self._content.modified_ms

    def set_modified_ms(self, time_ms: int) -> None:
        """See `File`."""
        self._content.modified_ms = time_ms

    def moved_to(self, path: Path) -> None:
        """See `File`."""
        self.path = path

    def truncate(self, size: int) -> None:
        """See `File`."""
        self._system.meet("truncate", self.path, size)
        self._content.change((size, None))

    def sync(self) -> None:
        """See `File`. By its path, as on a real disk."""
        if not self._system.exists(self.path):
            raise StorageError("sync", self.path, errno.ENOENT)
        try:
            self._system.meet("sync", self.path)
        except StorageError:
            self._content.fail_sync()
            raise
        self._content.sync()

    def close(self) -> None:
        """See `File`."""


class _NoLock:
    """A lock that nobody else can want."""

    def close(self) -> None:
        """See `Lock`."""


class SimulatedFileSystem(FileSystem):
    """Files in memory. `now_ms` is the time that files are marked with when they are written."""

    def __init__(self, root: Directory | None = None, faults: Faults | None = None, now_ms: int = 0) -> None:
        self._root = root if root is not None else Directory()
        self.faults = faults if faults is not None else Faults()
        self.now_ms = now_ms

    def meet(self, kind: Kind, path: Path, position: int | None = None) -> None:
        """Count an operation. Raises StorageError if a fault strikes it."""
        fault = self.faults.meet(kind, str(path))
        if fault is not None:
            raise StorageError(kind, path, fault.error, position)

    def room_from(self, content: FileContent, position: int) -> int | None:
        """How many bytes may be written to a file from a position until the disk is full; None: any number."""
        if self.faults.capacity is None:
            return None
        free = self.faults.capacity - self.bytes_used
        return max(0, len(content.cached) - position + free)

    @property
    def bytes_used(self) -> int:
        """How many bytes all files have together."""
        return _bytes_in(self._root)

    def _find(self, path: Path) -> Entry | None:
        entry: Entry | None = self._root
        for part in path.parts[1:]:
            entry = entry.cached.get(part) if isinstance(entry, Directory) else None
        return entry

    def _directory(self, path: Path) -> Directory:
        found = self._find(path)
        if not isinstance(found, Directory):
            raise StorageError("find the directory", path, errno.ENOENT)
        return found

    def content(self, path: Path) -> FileContent:
        """What a file holds, for tests that look behind it or damage it. Raises StorageError."""
        found = self._find(path)
        if not isinstance(found, FileContent):
            raise StorageError("find", path, errno.ENOENT)
        return found

    def names(self, path: Path) -> Directory:
        """The names in a directory, for tests that look behind it. Raises StorageError."""
        return self._directory(path)

    def open(self, path: Path, *, create: bool = False, truncate: bool = False) -> File:
        """See `FileSystem`."""
        if create and self._find(path) is None:
            self.meet("open", path)
            self._directory(path.parent).change({path.name: FileContent(b"", self.now_ms)})
        file = SimulatedFile(self, path, self.content(path))
        if truncate and file.size():
            file.truncate(0)
        return file

    def lock(self, path: Path) -> Lock:  # noqa: ARG002 - nobody else can want the file
        """See `FileSystem`. Always granted."""
        return _NoLock()

    def exists(self, path: Path) -> bool:
        """See `FileSystem`."""
        return self._find(path) is not None

    def list_names(self, path: Path) -> list[str]:
        """See `FileSystem`."""
        self.meet("list", path)
        return sorted(self._directory(path).cached)

    def make_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        for each in (*reversed(path.parents), path):
            if self._find(each) is None:
                self.meet("make", each)
                self._directory(each.parent).change({each.name: Directory()})

    def read_file(self, path: Path) -> bytes:
        """See `FileSystem`."""
        self.meet("read", path)
        return bytes(self.content(path).cached)

    def move(self, old: Path, new: Path) -> None:
        """See `FileSystem`."""
        self.meet("move", old)
        source = self._directory(old.parent)
        if old.name not in source.cached:
            raise StorageError("move", old, errno.ENOENT)
        moved = source.cached[old.name]
        if old.parent == new.parent:
            source.change({old.name: None, new.name: moved})
        else:
            self._directory(new.parent).change({new.name: moved})
            source.change({old.name: None})

    def remove(self, path: Path) -> None:
        """See `FileSystem`."""
        if self._find(path) is not None:
            self.meet("remove", path)
            self._directory(path.parent).change({path.name: None})

    def remove_tree(self, path: Path) -> None:
        """See `FileSystem`. File by file, as any program has to."""
        found = self._find(path)
        if isinstance(found, Directory):
            for name in sorted(found.cached):
                self.remove_tree(path / name)
        self.remove(path)

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        self.meet("sync directory", path)
        self._directory(path).sync()

    def after_power_loss(self, random: Random, page_size: int = PAGE_SIZE) -> "SimulatedFileSystem":
        """What is found when power comes back; this file system stays as it is."""
        return SimulatedFileSystem(_survivor(self._root, random, page_size), now_ms=self.now_ms)

    def after_kill(self) -> "SimulatedFileSystem":
        """What another process finds after this one was killed: everything, as durable or not as it was."""
        return SimulatedFileSystem(_copy(self._root, {}), now_ms=self.now_ms)


def _bytes_in(entry: Entry) -> int:
    if isinstance(entry, FileContent):
        return len(entry.cached)
    return sum(_bytes_in(each) for each in list(entry.cached.values()))  # threads may make files meanwhile


def _survivor(directory: Directory, random: Random, page_size: int) -> Directory:
    found: dict[str, Entry] = {}
    for name, entry in directory.survivors(random).items():
        if isinstance(entry, Directory):
            found[name] = _survivor(entry, random, page_size)
        else:
            found[name] = FileContent(entry.survivor(random, page_size), entry.modified_ms)
    return Directory(found)


def _copy(directory: Directory, known: dict[int, Entry]) -> Directory:
    """A copy in which what was one file under several names (before and after a rename) is one file again."""
    copy = Directory()
    known[id(directory)] = copy

    def copied(entry: Entry) -> Entry:
        if id(entry) not in known:
            if isinstance(entry, Directory):
                _copy(entry, known)
            else:
                known[id(entry)] = entry.copy()
        return known[id(entry)]

    copy.durable = {name: copied(entry) for name, entry in directory.durable.items()}
    copy.cached = {name: copied(entry) for name, entry in directory.cached.items()}
    copy.pending = [
        {name: None if entry is None else copied(entry) for name, entry in change.items()}
        for change in directory.pending
    ]
    return copy
