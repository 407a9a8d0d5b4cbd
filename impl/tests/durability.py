"""A log directory on a simulated disk that may lose power before every single change of it, and what must hold then.

`Trial` plays a history on the real code and keeps beside it what was appended and what was promised. Before each
change of the disk, those of starts and recoveries too, it takes what a loss of power would leave, recovers that, and
holds the result to the promises. It goes on as if nothing had happened; only a `Lose` is one that the rest lives with.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import attrs

from impl.storage.batch import TRANSACTIONAL_BIT, BatchHeader, parse_header, split_batches, stamp
from impl.storage.filesystem import FileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory, LogSettings
from impl.storage.records import Record
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.limits import LIMITS, overfull
from impl.tests.markers import marker_batch, misjudged_transactions
from impl.tests.support import NOW, make_batch, records

SETTINGS: Final = LogSettings(LIMITS, producer_age_ms_max=1 << 60)
NAME: Final = ("t", 0)
DATA: Final = Path("/data")


@attrs.frozen
class Append:
    """Append a batch of so many records of so many bytes; producer 0 is none. It may begin a new leader epoch."""

    count: int = 1
    size: int = 20
    producer: int = 0
    new_epoch: bool = False
    is_transactional: bool = False  # of a transaction, if it has a producer


@attrs.frozen
class End:
    """End the transaction of a producer; should it have none, there is but a marker."""

    producer: int
    aborts: bool


@attrs.frozen
class Act:
    """Something else that is done to the log directory, by its name in `Trial`."""

    name: str


@attrs.frozen
class Truncate:
    """Cut so many of the newest batches, by an offset that is so far inside the oldest of them."""

    batches: int
    inside: int = 0


@attrs.frozen
class Lose:
    """Lose power, or (killed) only the process, and go on with what is left."""

    seed: int
    killed: bool = False


Step = Append | End | Act | Truncate | Lose
ACTS: Final = ("flush", "checkpoint", "run_jobs", "delete_oldest", "raise_start", "restart")


class Violation(AssertionError):
    """A promise was broken. The text says which."""


@attrs.define
class Promises:
    """What was appended, and what of it must be found whatever happens."""

    batches: list[bytes] = attrs.field(factory=list)
    flushed: int = 0  # everything before this offset must be found
    start_min: int = 0  # the log may begin here at the earliest
    start_max: int = 0  # and here at the latest
    appended_to: int = 0  # after a kill, everything before this offset must be found
    last_epoch: int = -1  # an epoch that was durable when it was used


class Trial:
    """One history on one disk.

    `points` counts the losses of power that were looked at, `seen` what befell the log that goes on: how often it lost
    records, was truncated, was restarted.
    """

    settings: LogSettings = SETTINGS
    kind: type[LogDirectory] = LogDirectory

    def __init__(
        self,
        files: FileSystem,
        home: Path = DATA,
        seed: int = 0,
        page_size: int = 64,
        limits: SegmentLimits | None = None,
    ) -> None:
        if limits is not None:
            self.settings = attrs.evolve(self.settings, limits=limits)
        self.files = files
        self.home = home
        self.promises = Promises()
        self.points = 0
        self.seen: Counter[str] = Counter()
        self._seed = seed
        self._page_size = page_size
        self._jobs: list[Callable[[], None]] = []
        self._sequences: dict[int, int] = {}
        self._epoch = 0
        self._clock = NOW
        self._is_new_leader = True
        self._watch()
        self._directory = self._open(files)

    def content(self, step: Append, number: int) -> list[Record]:
        """The records to append, which no other batch has."""
        return records(*[f"{number}".encode().ljust(step.size, b".")] * step.count)

    def hold(self, log: Log, *, lost: bool) -> None:
        """Hold what is found to what was promised, after a loss of power or of nothing. Raises Violation."""
        hold(log, self.promises, lost=lost)

    @property
    def log(self) -> Log:
        """The log under test."""
        return self._directory.logs[NAME]

    def _watch(self) -> None:
        if isinstance(self.files, SimulatedFileSystem):
            self.files.faults.before_change = self._lose_power_and_look

    def _open(self, files: FileSystem) -> LogDirectory:
        self._jobs.clear()
        self._is_new_leader = True
        return self._started(files, self._jobs.append)

    def _started(self, files: FileSystem, run_later: Callable[[Callable[[], None]], None]) -> LogDirectory:
        directory = self.kind(files, self.home / "logs", run_later=run_later)
        directory.open_all({NAME: self.settings}, NOW)
        return directory

    def _after(self, files: SimulatedFileSystem, random: Random, *, lost: bool) -> SimulatedFileSystem:
        """What is found after a loss of power, or only of the process."""
        return files.after_power_loss(random, self._page_size) if lost else files.after_kill()

    def play(self, history: Sequence[Step]) -> None:
        """Do all steps, and lose power once more at the end. Raises Violation."""
        for step in history:
            self.do(step)
            self.hold(self.log, lost=False)
        if isinstance(self.files, SimulatedFileSystem):
            self._lose_power_and_look(-1)

    def do(self, step: Step) -> None:
        """Do a step."""
        if isinstance(step, Append):
            self._append(step)
        elif isinstance(step, End):
            self._clock += 1
            self._write(marker_batch(step.producer, aborts=step.aborts, time_ms=self._clock))
        elif isinstance(step, Truncate):
            self._truncate(step)
        elif isinstance(step, Lose):
            self._lose(step)
        else:
            getattr(self, step.name)()

    def _append(self, step: Append) -> None:
        fields = {}
        if step.producer:
            sequence = self._sequences.get(step.producer, 0)
            fields = {"producer_id": step.producer, "producer_epoch": 0, "base_sequence": sequence}
            fields["attributes"] = TRANSACTIONAL_BIT if step.is_transactional else 0
            self._sequences[step.producer] = sequence + step.count
        self._clock += 1
        self._write(make_batch(self.content(step, self._clock), time_ms=self._clock, **fields), step.new_epoch)

    def _write(self, batch: bytearray, new_epoch: bool = False) -> None:
        log = self.log
        if new_epoch or self._is_new_leader:
            self._is_new_leader = False
            self._epoch = max(self._epoch, log.last_epoch or 0) + 1
        log.epochs.assign(self._epoch, log.log_end_offset)
        self.promises.last_epoch = self._epoch
        rolled = log.active
        log.roll_for(len(batch), self._clock, log.log_end_offset + parse_header(batch).last_offset_delta, self._clock)
        self.seen["rolled"] += log.active is not rolled
        stamp(batch, log.log_end_offset, self._epoch)
        self.promises.batches.append(bytes(batch))
        header = parse_header(batch)
        log.append(batch, header, header.max_timestamp)
        self.promises.appended_to = log.log_end_offset

    def _truncate(self, step: Truncate) -> None:
        promises = self.promises
        headers = [parse_header(batch) for batch in promises.batches]
        headers = [header for header in headers if header.base_offset >= self.log.log_start_offset]
        if not headers:
            return
        oldest = headers[-min(step.batches, len(headers))]
        offset = oldest.base_offset
        promises.flushed = min(promises.flushed, offset)
        promises.start_min = min(promises.start_min, offset)
        promises.start_max = min(promises.start_max, offset)
        promises.appended_to = min(promises.appended_to, offset)
        promises.last_epoch = -1  # a follower is told its epochs by the controller
        self.seen["truncated"] += 1
        self._directory.truncate(NAME, min(offset + step.inside, oldest.last_offset), NOW)
        promises.batches = [batch for batch in promises.batches if parse_header(batch).base_offset < offset]
        self._note_sequences()

    def _note_sequences(self) -> None:
        """Go on with the sequence numbers that the log knows."""
        self._sequences.clear()
        for header in map(parse_header, self.promises.batches):
            if header.has_producer_id and not header.is_control:
                self._sequences[header.producer_id] = header.last_sequence + 1

    def flush(self) -> None:
        """Flush the whole log."""
        self.log.flush()
        self.promises.flushed = self.log.log_end_offset

    def checkpoint(self) -> None:
        """Write all checkpoints."""
        self._directory.checkpoint()

    def run_jobs(self) -> None:
        """Flush the segments that are full, as another thread would."""
        while self._jobs:
            self._jobs.pop(0)()

    def delete_oldest(self) -> None:
        """Delete a segment, as retention does."""
        if len(self.log.segments) > 1:
            self.promises.start_max = max(self.promises.start_max, self.log.segments[1].base_offset)
            for segment in self.log.delete_oldest(1, NOW):
                segment.remove()
            self.promises.start_min = max(self.promises.start_min, self.log.segments[0].base_offset)

    def raise_start(self) -> None:
        """Delete the older half of the records."""
        start = (self.log.log_start_offset + self.log.log_end_offset) // 2
        self.promises.start_max = max(self.promises.start_max, start)
        self.log.raise_start(start)
        self._directory.checkpoint_log_starts()
        self.promises.start_min = start

    def restart(self) -> None:
        """Stop in order, and start again."""
        self.seen["restarted"] += 1
        self._directory.close()
        self.promises.flushed = self.promises.appended_to
        self._directory = self._open(self.files)

    def _lose(self, step: Lose) -> None:
        """Lose power or the process for good, and go on with what is found."""
        if isinstance(self.files, SimulatedFileSystem):
            lost = not step.killed
            self.files = self._after(self.files, Random(step.seed), lost=lost)
            self._watch()
        else:
            lost = False
            self.log.abandon()
        appended_to = self.promises.appended_to
        if lost:
            self.promises.appended_to = self.promises.flushed  # a kill of the recovery finds no more than this one
        self._directory = self._open(self.files)
        self.hold(self.log, lost=lost)
        self.seen["lost records"] += self.log.log_end_offset < appended_to
        found = stored(self.log)
        kept = [batch for batch in self.promises.batches if parse_header(batch).last_offset < self.log.log_start_offset]
        self.promises.batches = kept + found
        self.promises.appended_to = self.log.log_end_offset
        self.promises.start_max = max(self.promises.start_max, self.log.log_start_offset)
        self._note_sequences()

    def _lose_power_and_look(self, change: int) -> None:
        """What would be found if power, or only the process, was lost now."""
        assert isinstance(self.files, SimulatedFileSystem)
        self.points += 1
        random = Random(f"{self._seed} {change}")
        way = random.randrange(10)
        lost = way > 0
        files = self._after(self.files, random, lost=lost)
        if way == 1:
            files = self._after_next_loss(files, random)
        self.hold(self._recovered(files), lost=lost)

    def _after_next_loss(self, files: SimulatedFileSystem, random: Random) -> SimulatedFileSystem:
        """What is found after a loss of power during the recovery: before any change of it, or soon after the last."""
        found = files
        changes = 0

        def choose(_: int) -> None:
            nonlocal found, changes
            changes += 1
            if random.randrange(changes) == 0:  # so that each is as likely, however many there will be
                found = self._after(files, random, lost=True)

        files.faults.before_change = choose
        self._recovered(files)
        files.faults.before_change = None
        choose(-1)
        return found

    def _recovered(self, files: SimulatedFileSystem) -> Log:
        return self._started(files, lambda _: None).logs[NAME]


def stored(log: Log) -> list[bytes]:
    """The batches that a consumer reads from the start."""
    found = []
    offset = log.log_start_offset
    while (part := log.read(offset, 1 << 30, log.log_end_offset, at_least_one=True)) is not None:
        for batch in split_batches(part.file.read_at(part.position, part.size)):
            found.append(bytes(batch))
            offset = parse_header(batch).next_offset
    return found


def hold(log: Log, promises: Promises, *, lost: bool) -> None:
    """Hold what is found to what was promised. Raises Violation."""
    start, end = log.log_start_offset, log.log_end_offset
    found = stored(log)
    wanted = [batch for batch in promises.batches if parse_header(batch).last_offset >= start]
    must(found == wanted[: len(found)], f"offsets {start} to {end} are not a prefix of what was appended")
    headers = [parse_header(batch) for batch in found]
    found_to = headers[-1].next_offset if headers else start
    must(end == found_to, f"the log ends at {end}, and what is found at {found_to}")
    must(
        start >= promises.start_min, f"the log begins at {start}, but everything before {promises.start_min} is deleted"
    )
    must(start <= promises.start_max, f"the log begins at {start}, but nothing after {promises.start_max} was deleted")
    must_reach = promises.flushed if lost else promises.appended_to
    must(found_to >= must_reach, f"{found_to} is reached, but everything before {must_reach} must be found")
    _hold_lookups(log, headers)
    _hold_producers(log, headers)
    misjudged = misjudged_transactions(log, [each for each in promises.batches if parse_header(each).last_offset < end])
    must(misjudged is None, f"{misjudged}")
    too_full = overfull(log)
    must(too_full is None, f"{too_full}")
    for header in headers:
        epoch = log.epochs.epoch_for_offset(max(start, header.base_offset))
        must(epoch == header.partition_leader_epoch, f"offset {header.base_offset} is taken to be of epoch {epoch}")
    last_epoch = -1 if log.last_epoch is None else log.last_epoch
    latest = log.epochs.latest if log.epochs.latest is not None else -1
    must(max(last_epoch, latest) >= promises.last_epoch, f"epoch {promises.last_epoch} was used and is not known")


def hold_offset(log: Log, header: BatchHeader) -> None:
    """A batch's first offset leads to it."""
    part = log.read(header.base_offset, 1, log.log_end_offset, at_least_one=True)
    must(part is not None, f"offset {header.base_offset} is not found")
    assert part is not None
    found = parse_header(part.file.read_at(part.position, part.size))
    must(found == header, f"offset {header.base_offset} leads to a batch at {found.base_offset}")


def _hold_lookups(log: Log, headers: Sequence[BatchHeader]) -> None:
    """Every offset and every timestamp leads to its batch."""
    for header in headers:
        if header.base_offset < log.log_start_offset:
            continue
        hold_offset(log, header)
        at = log.find_timestamp(header.max_timestamp)
        must(at is not None and at.offset == header.base_offset, f"the time of {header.base_offset} leads to {at}")


def _hold_producers(log: Log, headers: Sequence[BatchHeader]) -> None:
    """The last batch of every producer is known, and none that is not there."""
    last = {header.producer_id: header for header in headers if header.has_producer_id and not header.is_control}
    known = log.producers.last_offsets()
    for producer_id, header in last.items():
        must(log.producers.find_duplicate(header) is not None, f"producer {producer_id} is not known by its last batch")
        offset = known.get(producer_id)
        must(offset == header.last_offset, f"the last offset of producer {producer_id} is taken to be {offset}")
    for producer_id, offset in known.items():
        must(offset < log.log_end_offset, f"producer {producer_id} is known by offset {offset}, which is not there")


def must(holds: bool, text: str) -> None:
    """Raise Violation, unless something holds."""
    if not holds:
        raise Violation(text)
