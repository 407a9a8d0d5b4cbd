"""Producer ids, each given out once in the life of a data directory.

Ids are taken from blocks of a thousand (KIP-730); a block is claimed durably before its first id is given, so a
broker that is killed loses the rest of its block but never repeats an id. Epochs are the business of
`transactional_ids`.
"""

import logging
from pathlib import Path
from typing import Final

from impl.errors import DataDirectoryError
from impl.storage.filesystem import FileSystem

logger = logging.getLogger(__name__)

FILE_NAME: Final = "producer-id-block"
BLOCK_SIZE: Final = 1000  # ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE


class ProducerIds:
    """The allocator. A missing file means that no id was ever given, unless the logs say otherwise."""

    def __init__(self, files: FileSystem, directory: Path) -> None:
        """Read the file, if there is one. Raises DataDirectoryError when it can't be understood."""
        self._files = files
        self._path = directory / FILE_NAME
        self._next = self._end = self._read()

    def _read(self) -> int:
        """The first id that was not given out. Raises DataDirectoryError."""
        if not self._files.exists(self._path):
            return 0
        content = self._files.read_file(self._path)
        try:
            if (first := int(content)) >= 0:
                return first
        except ValueError:
            pass
        text = content[:20].decode(errors="replace").strip()
        held = f'begins with "{text}"' if text else "is empty"
        raise DataDirectoryError(
            f"{self._path} is damaged (it {held}, and should be a number from 0 on), and ids of producers might be "
            "given out twice: restore it, or write a number into it that is greater than every producer id in use"
        )

    def begin_after(self, used: int) -> None:
        """Where no id was given yet that this file knows of, give none up to the greatest that is in use (or -1)."""
        if self._end or used < 0:
            return
        logger.warning(
            "%s is missing, and records of producers up to id %d are there: the next id is %d",
            self._path,
            used,
            used + 1,
        )
        self._next = self._end = used + 1

    def allocate(self) -> int:
        """An id that was never given before, also not before a restart."""
        if self._next == self._end:
            self._files.replace_file(self._path, f"{self._end + BLOCK_SIZE}\n".encode())
            self._end += BLOCK_SIZE
        self._next += 1
        return self._next - 1
