"""Bugs by which a disk that fails does more harm than to take its directory offline, or less; and the checks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOSPC
from typing import Any, Final
from unittest.mock import patch

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import StorageError
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.server.log_directories import LogDirectories
from impl.storage.faults import Fault
from impl.storage.flushing import overdue_flush
from impl.storage.log_directory import LogDirectory
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import FIRST, PARTITIONS, SECOND, THIRD, append, failing
from impl.tests.durability import Violation, must
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

Planted = Callable[..., Any]
AGE_MS: Final = 1000
BATCHES: Final = 3
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
            append(partition)
    yield broker
    broker.close()


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


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_overdue_flushes_of_a_disk_that_is_full,)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _flush_unguarded(_: Any) -> Planted:
    """Leave a disk that fails to whoever has asked for the flush."""

    def flush_overdue(self: LogDirectory, now_ms: int) -> None:
        for log in self.logs.values():
            job = overdue_flush(log, now_ms)
            if job is not None:
                self._do_later(job)

    return flush_overdue


DIRECTORY: Final = "impl.storage.log_directory.LogDirectory"
BUGS: Final = (
    StorageBug("a full disk ends the flushes of the others", f"{DIRECTORY}.flush_overdue", _flush_unguarded),
)
