"""Whether a file is as long as what was written to it, for which those who read and write it are to look.

Nobody but the broker changes its files. If someone does, or a file system loses the end of one, what is read would end
early without a word, and what is appended would stand behind zeros.
"""

from impl.errors import CutFileError
from impl.storage.filesystem import File


def check_length(file: File, written: int) -> None:
    """Raise CutFileError unless a file is as long as it must be."""
    found = file.size()
    if found != written:
        raise CutFileError(file.path, found, written)


def read_written(file: File, position: int, size: int, written: int) -> bytes:
    """Up to `size` bytes of a file, fewer only if less was written. Raises CutFileError if the file ends earlier."""
    data = file.read_at(position, size)
    if len(data) < size and position + len(data) < written:
        raise CutFileError(file.path, position + len(data), written)
    return data
