"""The one door through which the broker touches files.

`FileSystem` names the operations and `RealFileSystem` performs them by the operating system, for any number of threads;
`simulated` has a file system that forgets what was not made durable. Nothing here knows what a log is, and nothing here
decides when to flush: callers ask for `sync` (what a file holds) and `sync_directory` (which names a directory has)
where durability matters. Every failure is a `StorageError`, and so is a missing file: `exists` asks whether there is
one. Who knows that a deletion runs meanwhile looks at `StorageError.is_missing`.
"""

import fcntl
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from impl.errors import StorageError
from impl.storage.buffers import Buffer
from impl.storage.real_file import DescriptorPool, RealFile

BESIDE = ".tmp"  # after the name of a file that is to take another one's place


class File(Protocol):
    """An open file that is read and written at positions; positions and sizes are in bytes.

    Methods raise StorageError when the disk fails. One thread may use a file at a time, but `sync` may be called from
    any other, and threads may use different files at once.
    """

    path: Path

    def fileno(self) -> int:
        """The descriptor, for `os.sendfile`. It stays owned by this object."""

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position`; fewer only at the end of the file."""

    def read_into(self, position: int, buffer: memoryview) -> int:
        """Fill a buffer from `position` on; answers the bytes read, fewer only at the end of the file."""

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
        """Make what was written, and the size, durable (fdatasync). Raises StorageError if the file is gone."""

    def close(self) -> None:
        """Close the descriptor; closing twice is harmless."""


class Lock(Protocol):
    """A lock that is held on a file until it is closed, or its process ends."""

    def close(self) -> None:
        """Let go."""


class FileSystem(ABC):
    """What the broker may do with directories and whole files.

    A name that was made, moved or removed is durable only after `sync_directory`; methods that do it say so.
    """

    @abstractmethod
    def open(self, path: Path, *, create: bool = False, truncate: bool = False) -> File:
        """Open for reading and writing. Raises StorageError unless it exists or `create` is set."""

    @abstractmethod
    def lock(self, path: Path) -> Lock:
        """Lock a file, which is created if need be, against other processes. Raises BlockingIOError."""

    @abstractmethod
    def exists(self, path: Path) -> bool:
        """Whether a file or directory is there."""

    @abstractmethod
    def list_names(self, path: Path) -> list[str]:
        """The names in a directory, sorted. Raises StorageError if there is no such directory."""

    @abstractmethod
    def make_directory(self, path: Path) -> None:
        """Create a directory and its parents; an existing one is left as it is."""

    @abstractmethod
    def read_file(self, path: Path) -> bytes:
        """The whole content. Raises StorageError if there is no such file."""

    @abstractmethod
    def move(self, old: Path, new: Path) -> None:
        """Rename a file or directory atomically; which name there is after a loss of power is open."""

    @abstractmethod
    def remove(self, path: Path) -> None:
        """Remove a file; a missing one is no error."""

    @abstractmethod
    def remove_tree(self, path: Path) -> None:
        """Remove a directory with all that is in it; a missing one is no error."""

    @abstractmethod
    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable (`Utils.flushDir`). Raises StorageError if it is gone."""

    def rename(self, old: Path, new: Path) -> None:
        """Rename atomically and make the new name durable (`Utils.atomicMoveWithFallback`)."""
        self.move(old, new)
        self.sync_directory(new.parent)

    def replace_file(self, path: Path, content: bytes, *, durable: bool = True) -> None:
        """Put `content` there atomically: a crash of the process leaves the old content or the new.

        Written beside, flushed, renamed, and the directory flushed (`CheckpointFile.write`). Unless `durable`, a crash
        of the machine may leave anything; the content must then carry a checksum.
        """
        beside = path.with_name(path.name + BESIDE)
        self.write_file(beside, content, durable=durable)
        if durable:
            self.rename(beside, path)
        else:
            self.move(beside, path)

    def write_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Make a file with this content, in the place of any other, and flush it if asked to. Any thread may."""
        file = self.open(path, create=True, truncate=True)
        try:
            file.write_at(0, (content,))
            if durable:
                file.sync()
        finally:
            file.close()


@contextmanager
def _failures(operation: str, path: Path) -> Iterator[None]:
    """Failures of the operating system, told as StorageError."""
    try:
        yield
    except (BlockingIOError, StorageError):
        raise
    except OSError as error:
        raise StorageError(operation, path, error.errno or 0) from error


class RealFileSystem(FileSystem):
    """The operating system's files. `descriptors_max` bounds those of `File` objects that are open at a time."""

    def __init__(self, descriptors_max: int = 512) -> None:
        self._pool = DescriptorPool(descriptors_max)

    def open(self, path: Path, *, create: bool = False, truncate: bool = False) -> File:
        """See `FileSystem`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0) | (os.O_TRUNC if truncate else 0)
        with _failures("open", path):
            os.close(os.open(path, flags, 0o644))
        return RealFile(path, self._pool)

    def lock(self, path: Path) -> Lock:
        """See `FileSystem`."""
        with _failures("lock", path):
            file = path.open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise
        return file

    def exists(self, path: Path) -> bool:
        """See `FileSystem`."""
        with _failures("look for", path):
            return path.exists()

    def list_names(self, path: Path) -> list[str]:
        """See `FileSystem`."""
        with _failures("list", path):
            return sorted(os.listdir(path))  # noqa: PTH208 - iterdir makes a path of each name

    def make_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        with _failures("make", path):
            path.mkdir(parents=True, exist_ok=True)

    def read_file(self, path: Path) -> bytes:
        """See `FileSystem`."""
        with _failures("read", path):
            return path.read_bytes()

    def write_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        """See `FileSystem`. By a descriptor of its own, which nobody else needs."""
        with _failures("write", path), path.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fdatasync(file.fileno())

    def move(self, old: Path, new: Path) -> None:
        """See `FileSystem`."""
        with _failures("rename", old):
            old.replace(new)

    def remove(self, path: Path) -> None:
        """See `FileSystem`."""
        with _failures("remove", path):
            path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """See `FileSystem`."""
        with _failures("remove", path):
            if path.exists():
                shutil.rmtree(path)

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        with _failures("flush", path):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
