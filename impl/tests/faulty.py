"""Histories on a disk that fails: at any operation, for once or from then on, and bits that flip in files at rest.

A step raises StorageError, and then its directory is offline, or it is done. An offline directory believes nothing: it
writes nothing more, also when it is closed, and leaves no marker of a clean stop. The next start finds all that was
flushed, and nothing that was not appended. After a flush that failed that start is one of the machine: the page cache
still has what the disk does not, and no process can tell.

The end of the newest segment may vanish under the log, and nobody is told. What is left is what was promised then;
nothing is appended behind the hole, and no flush counts for it.

A start that fails is tried again once the disk works. A flipped bit costs at most the batches from its own on. Bits
flip where bytes are checked: in segments from the one with the recovery point on, in indexes made anew there, and in
snapshots; not in a batch's first offset and its leader epoch, which its checksum does not cover.
"""

import errno
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import attrs

from impl.errors import StorageError
from impl.storage.batch import CorruptBatchError, parse_header
from impl.storage.checkpoints import CLEAN_SHUTDOWN, RECOVERY_POINTS, read_offsets
from impl.storage.faults import Fault, Kind
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogDirectory
from impl.storage.segment import LOG, Segment
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import NAME, Lose, Step, Trial, Truncate, must

logger = logging.getLogger(__name__)

KINDS: Final[tuple[Kind, ...]] = (
    "open", "read", "write", "truncate", "sync", "sync", "sync directory", "move", "remove", "list",
)  # fmt: skip
OPERATIONS_MAX: Final = 12
READS_MAX: Final = 150  # there are many
DAMAGES_AT_LOSSES: Final = 0.3
FLIPS_AT_STARTS: Final = 0.7  # or else an operation of the start fails
# Of a batch's header: the checksum covers its length indirectly, and all from the magic byte on.
COVERED: Final = (range(8, 12), range(16, 1 << 31))


@attrs.frozen
class Fail:
    """From now on an operation of a kind fails; a write takes a few bytes first, or (short) succeeds with them."""

    kind: Kind
    after: int = 0
    error: int = errno.EIO
    lasts: bool = False
    bytes_taken: int = 0
    is_short_write: bool = False
    path_contains: str = ""

    def fault(self) -> Fault:
        """What a disk is told."""
        return Fault(**attrs.asdict(self))


@attrs.frozen
class Fill:
    """From now on there is room for so many bytes."""

    free: int


@attrs.frozen
class Cut:
    """The newest segment's file loses its end, from a byte on that is drawn."""

    seed: int


@attrs.frozen
class Damage:
    """Lose power, or the process, and let a bit flip before the next start, or an operation of that fail."""

    lose: Lose


FaultyStep = Step | Fail | Fill | Cut | Damage


