"""Bugs by which a disk that fails does more harm than to take its directory offline, or less; and the checks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO, ENOSPC, EROFS
from typing import Any, Final
from unittest.mock import patch

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, StorageError
from impl.replica.partition import Partition
from impl.server import log_cleaner
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.server.log_cleaner import LogCleaner
from impl.server.log_directories import LogDirectories
from impl.storage.faults import Fault, Kind
from impl.storage.flushing import overdue_flush
from impl.storage.leftovers import CLEANED
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory, LogName, LogSettings
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import FIRST, PARTITIONS, SECOND, THIRD, failing, refused
from impl.tests.durability import Violation, must
from impl.tests.logs import pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW

Planted = Callable[..., Any]
AGE_MS: Final = 1000
BATCHES: Final = 3
RETENTION_MS: Final = 300_000  # log.retention.check.interval.ms
WRITES: Final[tuple[Kind, ...]] = ("write", "remove")
SETTINGS: Final = {"log.flush.interval.ms": str(AGE_MS), "log.index.interval.bytes": "0"}

# -- checks ----------------------------------------------------------------------------------------------------------


@contextmanager
def _broker(files: SimulatedFileSystem, times: list[int], configs: dict[str, str]) -> Iterator[Broker]:
    """A broker with three directories, and a few batches in each of its partitions; the last of the times is now."""
    with patch.object(LogDirectories, "_run_later", lambda _, job: job()):
        broker = Broker(files, FIRST, BrokerConfig(SETTINGS), 1, lambda: times[-1], [SECOND, THIRD])
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS, configs=configs)))
    for partition in broker.partitions.values():
        for _ in range(BATCHES):
            _append(partition)
    yield broker
    broker.close()


def _append(partition: Partition) -> None:
    """Append a batch that compaction takes too, and fills a segment of 110 bytes."""
    partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)


def _must_be_offline(broker: Broker) -> list[Partition]:
    """The second directory is offline, and no other; answers the partitions of the others."""
    offline = [each.path for each in broker.directories.all if each.failure is not None]
    must(offline == [SECOND], f"{offline} are offline")
    return [each for each in broker.partitions.values() if each.log.directory.parent != SECOND]


def check_overdue_flushes_of_a_disk_that_is_full() -> None:
    """One of three disks has no room for the indexes that `flush.ms` asks for. Raises Violation."""
    files = SimulatedFileSystem()
    times = [NOW]
    with _broker(files, times, {}) as broker:
        keeper = Housekeeping(broker)
        times.append(NOW + AGE_MS)
        with failing(files, Fault("write", lasts=True, path_contains=f"{SECOND}/t-", error=ENOSPC)):
            try:
                keeper.run()
            except StorageError as error:
                raise Violation(f"a round of housekeeping ends with {error}") from error
        for each in _must_be_offline(broker):
            must(each.log.recovery_point == BATCHES, f"{each.name} is flushed up to {each.log.recovery_point}")


def check_compactions_that_a_read_only_disk_ends() -> None:
    """The half of a new segment can't be removed: the broker is stopped, or the log is offline. Raises Violation."""
    for is_stop in (True, False):
        files = SimulatedFileSystem()
        with (
            _broker(files, [NOW], {"cleanup.policy": "compact", "segment.bytes": "110"}) as broker,
            patch.object(log_cleaner, "STEP_BYTES", 1),
        ):
            keeper = Housekeeping(broker)
            victim = _compacted_half(keeper, broker, files)
            with failing(files, *(Fault(kind, lasts=True, path_contains=f"{SECOND}/", error=EROFS) for kind in WRITES)):
                try:
                    if not is_stop:
                        with suppress(BrokerError):
                            _append(victim)
                        must(refused(victim), "a disk that is read-only takes an append")
                    (keeper.close if is_stop else keeper.run)()
                except StorageError as error:
                    raise Violation(f"the end of a compaction fails: {error}") from error
            for each in _must_be_offline(broker):
                _append(each)


def _compacted_half(keeper: Housekeeping, broker: Broker, files: SimulatedFileSystem) -> Partition:
    """Compact until there is a new segment in the second directory that is not in its place; answers whose it is."""
    while keeper.run() == 0:
        for each in broker.partitions.values():
            home = each.log.directory
            if home.parent == SECOND and any(name.endswith(CLEANED) for name in files.list_names(home)):
                return each
    raise Violation("nothing is compacted in the second directory")


