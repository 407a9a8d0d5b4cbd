"""Apache Kafka's own programs and a broker of it, for tests of what is on disk."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from conformance.targets import maven
from conformance.targets.apache_kafka import QUICK_JVM, ApacheKafka
from impl.tests.logs import Stored

POM = "kafka-3.9"
TIMEOUT_S = 120.0


def run_class(name: str, *arguments: str) -> tuple[str, list[str]]:
    """Run a class of Kafka's; answers its standard output and the lines of its standard error, less the loggers'."""
    command = [maven.java(), *QUICK_JVM, "-cp", str(maven.jars(POM) / "*"), name, *arguments]
    done = subprocess.run(command, check=True, timeout=TIMEOUT_S, capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if not line.startswith(("log4j:", "SLF4J"))]
    return done.stdout, complaints


def dump(paths: Sequence[Path], *options: str) -> tuple[str, list[str]]:
    """What DumpLogSegments prints of files, and what it complains of."""
    return run_class("kafka.tools.DumpLogSegments", "--files", ",".join(map(str, paths)), *options)


def data_directory(broker: ApacheKafka) -> Path:
    """Where a broker of Kafka keeps its logs."""
    return broker.broker.log.parent / "data"


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
