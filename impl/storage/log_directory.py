"""One of the directories that a broker keeps its logs in (`LogManager`, `LogDirFailureChannel`).

It knows how its logs were left, what of them is durable, and whether the disk still works. Three checkpoints say for
each log up to where it is flushed, where it begins, and up to where it was committed; a marker says that the last stop
was clean. A checkpoint that can't be understood is set aside, and the logs are recovered without it. An I/O error takes
the whole directory offline: nothing of it is believed until the next start, which recovers from what can be read then.
Other directories serve on.
"""

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from impl.errors import StorageError
from impl.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    HIGH_WATERMARKS,
    LOG_START_OFFSETS,
    META_PROPERTIES,
    RECOVERY_POINTS,
    CheckpointError,
    read_offsets,
    set_aside,
    write_offsets,
)
from impl.storage.filesystem import FileSystem
from impl.storage.flushing import overdue_flush
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.offline import OfflineLog
from impl.storage.progress import Progress
from impl.storage.recovery import NO_LIMIT, LogStart

logger = logging.getLogger(__name__)

# Topic and partition; the broker's own logs have no partition and are named by the topic alone.
LogName = tuple[str, int]
NO_PARTITION: Final = -1
NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})
Job = Callable[[], None]


def directory_name(name: LogName) -> str:
    """The name of a log's directory (`UnifiedLog.logDirName`)."""
    topic, index = name
    return topic if index == NO_PARTITION else f"{topic}-{index}"


@attrs.frozen(slots=True)
class LogSettings:
    """What a log is opened with. Configs are named beside each."""

    limits: SegmentLimits
    producer_age_ms_max: int = 86_400_000  # producer.id.expiration.ms
    may_have_gaps: bool = False  # cleanup.policy contains compact
    flush_messages_max: int = NO_LIMIT  # flush.messages
    flush_ms_max: int = NO_LIMIT  # flush.ms


def run_at_once(job: Job) -> None:
    """Run a job now: for whoever has no thread to flush in."""
    job()


def make_durably(files: FileSystem, path: Path) -> None:
    """Make a directory and those that it is in, if they are missing, and their names durable. Raises StorageError.

    A process before may have made them, and been killed before their names were flushed: so until there is the file
    that says whose the directory is, they are all flushed (Kafka: what the same process made).
    """
    chain = [each for each in (path, *path.parents) if each.parent != each]
    missing = [each for each in chain if not files.exists(each)]
    is_settled = files.exists(path / META_PROPERTIES)
    files.make_directory(path)
    for each in missing if is_settled else chain:
        try:
            files.sync_directory(each.parent)
        except StorageError as error:
            # A parent that we may not read, or that takes no names, is one in which nobody like us made any.
            if each in missing or error.errno not in NOT_OURS:
                raise