def check_logs_that_are_made_while_their_disk_fails() -> None:
    """Another thread takes a directory offline before any step of making a log there. Raises Violation."""
    name, settings = ("t", 0), LogSettings(LIMITS)
    step = 0
    is_over = False
    while not is_over:
        files = SimulatedFileSystem()
        directory = LogDirectory(files, SECOND)
        directory.open_all({}, NOW)
        last = files.faults.changes + step

        def fail_at(change: int, directory: LogDirectory = directory, last: int = last) -> None:
            if change == last:
                directory.fail(StorageError("flush", SECOND / "other", EIO))

        files.faults.before_change = fail_at
        log = directory.open(name, settings, NOW)
        is_over = directory.failure is None
        must(log.failure is directory.failure, f"a log goes on though its directory is offline since step {step}")
        step += 1
    must(step > 1, "nothing is done to make a log")


def check_retention_on_a_disk_that_is_read_only() -> None:
    """What is to be deleted can't be renamed on one of three disks. Raises Violation."""
    files = SimulatedFileSystem()
    times = [NOW]
    with _broker(files, times, {"segment.bytes": "110", "retention.bytes": "0"}) as broker:
        keeper = Housekeeping(broker)
        times.append(NOW + RETENTION_MS)
        with failing(files, Fault("move", lasts=True, path_contains=f"{SECOND}/t-", error=EROFS)):
            try:
                keeper.run()
            except StorageError as error:
                raise Violation(f"a round of housekeeping ends with {error}") from error
        for each in _must_be_offline(broker):
            must(each.log.log_start_offset > 0, f"{each.name} keeps what need not be kept")


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_overdue_flushes_of_a_disk_that_is_full,
    check_compactions_that_a_read_only_disk_ends,
    check_logs_that_are_made_while_their_disk_fails,
    check_retention_on_a_disk_that_is_read_only,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _flush_unguarded(_: Any) -> Planted:
    """Leave a disk that fails to whoever has asked for the flush."""

    def flush_overdue(self: LogDirectory, now_ms: int) -> None:
        for log in self.logs.values():
            job = overdue_flush(log, now_ms)
            if job is not None:
                self._do_later(job)

    return flush_overdue


def _end_unguarded(_: Any) -> Planted:
    """Leave a disk that fails to whoever ends a compaction."""

    def close(self: LogCleaner) -> None:
        if self._running is not None:
            self._running.compaction.close()
            self._running = None

    return close


def _end_and_say_nothing(right: Any) -> Planted:
    """Believe a disk on which something could not be removed."""

    def close(self: LogCleaner) -> None:
        with patch.object(LogDirectories, "fail"):
            right(self)

    return close


def _look_once(right: Any) -> Planted:
    """Look at whether a directory is offline before a log is made, and never again."""

    def keep(self: LogDirectory, name: LogName, log: Log, settings: LogSettings) -> None:
        before = log.failure
        right(self, name, log, settings)
        log.failure = before

    return keep


def _keep_it_to_itself(right: Any) -> Planted:
    """Go on with a log after a disk failed while old segments were deleted."""

    def delete_old_segments(self: Partition, now_ms: int) -> Any:
        with patch.object(Log, "fail"):
            return right(self, now_ms)

    return delete_old_segments


DIRECTORY: Final = "impl.storage.log_directory.LogDirectory"
CLEANER: Final = "impl.server.log_cleaner.LogCleaner"
BUGS: Final = (
    StorageBug("a full disk ends the flushes of the others", f"{DIRECTORY}.flush_overdue", _flush_unguarded),
    StorageBug("a log is online in a directory that failed meanwhile", f"{DIRECTORY}._keep", _look_once),
    StorageBug(
        "retention says nothing of a disk that fails",
        "impl.replica.partition.Partition.delete_old_segments",
        _keep_it_to_itself,
    ),
    StorageBug("a compaction on a disk that fails ends with a traceback", f"{CLEANER}.close", _end_unguarded),
    StorageBug("a compaction ends and its disk goes on", f"{CLEANER}.close", _end_and_say_nothing),
)
