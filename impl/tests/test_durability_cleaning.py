"""Power is lost before every change of the disk, while segments are deleted and logs are compacted (`cleaning`)."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.storage.filesystem import RealFileSystem
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.cleaning import COMPACTION_ACTS, RETENTION_ACTS, CompactedTrial, RetainedTrial
from impl.tests.durability import Act, Append, Lose, Step, Trial
from impl.tests.histories import first_seed, with_transactions

pytestmark = pytest.mark.usefixtures("quiet")

POINTS_DEEP = 20_000
HISTORIES_DEEP = 2_000  # at most
PAGE_SIZES = (32, 64, 512, 4096)
KINDS = [
    pytest.param(RetainedTrial, RETENTION_ACTS, "retained", id="retention"),
    pytest.param(CompactedTrial, COMPACTION_ACTS, "compacted", id="compaction"),
]
Kind = Callable[..., Trial]
AFTER_ALL_FILES = 1 << 43  # a segment without records goes by its file's time: lookups of later times pass it by


def drawn_history(random: Random, acts: Sequence[str]) -> list[Step]:
    """A history in which about half is appends."""
    history: list[Step] = []
    for _ in range(random.randint(10, 40)):
        choice = random.random()
        if choice < 0.6:
            producer, new_epoch = random.choice((0, 0, 1, 2)), random.random() < 0.1
            history.append(Append(random.randint(1, 3), random.randint(1, 40), producer, new_epoch))
        elif choice < 0.67:
            history.append(Lose(random.randrange(1 << 30), random.random() < 0.3))
        else:
            history.append(Act(random.choice(acts)))
    return history


@pytest.mark.parametrize(("kind", "acts", "_seen"), KINDS)
@given(seed=st.integers(0, 2**32), page_size=st.sampled_from(PAGE_SIZES))
@settings(max_examples=13)
def test_what_stays_is_not_lost(kind: Kind, acts: Sequence[str], _seen: str, seed: int, page_size: int) -> None:
    random = Random(seed)
    history = drawn_history(random, acts)
    if kind is RetainedTrial:
        history = with_transactions(random, history)
    kind(SimulatedFileSystem(), seed=seed, page_size=page_size).play(history)


@pytest.mark.parametrize(("kind", "acts", "_seen"), KINDS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)  # power can't be lost: processes are killed
def test_real_files_keep_what_stays(
    tmp_path_factory: pytest.TempPathFactory, kind: Kind, acts: Sequence[str], _seen: str, seed: int
) -> None:
    random = Random(seed)
    history = drawn_history(random, acts)
    if kind is RetainedTrial:
        history = with_transactions(random, history)
    trial = kind(RealFileSystem(), tmp_path_factory.mktemp("disk"))
    trial._clock = AFTER_ALL_FILES
    trial.play(history)


@pytest.mark.deep
@pytest.mark.parametrize(("kind", "acts", "wanted"), KINDS)
def test_thousands_of_losses_of_power(kind: Kind, acts: Sequence[str], wanted: str) -> None:
    points = histories = 0
    seen: Counter[str] = Counter()
    for seed in range(first_seed(), first_seed() + HISTORIES_DEEP):
        random = Random(seed)
        trial = kind(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES))
        history = drawn_history(random, acts)
        if kind is RetainedTrial and seed % 2:
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
    assert points >= POINTS_DEEP, f"only {points} losses of power in {histories} histories"
    for each in ("lost records", wanted):
        assert seen[each] > histories / 4, f"of {histories} histories {seen[each]} {each}"
