"""A file's bytes in order, a window at a time, for recovery.

Batches don't end where windows do, so whoever asks may keep the end of a window for the next one. The memory is used
again, as the kernel has to clear fresh memory first. It begins with a page, unlike that of a `bytearray`, because the
kernel copies faster to there. Nothing is read ahead by a thread: the kernel does that.
"""

from mmap import mmap
from typing import Final

from impl.storage.filesystem import File

WINDOW_BYTES: Final = 2 * 1024 * 1024
KEPT_BYTES_MAX: Final = WINDOW_BYTES


class Windows:
    """Windows of one file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._memory = memoryview(mmap(-1, KEPT_BYTES_MAX + WINDOW_BYTES))
        self._window = self._memory[:0]
        self._end = 0  # the byte of the file at which the window ends

    def at(self, position: int, needed: int) -> memoryview:
        """The bytes from a position on, at least `needed` unless the file ends before; good until the next call.

        Raises StorageError.
        """
        kept = self._end - position
        if 0 <= kept <= min(KEPT_BYTES_MAX, len(self._window)) and needed <= WINDOW_BYTES:
            self._memory[KEPT_BYTES_MAX - kept : KEPT_BYTES_MAX] = bytes(self._window[len(self._window) - kept :])
            got = self._file.read_into(self._end, self._memory[KEPT_BYTES_MAX:])
            self._window = self._memory[KEPT_BYTES_MAX - kept : KEPT_BYTES_MAX + got]
            self._end += got
        else:
            alone = memoryview(mmap(-1, max(needed, WINDOW_BYTES)))
            got = self._file.read_into(position, alone)
            self._window, self._end = alone[:got], position + got
        return self._window
