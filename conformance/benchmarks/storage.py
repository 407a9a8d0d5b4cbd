"""How a broker opens what is on disk: a long log that was not closed cleanly, many partitions, records warm and cold.

The same files are given to every broker: the batches of a partition's log are written into its data directory while
it is down, as Kafka writes them (`UnifiedLog`, segment files), with empty indexes and without the marker of a clean
stop. If there were no indexes at all, Kafka would check a segment twice (`LogLoader.loadSegmentFiles`).
How long the loading of logs took is what the broker says in its own log (`LogManager.loadLogs`), because what it costs
to start a process varies by more than that. Not measured: several logs at once, several disks, compacted logs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from conformance.benchmarks.broker import (
    MIB,
    SEGMENT_BYTES,
    StalledError,
    create_topic,
    data_of,
    end_of,
    seconds_to_recover,
)
from conformance.benchmarks.figures import LIMIT, Notes
from conformance.benchmarks.limits import copy_speed, dd_speed, forget_pages, seconds_to_read, seconds_to_send
from conformance.benchmarks.partitions import open_many
from conformance.benchmarks.reader import Reader
from conformance.targets.process_target import ProcessTarget
from conformance.wire.batch import HEADER_BYTES, encode_batch
from model.reference.batch import Batch, Record

BATCH_BYTES = (16_384, 1_024)
WRITTEN_BYTES = 8 * MIB
REPEATS = 3
"""How often a log is recovered, and read; the median counts, so that one slow moment of a disk does not decide."""
_RECORD_BYTES_ABOUT = 10
"""What a record has beside its value."""


def measure(target: ProcessTarget, notes: Notes, *, log_bytes: int = SEGMENT_BYTES, partitions: int = 1_000) -> None:
    """Give the broker a log of each batch size and many partitions, and start it again.

    Figures are GB/s and MB/s of decimal bytes, seconds, MiB.

    Args:
        target: not started yet; ended at the end.
        notes: where the figures go.
        log_bytes: how long each log is.
        partitions: how many there are in another topic.
    """
    with target:
        notes.step("limits of the machine")
        _measure_limits(notes, data_of(target), max(log_bytes // 2, MIB))
        for batch_bytes in BATCH_BYTES:
            _measure_log(target, notes, batch_bytes, log_bytes)
        open_many(target, notes, partitions)


def _measure_limits(notes: Notes, folder: Path, size: int) -> None:
    """What nobody can be quicker than, whatever a log is."""
    notes.figure(f"{LIMIT}a copy in memory (GB/s)", copy_speed(size))
    notes.figure(f"{LIMIT}dd, flushed at the end (MB/s)", dd_speed(folder, size, is_flushed=True))


# -- one long log ----------------------------------------------------------------------------------------------------


def _measure_log(target: ProcessTarget, notes: Notes, batch_bytes: int, log_bytes: int) -> None:
    topic, size = f"long-{batch_bytes}", f"{batch_bytes // 1024} KB batches"
    notes.step(f"writing a log, {size}")
    create_topic(target, topic)
    target.faults.do("stop", 0)
    log = data_of(target) / f"{topic}-0" / f"{0:020d}.log"
    batches = write_log(log, batch_bytes, log_bytes)
    notes.step(f"recovery, {size}")
    seconds = [seconds_to_recover(target)]
    while len(seconds) < REPEATS:
        target.faults.do("stop", 0)
        seconds.append(seconds_to_recover(target))
    if (end := end_of(target, topic)) != batches:
        raise StalledError(f"{target.name} recovered {end} of {batches} records of {log}")
    notes.figure(f"recovery, {size} (GB/s)", log.stat().st_size / median(seconds) / 1e9)
    _measure_reads(target, notes, log, batches, size)
    target.faults.do("stop", 0)
    for path in log.parent.glob(f"{0:020d}.*"):  # or it were recovered again beside the next one
        path.unlink()
    target.faults.do("start", 0)


def _measure_reads(target: ProcessTarget, notes: Notes, log: Path, batches: int, size: str) -> None:
    """Read all of a log, from the page cache and from the disk: as a client, as a file, and as who is sent the file."""
    topic, length = log.parent.name.removesuffix("-0"), log.stat().st_size

    def fetch() -> float:
        began = time.perf_counter()
        with Reader.of(target.bootstrap[0], topic) as reader:
            reader.read_to(batches)
        return time.perf_counter() - began

    def read() -> float:
        return seconds_to_read(log)

    def send() -> float:
        return seconds_to_send([(log, 0, length)])

    notes.step(f"fetches, warm, {size}")
    fetch()  # a Java machine compiles what it has seen run
    fetched_s, read_s, sent_s = _medians(fetch, read, send)
    notes.figure(f"fetch warm, {size} (MB/s)", length / fetched_s / 1e6)
    notes.figure(f"{LIMIT}sending the file from the page cache, {size} (MB/s)", length / sent_s / 1e6)
    notes.figure(f"{LIMIT}reading the file from the page cache, {size} (GB/s)", length / read_s / 1e9)
    if not forget_pages(log):
        notes.step(f"no cold fetches, {size}: {log.parent} is not on a disk; TMPDIR says where it is made")
        return
    notes.step(f"fetches, cold, {size}")
    fetched_s, read_s, sent_s = _medians(fetch, read, send, cold=log)
    notes.figure(f"fetch cold, {size} (MB/s)", length / fetched_s / 1e6)
    notes.figure(f"{LIMIT}sending the file from the disk, {size} (MB/s)", length / sent_s / 1e6)
    notes.figure(f"{LIMIT}reading the file from the disk, {size} (MB/s)", length / read_s / 1e6)


def _medians(*runs: Callable[[], float], cold: Path | None = None) -> list[float]:
    """The median time of each run, taken in turn; with a file that is `cold`, it leaves the page cache before each."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(REPEATS):
        for each, seconds_of in zip(times, runs, strict=True):
            if cold is not None:
                forget_pages(cold)
            each.append(seconds_of())
    return [median(each) for each in times]


def write_log(path: Path, batch_bytes: int, log_bytes: int, *, base: int = 0) -> int:
    """Write a segment of equal batches of one record each, as a leader of epoch 0 does; answers how many there are."""
    batch = _batch(batch_bytes)
    in_a_piece = max(WRITTEN_BYTES // len(batch), 1)
    left = total = log_bytes // len(batch)
    with path.open("wb") as file:
        while left:
            count = min(in_a_piece, left)
            piece = np.tile(np.frombuffer(batch, np.uint8), (count, 1))
            offsets = np.arange(base + total - left, base + total - left + count, dtype=">i8")
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
