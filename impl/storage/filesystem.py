"""The one seam through which the broker touches files.

`FileSystem` names the operations and `RealFileSystem` performs them by the operating system. There is no file
system that forgets unflushed bytes yet; it belongs here when it comes. Nothing here knows what a log is, and
nothing here decides when to flush: callers ask for `sync` where durability matters.
"""

import os
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

Buffer = bytes | bytearray | memoryview

# Linux takes at most this many buffers in one writev (IOV_MAX).
BUFFERS_PER_WRITE = 1024
NO_DESCRIPTOR = -1


class File(Protocol):
    """An open file that is read and written at positions; positions and sizes are in bytes."""

    def fileno(self) -> int:
        """The descriptor, for `os.sendfile`. It stays owned by this object."""

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position`; fewer only at the end of the file."""

    def write_at(self, position: int, buffers: Sequence[Buffer]) -> int:
        """Write all buffers one after the other from `position`; answers the bytes written."""

    def size(self) -> int:
        """The file's length."""

    def modified_ms(self) -> int:
        """The time of the last change, in milliseconds since 1970."""

    def set_modified_ms(self, time_ms: int) -> None:
        """Set the time that `modified_ms` answers."""

    def moved_to(self, path: Path) -> None:
        """Take note of the file's new path, after it or its directory was renamed."""

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""

    def sync(self) -> None:
        """Make what was written durable (fdatasync)."""

    def close(self) -> None:
        """Close the descriptor; closing twice is harmless."""


class FileSystem(Protocol):
    """What the broker may do with directories and whole files."""

    def open(self, path: Path, *, create: bool = False) -> File:
        """Open for reading and writing. Raises FileNotFoundError unless it exists or `create` is set."""

    def exists(self, path: Path) -> bool:
        """Whether a file or directory is there."""

    def list_names(self, path: Path) -> list[str]:
        """The names in a directory, sorted."""

    def make_directory(self, path: Path) -> None:
        """Create a directory and its parents; an existing one is left as it is."""

    def read_file(self, path: Path) -> bytes:
        """The whole content. Raises FileNotFoundError."""

    def replace_file(self, path: Path, content: bytes, *, durable: bool = True) -> None:
        """Put `content` there atomically: a crash of the process leaves the old content or the new.

        Unless `durable`, a crash of the machine may leave anything; the content must then carry a checksum.
        """

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file or directory atomically and make the new name durable."""

    def remove(self, path: Path) -> None:
        """Remove a file; a missing one is no error."""

    def remove_tree(self, path: Path) -> None:
        """Remove a directory with all that is in it; a missing one is no error."""


class RealFile:
    """A file of the operating system, read and written by positional calls.

    It has a descriptor only while it is in use: the file system takes back those that were not used for long.
    """

    __slots__ = ("_descriptor", "_pool", "path", "was_used")

    def __init__(self, path: Path, pool: "DescriptorPool") -> None:
        self.path = path
        self.was_used = True
        self._pool = pool
        self._descriptor = NO_DESCRIPTOR

    @property
    def is_closed(self) -> bool:
        """Whether it has no descriptor now."""
        return self._descriptor == NO_DESCRIPTOR

    def fileno(self) -> int:
        """See `File`. The number is good until another file is used."""
        self.was_used = True
        if self._descriptor == NO_DESCRIPTOR:
            self._descriptor = self._pool.open(self)
        return self._descriptor

    def read_at(self, position: int, size: int) -> bytes:
        """See `File`. A read from the page cache is complete in one call but for a signal or 2 GiB."""
        descriptor = self.fileno()
        data = os.pread(descriptor, size, position)
        if len(data) == size or not data:
            return data
        parts = [data]
        got = len(data)
        while got < size and (more := os.pread(descriptor, size - got, position + got)):
            parts.append(more)
            got += len(more)
        return b"".join(parts)

    def write_at(self, position: int, buffers: Sequence[Buffer]) -> int:
        """See `File`. One pwritev as a rule; a short write (a signal, a nearly full disk) is continued."""
        descriptor = self.fileno()
        total = sum(len(buffer) for buffer in buffers)
        written = os.pwritev(descriptor, buffers[:BUFFERS_PER_WRITE], position)
        if written < total:
            rest = b"".join(bytes(buffer) for buffer in buffers)
            while written < total:
                written += os.pwrite(descriptor, rest[written:], position + written)
        return total

    def size(self) -> int:
        """See `File`."""
        return os.fstat(self.fileno()).st_size

    def modified_ms(self) -> int:
        """See `File`."""
        return os.fstat(self.fileno()).st_mtime_ns // 1_000_000

    def set_modified_ms(self, time_ms: int) -> None:
        """See `File`."""
        os.utime(self.fileno(), ns=(time_ms * 1_000_000, time_ms * 1_000_000))

    def moved_to(self, path: Path) -> None:
        """See `File`. A descriptor that is open stays open."""
        self.path = path

    def truncate(self, size: int) -> None:
        """See `File`."""
        os.ftruncate(self.fileno(), size)

    def sync(self) -> None:
        """See `File`. What was written through an earlier descriptor is flushed too."""
        os.fdatasync(self.fileno())

    def close(self) -> None:
        """See `File`."""
        if self._descriptor != NO_DESCRIPTOR:
            os.close(self._descriptor)
            self._descriptor = NO_DESCRIPTOR


class DescriptorPool:
    """Keeps the number of open descriptors bounded, whatever the number of segments: second chance, oldest first."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._open: deque[RealFile] = deque()

    def open(self, file: RealFile) -> int:
        """A descriptor for an existing file, at the cost of another's if there are too many."""
        while len(self._open) >= self._size_max:
            oldest = self._open.popleft()
            if oldest.is_closed:
                continue
            if oldest.was_used:
                oldest.was_used = False
                self._open.append(oldest)
            else:
                oldest.close()
        self._open.append(file)
        return os.open(file.path, os.O_RDWR | os.O_CLOEXEC)


class RealFileSystem:
    """The operating system's files."""

    def __init__(self, descriptors_max: int = 512) -> None:
        self._pool = DescriptorPool(descriptors_max)

    def open(self, path: Path, *, create: bool = False) -> File:
        """See `FileSystem`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        os.close(os.open(path, flags, 0o644))
        return RealFile(path, self._pool)

    def exists(self, path: Path) -> bool:
        """See `FileSystem`."""
        return path.exists()

    def list_names(self, path: Path) -> list[str]:
        """See `FileSystem`."""
        return sorted(each.name for each in path.iterdir())

    def make_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        path.mkdir(parents=True, exist_ok=True)

    def read_file(self, path: Path) -> bytes:
        """See `FileSystem`."""
        return path.read_bytes()

    def replace_file(self, path: Path, content: bytes, *, durable: bool = True) -> None:
        """See `FileSystem`: written beside, flushed, renamed, and the directory flushed (CheckpointFile)."""
        beside = path.with_name(path.name + ".tmp")
        with beside.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if durable:
            self.rename(beside, path)
        else:
            beside.replace(path)

    def rename(self, old: Path, new: Path) -> None:
        """See `FileSystem`."""
        old.replace(new)
        directory = os.open(new.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def remove(self, path: Path) -> None:
        """See `FileSystem`."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """See `FileSystem`."""
        if path.exists():
            shutil.rmtree(path)
