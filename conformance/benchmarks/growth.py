"""How recovery, fetches and starts grow: logs of 1 to 100 GiB, brokers of 10 to 10,000 partitions.

The logs are sparse: each batch is one record of zeros, of which only the first page is written, so that a log of
100 GiB takes half a gigabyte of a disk. What is read of the rest is zeros that the kernel makes up, so nothing here
says how fast a disk is; CRCs are computed over all of it. One round only, because it takes long.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from confluent_kafka import TopicPartition

from conformance.benchmarks.broker import StalledError
from conformance.benchmarks.storage import (
    CLEAN_SHUTDOWN,
    SEGMENT_BYTES,
    consumer_of,
    create_topic,
    data_of,
    of_many_partitions,
    seconds_to_load,
)
from conformance.targets.process_target import ProcessTarget
from conformance.wire.batch import encode_batch
from model.reference.batch import Batch, Record

GIB = 1 << 30
LOG_BYTES = (GIB, 10 * GIB, 100 * GIB)
PARTITIONS = (10, 100, 1_000, 10_000)
VALUE_BYTES = 1_000_000
WRITTEN_BYTES = 4_096
LOOKUPS = 50
START_CEILING_S = 1_800.0
_SEED = 1


def measure(
    target: ProcessTarget, *, log_bytes: tuple[int, ...] = LOG_BYTES, partitions: tuple[int, ...] = PARTITIONS
) -> Mapping[str, float]:
    """Give the broker longer and longer logs, and more and more partitions.

    Args:
        target: not started yet; ended at the end.
        log_bytes: how long the logs are.
        partitions: how many there are.

    Returns:
        Figures by name: seconds, milliseconds, MiB, GB/s of decimal bytes.

    Raises:
        StalledError: the broker did not recover all records.
    """
    target.start_ceiling_s = target.stop_ceiling_s = START_CEILING_S
    figures: dict[str, float] = {}
    with target:
        for size in log_bytes:
            figures |= _of_a_log(target, size)
    for count in partitions:
        with target:
            figures |= of_many_partitions(target, count)
    return figures


def _of_a_log(target: ProcessTarget, log_bytes: int) -> Mapping[str, float]:
    topic, size = f"sparse-{log_bytes}", f"{log_bytes / GIB:g} GiB"
    create_topic(target, topic)
    target.faults.do("stop", 0)
    directory = data_of(target) / f"{topic}-0"
    for path in directory.glob(f"{0:020d}.*"):
        path.unlink()
    records, length = write_sparse(directory, log_bytes)
    (data_of(target) / CLEAN_SHUTDOWN).unlink(missing_ok=True)
    target.faults.do("start", 0)
    seconds = seconds_to_load(target.broker.log.read_bytes())
    figures = {f"recovery of {size} (GB/s)": length / seconds / 1e9}
    figures[f"one record of {size} (ms)"] = 1_000 * _seconds_to_find(target, topic, records)
    target.faults.do("stop", 0)
    target.faults.do("start", 0)
    figures[f"opening {size} after a clean stop (s)"] = seconds_to_load(target.broker.log.read_bytes())
    target.faults.do("stop", 0)
    for path in directory.glob("0*"):
        path.unlink()
    target.faults.do("start", 0)
    return figures


def write_sparse(directory: Path, log_bytes: int) -> tuple[int, int]:
    """Write segments of batches that are mostly holes; answers how many records there are, and the bytes."""
    batch = encode_batch(Batch(records=(Record(value=bytes(VALUE_BYTES)),), partition_leader_epoch=0))
    in_a_segment = SEGMENT_BYTES // len(batch)
    count = log_bytes // len(batch)
    for base in range(0, count, in_a_segment):
        here = min(in_a_segment, count - base)
        with (directory / f"{base:020d}.log").open("wb") as file:
            for number in range(here):
                file.seek(number * len(batch))
                file.write((base + number).to_bytes(8, "big"))
                file.write(batch[8:WRITTEN_BYTES])
            file.truncate(here * len(batch))
    return count, count * len(batch)


def _seconds_to_find(target: ProcessTarget, topic: str, records: int) -> float:
    """The median time from asking for a record somewhere in the log to having it."""
    chosen = random.Random(_SEED)  # noqa: S311  places to look at
    consumer = consumer_of(target)
    times = []
    try:
        for _ in range(LOOKUPS):
            began = time.perf_counter()
            offset = chosen.randrange(records)
            consumer.assign([TopicPartition(topic, 0, offset)])
            message = consumer.poll(START_CEILING_S)
            if message is None or message.error() is not None or message.offset() != offset:
                raise StalledError(f"{target.name} did not answer with offset {offset} of {topic}")
            times.append(time.perf_counter() - began)
    finally:
        consumer.close()
    return median(times)
