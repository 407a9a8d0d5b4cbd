"""What tests of what is on disk ask of Apache Kafka's programs and of a broker of it, which are lent to them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from impl.storage.batch import HEADER_SIZE, BatchHeader
from impl.storage.compression import decompress
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.records import read_records
from impl.storage.recovery import LogStart
from impl.tests.logs import Stored, batches
from impl.tests.support import LIMITS, NOW

TIMEOUT_S = 120.0


class Kafka(Protocol):
    """A broker of Apache Kafka, as it is lent to tests (fixture `apache_kafka`)."""

    @property
    def bootstrap(self) -> Sequence[object]:
        """Its addresses."""

    @property
    def broker(self) -> Any:
        """Its process, with the path of what it prints."""

    @property
    def faults(self) -> Any:
        """What stops and starts it."""


def dump(program: Callable[..., Any], paths: Sequence[Path], *options: str) -> tuple[str, list[str]]:
    """What DumpLogSegments prints of files, and what it complains of, less what loggers say."""
    done = program("kafka.tools.DumpLogSegments", "--files", ",".join(map(str, paths)), *options)
    complaints = [line for line in done.stderr.splitlines() if not line.startswith(("log4j:", "SLF4J"))]
    return done.stdout, complaints


def data_directory(kafka: Kafka) -> Path:
    """Where a broker of Kafka keeps its logs."""
    log: Path = kafka.broker.log
    return log.parent / "data"


def create(address: str, topic: str, **configs: str) -> None:
    """Create a topic of one partition; configs are given with underscores for periods."""
    config = {name.replace("_", "."): value for name, value in configs.items()}
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(TIMEOUT_S)


def alter(address: str, topic: str, **configs: str) -> None:
    """Set configs of a topic; they are given with underscores for periods."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configs.items()
    ]
    admin = AdminClient({"bootstrap.servers": address})
    for done in admin.incremental_alter_configs([ConfigResource("topic", topic, incremental_configs=entries)]).values():
        done.result(TIMEOUT_S)


def consume(address: str, topic: str) -> list[Stored]:
    """All records of partition 0, from its start to its end; transactions' markers and aborted records too."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "none",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "auto.offset.reset": "error",
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, _start(consumer, topic))])
        found: list[Stored] = []
        while (message := consumer.poll(TIMEOUT_S)) is not None:
            if message.error() is not None:
                assert message.error().name() == "_PARTITION_EOF", message.error()
                return found
            found.append((message.offset(), message.key(), message.value(), message.timestamp()[1]))
        raise AssertionError(f"the end of {topic} was not reached")
    finally:
        consumer.close()


def _start(consumer: Consumer, topic: str) -> int:
    """Where partition 0 begins; a broker that was just started is not its leader at once."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            start, _ = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            consumer.poll(0.1)
        else:
            return int(start)


def cleaned_batches(directory: Path) -> list[tuple[BatchHeader, list[int]]]:
    """What is in all segments but the active one: headers, less what follows from the time, and records' offsets."""
    log = Log(RealFileSystem(), directory, LIMITS, NOW, LogStart(was_clean=True, may_have_gaps=True))
    found = []
    for header, batch in batches(log):
        if header.base_offset < log.active.base_offset:
            body = decompress(header.compression, batch[HEADER_SIZE:]) if header.record_count else b""
            deltas = [record.offset_delta for record in read_records(body, header.record_count)]
            timed = 0 if header.delete_horizon_ms is not None else header.base_timestamp
            found.append((attrs.evolve(header, base_timestamp=timed, crc=0, length=0), deltas))
    log.abandon()
    return found