class FaultyTrial(Trial):
    """A history on a disk that fails, and is another one after each stop."""

    _damages: Random | None = None  # what the next stop is to damage is drawn from it
    _is_start_faulty = False  # the fault is one of the start, and over with it
    _cut: Segment | None = None

    def play_faulty(self, history: Sequence[FaultyStep]) -> None:
        """Do all steps, and lose power once more at the end. Raises Violation."""
        for step in history:
            try:
                if isinstance(step, Cut):
                    self._cut_newest(step)
                    continue  # the next step is the first to meet it
                if isinstance(step, Fail | Fill):
                    self._plan(step)
                elif isinstance(step, Damage):
                    self._damages = Random(step.lose.seed)
                    self.do(step.lose)
                else:
                    self.do(step)
                if self._directory.failure is None:
                    self.hold(self.log, lost=False)
            except StorageError as error:
                self._directory.fail(error)  # as whoever has asked for it does
            if self._directory.failure is not None:
                self._start_again(may_be_killed=not isinstance(step, Truncate))  # half a cut may come back
        self._lose_power_and_look(-1)

    @property
    def _disk(self) -> SimulatedFileSystem:
        assert isinstance(self.files, SimulatedFileSystem)
        return self.files

    def _plan(self, step: Fail | Fill) -> None:
        if isinstance(step, Fail):
            self._disk.faults.planned.append(step.fault())
        else:
            self._disk.faults.capacity = self._disk.bytes_used + step.free

    def _cut_newest(self, step: Cut) -> None:
        """Let the newest segment's file lose its end, and promise no more than is before it."""
        path = self.log.active.path(LOG)
        content = self._disk.content(path)
        if not content.cached:
            return
        at = Random(step.seed).randrange(len(content.cached))
        _, offset = _batch_around(self._disk, path, at)
        self.promises.flushed = min(self.promises.flushed, offset)
        self.promises.appended_to = min(self.promises.appended_to, offset)
        content.change((at, None))
        content.sync()  # or else it might come back after a start that did not find it
        self._cut = self.log.active
        self.seen["cut"] += 1

    def flush(self) -> None:
        """See `Trial.flush`; there may be nothing left to flush."""
        promised, point = self.promises.flushed, self.log.recovery_point
        super().flush()
        if self._cut is self.log.active:
            must(point == self.log.recovery_point, "what is cut counts as flushed")
            self.promises.flushed = promised

    def _start_again(self, *, may_be_killed: bool) -> None:
        """The directory is offline: it is left as it is, and found at the next start."""
        faults = self._disk.faults
        self.seen["offline"] += 1
        must(
            all(log.failure is not None for log in self._directory.logs.values()), "a log goes on in a failed directory"
        )
        has_failed_sync = _has_failed_sync(self._disk)
        self.seen["flush failed"] += has_failed_sync
        faults.planned.clear()
        faults.capacity = None
        changes, was_marked = faults.changes, self._is_marked
        self._directory.checkpoint()
        self._directory.close()
        must(faults.changes == changes, "an offline directory is written to")
        must(self._is_marked <= was_marked, "an offline directory is marked as stopped cleanly")
        way = Random(f"{self._seed} {changes}")
        killed = may_be_killed and not has_failed_sync and way.random() < 0.5
        self.do(Lose(way.randrange(1 << 30), killed=killed))
        self.hold(self.log, lost=False)

    @property
    def _is_marked(self) -> bool:
        return self.files.exists(self.home / "logs" / CLEAN_SHUTDOWN)

    def restart(self) -> None:
        """Stop in order, if the disk lets us, and start again."""
        self.seen["restarted"] += 1
        self._directory.close()
        if self._directory.failure is None:
            self.promises.flushed = self.promises.appended_to
            self._directory = self._open(self.files)

    def _lose_power_and_look(self, change: int) -> None:
        way = Random(f"flip {self._seed} {change}")
        promises = self.promises
        self.promises = attrs.evolve(promises)
        self._damages = way if way.random() < DAMAGES_AT_LOSSES else None
        try:
            super()._lose_power_and_look(change)
        finally:
            self.promises = promises
            self._damages = None

    def _after(self, files: SimulatedFileSystem, random: Random, *, lost: bool) -> SimulatedFileSystem:
        found = super()._after(files, random, lost=lost)
        if self._damages is not None:
            way, self._damages = self._damages, None
            if way.random() < FLIPS_AT_STARTS:
                self._flip(found, way)
            else:
                found.faults.planned.append(_drawn_failure(way, OPERATIONS_MAX).fault())
                self._is_start_faulty = True
        return found

    def _started(self, files: FileSystem, run_later: Callable[[Callable[[], None]], None]) -> LogDirectory:
        assert isinstance(files, SimulatedFileSystem)
        is_over, self._is_start_faulty = self._is_start_faulty, False
        try:
            directory = super()._started(files, run_later)
        except StorageError as error:
            logger.info("the start fails: %s", error)
        else:
            if directory.failure is None:
                if is_over:
                    files.faults.planned.clear()
                return directory
        self.seen["failed starts"] += 1
        if not _has_failed_sync(files):
            files.faults.planned.clear()
            return super()._started(files, run_later)
        self.promises.appended_to = self.promises.flushed
        found = files.after_power_loss(Random(f"{self._seed} {files.faults.changes}"), self._page_size)
        if files is self.files:
            self.files = found
            self._watch()
        return super()._started(found, run_later)

    def _flip(self, files: SimulatedFileSystem, random: Random) -> None:
        """Flip a bit of a file that is checked, and promise no more than is before it."""
        home = self.home / "logs"
        directory = home / f"{NAME[0]}-{NAME[1]}"
        if files.exists(home / CLEAN_SHUTDOWN) or not files.exists(directory):
            return
        names = sorted(files.names(directory).cached)
        bases = [int(name.removesuffix(LOG)) for name in names if name.endswith(LOG)]
        point = read_offsets(files, home / RECOVERY_POINTS).get(NAME, 0)
        first = max((base for base in bases if base <= point), default=0)
        chosen = [
            directory / name
            for name in names
            if name.endswith(".snapshot") or (name[:20].isdigit() and int(name[:20]) >= first)
        ]
        chosen = [path for path in chosen if files.content(path).cached]
        if not chosen:
            return
        path = random.choice(chosen)
        at = random.randrange(len(files.content(path).cached))
        if path.suffix == LOG:
            begin, offset = _batch_around(files, path, at)
            if not any(at - begin in covered for covered in COVERED):
                return
            self.promises.flushed = min(self.promises.flushed, offset)
            self.promises.appended_to = min(self.promises.appended_to, offset)
        files.content(path).flip(at, random.randrange(8))
        self.seen[f"flipped {path.suffix}"] += 1