class LogDirectory:
    """A directory of logs. `failure` is why it is offline; None as long as it is not."""

    def __init__(
        self,
        files: FileSystem,
        path: Path,
        *,
        threads: int = 1,
        run_later: Callable[[Job], None] = run_at_once,
        on_failure: Callable[["LogDirectory"], None] | None = None,
        failure: StorageError | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Look at how the directory was left, or not if there is a `failure` already: it is offline then.

        `threads` is `num.recovery.threads.per.data.dir`, `run_later` is given what flushes segments that are full;
        `on_failure` is told when the directory goes offline, by whichever thread has seen it; by the `clock` logs know
        when they were flushed. Raises StorageError.
        """
        self.path = path
        self.logs: dict[LogName, Log] = {}
        self.failure: StorageError | None = None
        self._failing = threading.Lock()
        self._files = files
        self._threads = threads
        self._run_later = run_later
        self._on_failure = on_failure
        self._clock = clock
        self._was_clean = False
        self._starts: dict[LogName, int] = {}
        self._recovery_points: dict[LogName, int] = {}
        self._high_watermarks: dict[LogName, int] = {}
        if failure is None:
            self._look()
        else:
            self.fail(failure)
        self._writing = threading.Lock()
        self._written = {
            LOG_START_OFFSETS: dict(self._starts),
            RECOVERY_POINTS: dict(self._recovery_points),
            HIGH_WATERMARKS: dict(self._high_watermarks),
        }

    def _look(self) -> None:
        """See how the directory was left."""
        marker = self.path / CLEAN_SHUTDOWN
        make_durably(self._files, self.path)
        self._was_clean = self._files.exists(marker)
        if self._was_clean:
            self._files.remove(marker)
        # Durable before anything is recovered or appended, also if it was a process before that removed the marker, or
        # wrote a checkpoint, and was killed: one that comes back would have torn logs trusted (KAFKA-10471).
        self._files.sync_directory(self.path)
        self._starts = self._read(LOG_START_OFFSETS, "logs begin where their first segments do")
        self._recovery_points = self._read(RECOVERY_POINTS, "the logs are recovered in full", needed=True)
        self._high_watermarks = self._read(HIGH_WATERMARKS, "what was committed is what is found")

    def _read(self, file_name: str, consequence: str, *, needed: bool = False) -> dict[LogName, int]:
        path = self.path / file_name
        try:
            return read_offsets(self._files, path)
        except CheckpointError as error:
            set_aside(self._files, path, error, consequence)
            if needed:
                self._was_clean = False
            return {}

    def open_all(self, wanted: Mapping[LogName, LogSettings], now_ms: int) -> None:
        """Open the logs that were there before, several at once, and forget how they were left.

        Should the disk fail, or have failed, the directory is offline, and each of them is an `OfflineLog`.
        """
        try:
            if self.failure is None:
                self._open_all(wanted, now_ms)
        except StorageError as error:
            self.fail(error)
        if self.failure is not None:
            for name, settings in wanted.items():
                self._keep_offline(name, settings)

    def forget_stranger(self, name: LogName) -> None:
        """Forget how a log was left that has been moved away: another one begins in its place."""
        for left in (self._starts, self._recovery_points, self._high_watermarks):
            left.pop(name, None)

    def _keep_offline(self, name: LogName, settings: LogSettings) -> Log:
        """Have something in the place of a log that could not be opened, as the directory is offline."""
        assert self.failure is not None
        log = OfflineLog(self.path / directory_name(name), self.failure)
        self._keep(name, log, settings)
        return log

    def _open_all(self, wanted: Mapping[LogName, LogSettings], now_ms: int) -> None:
        """Open logs. Raises StorageError."""
        progress = Progress(self.path, len(wanted), time.monotonic)
        threads = max(1, min(self._threads, len(wanted)))

        def open_one(name: LogName) -> Log:
            try:
                return self._opened(name, wanted[name], now_ms, progress.scanned)
            finally:
                progress.opened()

        if threads == 1:
            opened: Sequence[Log] = [open_one(name) for name in wanted]
        else:
            with ThreadPoolExecutor(threads, "recovery") as pool:
                opened = list(pool.map(open_one, wanted))
        for name, log in zip(wanted, opened, strict=True):
            self._keep(name, log, wanted[name])
        progress.finish()
        self._was_clean = False  # a log made from now on has nothing to trust
        for left in (self._starts, self._recovery_points, self._high_watermarks):
            left.clear()
        self.checkpoint()

    def open(self, name: LogName, settings: LogSettings, now_ms: int) -> Log:
        """Open a log that is new. Should the disk fail, or have failed, the directory is offline, and the log with it.

        As `LogManager.getOrCreateLog` and `ReplicaManager.markPartitionOffline`: the topic is there nevertheless.
        """
        try:
            if self.failure is None:
                log = self._opened(name, settings, now_ms, None)
                self._keep(name, log, settings)
                return log
        except StorageError as error:
            self.fail(error)
        return self._keep_offline(name, settings)

    def _opened(
        self, name: LogName, settings: LogSettings, now_ms: int, on_progress: Callable[[int], None] | None
    ) -> Log:
        start = LogStart(
            log_start_offset=self._starts.get(name, 0),
            was_clean=self._was_clean,
            producer_age_ms_max=settings.producer_age_ms_max,
            recovery_point=self._recovery_points.get(name, 0),
            high_watermark=self._high_watermarks.get(name, 0),
            may_have_gaps=settings.may_have_gaps,
        )
        if on_progress is not None:
            start = attrs.evolve(start, on_progress=on_progress)
        return Log(self._files, self.path / directory_name(name), settings.limits, now_ms, start)

    def _keep(self, name: LogName, log: Log, settings: LogSettings) -> None:
        self.logs[name] = log
        if self._clock is not None:
            log.clock = self._clock
        log.on_roll = lambda: self._flush_later(log)
        log.on_failure = self.fail
        if self.failure is not None:  # perhaps since a moment ago, by another thread, which did not see this log
            log.failure = self.failure
        self.configure(name, settings)

    def configure(self, name: LogName, settings: LogSettings) -> None:
        """Use other settings from now on. Raises StorageError.

        A log that is compacted from now on is flushed, because holes can't be told from gaps in what is not flushed.
        """
        log = self.logs[name]
        log.limits = settings.limits
        log.flush_messages_max = settings.flush_messages_max
        log.flush_ms_max = settings.flush_ms_max
        if settings.may_have_gaps and not log.may_have_gaps:
            log.may_have_gaps = True
            log.flush()
            self.checkpoint_recovery_points()

    def _flush_later(self, log: Log) -> None:
        """Have the segments that are full flushed (`UnifiedLog.roll` schedules `flush-log`)."""
        self._do_later(log.flush_job(log.active.base_offset))

    def checkpoint_later(self, *, high_watermarks_only: bool) -> None:
        """Have checkpoints written by whoever flushes."""
        self._do_later(self.checkpoint_high_watermarks if high_watermarks_only else self.checkpoint)

    def _do_later(self, job: Job) -> None:
        def run() -> None:
            try:
                job()
            except StorageError as error:
                self.fail(error)

        self._run_later(run)

    def flush_overdue(self, now_ms: int) -> None:
        """Flush logs whose last flush is longer ago than `flush.ms` (`LogManager.flushDirtyLogs`).

        A disk that fails takes the directory offline: indexes are written at once, and the rest is made durable later.
        """
        try:
            for log in self.logs.values():
                job = overdue_flush(log, now_ms)
                if job is not None:
                    self._do_later(job)
        except StorageError as error:
            self.fail(error)

    def truncate(self, name: LogName, offset: int, now_ms: int) -> None:
        """Cut a log (`LogManager.truncateTo`). Raises StorageError.

        Unlike in Kafka the checkpoint is written first: no loss of power finds a recovery point beyond what is flushed.
        """
        log = self.logs[name]
        log.begin_truncation(offset)
        self.checkpoint_recovery_points()
        log.truncate_to(offset, now_ms)
        self.checkpoint_recovery_points()  # a compacted log may end earlier still

    def forget(self, names: Iterable[LogName]) -> None:
        """Let go of logs that are deleted, and of what the checkpoints say of them: later ones may have their names.

        Raises StorageError.
        """
        for name in names:
            log = self.logs.pop(name)
            log.on_roll = log.on_failure = None
        self.checkpoint()

    def checkpoint(self) -> None:
        """Write all checkpoints. Raises StorageError."""
        self.checkpoint_recovery_points()
        self.checkpoint_log_starts()
        self.checkpoint_high_watermarks()

    def checkpoint_recovery_points(self) -> None:
        """Note up to where the logs are flushed. Raises StorageError."""
        self._write(RECOVERY_POINTS, lambda log: log.recovery_point)

    def checkpoint_log_starts(self) -> None:
        """Note where logs begin that do not begin with their first segment (`checkpointLogStartOffsetsInDir`)."""

        def start(log: Log) -> int:
            return log.log_start_offset if log.log_start_offset > log.segments[0].base_offset else 0

        self._write(LOG_START_OFFSETS, start)

    def checkpoint_high_watermarks(self) -> None:
        """Note up to where logs are committed (`ReplicaManager.checkpointHighWatermarks`).

        Without followers that is to their ends. Should a log come back shorter than that, its loss is told.
        """
        self._write(HIGH_WATERMARKS, lambda log: log.log_end_offset)

    def _write(self, file_name: str, offset_of: Callable[[Log], int]) -> None:
        """Write a checkpoint, if it has changed; an offset of 0 needs no line. Any thread may."""
        with self._writing:
            if self.failure is not None:
                return
            offsets = {name: offset for name, log in list(self.logs.items()) if (offset := offset_of(log))}
            if offsets != self._written[file_name]:
                write_offsets(self._files, self.path / file_name, offsets)
                self._written[file_name] = offsets

    def fail(self, error: StorageError) -> None:
        """Go offline (`LogManager.handleLogDirFailure`); only the first error counts."""
        with self._failing:  # threads may meet errors at the same time
            if self.failure is not None:
                return
            self.failure = error
        for log in list(self.logs.values()):
            log.failure = error
        logger.error("%s goes offline until the next start: %s", self.path, error)
        if self._on_failure is not None:
            self._on_failure(self)

    def close(self) -> None:
        """Make everything durable and leave the marker of a clean stop, which an offline directory does not get."""
        try:
            if self.failure is None:
                for log in self.logs.values():
                    log.close()
                self.checkpoint()
                self._files.replace_file(self.path / CLEAN_SHUTDOWN, b"")
        except StorageError as error:
            self.fail(error)
        if self.failure is not None:
            for log in self.logs.values():
                log.abandon()
