"""How far logs are clean, in `cleaner-offset-checkpoint` of each log directory (`LogCleanerManager`).

An entry is in the file of the directory that holds the log, so that it shares the log's fate if a disk fails or comes
back; entries of partitions that are gone go with them.
"""

from collections.abc import Container
from pathlib import Path

from impl.errors import StorageError
from impl.server.log_directories import LogDirectories
from impl.storage.checkpoints import CLEANER_OFFSETS, CheckpointError, read_offsets, set_aside, write_offsets
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogDirectory, LogName


class CleanOffsets:
    """How far each partition's log is clean, by topic and index. A directory that is offline has no say."""

    def __init__(self, files: FileSystem, directories: LogDirectories, known: Container[LogName]) -> None:
        """Read what is there, but for partitions that are not `known`: their topics were deleted.

        A checkpoint that can't be understood is set aside; a disk that fails takes its directory offline. Raises
        StorageError if that is the first one.
        """
        self._files = files
        self._directories = directories
        self._offsets: dict[Path, dict[LogName, int]] = {}
        self._damaged: set[Path] = set()
        for directory in directories.all:
            if directory.failure is None:
                try:
                    self._look(directory.path, known)
                except StorageError as error:
                    if directory is directories.all[0]:
                        raise
                    directory.fail(error)

    def _look(self, path: Path, known: Container[LogName]) -> None:
        """Read the checkpoint of one directory. Raises StorageError."""
        try:
            found = read_offsets(self._files, path / CLEANER_OFFSETS)
        except CheckpointError as error:
            set_aside(self._files, path / CLEANER_OFFSETS, error, "its logs are compacted from their starts")
            self._damaged.add(path)
            found = {}
        self._offsets[path] = found
        left = {name: offset for name, offset in found.items() if name in known}
        if len(left) < len(found):
            self._write(path, left)

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
        name = topic, index
        return any(name in offsets for offsets in self._offsets.values()) or self._home(name).path in self._damaged

    def forget(self, topic: str) -> None:
        """Forget a topic that is deleted; another of its name begins anew. Durable on return.

        A disk that fails takes its directory offline, and no other.
        """
        for directory in self._directories.all:
            offsets = self._offsets.get(directory.path, {})
            left = {name: offset for name, offset in offsets.items() if name[0] != topic}
            if directory.failure is None and len(left) < len(offsets):
                try:
                    self._write(directory.path, left)
                except StorageError as error:
                    directory.fail(error)

    def forget_stranger(self, path: Path, name: LogName) -> None:
        """Forget a log of a directory that was moved aside there. Raises StorageError."""
        if name in self._offsets.get(path, {}):
            self._write(path, {each: offset for each, offset in self._offsets[path].items() if each != name})
