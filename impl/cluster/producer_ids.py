"""Producer ids, each given out once in the life of a data directory.

Ids are taken from blocks of a thousand (KIP-730); a block is claimed durably before its first id is given, so a
broker that is killed loses the rest of its block but never repeats an id. Epochs are the business of
`transactional_ids`.
"""

from pathlib import Path
from typing import Final

from impl.storage.filesystem import FileSystem

FILE_NAME: Final = "producer-id-block"
BLOCK_SIZE: Final = 1000  # ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE


class ProducerIds:
    """The allocator. A missing file means that no id was ever given."""

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self._path = directory / FILE_NAME
        self._next = self._end = int(files.read_file(self._path)) if files.exists(self._path) else 0

    def allocate(self) -> int:
        """An id that was never given before, also not before a restart."""
        if self._next == self._end:
            self._files.replace_file(self._path, f"{self._end + BLOCK_SIZE}\n".encode())
            self._end += BLOCK_SIZE
        self._next += 1
        return self._next - 1
