"""One round of measurements of one broker with one client (librdkafka): produce, consume, start-up, memory.

The client and its settings are the same for every broker. What is compared is the medians of alternating rounds,
because a machine's speed drifts. Not measured: latency, several clients at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle, islice
from statistics import median

from attrs import frozen
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from conformance.benchmarks.broker import DEADLINE_S, MIB, StalledError, address_of, create_topic, data_of, resident_mib
from conformance.benchmarks.figures import LIMIT, Notes
from conformance.benchmarks.limits import dd_speed, seconds_to_send
from conformance.targets.process_target import ProcessTarget

TOTAL_BYTES = 256 * MIB
TIMES_CONSUMED = 3
"""It takes a fraction of a second, in which much else may happen."""
RECORDS_AT_ONCE = 1_000
Place = tuple[str, int]
"""A topic and a partition of it."""


@frozen
class Workload:
    """How records are produced: batches of `batch_bytes`, made of records of `record_bytes`."""

    name: str
    batch_bytes: int
    record_bytes: int
    total_bytes: int = TOTAL_BYTES

    @property
    def records(self) -> int:
        """How many records make up the whole."""
        return self.total_bytes // self.record_bytes


SMALL_BATCHES = Workload("16 KB batches", 16_384, 16_000)
LARGE_BATCHES = Workload("1 MB batches", 1_000_000, 16_000)


def measure(target: ProcessTarget, notes: Notes) -> None:
    """Start the broker, put every workload through it, and end it: seconds for the start, MiB for memory, MB/s."""
    notes.step("start-up")
    started = time.perf_counter()
    with target:
        notes.figure("start-up (s)", time.perf_counter() - started)
        notes.figure("memory after the start (MiB)", resident_mib(target))
        notes.step("warming up")
        warm_up(target, SMALL_BATCHES)
        for workload in (SMALL_BATCHES, LARGE_BATCHES):
            notes.step(f"produce and consume, {workload.name}")
            topic = f"bench-{workload.batch_bytes}"
            create_topic(target, topic)
            written = dd_speed(data_of(target), workload.total_bytes, workload.batch_bytes)
            notes.figure(f"{LIMIT}dd, {workload.name} (MB/s)", written)
            notes.figure(f"produce, {workload.name} (MB/s)", produce(target, [(topic, 0)], workload))
            notes.figure(f"consume, {workload.name} (MB/s)", consume(target, [(topic, 0)], workload))
            notes.figure(
                f"{LIMIT}sending what is consumed, {workload.name} (MB/s)", sending_speed(target, [(topic, 0)])
            )
        notes.figure("memory at the end (MiB)", resident_mib(target))


def warm_up(target: ProcessTarget, workload: Workload) -> None:
    """Produce and consume without measuring it: a Java machine compiles what it has seen run."""
    topic = f"bench-warm-up-{workload.batch_bytes}"
    create_topic(target, topic)
    produce(target, [(topic, 0)], workload)
    consume(target, [(topic, 0)], workload)


def produce(target: ProcessTarget, places: Sequence[Place], workload: Workload) -> float:
    """Produce to all these partitions in turn: MB/s from the first record handed over to the last acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": address_of(target),
            "acks": "all",
            "linger.ms": 5,
            "batch.size": workload.batch_bytes,
            "message.max.bytes": 2 * MIB,
            "queue.buffering.max.kbytes": 256 * 1024,
            "request.timeout.ms": int(DEADLINE_S * 1_000),  # or what waits behind many others is sent twice
            "message.timeout.ms": int(DEADLINE_S * 1_000),
        }
    )
    failures: list[str] = []

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failures.append(str(error))

    value = bytes(range(256)) * (workload.record_bytes // 256)
    for topic in {topic for topic, _ in places}:
        producer.list_topics(topic, timeout=DEADLINE_S)
    started = time.perf_counter()
    for topic, partition in islice(cycle(places), workload.records):
        producer.produce(topic, value, partition=partition, on_delivery=delivered)
        producer.poll(0)
    if producer.flush(DEADLINE_S) or failures:
        raise StalledError(f"not everything was acknowledged: {failures[:1] or 'the deadline passed'}")
    return workload.records * len(value) / (time.perf_counter() - started) / 1e6


def consume(target: ProcessTarget, places: Sequence[Place], workload: Workload, *, start: int = 0) -> float:
    """Consume from an offset of each partition on: MB/s from the first records read to the last, a median of three.

    Those first ones, which came after the set-up, don't count.
    """
    return median(consume_once(target, places, workload, start) for _ in range(TIMES_CONSUMED))


def consume_once(target: ProcessTarget, places: Sequence[Place], workload: Workload, start: int) -> float:
    """Consume all records from an offset of each partition on: MB/s."""
    consumer = Consumer(
        {
            "bootstrap.servers": address_of(target),
            "group.id": "bench",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.max.bytes": 50 * MIB,
            "max.partition.fetch.bytes": 8 * MIB,
            "queued.max.messages.kbytes": 256 * 1024,
        }
    )
    consumer.assign([TopicPartition(topic, partition, start) for topic, partition in places])
    count = size = 0
    started = time.perf_counter()
    deadline = started + DEADLINE_S
    while count < workload.records:
        first = count == 0
        # Not more than are left: it would wait for them for all of its second.
        for message in consumer.consume(min(RECORDS_AT_ONCE, workload.records - count), timeout=1.0):
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


def sending_speed(target: ProcessTarget, places: Sequence[Place]) -> float:
    """MB/s at which the operating system sends the partitions' files by itself, a median of three."""
    directories = [data_of(target) / f"{topic}-{partition}" for topic, partition in places]
    pieces = [(path, 0, path.stat().st_size) for each in directories for path in sorted(each.glob("*.log"))]
    pieces = [piece for piece in pieces if piece[2]]
    return median(sum(size for *_, size in pieces) / seconds_to_send(pieces) / 1e6 for _ in range(TIMES_CONSUMED))
