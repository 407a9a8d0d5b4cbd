"""A file's bytes in order, a window at a time, for recovery; of a long file the next bytes are read meanwhile.

Batches don't end where windows do, so whoever asks may keep the end of a window for the next one. Buffers are used
again: memory that is fresh costs as much as reading into it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

from impl.storage.filesystem import File

WINDOW_BYTES: Final = 2 * 1024 * 1024
KEPT_BYTES_MAX: Final = 256 * 1024
AHEAD_FROM: Final = 8 * WINDOW_BYTES  # a shorter file is read before a thread has started


class Windows:
    """Windows of one file, which it has for itself and closes at the end of the context. For one thread."""

    def __init__(self, file: File, size: int) -> None:
        """Take a file of `size` bytes."""
        self._file = file
        self._reader = ThreadPoolExecutor(1, "read-ahead") if size >= AHEAD_FROM else None
        count = 1 if self._reader is None else 2
        self._buffers = [memoryview(bytearray(KEPT_BYTES_MAX + WINDOW_BYTES)) for _ in range(count)]
        self._coming: Future[int] | None = None  # what is read into the first of them
        self._window = memoryview(b"")
        self._end = 0  # the byte of the file at which the window ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.shutdown()
        self._file.close()

    def at(self, position: int, needed: int) -> memoryview:
        """The bytes from a position on, at least `needed` unless the file ends before; good until the next call.

        Raises StorageError.
        """
        kept = self._end - position
        if 0 <= kept <= KEPT_BYTES_MAX and needed <= WINDOW_BYTES:
            self._go_on(kept)
        else:
            self._read_alone(position, max(needed, WINDOW_BYTES))
        if self._reader is not None:
            self._coming = self._reader.submit(self._fill, self._end)
        return self._window

    def _fill(self, position: int) -> int:
        return self._file.read_into(position, self._buffers[0][KEPT_BYTES_MAX:])

    def _go_on(self, kept: int) -> None:
        """The next window, after the last bytes of this one."""
        end_of_this = bytes(self._window[len(self._window) - kept :])
        got = self._fill(self._end) if self._coming is None else self._coming.result()
        buffer = self._buffers.pop(0)
        self._buffers.append(buffer)
        buffer[KEPT_BYTES_MAX - kept : KEPT_BYTES_MAX] = end_of_this
        self._window = buffer[KEPT_BYTES_MAX - kept : KEPT_BYTES_MAX + got]
        self._end += got

    def _read_alone(self, position: int, size: int) -> None:
        """A window of its own size, in memory of its own."""
        if self._coming is not None:
            self._coming.result()  # one thread may use a file at a time
        window = memoryview(bytearray(size))
        got = self._file.read_into(position, window)
        self._window, self._end = window[:got], position + got
