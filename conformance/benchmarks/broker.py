"""One round of measurements of one broker with one client (librdkafka): produce, consume, start-up, memory.

The client and its settings are the same for every broker. What is compared is the medians of alternating rounds,
because a machine's speed drifts. Not measured: latency, several clients at once, many partitions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil
from attrs import frozen
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conformance.targets.process_target import ProcessTarget

MIB = 1 << 20
TOTAL_BYTES = 256 * MIB
DEADLINE_S = 120.0


@frozen
class Workload:
    """How records are produced: batches of `batch_bytes`, made of records of `record_bytes`."""

    name: str
    batch_bytes: int
    record_bytes: int

    @property
    def records(self) -> int:
        """How many records make up the whole."""
        return TOTAL_BYTES // self.record_bytes


WORKLOADS = (
    Workload("16 KB batches", 16_384, 16_000),
    Workload("1 MB batches", 1_000_000, 16_000),
)


class StalledError(Exception):
    """A client did not get through within its deadline."""


def measure(target: ProcessTarget) -> Mapping[str, float]:
    """Start the broker, put every workload through it, and end it.

    Returns:
        Figures by name: seconds for the start, MiB for memory, MB/s for the rest.
    """
    started = time.perf_counter()
    with target:
        figures = {"start-up (s)": time.perf_counter() - started}
        address = str(target.bootstrap[0])
        figures["memory after the start (MiB)"] = resident_mib(target)
        _create(address, "bench-warm-up")
        _produce(address, "bench-warm-up", WORKLOADS[0])  # a Java machine compiles what it has seen run
        _consume(address, "bench-warm-up", WORKLOADS[0])
        for workload in WORKLOADS:
            topic = f"bench-{workload.batch_bytes}"
            _create(address, topic)
            figures[f"produce, {workload.name} (MB/s)"] = _produce(address, topic, workload)
            figures[f"consume, {workload.name} (MB/s)"] = _consume(address, topic, workload)
        figures["memory at the end (MiB)"] = resident_mib(target)
    return figures


def resident_mib(target: ProcessTarget) -> float:
    """Resident memory of the broker's process."""
    pid = target.broker.pid
    if pid is None:
        raise StalledError(f"{target.name} has no process")
    return float(psutil.Process(pid).memory_info().rss) / MIB


def _create(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    for future in admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)]).values():
        future.result(timeout=30)


def _produce(address: str, topic: str, workload: Workload) -> float:
    """MB/s from the first record handed over to the last acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": address,
            "acks": "all",
            "linger.ms": 5,
            "batch.size": workload.batch_bytes,
            "message.max.bytes": 2 * MIB,
            "queue.buffering.max.kbytes": 256 * 1024,
        }
    )
    failures: list[str] = []

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failures.append(str(error))

    value = bytes(range(256)) * (workload.record_bytes // 256)
    producer.list_topics(topic, timeout=30)
    started = time.perf_counter()
    for _ in range(workload.records):
        producer.produce(topic, value, partition=0, on_delivery=delivered)
        producer.poll(0)
    if producer.flush(DEADLINE_S) or failures:
        raise StalledError(f"not everything was acknowledged: {failures[:1] or 'the deadline passed'}")
    return workload.records * len(value) / (time.perf_counter() - started) / 1e6


def _consume(address: str, topic: str, workload: Workload) -> float:
    """MB/s from the first records read to the last; those first ones, which came after the set-up, don't count."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "bench",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.max.bytes": 50 * MIB,
            "max.partition.fetch.bytes": 8 * MIB,
            "queued.max.messages.kbytes": 256 * 1024,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = size = 0
    started = time.perf_counter()
    deadline = started + DEADLINE_S
    while count < workload.records:
        first = count == 0
        for message in consumer.consume(1000, timeout=1.0):
            failure = message.error()
            if failure is not None:
                raise KafkaException(failure)
            count += 1
            size += len(message.value() or b"")
        if first:
            size, started = 0, time.perf_counter()
        if time.perf_counter() > deadline:
            raise StalledError(f"read {count} of {workload.records} records in {DEADLINE_S:g} s")
    seconds = time.perf_counter() - started
    consumer.close()
    return size / seconds / 1e6
