"""How recovery, fetches, appends and starts grow: logs of 1 to 100 GiB, brokers of 10 to 10,000 partitions.

The longest logs are sparse: each batch is one record of 1 MB of zeros, of which only the first page is written, so
that a log of 100 GiB takes a gigabyte of a disk. What is read of the rest is zeros that the kernel makes up, so their
recovery does not say how fast a disk is; CRCs are computed over all of it. Written wholly are the pieces that are
fetched, which can be cold therefore, what is appended, and the logs of small batches, which end with 10 GiB: batches
smaller than a page have no holes. One round only, because it takes long.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from attrs import evolve

from conformance.benchmarks.broker import (
    MIB,
    SEGMENT_BYTES,
    StalledError,
    create_topic,
    data_of,
    end_of,
    resident_mib,
    seconds_to_load,
    seconds_to_recover,
)
from conformance.benchmarks.figures import LIMIT, Notes
from conformance.benchmarks.limits import dd_speed, forget_pages, seconds_to_read, seconds_to_send
from conformance.benchmarks.partitions import open_many, recover_many, spread_over
from conformance.benchmarks.reader import PIECE_BYTES, Reader
from conformance.benchmarks.storage import BATCH_BYTES, write_log
from conformance.benchmarks.traffic import LARGE_BATCHES, SMALL_BATCHES, TOTAL_BYTES, produce, warm_up
from conformance.targets.process_target import ProcessTarget
from conformance.wire.batch import encode_batch
from model.reference.batch import Batch, Record

GIB = 1 << 30
LOG_BYTES = (GIB, 10 * GIB, 100 * GIB)
WHOLE_BYTES = (GIB, 10 * GIB)
"""How long the logs of small batches are, in which nothing is sparse."""
PARTITIONS = (10, 100, 1_000, 10_000)
VALUE_BYTES = 1_000_000
WRITTEN_BYTES = 4_096
INDEXES = (".index", ".timeindex")
"""Without them Kafka checks a segment twice (LogLoader.loadSegmentFiles)."""
LOOKUPS = 50
PIECES = 64
"""How many pieces of 8 MiB are fetched, spread evenly over a log: half of 1 GiB, where a reader skips every other."""
REPEATS = 3
"""How often pieces are fetched, and batches appended; the median counts."""
START_CEILING_S = 1_800.0
_SEED = 1


def measure(
    target: ProcessTarget,
    notes: Notes,
    *,
    log_bytes: Sequence[int] = LOG_BYTES,
    whole_bytes: Sequence[int] = WHOLE_BYTES,
    partitions: Sequence[int] = PARTITIONS,
    appended_bytes: int = TOTAL_BYTES,
) -> None:
    """Give the broker longer and longer logs, and more and more partitions.

    Figures are seconds, milliseconds, MiB, GB/s and MB/s of decimal bytes.

    Args:
        target: not started yet; ended at the end.
        notes: where the figures go.
        log_bytes: how long the sparse logs are.
        whole_bytes: how long the logs of small batches are.
        partitions: how many there are.
        appended_bytes: how much is appended to each log at a time, and spread over each number of partitions.

    Raises:
        StalledError: the broker did not recover all records.
    """
    target.start_ceiling_s = target.stop_ceiling_s = START_CEILING_S
    for size in log_bytes:
        with target:  # anew, so that no log is beside another one
            _measure_log(target, notes, size, appended_bytes)
    for size in whole_bytes:
        for batch_bytes in BATCH_BYTES:
            with target:
                _measure_recovery(target, notes, size, batch_bytes)
    for count in partitions:
        with target:
            open_many(target, notes, count)
            spread_over(target, notes, count, evolve(SMALL_BATCHES, total_bytes=appended_bytes))
            recover_many(target, notes, count)


def _measure_recovery(target: ProcessTarget, notes: Notes, log_bytes: int, batch_bytes: int) -> None:
    """A log of small batches, of which no byte is made up, after a stop that was not clean."""
    topic, name = f"whole-{log_bytes}-{batch_bytes}", f"{log_bytes / GIB:g} GiB, {batch_bytes // 1024} KB batches"
    notes.step(f"writing {name}")
    create_topic(target, topic)
    target.faults.do("stop", 0)
    directory = data_of(target) / f"{topic}-0"
    records = 0
    for path in _segments(directory):
        path.unlink()
    for begin in range(0, log_bytes, SEGMENT_BYTES):
        path = directory / f"{records:020d}.log"
        records += write_log(path, batch_bytes, min(SEGMENT_BYTES, log_bytes - begin), base=records)
        for suffix in INDEXES:
            path.with_suffix(suffix).touch()
    length = sum(path.stat().st_size for path in _segments(directory))
    notes.figure(f"{LIMIT}reading {name} (GB/s)", length / seconds_to_read(*_segments(directory)) / 1e9)
    notes.step(f"recovery of {name}")
    notes.figure(f"recovery of {name} (GB/s)", length / seconds_to_recover(target) / 1e9)
    _see_all(target, topic, records)


def _see_all(target: ProcessTarget, topic: str, records: int) -> None:
    """Raises StalledError if not all records of a topic are there."""
    if (end := end_of(target, topic)) != records:
        raise StalledError(f"{target.name} recovered {end} of {records} records of {topic}")


def _segments(directory: Path) -> list[Path]:
    """The segments of a log, oldest first."""
    return sorted(directory.glob("*.log"))


def _measure_log(target: ProcessTarget, notes: Notes, log_bytes: int, appended_bytes: int) -> None:
    topic, size = f"sparse-{log_bytes}", f"{log_bytes / GIB:g} GiB"
    notes.step(f"writing {size}")
    create_topic(target, topic)
    target.faults.do("stop", 0)
    directory = data_of(target) / f"{topic}-0"
    records, length = write_sparse(directory, log_bytes, pieces=PIECES)
    notes.step(f"the operating system reads {size}")
    seconds = seconds_to_read(*_segments(directory))
    notes.figure(f"{LIMIT}reading {size}, sparse (GB/s)", length / seconds / 1e9)
    write_sparse(directory, log_bytes, pieces=PIECES)  # anew, and so with as little of it in the page cache
    notes.step(f"recovery of {size}")
    notes.figure(f"recovery of {size} (GB/s)", length / seconds_to_recover(target) / 1e9)
    _see_all(target, topic, records)
    notes.step(f"fetches from {size}")
    with Reader.of(target.bootstrap[0], topic) as reader:
        _measure_fetches(reader, notes, directory, records, size)
    notes.step(f"opening {size} after a clean stop")
    target.faults.do("stop", 0)
    target.faults.do("start", 0)
    notes.figure(f"opening {size} after a clean stop (s)", seconds_to_load(target.broker.log.read_bytes()))
    end_of(target, topic)  # when it is led, it can be appended to
    notes.figure(f"memory with {size} open (MiB)", resident_mib(target))
    for each in (SMALL_BATCHES, LARGE_BATCHES):
        workload = evolve(each, total_bytes=appended_bytes)
        notes.step(f"appending to {size}, {workload.name}")
        warm_up(target, workload)
        written = [dd_speed(data_of(target), appended_bytes, workload.batch_bytes) for _ in range(REPEATS)]
        notes.figure(f"{LIMIT}dd beside {size}, {workload.name} (MB/s)", median(written))
        speeds = [produce(target, [(topic, 0)], workload) for _ in range(REPEATS)]
        notes.figure(f"append to {size}, {workload.name} (MB/s)", median(speeds))


def _measure_fetches(reader: Reader, notes: Notes, directory: Path, records: int, size: str) -> None:
    """Pieces spread over all of a log, from the page cache and from the disk, and single records at random."""
    starts, pieces = _starts(records), _pieces(directory, records)

    def fetch() -> float:
        began = time.perf_counter()
        return sum(reader.read_piece(offset)[1] for offset in starts) / (time.perf_counter() - began) / 1e6

    def send() -> float:
        return sum(each for _, _, each in pieces) / seconds_to_send(pieces) / 1e6

    fetch()  # then it is in the page cache, and Java has compiled it
    notes.figure(f"fetch from all over {size}, warm (MB/s)", median(fetch() for _ in range(REPEATS)))
    notes.figure(f"{LIMIT}sending from all over {size}, warm (MB/s)", median(send() for _ in range(REPEATS)))
    speeds: dict[Callable[[], float], list[float]] = {fetch: [], send: []}
    for _ in range(REPEATS):
        for how, found in speeds.items():
            forgotten = [forget_pages(path) for path in _segments(directory)]
            if not all(forgotten):
                notes.step(f"no cold fetches: {directory} is not on a disk; TMPDIR says where it is made")
                break
            found.append(how())
    if speeds[send]:
        notes.figure(f"fetch from all over {size}, cold (MB/s)", median(speeds[fetch]))
        notes.figure(f"{LIMIT}sending from all over {size}, cold (MB/s)", median(speeds[send]))
    chosen = random.Random(_SEED)  # noqa: S311  places to look at
    times = []
    for _ in range(LOOKUPS):
        offset = chosen.randrange(records)
        began = time.perf_counter()
        reader.read_piece(offset, MIB)
        times.append(time.perf_counter() - began)
    notes.figure(f"one record of 1 MB of {size} (ms)", 1_000 * median(times))


def _pieces(directory: Path, records: int) -> list[tuple[Path, int, int]]:
    """Where the pieces are that a reader fetches: the file, where in it, and how many bytes to its end at most."""
    segments = {int(path.stem): path for path in directory.glob("*.log")}
    size = sum(path.stat().st_size for path in segments.values()) // records
    pieces = []
    for offset in _starts(records):
        base = max(each for each in segments if each <= offset)
        start = (offset - base) * size
        whole = (segments[base].stat().st_size - start) // size
        pieces.append((segments[base], start, min(whole, PIECE_BYTES // size) * size))
    return pieces


def _starts(records: int) -> list[int]:
    """The first offset of each piece."""
    return [number * records // PIECES for number in range(PIECES)]


def write_sparse(directory: Path, log_bytes: int, *, pieces: int = 0) -> tuple[int, int]:
    """Write segments of batches that are mostly holes, and empty indexes, and remove what was there before.

    Args:
        directory: the log's.
        log_bytes: how long it is at most.
        pieces: how many pieces of PIECE_BYTES, spread evenly over it, have no holes, and no zeros.

    Returns:
        The number of records, and of bytes.
    """
    for path in directory.glob("*.*"):
        if path.stem.isdecimal():
            path.unlink()
    batch, whole_batch = (_batch(value) for value in (bytes(VALUE_BYTES), os.urandom(VALUE_BYTES)))
    in_a_segment = SEGMENT_BYTES // len(batch)
    count = log_bytes // len(batch)
    in_a_piece = PIECE_BYTES // len(batch)
    whole = {start * count // pieces + number for start in range(pieces) for number in range(in_a_piece)}
    for base in range(0, count, in_a_segment):
        here = min(in_a_segment, count - base)
        with (directory / f"{base:020d}.log").open("wb") as file:
            for number in range(here):
                file.seek(number * len(batch))
                file.write((base + number).to_bytes(8, "big"))
                file.write(whole_batch[8:] if base + number in whole else batch[8:WRITTEN_BYTES])
            file.truncate(here * len(batch))
            os.fsync(file.fileno())  # or it is written to the disk while brokers are measured
        for suffix in INDEXES:
            (directory / f"{base:020d}.log").with_suffix(suffix).touch()
    return count, count * len(batch)


def _batch(value: bytes) -> bytes:
    """A batch of one record, with which a log of a leader's epoch 0 may begin."""
    return encode_batch(Batch(records=(Record(value=value),), partition_leader_epoch=0))
