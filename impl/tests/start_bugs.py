"""Bugs that the start of a broker could have, and a swap that a stop interrupts; and the checks that must see each."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EIO
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from impl.errors import StorageError
from impl.server.log_directories import LogDirectories
from impl.storage.batch import CorruptBatchError
from impl.storage.faults import Crash, Fault, Faults, Kind, crash_before
from impl.storage.leftovers import CLEANED, SWAP
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory
from impl.storage.recovery import LogStart
from impl.storage.segment import INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX, Segment, file_name
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.transactions import AbortedTransaction
from impl.tests.directories import FIRST, PARTITIONS, SECOND, failing, filled, open_broker, read, refused
from impl.tests.durability import Violation
from impl.tests.logs import Stored, compact, contents, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append
from impl.tests.transactions import end, must_be_indexed, write

Planted = Callable[..., Any]
HOME: Final = Path("/logs/t-0")
SEEDS: Final = (0, 1, 2, 23)  # with the last of them older changes of names are lost, and newer ones stay
# What says whose the logs are can't be read, or what recovers them can't write.
FAILING: Final[tuple[tuple[Kind, bool], ...]] = (("read", True), ("write", False))
SMALL: Final = attrs.evolve(LIMITS, index_interval_bytes=0)  # an index entry for every batch but the first

# -- checks ----------------------------------------------------------------------------------------------------------


def check_directories_that_fail_at_the_start() -> None:
    """The second of three directories fails while a broker starts; then it works again. Raises Violation."""
    for path, (kind, was_clean) in product(("", "t-"), FAILING):
        files = filled(was_clean=was_clean)
        fault = Fault(kind, lasts=True, path_contains=f"{SECOND}/{path}", error=EIO)
        with failing(files, fault):
            try:
                broker = open_broker(files)
            except StorageError as error:
                raise Violation(f"there is no broker: {error}") from error
            offline = [each for each in broker.partitions.values() if refused(each)]
            if not 0 < len(offline) < PARTITIONS:
                raise Violation(f"{len(offline)} of {PARTITIONS} partitions are offline")
            broker.close()
        again = open_broker(files)
        if not all(read(each) for each in again.partitions.values()):
            raise Violation("records are gone that were in the directory")
        again.close()


def check_a_first_directory_that_fails_at_the_start() -> None:
    """Raises Violation if there is a broker without it."""
    for kind, was_clean in FAILING:
        files = filled(was_clean=was_clean)
        with failing(files, Fault(kind, lasts=True, path_contains=f"{FIRST}/t-")), suppress(StorageError):
            open_broker(files)
            raise Violation("there is a broker without its first directory")


def check_swaps() -> None:
    """Power is lost before every change of a compaction, and of the start that follows. Raises Violation."""
    changes = _compacted_until(None).faults.changes
    allowed = [contents(_opened(files)) for files in (_compacted_until(0), _compacted_until(None))]
    for change in range(changes + 1):
        for seed in SEEDS:
            left = _compacted_until(change).after_power_loss(Random(seed))
            try:
                for again in _starts(left, seed):
                    _hold(_opened(again), allowed)
            except CorruptBatchError as error:
                raise Violation("an index leads to no batch") from error


def _starts(files: SimulatedFileSystem, seed: int) -> Iterator[SimulatedFileSystem]:
    """What is left for a second start when power fails before a change of the first; and for the first one."""
    names = files.list_names(HOME)
    changes = 0
    while any(name.endswith((CLEANED, SWAP)) for name in names):
        first = files.after_kill()
        first.faults = Faults(before_change=crash_before(changes))
        with suppress(Crash):
            _opened(first)
            break
        first.faults.before_change = None
        yield first.after_power_loss(Random(seed))
        changes += 1
    yield files


def _hold(log: Log, allowed: list[list[Stored]]) -> None:
    """There must be the old segments or the new, and what is looked up by time be found. Raises Violation."""
    found = contents(log)
    if found not in allowed:
        raise Violation("neither the old segments are there nor the new one")
    must_be_indexed(log, [AbortedTransaction(1, 0, 1, 2)])
    for time_ms in {each[3] for each in found}:
        expected = next(offset for offset, _, _, at in found if at >= time_ms)
        try:
            at = log.find_timestamp(time_ms)
        except CorruptBatchError as error:  # an index of other batches points there
            raise Violation(f"at time {time_ms} there is {error}") from error
        if at is None or at.offset != expected:
            raise Violation(f"at time {time_ms} {at} is found instead of offset {expected}")


def _compacted_until(crash_at: int | None) -> SimulatedFileSystem:
    """A log with a full segment that is durable and then compacted, on a disk that fails before a change."""
    files = SimulatedFileSystem()
    files.make_directory(HOME.parent)
    files.sync_directory(Path("/"))
    log = Log(files, HOME, SMALL, NOW)
    write(log, 1)
    end(log, 1)
    for number, key in enumerate((b"a", b"b", b"c", b"d", b"a", b"e", b"z")):
        if key == b"z":
            log.roll(NOW)
        # The first is the latest, and is not there any more afterwards: an index of times tells one from the other. The
        # index of aborted transactions can't be made anew.
        append(log, pairs_batch([(key, b"v")], time_ms=NOW + (number or 1000)))
    log.flush()
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    with suppress(Crash):
        compact(log)
    files.faults.before_change = None
    return files


def _opened(files: SimulatedFileSystem) -> Log:
    return Log(files, HOME, SMALL, NOW, LogStart(recovery_point=9, may_have_gaps=True))


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_directories_that_fail_at_the_start,
    check_a_first_directory_that_fails_at_the_start,
    check_swaps,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _let_it_fail(_: Any) -> Planted:
    """A directory that fails is everyone's end."""

    def looked_at(self: LogDirectories, path: Path, failure: StorageError | None) -> Any:
        if failure is not None:
            raise failure
        return LogDirectory(self._files, path, run_later=self._run_later, clock=self._clock)

    return looked_at


