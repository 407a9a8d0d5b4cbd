"""The durability machine is run beside the bundled log, at every file operation and every loss of power (`stepped`).

Every step of the histories is an operation that the machine knows, or is made of such:

- `Append` and `End` are `records_are_appended`, whatever the producer, epoch and transaction: of records the machine
  knows only where they are and in which opening they were appended, and a marker is a batch as any other. What a log
  makes of producers, epochs and transactions is held by the promises of `impl/tests/durability.py`, beside the machine.
- `Truncate` is `log_is_cut`; `flush`, `checkpoint` and `run_jobs` are what they sync, write and rename.
- `delete_oldest` and `raise_start` the machine has no action for, since of what is deleted nothing is promised: it
  still has those batches, and what is found is held to the rest of its log.
- `restart` and `Lose` stop a process, kill it, or let the power be lost, and open the log again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pkgutil import resolve_name
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.tests.stepped import Beside
from conformance.tests.watched import Watched
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory, LogName
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Step, Trial
from impl.tests.histories import first_seed
from impl.tests.limits import ALL_LIMITS
from impl.tests.storage_bugs import BUGS
from impl.tests.test_durability import HISTORIES, PAGE_SIZES, drawn_history
from model.machines.durability import durability

pytestmark = pytest.mark.usefixtures("quiet")

DRAWN, POINTS_MIN = (0, 5), 300
EXAMPLES = 8
HISTORIES_DEEP, POINTS_DEEP = 2_000, 20_000
NEVER_SEEN = {"record_is_torn", "checkpoint_is_torn"}
"""A record that is not whole is not there, and checkpoints are synced before they have their names."""
GUARDS = {
    "segments are not flushed": ("recovery_point_rises: the records are on disk", 0),
    "indexes are not flushed": ("recovery_point_rises: the records are on disk", 0),
    "the recovery point moves before the flush": ("recovery_point_rises: the records are on disk", 0),
    "names of segments are not flushed": ("recovery_point_rises: the names are on disk", 6),
    "flush does nothing": ("process_stops: the records are on disk", 0),
    "the marker comes first": ("process_stops: the records are on disk", 0),
    "the marker stays": ("segment_is_rolled: it is open", 0),
    "names in log directories are not flushed": ("index_is_rebuilt: the directory is on disk", 0),
    "what a kill left of a cut comes back": ("records_are_appended: the cut is on disk", 0),
}
"""Bugs of storage with the guard that refuses what the log does then, whether or not a record is lost by it; and the
history in which it is the first to be seen."""
COMPARED = {
    "the recovery point is the log's end": ("the checkpoint says", "and the recovery point is"),
    "the segment with the recovery point is trusted": ("is not between two batches of the machine's",),
    "segments after a cut stay": ("is not between two batches of the machine's",),
    "holes are overlooked": ("is not between two batches of the machine's",),
}
"""Bugs of storage that no guard refuses, and what is said where the log is compared with the machine's state: a
checkpoint, or an offset of the log's, is not what it should be (`Beside`)."""


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
        faults = self._files.faults
        if not isinstance(faults, Watched):  # the machine begins once a log is open for the first time
            watched = Watched(Beside(self._files, self.path, self.seen))
            watched.before_change, watched.changes = faults.before_change, faults.changes
            self._files.faults = faults = watched
        faults.settle()
        faults.beside.opened(log)


class SteppedTrial(Trial):
    """A trial with the machine beside it, which forks where it does."""

    kind = SteppedDirectory

    def _after(self, files: SimulatedFileSystem, random: Random, *, lost: bool) -> SimulatedFileSystem:
        if not isinstance(files.faults, Watched):
            return super()._after(files, random, lost=lost)
        files.faults.settle()
        found = super()._after(files, random, lost=lost)
        beside = files.faults.beside
        found.faults = Watched(beside.after_power_loss(found) if lost else beside.after_kill(found))
        return found


def play_history(history: Sequence[Step], seed: int, page_size: int, limits: SegmentLimits) -> int:
    """Play a history; answers at how many points power was lost."""
    trial = SteppedTrial(SimulatedFileSystem(), seed=seed, page_size=page_size, limits=limits)
    trial.play(history)
    return trial.points


def play(seeds: Iterable[int], points_max: int | None = None) -> tuple[Counter[str], int]:
    """Play drawn histories, until there were so many losses of power.

    Answers how often each action of the machine was taken, and how many losses of power there were.
    """
    SteppedDirectory.seen = Counter()
    points = 0
    for seed in seeds:
        random = Random(seed)
        page_size, limits = random.choice(PAGE_SIZES), ALL_LIMITS[seed % len(ALL_LIMITS)]
        history = drawn_history(random)
        try:
            points += play_history(history, seed, page_size, limits)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{history}") from error
        if points_max is not None and points >= points_max:
            break
    return SteppedDirectory.seen, points


def plant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let storage have a bug."""
    bug = next(each for each in BUGS if each.name == name)
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))


def test_the_machine_takes_every_step_of_the_log() -> None:
    seen, points = play(DRAWN)
    assert durability.actions.keys() - seen.keys() == NEVER_SEEN
    assert points >= POINTS_MIN


@given(HISTORIES, st.integers(0, 2**32), st.sampled_from(PAGE_SIZES), st.sampled_from(ALL_LIMITS))
@settings(max_examples=EXAMPLES)
def test_the_machine_takes_every_step_of_any_history(
    history: list[Step], seed: int, page_size: int, limits: SegmentLimits
) -> None:
    play_history(history, seed, page_size, limits)


@pytest.mark.parametrize("name", [pytest.param(each, id=each.replace(" ", "-")) for each in GUARDS])
def test_a_guard_refuses_what_a_bug_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(name, monkeypatch)
    guard, seed = GUARDS[name]
    with pytest.raises(AssertionError, match=f"the durability machine refuses .*{re.escape(guard)}"):
        play([seed])


@pytest.mark.parametrize("name", [pytest.param(each, id=each.replace(" ", "-")) for each in COMPARED])
def test_a_comparison_with_the_machine_sees_what_a_bug_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(name, monkeypatch)
    with pytest.raises(AssertionError, match=".*".join(map(re.escape, COMPARED[name]))):
        play([0])


@pytest.mark.deep
def test_the_machine_takes_every_step_of_many_histories() -> None:
    first = first_seed()
    seen, points = play(range(first, first + HISTORIES_DEEP), POINTS_DEEP)
    assert durability.actions.keys() - seen.keys() == NEVER_SEEN
    assert points >= POINTS_DEEP, f"only {points} losses of power in {HISTORIES_DEEP} histories"
