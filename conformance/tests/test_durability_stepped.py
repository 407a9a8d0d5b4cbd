"""The durability machine is run beside the bundled log, at every file operation and every loss of power (`stepped`)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pkgutil import resolve_name
from random import Random
from typing import Any, ClassVar

import pytest

from conformance.tests.stepped import Beside
from conformance.tests.watched import Watched
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory, LogName
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Trial
from impl.tests.storage_bugs import BUGS
from impl.tests.test_durability import PAGE_SIZES, drawn_history
from model.machines.durability import durability

pytestmark = pytest.mark.usefixtures("quiet")

HISTORIES, POINTS_MIN = 6, 500
POINTS_DEEP = 20_000
NEVER_SEEN = {"record_is_torn", "checkpoint_is_torn"}
"""A record that is not whole is not there, and checkpoints are synced before they have their names."""
NOT_THERE = "is not between two batches of the machine's"
REFUSED = {
    "segments are not flushed": "recovery_point_rises: the records are on disk",
    "indexes are not flushed": "recovery_point_rises: the records are on disk",
    "the recovery point moves before the flush": "recovery_point_rises: the records are on disk",
    "names of segments are not flushed": "recovery_point_rises: the names are on disk",
    "flush does nothing": "process_stops: the records are on disk",
    "the marker comes first": "process_stops: the records are on disk",
    "the marker stays": "segment_is_rolled: it is open",
    "names in log directories are not flushed": "index_is_rebuilt: the directory is on disk",
    "what a kill left of a cut comes back": "records_are_appended: the cut is on disk",
    "the recovery point is the log's end": "the checkpoint says 1, and the recovery point is 0",
    "the segment with the recovery point is trusted": NOT_THERE,
    "segments after a cut stay": NOT_THERE,
    "holes are overlooked": NOT_THERE,
}
"""Bugs of storage, and the guard that refuses what the log does then, whether or not a record is lost by it."""


class SteppedDirectory(LogDirectory):
    """A log directory whose openings are told to the machine beside it."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self, files: SimulatedFileSystem, *arguments: Any, **named: Any) -> None:
        if isinstance(files.faults, Watched):
            files.faults.settle()
            files.faults.beside.starts()
        super().__init__(files, *arguments, **named)

    def _keep(self, name: LogName, log: Log, *arguments: Any) -> None:
        super()._keep(name, log, *arguments)
        assert isinstance(self._files, SimulatedFileSystem)
        if not isinstance(self._files.faults, Watched):
            self._files.faults = Watched(Beside(self._files, self.path, self.seen))
        self._files.faults.settle()
        self._files.faults.beside.opened(log)


class SteppedTrial(Trial):
    """A trial with the machine beside it, which forks where it does."""

    kind = SteppedDirectory

    def _after(self, files: SimulatedFileSystem, random: Random, *, lost: bool) -> SimulatedFileSystem:
        assert isinstance(files.faults, Watched)
        files.faults.settle()
        found = super()._after(files, random, lost=lost)
        beside = files.faults.beside
        found.faults = Watched(beside.after_power_loss(found) if lost else beside.after_kill(found))
        return found


def play(histories: Iterable[int], points_max: int | None = None) -> tuple[Counter[str], int]:
    """Play drawn histories, until there were so many losses of power.

    Answers how often each action of the machine was taken, and how many losses of power there were.
    """
    SteppedDirectory.seen = Counter()
    points = 0
    for seed in histories:
        random = Random(seed)
        trial = SteppedTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES))
        history = drawn_history(random)
        try:
            trial.play(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{history}") from error
        points += trial.points
        if points_max is not None and points >= points_max:
            break
    return SteppedDirectory.seen, points


def test_the_machine_takes_every_step_of_the_log() -> None:
    seen, points = play(range(HISTORIES))
    assert durability.actions.keys() - seen.keys() == NEVER_SEEN
    assert points >= POINTS_MIN


@pytest.mark.parametrize(("name", "by"), REFUSED.items(), ids=[each.replace(" ", "-") for each in REFUSED])
def test_the_machine_refuses_what_a_bug_does(name: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = next(each for each in BUGS if each.name == name)
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(AssertionError, match=re.escape(by)):
        play(range(1))


@pytest.mark.deep
def test_the_machine_takes_every_step_of_many_histories() -> None:
    seen, points = play(count(), POINTS_DEEP)
    assert durability.actions.keys() - seen.keys() == NEVER_SEEN
    assert points >= POINTS_DEEP
