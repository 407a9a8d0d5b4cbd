"""What many partitions cost a broker: to open, in memory, and when records are spread over all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from conformance.benchmarks.broker import (
    create_topic,
    data_of,
    end_of,
    resident_mib,
    seconds_to_recover,
    seconds_to_start,
)
from conformance.benchmarks.figures import LIMIT, Notes
from conformance.benchmarks.limits import seconds_to_open
from conformance.benchmarks.traffic import Place, Workload, consume, produce, sending_speed, warm_up
from conformance.targets.process_target import ProcessTarget

PARTITIONS_AT_ONCE = 2_000
"""Kafka's controller refuses to make 10,000 by one request."""


def open_many(target: ProcessTarget, notes: Notes, partitions: int) -> None:
    """What a start with many partitions takes beyond one without them, and what memory they add to it."""
    notes.step(f"a start without the {partitions} partitions")
    target.faults.do("restart", 0)
    before = resident_mib(target)
    notes.figure("memory of the broker alone (MiB)", before)
    target.faults.do("stop", 0)
    alone = seconds_to_start(target)
    notes.step(f"making {partitions} partitions")
    topics = topics_of(partitions)
    for topic, count in topics.items():
        create_topic(target, topic, count)
    target.faults.do("stop", 0)
    notes.step(f"opening {partitions} partitions")
    began = time.perf_counter()
    target.faults.do("start", 0)
    for topic, count in topics.items():
        end_of(target, topic, count - 1)
    seconds = time.perf_counter() - began
    notes.figure(f"opening {partitions} partitions (s)", max(seconds - alone, 0.0))
    directories = [data_of(target) / f"{topic}-{number}" for topic, many in topics.items() for number in range(many)]
    notes.figure(f"{LIMIT}opening the files of {partitions} partitions (s)", seconds_to_open(directories))
    notes.figure(f"memory added by {partitions} partitions (MiB)", max(resident_mib(target) - before, 0.0))


def spread_over(target: ProcessTarget, notes: Notes, partitions: int, workload: Workload) -> None:
    """Produce to the partitions that `open_many` has made, each in turn, and consume from all of them at once.

    Each has one record already: for the first one of a leader epoch Kafka writes and flushes a checkpoint.
    """
    notes.step(f"first records of {partitions} partitions")
    warm_up(target, workload)
    places: list[Place] = [(topic, number) for topic, count in topics_of(partitions).items() for number in range(count)]
    produce(target, places, Workload("one record each", workload.batch_bytes, 256, total_bytes=256 * partitions))
    notes.step(f"produce to and consume from {partitions} partitions")
    name = f"{partitions} partitions, {workload.name} (MB/s)"
    notes.figure(f"produce to {name}", produce(target, places, workload))
    notes.figure(f"consume from {name}", consume(target, places, workload, start=1))
    notes.figure(f"{LIMIT}sending from {name}", sending_speed(target, places))


def recover_many(target: ProcessTarget, notes: Notes, partitions: int) -> None:
    """How long it takes to load what `spread_over` has written, after a stop that was not clean."""
    notes.step(f"recovery of {partitions} partitions")
    target.faults.do("stop", 0)
    notes.figure(f"recovery of {partitions} partitions (s)", seconds_to_recover(target))


def topics_of(partitions: int) -> Mapping[str, int]:
    """The topics that together have so many partitions, and how many each has."""
    starts = range(0, partitions, PARTITIONS_AT_ONCE)
    return {f"many-{first}": min(PARTITIONS_AT_ONCE, partitions - first) for first in starts}
