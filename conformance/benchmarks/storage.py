"""How a broker opens what is on disk: a long log that was not closed cleanly, many partitions, records warm and cold.

The same files are given to every broker: the batches of a partition's log are written into its data directory while
it is down, as Kafka writes them (`UnifiedLog`, segment files), without indexes and without the marker of a clean stop.
How long the loading of logs took is what the broker says in its own log (`LogManager.loadLogs`), because what it costs
to start a process varies by more than that. Not measured: several logs at once, several disks, compacted logs.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conformance.benchmarks.broker import DEADLINE_S, MIB, StalledError, resident_mib
from conformance.benchmarks.reader import seconds_to_read_all
from conformance.targets.process_target import ProcessTarget
from conformance.wire.batch import HEADER_BYTES, encode_batch
from model.reference.batch import Batch, Record

BATCH_BYTES = (16_384, 1_024)
SEGMENT_BYTES = 1 << 30
PARTITIONS_AT_ONCE = 2_000  # Kafka's controller refuses to make 10,000 by one request
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
READ_BYTES = 8 * MIB
_LOADED = re.compile(rb"Loaded \d+ logs .*?in (\d+)ms")
NOT_YET = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE}
)
"""What a broker answers that has started and does not lead its partitions yet."""
_RECORD_BYTES_ABOUT = 10
"""What a record has beside its value."""


def measure(target: ProcessTarget, *, log_bytes: int = SEGMENT_BYTES, partitions: int = 1_000) -> Mapping[str, float]:
    """Give the broker a log of each batch size and many partitions, and start it again.

    Args:
        target: not started yet; ended at the end.
        log_bytes: how long each log is.
        partitions: how many there are in another topic.

    Returns:
        Figures by name; GB/s and MB/s of decimal bytes, seconds, MiB.
    """
    figures: dict[str, float] = {}
    with target:
        figures |= limits(data_of(target))
        for batch_bytes in BATCH_BYTES:
            figures |= _of_one_log(target, batch_bytes, log_bytes)
        figures |= of_many_partitions(target, partitions)
    return figures


def data_of(target: ProcessTarget) -> Path:
    """Where the broker keeps its logs."""
    return target.broker.log.parent / "data"


def create_topic(target: ProcessTarget, topic: str, partitions: int = 1) -> None:
    """Make a topic of large segments that are kept."""
    admin = AdminClient({"bootstrap.servers": str(target.bootstrap[0])})
    configs = {"segment.bytes": str(SEGMENT_BYTES), "retention.ms": "-1"}
    made = admin.create_topics([NewTopic(topic, partitions, 1, config=configs)], operation_timeout=DEADLINE_S)
    made[topic].result(timeout=DEADLINE_S)


def limits(folder: Path) -> Mapping[str, float]:
    """What nobody can be quicker than: a copy in memory on one core, and `dd` that writes and flushes a file."""
    source, copy = np.ones(256 * MIB, np.uint8), np.ones(256 * MIB, np.uint8)  # both have memory, unlike zeros
    began = time.perf_counter()
    np.copyto(copy, source)
    figures = {"limit: a copy in memory (GB/s)": source.size / (time.perf_counter() - began) / 1e9}
    file, size = folder / "dd", 512 * MIB
    command = ["dd", "if=/dev/zero", f"of={file}", f"bs={MIB}", f"count={size // MIB}", "conv=fdatasync"]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)  # noqa: S603  as it is
    figures["limit: dd, flushed at the end (MB/s)"] = size / (time.perf_counter() - began) / 1e6
    file.unlink()
    return figures


# -- one long log ----------------------------------------------------------------------------------------------------


def _of_one_log(target: ProcessTarget, batch_bytes: int, log_bytes: int) -> Mapping[str, float]:
    topic, size = f"long-{batch_bytes}", f"{batch_bytes // 1024} KB batches"
    create_topic(target, topic)
    target.faults.do("stop", 0)
    log = data_of(target) / f"{topic}-0" / f"{0:020d}.log"
    batches = write_log(log, batch_bytes, log_bytes)
    (data_of(target) / CLEAN_SHUTDOWN).unlink(missing_ok=True)
    target.faults.do("start", 0)
    seconds = seconds_to_load(target.broker.log.read_bytes())
    if (end := end_of(target, topic)) != batches:
        raise StalledError(f"{target.name} recovered {end} of {batches} records of {log}")
    length = log.stat().st_size
    figures = {f"recovery, {size} (GB/s)": length / seconds / 1e9}
    figures[f"fetch warm, {size} (MB/s)"] = _read_all(target, topic, batches)
    forget_pages(log)
    figures[f"fetch cold, {size} (MB/s)"] = _read_all(target, topic, batches)
    figures[f"limit: reading the file, {size} (GB/s)"] = length / seconds_to_read(log) / 1e9
    target.faults.do("stop", 0)
    for path in log.parent.glob(f"{0:020d}.*"):  # or it were recovered again beside the next one
        path.unlink()
    target.faults.do("start", 0)
    return figures


def write_log(path: Path, batch_bytes: int, log_bytes: int) -> int:
    """Write a log of equal batches of one record each, as a leader of epoch 0 does; answers how many there are."""
    batch = _batch(batch_bytes)
    in_a_piece = max(READ_BYTES // len(batch), 1)
    left = total = log_bytes // len(batch)
    with path.open("wb") as file:
        while left:
            count = min(in_a_piece, left)
            piece = np.tile(np.frombuffer(batch, np.uint8), (count, 1))
            offsets = np.arange(total - left, total - left + count, dtype=">i8")
            piece[:, :8] = offsets.view(np.uint8).reshape(count, 8)
            file.write(piece.tobytes())
            left -= count
        file.flush()
        os.fsync(file.fileno())  # or it is written to the disk while brokers are measured
    return total


def _batch(batch_bytes: int) -> bytes:
    """A batch of one record, about so many bytes long; its base offset is not part of what its CRC covers."""
    value = os.urandom(batch_bytes - HEADER_BYTES - _RECORD_BYTES_ABOUT)
    return encode_batch(Batch(records=(Record(value=value),), partition_leader_epoch=0))


def seconds_to_load(text: bytes) -> float:
    """How long the logs took to load when the broker was last started, as its log says. Raises StalledError."""
    if not (said := _LOADED.findall(text)):
        raise StalledError("the broker's log does not say how long it took to load its logs")
    return max(int(said[-1]), 1) / 1000


def _seconds_to_start(target: ProcessTarget) -> float:
    began = time.perf_counter()
    target.faults.do("start", 0)
    return time.perf_counter() - began


def consumer_of(target: ProcessTarget) -> Consumer:
    """A consumer that asks for much at once."""
    return Consumer(
        {
            "bootstrap.servers": str(target.bootstrap[0]),
            "group.id": "bench",
            "enable.auto.commit": False,
            "check.crcs": False,
            "fetch.max.bytes": 50 * MIB,
            "max.partition.fetch.bytes": 8 * MIB,
            "queued.max.messages.kbytes": 256 * 1024,
        }
    )


def end_of(target: ProcessTarget, topic: str, partition: int = 0) -> int:
    """A partition's end, as soon as the broker leads it. Raises StalledError."""
    consumer = consumer_of(target)
    deadline = time.monotonic() + DEADLINE_S
    try:
        while True:
            try:
                _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=DEADLINE_S)
                return int(end)
            except KafkaException as error:
                if error.args[0].code() not in NOT_YET:
                    raise
                if time.monotonic() > deadline:
                    raise StalledError(f"{target.name} does not lead {topic}-{partition}: {error}") from error
    finally:
        consumer.close()


