"""The durability machine is run beside the bundled log, at every file operation and every loss of power (`stepped`)."""

from __future__ import annotations

from collections import Counter
from pkgutil import resolve_name
from random import Random
from typing import Any, ClassVar

import pytest

from conformance.tests.stepped import Beside, Watched
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory, LogName
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Trial
from impl.tests.storage_bugs import BUGS
from impl.tests.test_durability import PAGE_SIZES, drawn_history
from model.machines.durability import durability

pytestmark = pytest.mark.usefixtures("quiet")

HISTORIES = 6
REFUSED = (
    "segments are not flushed",
    "indexes are not flushed",
    "flush does nothing",
    "names of segments are not flushed",
    "the recovery point moves before the flush",
    "the recovery point is the log's end",
    "the marker comes first",
    "what a kill left of a cut comes back",
)
"""Bugs of storage that are seen by what the log does, whether or not a record is lost by it."""
HISTORIES_DEEP = 300


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


def play(histories: range) -> Counter[str]:
    """Play drawn histories; answers how often each action of the machine was taken."""
    SteppedDirectory.seen = Counter()
    for seed in histories:
        random = Random(seed)
        trial = SteppedTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice(PAGE_SIZES))
        history = drawn_history(random)
        try:
            trial.play(history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{history}") from error
    return SteppedDirectory.seen


def test_the_machine_takes_every_step_of_the_log() -> None:
    seen = play(range(HISTORIES))
    assert durability.actions.keys() - seen.keys() == {"record_is_torn", "checkpoint_is_torn"}


@pytest.mark.parametrize("name", REFUSED)
def test_the_machine_refuses_what_a_bug_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = next(each for each in BUGS if each.name == name)
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(AssertionError, match=r"the durability machine refuses|the checkpoint says"):
        play(range(1))


@pytest.mark.deep
def test_the_machine_takes_every_step_of_many_histories() -> None:
    play(range(HISTORIES_DEEP))
