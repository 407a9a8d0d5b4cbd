"""What every part of the benchmarks does with a broker: make topics, wait until it leads them, ask what it took."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conformance.targets.process_target import ProcessTarget

MIB = 1 << 20
DEADLINE_S = 600.0  # 10,000 partitions take their time
SEGMENT_BYTES = 1 << 30
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
RECOVERY_POINTS = "recovery-point-offset-checkpoint"
_LOADED = re.compile(rb"Loaded \d+ logs .*?in (\d+)ms")
REFRESH_MS = 1_000
_NOT_YET = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  the client's own errors have such names
    }
)
"""What a broker answers that has started and does not lead its partitions yet."""


class StalledError(Exception):
    """A broker did not do what it was asked to, or not within its deadline."""


def address_of(target: ProcessTarget) -> str:
    """Where clients find the broker."""
    return str(target.bootstrap[0])


def data_of(target: ProcessTarget) -> Path:
    """Where the broker keeps its logs."""
    return target.broker.log.parent / "data"


def resident_mib(target: ProcessTarget) -> float:
    """Resident memory of the broker's process. Raises StalledError if it has none."""
    pid = target.broker.pid
    if pid is None:
        raise StalledError(f"{target.name} has no process")
    return float(psutil.Process(pid).memory_info().rss) / MIB


def create_topic(target: ProcessTarget, topic: str, partitions: int = 1) -> None:
    """Make a topic of large segments that are kept."""
    warnings_only = {"log_level": 4}  # or librdkafka tells whoever waits what it purges
    admin = AdminClient({"bootstrap.servers": address_of(target), **warnings_only})
    configs = {"segment.bytes": str(SEGMENT_BYTES), "retention.ms": "-1"}
    made = admin.create_topics(
        [NewTopic(topic, partitions, 1, config=configs)], operation_timeout=DEADLINE_S, request_timeout=DEADLINE_S
    )
    made[topic].result(timeout=DEADLINE_S)


def end_of(target: ProcessTarget, topic: str, partition: int = 0) -> int:
    """A partition's end, as soon as the broker leads it. Raises StalledError."""
    settings = {"bootstrap.servers": address_of(target), "group.id": "bench"}
    # While Kafka starts it tells of a part of its topics, and the client would not ask again for five minutes.
    consumer = Consumer({**settings, "topic.metadata.refresh.interval.ms": REFRESH_MS})
    deadline = time.monotonic() + max(DEADLINE_S, target.start_ceiling_s)
    try:
        while True:
            try:
                _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=DEADLINE_S)
                return int(end)
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET:
                    raise
                if time.monotonic() > deadline:
                    raise StalledError(f"{target.name} does not lead {topic}-{partition}: {error}") from error
    finally:
        consumer.close()


def seconds_to_start(target: ProcessTarget) -> float:
    """Start a broker that was stopped: how long it takes until it can be used."""
    began = time.perf_counter()
    target.faults.do("start", 0)
    return time.perf_counter() - began


def seconds_to_load(text: bytes) -> float:
    """How long the logs took to load when the broker was last started, as its log says. Raises StalledError."""
    if not (said := _LOADED.findall(text)):
        raise StalledError("the broker's log does not say how long it took to load its logs")
    return max(int(said[-1]), 1) / 1000


def seconds_to_recover(target: ProcessTarget) -> float:
    """Start a broker as after a stop that was not clean, with nothing flushed: how long the loading of logs took.

    Raises StalledError.
    """
    for name in (CLEAN_SHUTDOWN, RECOVERY_POINTS):
        (data_of(target) / name).unlink(missing_ok=True)
    target.faults.do("start", 0)
    return seconds_to_load(target.broker.log.read_bytes())