def _read_all(target: ProcessTarget, topic: str, records: int) -> float:
    """MB/s from asking for the first batch to the last."""
    size, seconds = seconds_to_read_all(target, topic, records)
    return size / seconds / 1e6


def forget_pages(path: Path) -> None:
    """Write a file's pages to disk and have the operating system forget them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def seconds_to_read(path: Path) -> float:
    """How long it takes to copy a file out of the page cache: no broker can be quicker on one core."""
    buffer = memoryview(mmap(-1, READ_BYTES))  # it begins with a page, and a bytearray does where copies are slow
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):  # so that it is in the page cache
            pass
        file.seek(0)
        began = time.perf_counter()
        while file.readinto(buffer):
            pass
        return time.perf_counter() - began


# -- many partitions -------------------------------------------------------------------------------------------------


def of_many_partitions(target: ProcessTarget, partitions: int) -> Mapping[str, float]:
    """What a start with many partitions takes beyond one with none, and their memory."""
    target.faults.do("restart", 0)
    before = resident_mib(target)
    target.faults.do("stop", 0)
    alone = _seconds_to_start(target)
    for first in range(0, partitions, PARTITIONS_AT_ONCE):
        create_topic(target, f"many-{first}", min(PARTITIONS_AT_ONCE, partitions - first))
    target.faults.do("stop", 0)
    began = time.perf_counter()
    target.faults.do("start", 0)
    end_of(target, f"many-{first}", partitions - first - 1)
    seconds = time.perf_counter() - began
    return {
        f"opening {partitions} partitions (s)": max(seconds - alone, 0.0),
        f"memory of {partitions} partitions (MiB)": max(resident_mib(target) - before, 0.0),
    }
