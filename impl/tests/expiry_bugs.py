"""Bugs by which a running broker remembers idempotent producers too long, or too shortly, and the check."""

from collections.abc import Callable
from typing import Any, Final

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.batch import TRANSACTIONAL_BIT
from impl.storage.producer_state import ProducerState
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.checkpoint_bugs import later
from impl.tests.cleaner_bugs import Clock
from impl.tests.directories import FIRST, PATHS
from impl.tests.durability import must
from impl.tests.markers import marker_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW, append, make_batch, records

Planted = Callable[..., Any]
AGE_MS: Final = 1_000  # at which a producer is forgotten
INTERVAL_MS: Final = 5_000
SETTINGS: Final = {
    "producer.id.expiration.ms": str(AGE_MS),
    "producer.id.expiration.check.interval.ms": str(INTERVAL_MS),
}
OLD, YOUNG, OPEN = 1, 2, 3  # producers


def send(partition: Partition, producer: int, time_ms: int, *, attributes: int = 0) -> None:
    """Append a batch of a producer that has not yet sent any."""
    fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": 0, "attributes": attributes}
    append(partition.log, make_batch(records(b"x"), time_ms=time_ms, **fields))


def check_that_producers_are_forgotten_in_time() -> None:
    """Each log forgets a producer at the first check after its time, but none whose transaction is open.

    Raises Violation.
    """
    clock = Clock()
    broker = Broker(SimulatedFileSystem(), FIRST, BrokerConfig(SETTINGS), 1, clock, PATHS[1:])
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", len(PATHS))))
    partitions = [*broker.partitions.values()]
    housekeeping = Housekeeping(broker)

    def known_after(elapsed_ms: int, *producers: int) -> None:
        clock.now_ms = NOW + elapsed_ms
        housekeeping.run()
        for partition in partitions:
            known = partition.log.producers.last_offsets().keys()
            must(known == {*producers}, f"after {elapsed_ms} ms {partition.name} knows the producers {sorted(known)}")

    for partition in partitions:
        send(partition, OLD, NOW + INTERVAL_MS - AGE_MS)
        send(partition, YOUNG, NOW + INTERVAL_MS - AGE_MS + 1)
        send(partition, OPEN, NOW, attributes=TRANSACTIONAL_BIT)
    known_after(INTERVAL_MS - 1, OLD, YOUNG, OPEN)
    known_after(INTERVAL_MS, YOUNG, OPEN)
    known_after(2 * INTERVAL_MS - 1, YOUNG, OPEN)
    known_after(2 * INTERVAL_MS, OPEN)
    for partition in partitions:
        append(partition.log, marker_batch(OPEN, aborts=False, time_ms=clock.now_ms))
    known_after(3 * INTERVAL_MS)
    housekeeping.close()
    broker.close()


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_that_producers_are_forgotten_in_time,)


def _the_first_only(right: Any) -> Planted:
    """Only the first partition's producers are looked at."""

    def expire(self: Housekeeping, now_ms: int) -> None:
        broker = self._broker
        rest = dict([*broker.partitions.items()][1:])
        for name in rest:
            del broker.partitions[name]
        right(self, now_ms)
        broker.partitions.update(rest)

    return expire


def _whatever_is_open(right: Any) -> Planted:
    """A transaction that is open keeps nobody."""

    def expire(self: ProducerState, now_ms: int, age_ms_max: int) -> None:
        still_open, self._open = self._open, {}
        right(self, now_ms, age_ms_max)
        self._open = still_open

    return expire


def _aged(by_ms: int) -> Callable[[Any], Planted]:
    """Producers are forgotten sooner, or later, by so much."""
    return lambda right: lambda self, now_ms, age_ms_max: right(self, now_ms, age_ms_max + by_ms)


KEEPER: Final = "impl.server.housekeeping.Housekeeping"
EXPIRE: Final = "impl.storage.producer_state.ProducerState.expire"
BUGS: Final = (
    StorageBug("producers are forgotten at a start only", f"{KEEPER}._expire_producers", lambda _: lambda *_: None),
    StorageBug("one partition forgets producers", f"{KEEPER}._expire_producers", _the_first_only),
    StorageBug("producers are looked at half as often", f"{KEEPER}.__init__", later("expiry", 2)),
    StorageBug("producers are looked at twice as often", f"{KEEPER}.__init__", later("expiry", 0.5)),
    StorageBug("a producer is forgotten too soon", EXPIRE, _aged(-1)),
    StorageBug("a producer is remembered too long", EXPIRE, _aged(1)),
    StorageBug("a producer is forgotten whose transaction is open", EXPIRE, _whatever_is_open),
)
