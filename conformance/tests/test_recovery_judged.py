"""The bundled log's recovery, judged by the model: it yields exactly what `segments.recovered` says of what is on disk.

That function is what the durability machine's recovery is held to (`model/tests/test_durability.py`). The bundled log
is stricter in one way, which is done here to what is found before the model is asked: a segment that does not begin
where the one before it ends is a hole that a loss of power has left, and goes with all after it.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

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
from impl.tests.test_durability import PAGE_SIZES, drawn_history
from model.reference.segments import Recovered, Segment, recovered

pytestmark = pytest.mark.usefixtures("quiet")

HISTORIES = 20
HISTORIES_DEEP = 600


def judged(files: SimulatedFileSystem, home: Path, seen: Counter[str]) -> Recovered:
    """What the model says of what a disk holds."""
    found = [
        segment_found(int(name.removesuffix(LOG)), files.read_file(directory_in(home) / name))
        for name in segment_names(files, home)
    ]
    point = offset_in(files, home / CHECKPOINT)
    was_clean = files.exists(home / MARKER)
    if not was_clean:
        whole = found[:1]
        for before, segment in pairwise(found):
            if segment.base_offset > point and segment.base_offset != before.next_offset:
                seen["holes"] += 1
                break
            whole.append(segment)
        found = whole
    start = offset_in(files, home / LOG_STARTS)
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
