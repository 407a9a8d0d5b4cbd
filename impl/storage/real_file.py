"""Files of the operating system, of which a bounded number is open at a time, whoever uses them."""

import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from impl.errors import StorageError
from impl.storage.buffers import Buffer, write_rest

# Linux takes at most this many buffers in one writev (IOV_MAX).
BUFFERS_PER_WRITE = 1024
NO_DESCRIPTOR = -1


class RealFile:
    """A file of the operating system, read and written by positional calls.

    It has a descriptor only while it is in use: the file system takes back those that were not used for long.
    """

    __slots__ = ("_in_use", "_pool", "descriptor", "path", "was_used")

    def __init__(self, path: Path, pool: "DescriptorPool") -> None:
        self.path = path
        self.was_used = True
        self._pool = pool
        self.descriptor = NO_DESCRIPTOR  # which the pool sets
        self._in_use = threading.Lock()  # held during a call by the descriptor

    @property
    def is_closed(self) -> bool:
        """Whether it has no descriptor now."""
        return self.descriptor == NO_DESCRIPTOR

    def fileno(self) -> int:
        """See `File`. The number is good until another file is used, by any thread."""
        with self._in_use:
            return self._opened()

    def _opened(self) -> int:
        """The descriptor; it stays this file's as long as `_in_use` is held."""
        self.was_used = True
        if self.descriptor == NO_DESCRIPTOR:
            self._pool.open(self)
        return self.descriptor

    def read_at(self, position: int, size: int) -> bytes:
        """See `File`. A read from the page cache is complete in one call but for a signal or 2 GiB."""
        try:
            with self._in_use:
                descriptor = self._opened()
                data = os.pread(descriptor, size, position)
                while len(data) < size and (more := os.pread(descriptor, size - len(data), position + len(data))):
                    data += more
        except OSError as error:
            raise self._failure("read", error, position) from error
        return data

    def read_into(self, position: int, buffer: memoryview) -> int:
        """See `File`."""
        got = 0
        try:
            with self._in_use:
                descriptor = self._opened()
                while got < len(buffer) and (more := os.preadv(descriptor, (buffer[got:],), position + got)):
                    got += more
        except OSError as error:
            raise self._failure("read", error, position) from error
        return got

    def write_at(self, position: int, buffers: Sequence[Buffer]) -> int:
        """See `File`. One pwritev as a rule."""
        total = sum(len(buffer) for buffer in buffers)
        try:
            with self._in_use:
                descriptor = self._opened()
                written = os.pwritev(descriptor, buffers[:BUFFERS_PER_WRITE], position)
                if written < total:
                    write_rest(lambda rest, before: os.pwrite(descriptor, rest, position + before), buffers, written)
        except OSError as error:
            raise self._failure("write", error, position) from error
        return total

    def size(self) -> int:
        """See `File`. Every append asks: this is the cheapest way to know, and positional calls don't mind it."""
        try:
            with self._in_use:
                return os.lseek(self._opened(), 0, os.SEEK_END)
        except OSError as error:
            raise self._failure("look at", error) from error

    def modified_ms(self) -> int:
        """See `File`."""
        try:
            with self._in_use:
                return os.fstat(self._opened()).st_mtime_ns // 1_000_000
        except OSError as error:
            raise self._failure("look at", error) from error

    def set_modified_ms(self, time_ms: int) -> None:
        """See `File`."""
        try:
            with self._in_use:
                os.utime(self._opened(), ns=(time_ms * 1_000_000, time_ms * 1_000_000))
        except OSError as error:
            raise self._failure("set the time of", error) from error

    def moved_to(self, path: Path) -> None:
        """See `File`. A descriptor that is open stays open."""
        self.path = path

    def truncate(self, size: int) -> None:
        """See `File`."""
        try:
            with self._in_use:
                os.ftruncate(self._opened(), size)
        except OSError as error:
            raise self._failure("truncate", error, size) from error

    def sync(self) -> None:
        """See `File`. By a descriptor of its own, so that threads don't meet; it flushes what all others wrote.

        Linux tells a write-back error to the first descriptor that asks, also when it was opened afterwards.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failure("flush", error) from error

    def close(self) -> None:
        """See `File`."""
        with self._in_use:
            self._close()

    def close_unless_in_use(self) -> bool:
        """Close the descriptor, unless a thread uses it at this moment; answers whether it is closed."""
        if not self._in_use.acquire(blocking=False):
            return False
        try:
            self._close()
        finally:
            self._in_use.release()
        return True

    def _close(self) -> None:
        if self.descriptor != NO_DESCRIPTOR:
            descriptor, self.descriptor = self.descriptor, NO_DESCRIPTOR
            os.close(descriptor)

    def _failure(self, operation: str, error: OSError, position: int | None = None) -> StorageError:
        return StorageError(operation, self.path, error.errno or 0, position)


class DescriptorPool:
    """Keeps the number of open descriptors bounded, whatever the number of segments: second chance, oldest first.

    Any number of threads may use it: who holds a file's descriptor keeps it until its call is done. Should all be in
    use, another thread waits for one.
    """

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self._open: deque[RealFile] = deque()
        self._changing = threading.Lock()

    def open(self, file: RealFile) -> None:
        """Give an existing file a descriptor, at the cost of another's if there are too many."""
        with self._changing:
            while len(self._open) >= self.size_max:
                self._take_back(self._open.popleft())
            self._open.append(file)
            file.descriptor = os.open(file.path, os.O_RDWR | os.O_CLOEXEC)
        os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)  # for sequential readers

    def _take_back(self, oldest: RealFile) -> None:
        """Close the file that was opened first, unless it is in use, or was since it was last looked at."""
        if oldest.is_closed:
            return
        if oldest.was_used or not oldest.close_unless_in_use():
            oldest.was_used = False
            self._open.append(oldest)

    def __del__(self) -> None:
        """Whoever was not closed is closed with the file system, as Python does with files of its own."""
        for file in self._open:
            file.close()