def _has_failed_sync(files: SimulatedFileSystem) -> bool:
    """Whether the page cache may have what the disk has not, though nothing is left to be flushed."""
    return any(fault.kind == "sync" and fault.seen > fault.after for fault in files.faults.planned)


def _batch_around(files: SimulatedFileSystem, path: Path, at: int) -> tuple[int, int]:
    """Where the batch begins that has a byte, and its first offset; where the last one ends, if none has it."""
    content = bytes(files.content(path).cached)
    begin, offset = 0, int(path.stem)
    with suppress(CorruptBatchError):
        while begin <= at:
            header = parse_header(content, begin)
            if header.base_offset < offset or header.size <= 0:
                break
            if begin + header.size > at:
                return begin, header.base_offset
            begin, offset = begin + header.size, header.next_offset
    return begin, offset


def faulty_history(random: Random, plain: Sequence[Step]) -> list[FaultyStep]:
    """A history with faults among its steps."""
    history: list[FaultyStep] = []
    for step in plain:
        if isinstance(step, Lose) and random.random() < 0.5:
            history.append(Damage(step))
            continue
        if random.random() < 0.2:
            history.append(_drawn_fault(random))
        history.append(step)
    return history


def with_cuts(random: Random, history: Sequence[FaultyStep]) -> list[FaultyStep]:
    """A history in which files lose their ends now and then."""
    cut: list[FaultyStep] = []
    for step in history:
        if random.random() < 0.1:
            cut.append(Cut(random.randrange(1 << 30)))
        cut.append(step)
    return cut


def _drawn_fault(random: Random) -> FaultyStep:
    """A fault."""
    way = random.random()
    if way < 0.1:
        return Fill(random.randrange(300))
    if way < 0.2:
        return Fail("write", lasts=True, is_short_write=True, bytes_taken=random.randint(1, 60))
    return _drawn_failure(random, READS_MAX)


def _drawn_failure(random: Random, reads_max: int) -> Fail:
    """An operation that fails, after fewer reads than that."""
    kind = random.choice(KINDS)
    after = random.randrange(reads_max if kind == "read" else OPERATIONS_MAX)
    error = random.choice((errno.EIO, errno.ENOSPC)) if kind in ("write", "open", "move") else errno.EIO
    of_batches = kind in ("read", "write", "truncate", "sync") and random.random() < 0.5
    return Fail(
        kind,
        after // 4 if of_batches else after,
        error,
        lasts=random.random() < 0.3,
        bytes_taken=random.choice((0, 0, 5, 70)),
        path_contains=LOG if of_batches else "",
    )
