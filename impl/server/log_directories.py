"""The directories that a broker keeps its logs in, and which log is in which (`LogManager`).

A new log goes to the directory with the fewest. A directory that fails, at the start or later, is offline until the
next start, and the others serve on; but for the first, which also has what is not a log: without it the broker can't go
on. Segments that are full, and checkpoints that nobody waits for, are flushed by a thread of their own.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from impl.errors import BrokerError, DataDirectoryError, ErrorCode, StorageError
from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.log_directory import NO_PARTITION, Job, LogDirectory, LogName, LogSettings, directory_name

logger = logging.getLogger(__name__)

NOTHING: Final[Mapping[Path, StorageError]] = {}


def _tell_of_mistakes(done: Future[None]) -> None:
    """A job handles what a disk does; anything else is a mistake of ours, which must not go unseen."""
    if (error := done.exception()) is not None:
        logger.error("what should have been flushed was not", exc_info=error)


class NestedDirectoriesError(DataDirectoryError):
    """Data directories of which one is in another, or the same."""


def refuse_nested(paths: Sequence[Path]) -> None:
    """Raise NestedDirectoriesError if a directory is given twice, or is in another one: they would fail together."""
    whole = [path.absolute() for path in paths]
    for number, path in enumerate(whole):
        for other in whole[:number]:
            if path.is_relative_to(other) or other.is_relative_to(path):
                raise NestedDirectoriesError(f"{path} and {other} are not apart: give directories of different places")


class LogDirectories:
    """All log directories of one broker; `all` begins with the one that the broker can't do without."""

    def __init__(
        self,
        files: FileSystem,
        paths: Sequence[Path],
        threads: int,
        clock: Callable[[], int],
        failed: Mapping[Path, StorageError] = NOTHING,
    ) -> None:
        """Look at how the directories were left; those that have `failed` already, or do now, are offline.

        Raises StorageError if the first one is.
        """
        self._files = files
        self._threads = threads
        self._clock = clock
        self._flusher = ThreadPoolExecutor(1, "flush")
        self.all = [self._looked_at(path, failed.get(path)) for path in paths]
        self._home: dict[LogName, LogDirectory] = {}
        self._count: Counter[Path] = Counter()  # of logs, by the directory that they are in
        self._told: set[Path] = set()
        self._check_first()

    def _looked_at(self, path: Path, failure: StorageError | None) -> LogDirectory:
        try:
            return LogDirectory(
                self._files, path, threads=self._threads, run_later=self._run_later, failure=failure, clock=self._clock
            )
        except StorageError as error:
            return self._looked_at(path, error)

    def _check_first(self) -> None:
        """Raise what the first directory has failed with, if it has."""
        if self.all[0].failure is not None:
            raise self.all[0].failure

    def _run_later(self, job: Job) -> None:
        self._flusher.submit(job).add_done_callback(_tell_of_mistakes)

    def _place(self, name: LogName, *, is_new: bool) -> LogDirectory:
        """Where a log should be that was not found. Raises KAFKA_STORAGE_ERROR when no directory is online.

        One that is not new is taken to be in a directory that is offline, if there is one: to begin it anew elsewhere
        would hide its records (`LogManager.getOrCreateLog`). The broker's own are in the first.
        """
        online = [directory for directory in self.all if directory.failure is None]
        if not online:
            raise BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, "all log directories are offline")
        if name[1] == NO_PARTITION:
            return self.all[0]
        if not is_new and len(online) < len(self.all):
            return next(directory for directory in self.all if directory.failure is not None)
        home = min(online, key=lambda directory: self._count[directory.path])
        if not is_new:
            logger.warning(
                "%s was found in no log directory and begins anew, empty, in %s: if a disk is not mounted, or its "
                "directory not given, stop the broker, put that right and start again, before anything is written",
                directory_name(name), home.path,
            )  # fmt: skip
        return home

    def that_have(self, name: LogName) -> list[LogDirectory]:
        """The directories, of those that are online, that have something in the place of a log."""
        return [directory for directory in self.all if self._is_in(directory, name)]

    def _is_in(self, directory: LogDirectory, name: LogName) -> bool:
        """Whether a log is in a directory; a disk that fails takes that offline."""
        if directory.failure is not None:
            return False
        try:
            return self._files.exists(directory.path / directory_name(name))
        except StorageError as error:
            directory.fail(error)
            return False

    def home_of(self, name: LogName, *, is_new: bool = False) -> LogDirectory:
        """The directory that a log is in, also one that is yet to be made."""
        if name not in self._home:
            self.put(name, self._place(name, is_new=is_new))
        return self._home[name]

    def put(self, name: LogName, home: LogDirectory) -> None:
        """Learn which directory a log is in, or is to be in."""
        self._home[name] = home
        self._count[home.path] += 1

    def open_all(self, wanted: Mapping[LogName, LogSettings], now_ms: int) -> None:
        """Open all logs that there should be, in all directories at once; those in one that is offline are offline.

        Each has threads of its own (`LogManager.loadLogs`). Raises StorageError if the first one is offline.
        """
        self._check_first()
        for name in wanted:
            self.home_of(name)

        def open_in(directory: LogDirectory) -> None:
            here = {name: settings for name, settings in wanted.items() if self._home[name] is directory}
            directory.open_all(here, now_ms)

        with ThreadPoolExecutor(len(self.all), "log directories") as pool:
            list(pool.map(open_in, self.all))
        self._check_first()

    def open(self, name: LogName, settings: LogSettings, now_ms: int) -> None:
        """Open a log that is new; should the disk fail, or have failed, it is offline."""
        self.home_of(name, is_new=True).open(name, settings, now_ms)

    def log(self, name: LogName) -> Log:
        """A log that is open."""
        return self._home[name].logs[name]

    def configure(self, name: LogName, settings: LogSettings) -> None:
        """Use other settings for a log from now on. A disk that fails takes its directory offline, and no other."""
        try:
            self._home[name].configure(name, settings)
        except StorageError as error:
            self._home[name].fail(error)

    def forget(self, names: Iterable[LogName]) -> None:
        """Let go of logs that are deleted. A disk that fails takes its directory offline, and no other."""
        by_home: dict[Path, list[LogName]] = {}
        for name in names:
            path = self._home.pop(name).path
            self._count[path] -= 1
            by_home.setdefault(path, []).append(name)
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
