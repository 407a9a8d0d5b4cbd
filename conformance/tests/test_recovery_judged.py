"""The bundled log's recovery, judged by the model: it yields exactly what `segments.recovered` says of what is on disk.

That function is what the durability machine's recovery is held to (`model/tests/test_durability.py`). The logs here are
not compacted, so that the bundled log takes missing offsets between segments for a hole that a loss of power has left.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from attrs import frozen

from conformance.tests.disks import (
    CHECKPOINT,
    LOG,
    LOG_STARTS,
    MARKER,
    directory_in,
    offset_in,
    segment_found,
    segment_names,
)
from impl.storage.log import Log
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Trial
from impl.tests.histories import first_seed
from impl.tests.test_durability import PAGE_SIZES, drawn_history
from model.reference.segments import Recovered, Segment, first_checked, recovered

pytestmark = pytest.mark.usefixtures("quiet")

HISTORIES = 20
HISTORIES_DEEP = 600


@frozen
class Judged:
    """What the model says of what a disk holds."""

    expected: Recovered
    point_min: int
    """What was flushed need not be checked at the next start, either, but for the beginning of a segment."""


def judged(files: SimulatedFileSystem, home: Path, seen: Counter[str]) -> Judged:
    """Look at a disk, and ask the model."""
    found = [
        segment_found(int(name.removesuffix(LOG)), files.read_file(directory_in(home) / name))
        for name in segment_names(files, home)
    ]
    point = offset_in(files, home / CHECKPOINT)
    was_clean = files.exists(home / MARKER)
    start = offset_in(files, home / LOG_STARTS)
    result = recovered(found, point, start, was_clean=was_clean, may_have_gaps=False)
    point_min = result.recovery_point
    if found and not was_clean:
        point_min = min(point_min, found[first_checked(found, point)].base_offset)
    seen["clean" if was_clean else "unclean"] += 1
    seen["cut"] += sum(map(len_of, result.segments)) < sum(map(len_of, found))
    seen["segments dropped"] += bool(result.dropped)
    seen["holes"] += result != recovered(found, point, start, was_clean=was_clean)
    seen["points above 0"] += not was_clean and point_min > 0
    return Judged(result, point_min)


def len_of(segment: Segment) -> int:
    """How many batches a segment has."""
    return len(segment.batches)


class JudgedTrial(Trial):
    """A trial whose recoveries are all held to the model."""

    seen: Counter[str]

    def _recovered(self, files: SimulatedFileSystem) -> Log:
        found = judged(files, self.home / "logs", self.seen)
        expected = found.expected
        log = super()._recovered(files)
        assert log.log_end_offset == expected.log_end_offset
        offsets = [batch.header.base_offset for segment in log.segments for batch in segment.batches_from(0)]
        assert offsets == [batch.base_offset for segment in expected.segments for batch in segment.batches]
        assert found.point_min <= log.recovery_point <= expected.recovery_point
        return log


def play(histories: int, first: int = 0) -> Counter[str]:
    """Play drawn histories, from the one with the first seed on; answers what was seen."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + histories):
        random = Random(seed)
        trial = JudgedTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES))
        trial.seen = seen
        trial.play(drawn_history(random))
    return seen


def hold(seen: Counter[str], least: int) -> None:
    """See to it that enough of everything was judged."""
    assert seen["unclean"] >= 20 * least
    assert all(seen[each] >= least for each in ("clean", "cut", "segments dropped", "holes", "points above 0")), seen


def test_recovery_yields_what_the_model_says() -> None:
    hold(play(HISTORIES), 5)


@pytest.mark.deep
def test_recovery_yields_what_the_model_says_of_many_histories() -> None:
    hold(play(HISTORIES_DEEP, first_seed()), 100)
