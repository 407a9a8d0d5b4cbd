"""Bugs that a broker could have in what it compacts and when, and what goes meanwhile; and the checks that see each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import must
from impl.tests.logs import pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

Planted = Callable[..., Any]
HOME: Final = Path("/disk")
TURNS: Final = 50


class Clock:
    """A clock that is set."""

    now_ms = NOW

    def __call__(self) -> int:
        return self.now_ms


def open_broker(clock: Clock) -> Broker:
    """A broker on a disk of its own, whose log cleaner rests for a tenth of a second."""
    return Broker(SimulatedFileSystem(), HOME, BrokerConfig({"log.cleaner.backoff.ms": "100"}), 1, clock)


def create(broker: Broker, topic: str, configs: dict[str, str]) -> Partition:
    """The partition of a new topic, with a segment for each batch of `send`."""
    configs = {"cleanup.policy": "compact", "segment.bytes": "110"} | configs
    broker.create_topic(broker.catalog.check_creation(TopicRequest(topic, 1, configs=configs)))
    return broker.partition(topic, 0)


def send(partition: Partition, count: int, now_ms: int = NOW) -> None:
    """Append batches of one record, all with the same key."""
    for _ in range(count):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)], time_ms=now_ms)), now_ms)


# -- checks ----------------------------------------------------------------------------------------------------------


def check_retention_beside_compaction() -> None:
    """A compacted topic becomes too old while there is always another one that is to be compacted. Raises Violation."""
    clock = Clock()
    broker = open_broker(clock)
    old = create(broker, "old", {"cleanup.policy": "compact,delete", "retention.ms": "1000"})
    busy = create(broker, "busy", {"min.cleanable.dirty.ratio": "0"})
    send(old, 5)
    keeper = Housekeeping(broker)
    for _ in range(TURNS):
        send(busy, 2, clock.now_ms)
        keeper.run()
        clock.now_ms += 1000
    start, end = old.log.log_start_offset, old.log.log_end_offset
    keeper.close()
    broker.close()
    must(start == end, f"the log starts at {start}, though all up to {end} is too old")


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_retention_beside_compaction,)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _when_idle(_: Any) -> Planted:
    """Let old segments go when nothing is to be compacted."""

    def compact(self: Any, cleaner: Any, now_ms: int) -> None:
        if not cleaner.step(now_ms):
            self._cleaner_due_ms = now_ms + self._cleaner_pause_ms
            self._delete_old_segments(compacted=True, now_ms=now_ms)

    return compact


BUGS: Final = (
    StorageBug("retention waits for compaction", "impl.server.housekeeping.Housekeeping._compact", _when_idle),
)
