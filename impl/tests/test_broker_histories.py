"""Power is lost before every change that a broker makes to its disks: topics, logs and ids stay what they were."""

import os
import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tests.broker_histories import DIRECTORIES, BrokerTrial, drawn_history
from impl.tests.histories import first_seed
from impl.tests.support import ROOT

pytestmark = pytest.mark.usefixtures("quiet")

POINTS_DEEP = 20_000
HISTORIES_DEEP = 2_000  # at most
SEED = 4
PAGE_SIZES = (32, 64, 512, 4096)


def play(seed: int) -> BrokerTrial:
    """Play the history of a seed."""
    random = Random(seed)
    trial = BrokerTrial(seed, random.choice(PAGE_SIZES), DIRECTORIES[: random.randint(1, len(DIRECTORIES))])
    history = drawn_history(random)
    try:
        trial.play(history)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}\n{history}") from error
    return trial


@given(st.integers(0, 2**32))
@settings(max_examples=3)
def test_what_a_broker_keeps_is_not_lost(seed: int) -> None:
    play(seed)


def test_a_seed_gives_the_same_history_again() -> None:
    again = f"from {__name__} import play; print(play({SEED}).digest.hexdigest())"
    other = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    here = play(SEED).digest.hexdigest()
    assert play(SEED).digest.hexdigest() == here, "not even in the same process"
    command = [sys.executable, "-c", again]
    there = subprocess.run(command, env=other, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert there == here, "not where sets have another order"
    assert play(SEED + 1).digest.hexdigest() != here


@pytest.mark.deep
def test_losses_of_power_of_whole_brokers() -> None:
    points = histories = 0
    seen: Counter[str] = Counter()
    for seed in range(first_seed(), first_seed() + HISTORIES_DEEP):
        trial = play(seed)
        points += trial.points
        seen.update({each: 1 for each, times in trial.seen.items() if times})
        histories += 1
        if points >= POINTS_DEEP:
            break
    assert points >= POINTS_DEEP, f"only {points} losses of power in {histories} histories"
    for each in ("interrupted", "lost records", "deleted", "deleted records", "not yet deleted", "deleted by half"):
        assert seen[each] > histories / 10, f"of {histories} histories {seen[each]} {each}"
