"""A real broker is killed at random points under load, again and again: nothing that it acknowledged is lost.

A killed process leaves the page cache, so what was written is there; what was only half written is cut. Producers are
idempotent and send single batches, so that what the log holds can be told exactly.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from impl.storage.checkpoints import CLEAN_SHUTDOWN
from impl.tests.support import BrokerProcess

TOPIC = "t"
PARTITIONS = 3
KILLS = 3
KILLS_DEEP = 60
LOAD_S_MAX = 0.5
CLIENT_TIMEOUT_S = 20.0
# Small segments, so that kills meet rolls, index files and snapshots too.
OPTIONS = (
    "--config", "log.segment.bytes=20000",
    "--config", f"num.partitions={PARTITIONS}",
    "--config", "num.recovery.threads.per.data.dir=2",
    "--config", "replica.high.watermark.checkpoint.interval.ms=100",
    "--config", "log.flush.offset.checkpoint.interval.ms=200",
)  # fmt: skip


class Load:
    """A producer that sends numbered values until the broker is gone, and what was acknowledged to it."""

    def __init__(self, address: str, first: int) -> None:
        self.next = first
        self.acknowledged: dict[tuple[int, int], bytes] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "enable.idempotence": True,
                "linger.ms": 1,
                "message.timeout.ms": 10_000,
                "reconnect.backoff.max.ms": 100,
            }
        )

    def run_until(self, kill: threading.Thread) -> None:
        """Send until the broker is killed, for which the clock starts with the first acknowledgement."""
        ceiling = time.monotonic() + CLIENT_TIMEOUT_S
        while kill.ident is None or kill.is_alive():
            if kill.ident is None and (self.acknowledged or time.monotonic() > ceiling):
                kill.start()
            value = f"{self.next}".encode().ljust(200, b".")
            try:
                self._producer.produce(
                    TOPIC, value, partition=self.next % PARTITIONS, on_delivery=self._delivered(value)
                )
            except BufferError:
                self._producer.poll(0.01)
                continue
            self.next += 1
            self._producer.poll(0)
        kill.join()
        self._producer.purge()
        self._producer.flush(CLIENT_TIMEOUT_S)

    def _delivered(self, value: bytes) -> Callable[[KafkaError | None, Message], None]:
        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.acknowledged[message.partition(), message.offset()] = value

        return told


def read_all(address: str) -> Iterator[tuple[tuple[int, int], bytes]]:
    """All records, with partition and offset, each partition to its end."""
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "reader", "enable.partition.eof": True, "check.crcs": True}
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    at_end: set[int] = set()
    try:
        while len(at_end) < PARTITIONS:
            message = consumer.poll(CLIENT_TIMEOUT_S)
            assert message is not None
            error = message.error()
            if error is None:
                value = message.value()
                assert isinstance(value, bytes)
                yield (message.partition(), message.offset()), value
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                at_end.add(message.partition())
    finally:
        consumer.close()


def kill_and_look(data: Path, kills: int, random: Random) -> int:
    """Kill a broker so many times under load; answers how many records were acknowledged."""
    broker = BrokerProcess(data, *OPTIONS)
    acknowledged: dict[tuple[int, int], bytes] = {}
    first = 0
    try:
        for _ in range(kills):
            load = Load(broker.address, first)
            seconds = random.uniform(0.05, LOAD_S_MAX)
            load.run_until(threading.Timer(seconds, broker.stop, (signal.SIGKILL,)))
            assert not (data / CLEAN_SHUTDOWN).exists()
            broker.start()
            acknowledged |= load.acknowledged
            first = load.next
            _hold(broker.address, acknowledged)
        broker.stop()
        assert (data / CLEAN_SHUTDOWN).exists()
        broker.start()
        _hold(broker.address, acknowledged)
    finally:
        broker.close()
    return len(acknowledged)


def _hold(address: str, acknowledged: dict[tuple[int, int], bytes]) -> None:
    """Everything that was acknowledged is where it was said to be, once, with no holes between."""
    found = list(read_all(address))
    stored = dict(found)
    lost = {place: value for place, value in acknowledged.items() if stored.get(place) != value}
    assert not lost
    assert len({value for _, value in found}) == len(found)
    for partition in range(PARTITIONS):
        offsets = [offset for (at, offset), _ in found if at == partition]
        assert offsets == list(range(len(offsets)))


@pytest.mark.parametrize("seed", [1])
def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path, seed: int) -> None:
    assert kill_and_look(tmp_path / "data", KILLS, Random(seed)) > 100


@pytest.mark.deep
def test_nothing_acknowledged_is_lost_by_many_kills(tmp_path: Path) -> None:
    assert kill_and_look(tmp_path / "data", KILLS_DEEP, Random(2)) > KILLS_DEEP
