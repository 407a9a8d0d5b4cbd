"""Checks of storage on a simulated disk that fails: they hold, and each of `storage_bugs` is seen by one of them.

Seeds are fixed.
"""

import errno
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random
from typing import Final

from impl.errors import StorageError
from impl.storage.faults import Crash, Fault, crash_before
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import (
    DATA,
    NAME,
    SETTINGS,
    Act,
    Append,
    Lose,
    Promises,
    Step,
    Trial,
    Truncate,
    Violation,
    hold,
)
from impl.tests.faulty import FaultyTrial, faulty_history
from impl.tests.support import NOW, make_batch, records
from impl.tests.transactions import check_loss_of_power, check_restarts

SEEDS: Final = range(25)
FAULT_SEEDS: Final = range(15)
EQUAL_VALUE: Final = 28
EQUAL_SIZE: Final = len(make_batch(records(b"." * EQUAL_VALUE), producer_id=1, producer_epoch=0, base_sequence=0))
LOGS: Final = DATA / "logs"


def check_losses_of_power(histories: Callable[[Random], list[Step]], seeds: Iterable[int] = SEEDS) -> None:
    """Generated histories, with power lost before every change. Raises Violation."""
    for seed in seeds:
        random = Random(seed)
        history = histories(random)
        Trial(SimulatedFileSystem(), seed=seed, page_size=random.choice((32, 64))).play(history)


def check_faults(histories: Callable[[Random], list[Step]], seeds: Iterable[int] = FAULT_SEEDS) -> None:
    """Generated histories on disks that fail at any operation, and whose bits flip. Raises Violation."""
    for seed in seeds:
        random = Random(seed)
        history = faulty_history(random, histories(random))
        FaultyTrial(SimulatedFileSystem(), seed=seed, page_size=random.choice((32, 64))).play_faulty(history)


def check_kills_in_a_truncation() -> None:
    """A process that is killed while it cuts a log, and a loss of power once the next one has appended."""
    history: list[Step] = [*[Append(1, EQUAL_VALUE)] * 3, Act("flush"), Act("checkpoint")]
    for change in range(15):
        for seed in range(4):
            files = SimulatedFileSystem()
            trial = Trial(files, seed=seed, page_size=EQUAL_SIZE)
            files.faults.before_change = None
            trial.play(history)
            files.faults.before_change = crash_before(files.faults.changes + change)
            with suppress(Crash):
                trial.do(Truncate(2))
            files.faults.before_change = None
            trial.do(Lose(0, killed=True))
            assert isinstance(trial.files, SimulatedFileSystem)
            trial.files.faults.before_change = None  # what was cut may come back until something takes its place
            trial.do(Append(1, EQUAL_VALUE))
            trial.do(Lose(seed))


def check_short_writes() -> None:
    """A disk that takes a few bytes at a time."""
    files = SimulatedFileSystem()
    files.faults.planned.append(Fault("write", lasts=True, is_short_write=True, bytes_taken=7))
    Trial(files).play([Append(2, 30, 1), Append(3, 30), Append(1, 5, 1), Act("flush"), Act("restart"), Append(3, 30)])


def check_damaged_indexes() -> None:
    """Index files that end early or say nonsense after a clean stop."""
    for damage in (b"", b"\0" * 8, b"\0\0\0\7\0\0\0\7", b"\xff" * 12):
        for suffix in (".index", ".timeindex"):
            files = SimulatedFileSystem()
            trial = Trial(files)
            trial.play([Append(2, 30)] * 12)
            files.faults.before_change = None
            trial._directory.close()
            path = trial.log.segments[0].path(suffix)
            files.open(path, truncate=True).write_at(0, (damage,))
            trial._directory = trial._open(files)
            hold(trial.log, trial.promises, lost=False)


def check_failed_flush() -> None:
    """A flush that fails in the background, after which the log must not go on as if nothing had happened."""
    files = SimulatedFileSystem()
    trial = Trial(files)
    trial.play([Append(2, 30), Append(2, 30)])
    files.faults.before_change = None
    files.faults.planned.append(Fault("sync", error=errno.EIO, path_contains=".log"))
    history: list[Step] = [Append(3, 40)] * 4
    for step in history:
        with suppress(StorageError):
            trial.play([step, Act("run_jobs")])
    if trial.log.failure is None:
        raise Violation("the log goes on after a failed flush")


def check_name_used_again() -> None:
    """A log that is deleted, and another one of its name that loses power."""
    for seed in range(1, 6):
        files = SimulatedFileSystem()
        trial = Trial(files, seed=seed)
        trial.play([Append(3, 40)] * 6 + [Act("flush"), Act("checkpoint")])
        files.faults.before_change = None
        directory = trial._directory
        old = directory.logs[NAME]
        files.remove_tree(old.directory)
        files.sync_directory(LOGS)
        directory.forget([NAME])
        trial.promises = Promises()
        trial._sequences.clear()
        trial._is_new_leader = True
        directory.open(NAME, SETTINGS, NOW)
        trial._watch()
        trial.play([Append(3, 40)] * 4)


def _damaged(batch: int, count: int) -> Trial:
    """A log of equal batches in which a bit of one has flipped, after the next start."""
    files = SimulatedFileSystem()
    trial = Trial(files, page_size=EQUAL_SIZE)
    files.faults.before_change = None
    trial.play([Append(1, EQUAL_VALUE, 1)] * count + [Act("flush")])
    segment = [each for each in trial.log.segments if each.base_offset <= batch][-1]
    files.content(segment.path(".log")).flip((batch - segment.base_offset) * EQUAL_SIZE + EQUAL_SIZE // 2, 0)
    trial.promises.flushed = trial.promises.appended_to = batch
    trial.play([Lose(0, killed=True)])
    assert isinstance(trial.files, SimulatedFileSystem)
    trial.files.faults.before_change = None
    return trial


def check_what_is_cut_stays_cut() -> None:
    """Batches and segments after a bad one, when power is lost after others were appended in their place."""
    for batch in (1, 3):
        trial = _damaged(batch, 12)
        trial.play([Append(1, EQUAL_VALUE)])
        for change in range(400):
            trial._lose_power_and_look(change)


def check_stale_snapshots() -> None:
    """Snapshots of what was cut, when newer ones are gone."""
    trial = _damaged(1, 12)
    trial.play([Append(3, EQUAL_VALUE, 2)] * 5 + [Act("flush"), Act("checkpoint")])
    for name in trial.files.list_names(trial.log.directory):
        if name.endswith(".snapshot") and int(name.partition(".")[0]) > 8:
            trial.files.remove(trial.log.directory / name)
    trial.play([Lose(0, killed=True)])


def check_truncation_inside_a_batch() -> None:
    """A truncation to the middle of a batch that was flushed, all of which goes."""
    history: list[Step] = [Append(3), Append(3), Act("flush"), Act("checkpoint"), Truncate(1, inside=2)]
    for seed in range(3):
        Trial(SimulatedFileSystem(), seed=seed).play([*history, *[Append(1, 40)] * 3])


def check_aborted_transactions() -> None:
    """Aborted transactions are indexed, whatever befalls the log."""
    check_restarts()
    for seed in range(5):
        check_loss_of_power(seed)


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_short_writes,
    check_damaged_indexes,
    check_failed_flush,
    check_name_used_again,
    check_what_is_cut_stays_cut,
    check_stale_snapshots,
    check_truncation_inside_a_batch,
    check_kills_in_a_truncation,
    check_aborted_transactions,
)
