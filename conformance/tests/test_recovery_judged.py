"""The bundled log's recovery, judged by the model: it yields exactly what `segments.recovered` says of what is on disk.

That function is what the durability machine's recovery is held to (`model/tests/test_durability.py`). The bundled log
is stricter in one way, which is done here to what is found before the model is asked: a segment that does not begin
where the one before it ends is a hole that a loss of power has left, and goes with all after it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import Struct

import pytest
from crc32c import crc32c

from impl.storage.log import Log
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import NAME, Trial
from impl.tests.test_durability import PAGE_SIZES, drawn_history
from model.reference.segments import DiskBatch, Recovered, Segment, recovered

HISTORIES = 20
HISTORIES_DEEP = 600
CHECKPOINT_LINES_BEFORE = 2
HEADER = Struct(">qiibIhi")
"""The beginning of a batch (DefaultRecordBatch): offset, length, leader epoch, magic, CRC, attributes, last delta."""
HEADER_BYTES, LENGTH_COUNTS_FROM, CRC_COUNTS_FROM, MAGIC = 61, 12, 21, 2


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Every loss of power is told in the log; here there are thousands."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def segment_found(base_offset: int, content: bytes) -> Segment:
    """A segment's file as the model sees it: its batches, up to the first that is not one."""
    batches: list[DiskBatch] = []
    position, next_offset = 0, base_offset
    while position < len(content):
        batch = batch_found(content, position, next_offset)
        batches.append(batch)
        position, next_offset = position + batch.size, batch.last_offset + 1
        if not batch.is_valid:
            break
    return Segment(base_offset=base_offset, batches=tuple(batches))


def batch_found(content: bytes, position: int, least: int) -> DiskBatch:
    """The batch at a position, whose offsets are at least `least`; all that is left, if there is none."""
    rest = content[position:]
    if len(rest) >= HEADER_BYTES:
        base_offset, length, _, magic, crc, _, delta = HEADER.unpack_from(rest)
        size = LENGTH_COUNTS_FROM + length
        is_whole = magic == MAGIC and HEADER_BYTES <= size <= len(rest) and crc32c(rest[CRC_COUNTS_FROM:size]) == crc
        if is_whole and base_offset >= least and delta >= 0:
            return DiskBatch(base_offset=base_offset, last_offset=base_offset + delta, size=size)
    return DiskBatch(base_offset=least, last_offset=least, size=len(rest), is_valid=False)


def offset_in(files: SimulatedFileSystem, path: Path) -> int:
    """What a checkpoint says of the only log; 0 if nothing."""
    lines = files.read_file(path).decode().splitlines()[CHECKPOINT_LINES_BEFORE:] if files.exists(path) else []
    return next((int(line.split()[2]) for line in lines if line.split()[0] == NAME[0]), 0)


def judged(files: SimulatedFileSystem, home: Path, seen: Counter[str]) -> Recovered:
    """What the model says of what a disk holds."""
    directory = home / f"{NAME[0]}-{NAME[1]}"
    names = files.list_names(directory) if files.exists(directory) else []
    found = [
        segment_found(int(name.removesuffix(".log")), files.read_file(directory / name))
        for name in names
        if name.endswith(".log")
    ]
    point = offset_in(files, home / "recovery-point-offset-checkpoint")
    was_clean = files.exists(home / ".kafka_cleanshutdown")
    if not was_clean:
        whole = found[:1]
        for before, segment in pairwise(found):
            if segment.base_offset > point and segment.base_offset != before.next_offset:
                seen["holes"] += 1
                break
            whole.append(segment)
        found = whole
    start = offset_in(files, home / "log-start-offset-checkpoint")
    result = recovered(found, point, start, was_clean=was_clean)
    seen["clean" if was_clean else "unclean"] += 1
    seen["cut"] += sum(map(len_of, result.segments)) < sum(map(len_of, found))
    seen["segments dropped"] += bool(result.dropped)
    return result


def len_of(segment: Segment) -> int:
    """How many batches a segment has."""
    return len(segment.batches)


class JudgedTrial(Trial):
    """A trial whose recoveries are all held to the model."""

    seen: Counter[str]

    def _recovered(self, files: SimulatedFileSystem) -> Log:
        expected = judged(files, self.home / "logs", self.seen)
        log = super()._recovered(files)
        assert log.log_end_offset == expected.log_end_offset
        offsets = [batch.header.base_offset for segment in log.segments for batch in segment.batches_from(0)]
        assert offsets == [batch.base_offset for segment in expected.segments for batch in segment.batches]
        # It begins with a whole segment again, so that a lower point is no mistake, and a higher one is.
        assert log.recovery_point <= expected.recovery_point
        return log


def play(histories: int) -> Counter[str]:
    """Play drawn histories; answers what was seen."""
    seen: Counter[str] = Counter()
    for seed in range(histories):
        random = Random(seed)
        trial = JudgedTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES))
        trial.seen = seen
        trial.play(drawn_history(random))
    return seen


def hold(seen: Counter[str], least: int) -> None:
    """See to it that enough of everything was judged."""
    assert seen["unclean"] >= 20 * least
    assert all(seen[each] >= least for each in ("clean", "cut", "segments dropped", "holes")), seen


def test_recovery_yields_what_the_model_says() -> None:
    hold(play(HISTORIES), 5)


@pytest.mark.deep
def test_recovery_yields_what_the_model_says_of_many_histories() -> None:
    hold(play(HISTORIES_DEEP), 100)
