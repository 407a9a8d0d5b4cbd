"""Power is lost before every change that a history makes to the disk: nothing flushed is lost, nothing bad is served.

At one point in ten it is only the process that is killed, and at another one power is lost again during the recovery.

What a history is made of, and what is held, is in `durability`. The same histories run on real files, where processes
can be killed but power can't be lost.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.storage.filesystem import RealFileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import ACTS, Act, Append, End, Lose, Step, Trial, Truncate
from impl.tests.histories import first_seed, with_transactions
from impl.tests.limits import ALL_LIMITS

pytestmark = pytest.mark.usefixtures("quiet")

POINTS_DEEP = 112_000  # at nine in ten of which power is lost
HISTORIES_DEEP = 5_000  # at most: points that are not met any more must not be waited for
PAGE_SIZES = (32, 64, 512, 4096)

APPENDS = st.builds(
    Append,
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(0, 2),
    st.sampled_from([False] * 9 + [True]),
    st.booleans(),
)
ENDS = st.builds(End, st.integers(1, 2), st.booleans())
OTHERS = st.one_of(
    st.builds(Act, st.sampled_from(ACTS)),
    st.builds(Act, st.sampled_from(ACTS)),
    ENDS,
    st.builds(Truncate, st.integers(1, 4), st.integers(0, 2)),
    st.builds(Lose, st.integers(0, 2**32), st.booleans()),
)
HISTORIES = st.lists(st.one_of(APPENDS, APPENDS, OTHERS), min_size=3, max_size=25)


def drawn_history(random: Random) -> list[Step]:
    """A history like Hypothesis's, drawn faster; appends are most of it."""
    history: list[Step] = []
    for _ in range(random.randint(5, 30)):
        choice = random.random()
        if choice < 0.6:
            size = random.randint(1, 40)
            history.append(Append(random.randint(1, 3), size, random.choice((0, 0, 1, 2)), random.random() < 0.1))
        elif choice < 0.67:
            history.append(Truncate(random.randint(1, 4), random.randrange(3)))
        elif choice < 0.75:
            history.append(Lose(random.randrange(1 << 30), random.random() < 0.3))
        else:
            history.append(Act(random.choice(ACTS)))
    return history


@given(HISTORIES, st.integers(0, 2**32), st.sampled_from(PAGE_SIZES), st.sampled_from(ALL_LIMITS))
@settings(max_examples=110)
def test_nothing_flushed_is_lost_and_nothing_bad_is_served(
    history: list[Step], seed: int, page_size: int, limits: SegmentLimits
) -> None:
    Trial(SimulatedFileSystem(), seed=seed, page_size=page_size, limits=limits).play(history)


@pytest.mark.parametrize("killed", [False, True])
def test_every_change_of_starts_and_recoveries_is_a_point(killed: bool) -> None:
    files = SimulatedFileSystem()
    trial = Trial(files)
    assert trial.points == files.faults.changes > 0
    trial.do(Append())
    assert trial.points == files.faults.changes
    trial.do(Lose(0, killed=killed))
    assert isinstance(trial.files, SimulatedFileSystem)
    assert trial.files is not files
    assert trial.points == files.faults.changes + trial.files.faults.changes > files.faults.changes


@pytest.mark.deep
def test_a_hundred_thousand_losses_of_power() -> None:
    points = histories = 0
    seen: Counter[str] = Counter()
    for seed in range(first_seed(), first_seed() + HISTORIES_DEEP):
        random = Random(seed)
        limits = ALL_LIMITS[seed % len(ALL_LIMITS)]
        trial = Trial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES), limits=limits)
        history = drawn_history(random)
        if seed % 2:
            history = with_transactions(random, history)
        try:
            trial.play(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{history}") from error
        points += trial.points
        seen.update({each: 1 for each, times in trial.seen.items() if times})
        histories += 1
        if points >= POINTS_DEEP:
            break
    assert points >= POINTS_DEEP, f"only {points} points in {histories} histories"
    for each in ("lost records", "truncated", "restarted", "rolled"):
        assert seen[each] > histories / 4, f"of {histories} histories {seen[each]} {each}"


@given(HISTORIES)
@settings(max_examples=30)
def test_real_files_keep_the_same_promises(tmp_path_factory: pytest.TempPathFactory, history: list[Step]) -> None:
    Trial(RealFileSystem(), tmp_path_factory.mktemp("disk")).play(history)
