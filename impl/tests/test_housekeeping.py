"""What a running broker does unasked, seen by a client: retention, compaction, and the end of deletions."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from impl.tests.support import BrokerProcess

TIMEOUT_S = 20.0
SETTINGS = {
    "log.initial.task.delay.ms": "0",
    "log.retention.check.interval.ms": "20",
    "log.cleaner.backoff.ms": "20",
    "log.segment.delete.delay.ms": "0",
}


@pytest.fixture
def busy_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker that looks after its logs all the time."""
    options = [each for name, value in SETTINGS.items() for each in ("--config", f"{name}={value}")]
    process = BrokerProcess(tmp_path / "data", *options)
    yield process
    process.close()


@contextmanager
def consumer(broker: BrokerProcess) -> Iterator[Consumer]:
    """A consumer that knows nothing of what the broker was before it was restarted."""
    client = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "none",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def client(busy_broker: BrokerProcess) -> Iterator[Consumer]:
    with consumer(busy_broker) as client:
        yield client


def create(broker: BrokerProcess, topic: str, config: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(TIMEOUT_S)


def produce(broker: BrokerProcess, topic: str, count: int) -> None:
    """Records with three keys, a batch each."""
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 0})
    for number in range(count):
        producer.produce(topic, b"v%d" % number, b"k%d" % (number % 3))
        assert producer.flush(TIMEOUT_S) == 0


def wait_until(client: Consumer, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        client.poll(0.02)


def offsets(client: Consumer, topic: str) -> list[int]:
    """The offsets of all records that there are."""
    client.assign([TopicPartition(topic, 0, 0)])
    found: list[int] = []
    while True:
        message = client.poll(TIMEOUT_S)
        assert message is not None
        if message.error() is not None:
            return found
        found.append(message.offset())


def test_old_segments_go_and_so_do_their_files(busy_broker: BrokerProcess, client: Consumer) -> None:
    create(busy_broker, "aging", {"retention.ms": "1", "segment.bytes": "100", "file.delete.delay.ms": "0"})
    produce(busy_broker, "aging", 5)
    partition = TopicPartition("aging", 0)
    wait_until(client, lambda: client.get_watermark_offsets(partition, TIMEOUT_S) == (5, 5))
    directory = busy_broker.data / "aging-0"
    wait_until(client, lambda: [path.name for path in directory.glob("*.log*")] == [f"{5:020d}.log"])
    busy_broker.stop(signal.SIGKILL)
    busy_broker.start()
    with consumer(busy_broker) as another:
        assert another.get_watermark_offsets(partition, TIMEOUT_S) == (5, 5)


def test_superseded_records_go(busy_broker: BrokerProcess, client: Consumer) -> None:
    config = {"cleanup.policy": "compact", "segment.bytes": "100", "min.cleanable.dirty.ratio": "0"}
    create(busy_broker, "compacted", config)
    produce(busy_broker, "compacted", 10)
    wait_until(client, lambda: offsets(client, "compacted") == [6, 7, 8, 9])  # 9 is in the active segment
    busy_broker.stop(signal.SIGKILL)
    busy_broker.start()
    with consumer(busy_broker) as another:
        assert offsets(another, "compacted") == [6, 7, 8, 9]


def test_a_deleted_topic_leaves_no_files(busy_broker: BrokerProcess, client: Consumer) -> None:
    create(busy_broker, "gone", {})
    produce(busy_broker, "gone", 1)
    admin = AdminClient({"bootstrap.servers": busy_broker.address})
    admin.delete_topics(["gone"])["gone"].result(TIMEOUT_S)
    wait_until(client, lambda: not list(busy_broker.data.glob("gone-0*")))
