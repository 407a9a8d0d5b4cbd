"""Any operation of the disk may fail, and bits flip, in histories that lose power before every change (`faulty`)."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.storage.limits import SegmentLimits
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Step
from impl.tests.faulty import FaultyTrial, faulty_history, with_cuts
from impl.tests.histories import first_seed, with_transactions
from impl.tests.limits import ALL_LIMITS
from impl.tests.test_durability import HISTORIES, PAGE_SIZES, drawn_history

pytestmark = pytest.mark.usefixtures("quiet")

HISTORIES_DEEP = 1000
KINDS = ("offline", "flush failed", "failed starts", "flipped .log", "flipped .index", "flipped .snapshot", "cut")


@given(HISTORIES, st.integers(0, 2**32), st.sampled_from(PAGE_SIZES), st.sampled_from(ALL_LIMITS))
@settings(max_examples=60)
def test_a_disk_that_fails_costs_nothing_flushed(
    history: list[Step], seed: int, page_size: int, limits: SegmentLimits
) -> None:
    trial = FaultyTrial(SimulatedFileSystem(), seed=seed, page_size=page_size, limits=limits)
    trial.play_faulty(with_cuts(Random(seed + 1), faulty_history(Random(seed), history)))


@pytest.mark.deep
def test_many_disks_that_fail() -> None:
    seen: Counter[str] = Counter()
    for seed in range(first_seed(), first_seed() + HISTORIES_DEEP):
        random = Random(seed)
        limits = ALL_LIMITS[seed % len(ALL_LIMITS)]
        trial = FaultyTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES), limits=limits)
        plain = drawn_history(random)
        history = faulty_history(random, with_transactions(random, plain) if seed % 2 else plain)
        if seed % 3 == 0:
            history = with_cuts(random, history)
        try:
            trial.play_faulty(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{history}") from error
        seen.update({each: 1 for each, times in trial.seen.items() if times})
    for each in KINDS:
        assert seen[each] > HISTORIES_DEEP / 10, f"of {HISTORIES_DEEP} histories {seen[each]} {each}"
