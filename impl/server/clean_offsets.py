"""How far logs are clean, in `cleaner-offset-checkpoint` of each log directory (`LogCleanerManager`).

An entry is in the file of the directory that holds the log, so that it shares the log's fate if a disk fails or comes
back; entries of partitions that are gone go with them. The file is there before any log is: if one that can't be
understood, or is lost, hides which logs were compacted, all of the directory are named in it from then on.
"""

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from impl.errors import StorageError
from impl.server.log_directories import LogDirectories
from impl.storage.checkpoints import CLEANER_OFFSETS, CheckpointError, read_offsets, set_aside, write_offsets
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogDirectory, LogName, directory_name

logger = logging.getLogger(__name__)

CONSEQUENCE: Final = "its logs are compacted from their starts"


class CleanOffsets:
    """How far each partition's log is clean, by topic and index. A directory that is offline has no say."""

    def __init__(self, files: FileSystem, directories: LogDirectories, known: Collection[LogName]) -> None:
        """Read what is there, but for partitions that are not `known`: their topics were deleted.

        A checkpoint that can't be understood is set aside.
        """
        self._files = files
        self._directories = directories
        self._offsets: dict[Path, dict[LogName, int]] = {}
        self._in_each(lambda path: self._look(path, known))

    def _in_each(self, use: Callable[[Path], None]) -> None:
        """Do something in each directory that is online; a disk that fails takes its own offline, and no other."""
        for directory in self._directories.all:
            if directory.failure is None:
                try:
                    use(directory.path)
                except StorageError as error:
                    directory.fail(error)

    def _look(self, path: Path, known: Collection[LogName]) -> None:
        """Read the checkpoint of one directory. Raises StorageError."""
        file = path / CLEANER_OFFSETS
        if not self._files.exists(file):
            self._begin(path, known)
            if self._offsets[path]:
                logger.warning("%s is missing: %s", file, CONSEQUENCE)
            return
        try:
            found = read_offsets(self._files, file)
        except CheckpointError as error:
            set_aside(self._files, file, error, CONSEQUENCE)
            self._begin(path, known)
            return
        self._offsets[path] = found
        left = {name: offset for name, offset in found.items() if name in known}
        if len(left) < len(found):
            self._write(path, left)

    def _begin(self, path: Path, known: Collection[LogName]) -> None:
        """Have a directory's checkpoint name all logs that are there, as clean nowhere: each may have been compacted.

        Written down, so that later starts know it too. Raises StorageError.
        """
        there = frozenset(self._files.list_names(path))
        self._write(path, {name: 0 for name in known if directory_name(name) in there})

    def _write(self, path: Path, offsets: dict[LogName, int]) -> None:
        """Have a directory's checkpoint say this. Raises StorageError, and then nothing is changed."""
        write_offsets(self._files, path / CLEANER_OFFSETS, offsets)
        self._offsets[path] = offsets

    def _home(self, name: LogName) -> LogDirectory:
        return self._directories.home_of(name)

    def get(self, topic: str, index: int) -> int | None:
        """The offset up to which a log is clean; None when it was never compacted where it is."""
        return self._offsets.get(self._home((topic, index)).path, {}).get((topic, index))

    def put(self, topic: str, index: int, offset: int) -> None:
        """Note how far a log is clean. Durable on return; raises StorageError, and then nothing is noted."""
        path = self._home((topic, index)).path
        self._write(path, {**self._offsets.get(path, {}), (topic, index): offset})

    def may_have_gaps(self, topic: str, index: int) -> bool:
        """Whether a log was compacted once, wherever it was then, or whether nobody knows."""
        return any((topic, index) in offsets for offsets in self._offsets.values())

    def forget(self, topic: str) -> None:
        """Forget a topic that is deleted; another of its name begins anew. Durable on return."""

        def forget_in(path: Path) -> None:
            offsets = self._offsets.get(path, {})
            left = {name: offset for name, offset in offsets.items() if name[0] != topic}
            if len(left) < len(offsets):
                self._write(path, left)

        self._in_each(forget_in)

    def forget_stranger(self, path: Path, name: LogName) -> None:
        """Forget a log of a directory that was moved aside there. Raises StorageError."""
        if name in self._offsets.get(path, {}):
            self._write(path, {each: offset for each, offset in self._offsets[path].items() if each != name})
