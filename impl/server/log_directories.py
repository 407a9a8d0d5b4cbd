"""The directories that a broker keeps its logs in, and which log is in which (`LogManager`).

A new log goes to the directory with the fewest. The first directory also has what is not a log; without it the broker
can't go on. Segments that are full, and checkpoints that nobody waits for, are flushed by a thread of their own.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from impl.errors import BrokerError, ErrorCode, StorageError
from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.log_directory import Job, LogDirectory, LogName, LogSettings, directory_name

logger = logging.getLogger(__name__)


def _tell_of_mistakes(done: Future[None]) -> None:
    """A job handles what a disk does; anything else is a mistake of ours, which must not go unseen."""
    if (error := done.exception()) is not None:
        logger.error("what should have been flushed was not", exc_info=error)


class LogDirectories:
    """All log directories of one broker; `all` begins with the one that the broker can't do without."""

    def __init__(self, files: FileSystem, paths: Sequence[Path], threads: int) -> None:
        """Look at how the directories were left. Raises StorageError."""
        self._files = files
        self._flusher = ThreadPoolExecutor(1, "flush")
        self.all = [LogDirectory(files, path, threads=threads, run_later=self._run_later) for path in paths]
        self._home: dict[LogName, LogDirectory] = {}
        self._told: set[Path] = set()

    def _run_later(self, job: Job) -> None:
        self._flusher.submit(job).add_done_callback(_tell_of_mistakes)

    def _place(self, name: LogName) -> LogDirectory:
        """Where a log is, or should be. Raises KAFKA_STORAGE_ERROR when no directory is online."""
        online = [directory for directory in self.all if directory.failure is None]
        if not online:
            raise BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, "all log directories are offline")
        for directory in online:
            if self._files.exists(directory.path / directory_name(name)):
                return directory
        return min(online, key=lambda directory: sum(home is directory for home in self._home.values()))

    def path_of(self, name: LogName) -> Path:
        """The directory of a log, also of one that is yet to be made."""
        if name not in self._home:
            self._home[name] = self._place(name)
        return self._home[name].path / directory_name(name)

    def open_all(self, wanted: Mapping[LogName, LogSettings], now_ms: int) -> None:
        """Open all logs that there should be. Raises StorageError."""
        for name in wanted:
            self.path_of(name)
        for directory in self.all:
            here = {name: settings for name, settings in wanted.items() if self._home[name] is directory}
            directory.open_all(here, now_ms)

    def open(self, name: LogName, settings: LogSettings, now_ms: int) -> Log:
        """Open a log that is new. Raises StorageError."""
        self.path_of(name)
        return self._home[name].open(name, settings, now_ms)

    def log(self, name: LogName) -> Log:
        """A log that is open."""
        return self._home[name].logs[name]

    def configure(self, name: LogName, settings: LogSettings) -> None:
        """Use other settings for a log from now on. Raises StorageError."""
        self._home[name].configure(name, settings)

    def forget(self, names: Iterable[LogName]) -> None:
        """Let go of logs that are deleted. A disk that fails takes its directory offline, and no other."""
        by_home: dict[Path, list[LogName]] = {}
        for name in names:
            by_home.setdefault(self._home.pop(name).path, []).append(name)
        for directory in self.all:
            try:
                directory.forget(by_home.get(directory.path, []))
            except StorageError as error:
                directory.fail(error)

    def checkpoint_recovery_points(self, name: LogName) -> None:
        """Make durable up to where a log, and its neighbours, are flushed. Raises StorageError."""
        self._home[name].checkpoint_recovery_points()

    def checkpoint_log_starts(self, name: LogName) -> None:
        """Make durable where a log begins. Raises StorageError."""
        self._home[name].checkpoint_log_starts()

    def checkpoint_later(self, *, high_watermarks_only: bool) -> None:
        """Have checkpoints written that nobody waits for."""
        for directory in self.all:
            directory.checkpoint_later(high_watermarks_only=high_watermarks_only)

    def flush_overdue(self, now_ms: int) -> None:
        """Flush what is older than its `flush.ms`."""
        for directory in self.all:
            if directory.failure is None:
                directory.flush_overdue(now_ms)

    def fail(self, error: StorageError) -> None:
        """Take the directory offline that a failed file is in."""
        for directory in self.all:
            if error.path.is_relative_to(directory.path):
                directory.fail(error)

    def newly_failed(self) -> list[LogDirectory]:
        """The directories that went offline since this was last asked."""
        failed = [each for each in self.all if each.failure is not None and each.path not in self._told]
        self._told.update(each.path for each in failed)
        return failed

    def close(self) -> None:
        """Make everything durable, with a marker of a clean stop in each directory that is online."""
        self._flusher.shutdown()
        for directory in self.all:
            directory.close()