def _begin_elsewhere(right: Any) -> Planted:
    """A log that is not found is a new one."""
    return lambda self, name, *, is_new: right(self, name, is_new=True)


def _take_for_empty(_: Any) -> Planted:
    """A log that can't be opened has no records, and is as good as any."""
    return lambda directory, failure: _EmptyLog(SimulatedFileSystem(), directory, LIMITS, NOW)


class _EmptyLog(Log):
    """A log that goes on whatever fails."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, None if name == "failure" else value)


def renaming(*suffixes: str) -> Planted:
    """A `Segment.rename` that takes the files in this order."""

    def rename(self: Segment, ending: str) -> None:
        for suffix in suffixes:
            new = self._directory / file_name(self.base_offset, suffix + ending)
            if suffix in self._opened:
                self._files.move(self.path(suffix), new)
                self._opened[suffix].moved_to(new)
        self._files.sync_directory(self._directory)
        self._ending = ending

    return rename


def _batches_first(_: Any) -> Planted:
    """The batches of a segment get their final name before its indexes do."""
    return renaming(LOG, INDEX, TIME_INDEX, TRANSACTION_INDEX)


def _names_in_mind(right: Any) -> Planted:
    """The new segment's names are not durable when the old ones go."""

    def rename(self: Segment, ending: str) -> None:
        files: Any = self._files
        self._files = _Unsynced(files) if ending == SWAP else files  # type: ignore[assignment]  # all that is used
        right(self, ending)
        self._files = files

    return rename


class _Unsynced:
    """A file system that forgets to make names durable."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def sync_directory(self, path: Path) -> None:
        """Nothing."""


SERVER: Final = "impl.server.log_directories.LogDirectories"
BUGS: Final = (
    StorageBug("a directory that fails at the start ends the broker", f"{SERVER}._looked_at", _let_it_fail),
    StorageBug("logs of an offline directory begin anew elsewhere", f"{SERVER}._place", _begin_elsewhere),
    StorageBug("there is a broker without its first directory", f"{SERVER}._check_first", lambda _: lambda *_: None),
    StorageBug("what can't be opened is taken for empty", "impl.storage.log_directory.OfflineLog", _take_for_empty),
    StorageBug("batches are renamed before their indexes", "impl.storage.segment.Segment.rename", _batches_first),
    StorageBug("the names of a swap are not flushed", "impl.storage.segment.Segment.rename", _names_in_mind),
    StorageBug(
        "indexes are swapped in without their batches",
        "impl.storage.leftovers._is_finished",
        lambda _: lambda *_: True,
    ),
)
