"""The durability machine, run beside the bundled log on a simulated disk: file operations are steps of the machine.

`Beside` looks at the disk after each operation and finds the machine's actions that explain what has changed. It takes
them on Python's values, so that a guard that does not hold is a failure of the log; then what is read, the recovery
point, the checkpoint and the marker are held to the machine's state. When power is lost, what the operating system has
written meanwhile is read from what is found; that has to be explained as well. A record of the machine is a batch, its
offset the number of the batch since the log began; batches that retention or DeleteRecords has deleted the machine
still has.

Two things are looked at, not taken from the log: up to where the segments are synced, and whether their names are. Not
followed: files of producers and epochs, compaction, and operations that fail.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from copy import copy
from pathlib import Path
from typing import Any

from conformance.tests.disks import (
    CHECKPOINT,
    INDEXES,
    LOG,
    LOG_STARTS,
    MARKER,
    Run,
    are_named,
    directory_in,
    is_synced,
    offset_in,
    run_on,
    segment_names,
)
from impl.storage.faults import Kind
from impl.storage.log import Log
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Violation, must
from model.language import IllegalStepError, State
from model.machines.durability import durability, sizes
from model.readings import values
from properties.invariants.durability import anything

LOG_MAX, OPENINGS_MAX = 60, 150
WRITTEN = f"{CHECKPOINT}.tmp"
Taken = tuple[str, dict[str, Any]]


class Beside:
    """The machine's state, and what of the log it speaks of."""

    def __init__(self, files: SimulatedFileSystem, home: Path, seen: Counter[str]) -> None:
        self.files = files
        self.home = home
        self.seen = seen
        """How often each action was taken."""
        self.state: State = values.initial(durability, sizes(log=LOG_MAX, openings=OPENINGS_MAX))
        self._log: Log | None = None
        """None while it is opened."""
        self._was_clean = False
        self._cut_open: set[str] = set()
        """The segments' files that were cut, or found after a stop that was not clean, and not synced since."""
        self._batches: tuple[bytes, ...] = ()
        self._ends: tuple[int, ...] = ()
        """The offsets after each batch that the machine has."""
        self._begin = 0
        """Where the first of them begins."""
        self._deleted = 0
        """How many of them are in no segment any more."""
        self._openings: dict[tuple[int, bytes], int] = {}
        """In which opening each batch was appended that there ever was."""
        self._before_cut: tuple[State, Run, list[Taken]] | None = None
        """While a cut may not be on disk: the state and what was read before it, and what was done since."""

    # -- steps -------------------------------------------------------------------------------------------------------

    def take(self, name: str, **arguments: Any) -> None:
        """Take a step of the machine. Raises Violation if a guard does not hold."""
        try:
            self.state = values.take(durability.actions[name], self.state, **arguments)
        except IllegalStepError as error:
            raise Violation(f"the durability machine refuses {name} {arguments or ''}: {error}") from error
        self.seen[name] += 1
        if self._before_cut is not None:
            self._before_cut[2].append((name, arguments))
            if not self.state.cut_is_open:
                self._before_cut = None

    def hold_theorems(self) -> None:
        """All that is proved of the machine holds of its state."""
        for theorem in anything.theorems.values():
            if theorem.of_state is not None:
                must(bool(theorem.of_state(self.state)), f"{theorem.name} does not hold")

    def after(self, kind: Kind, path: Path) -> None:
        """Follow an operation that was done."""
        directory = directory_in(self.home)
        if path.name == WRITTEN:
            self._follow_checkpoint(kind)
        elif path == self.home / MARKER and kind == "remove":
            self.take("log_is_opened")
        elif path.name.endswith(LOG) and path.parent == directory and kind != "sync":
            if kind == "truncate":
                self._cut_open.add(path.name)
            elif kind == "open":  # the file is new
                self._cut_open.discard(path.name)
            self._follow_log()
        elif path.suffix in INDEXES and kind in ("truncate", "write") and self._log is None:
            self.take("index_is_rebuilt")
        if kind in ("sync", "sync directory"):
            self._follow_sync(kind, path)
        if self._log is not None:
            self._follow_point(self._log)

    def _follow_log(self) -> None:
        """The batches that can be read are others."""
        run = self._run()
        if self._log is None:
            self._look_through()
        elif len(run.batches) < self.state.end:
            if self._before_cut is None:
                before = Run(0, self._batches, self._ends)
                self._before_cut = self.state, before, []
            self.take("log_is_cut", to=len(run.batches))
        if self._log is not None:
            if self.state.active_is_named and not are_named(self.files, self.home):
                self.take("segment_is_rolled")
            for batch in run.batches[self.state.end :]:
                self._openings[self.state.end, batch] = self.state.opening
                self.take("records_are_appended")
        self._batches, self._ends = run.batches, run.ends
        self._hold_records(run)

    def _follow_sync(self, kind: Kind, path: Path) -> None:
        """Something was synced: the machine is told what is on the disk now."""
        if not self._runs:
            return
        if self.files.exists(directory_in(self.home)):
            self._follow_segments_sync(kind, path)
        if kind == "sync directory" and path == self.home:
            stops = self.state.serves and self.files.exists(self.home / MARKER)
            self.take("process_stops" if stops else "log_directory_is_synced")

    def _follow_segments_sync(self, kind: Kind, path: Path) -> None:
        if path.parent == directory_in(self.home):
            self._cut_open.discard(path.name)
        self._tell_synced()
        if kind == "sync directory" and self.state.has_new_names and are_named(self.files, self.home):
            self.take("directory_is_synced")

    def _tell_synced(self) -> None:
        """Tell the machine which segments and indexes are on the disk, as the disk says, and that a cut is."""
        directory = directory_in(self.home)
        inside = self.files.names(directory)
        run = self._run()
        gone = [int(each.removesuffix(LOG)) for each in inside.durable.keys() - inside.cached if each.endswith(LOG)]
        is_open = self._cut_open.intersection(segment_names(self.files, self.home))
        closes = not is_open and all(offset < (run.first or 0) for offset in gone)
        since = 0
        for name, to in run.whole_segments.items():
            paths = [directory / name.replace(LOG, suffix) for suffix in (LOG, *INDEXES)]
            is_later = to > self.state.synced >= since and (to < self.state.end or closes or not self.state.cut_is_open)
            if is_later and all(self.files.exists(each) and is_synced(self.files.content(each)) for each in paths):
                self.take("segments_are_synced", since=since, to=to)
            since = to
        if self.state.cut_is_open and closes:
            self.take("segments_are_synced", since=self.state.end, to=self.state.end)

    def _follow_point(self, log: Log) -> None:
        """The recovery point is another."""
        point = self._number(log.recovery_point)
        if self._is_same(point, self.state.point):
            return
        self.take("recovery_point_rises" if point > self.state.point else "recovery_point_falls", to=point)

    def _is_same(self, number: int, other: int) -> bool:
        """Whether two recovery points are the same, or before both all is deleted."""
        return number == other or max(number, other) <= self._deleted

    def _follow_checkpoint(self, kind: Kind) -> None:
        """The checkpoint is written anew."""
        if kind == "write":
            self.take("checkpoint_is_written")
            says = self._number(offset_in(self.files, self.home / WRITTEN))
            must(
                self._is_same(says, self.state.beside),
                f"the checkpoint says {says}, and the recovery point is {self.state.beside}",
            )
        elif kind == "sync":
            self.take("checkpoint_is_synced")
        elif kind == "move":
            self.take("checkpoint_is_renamed")

    # -- stops and starts --------------------------------------------------------------------------------------------

    def starts(self) -> None:
        """A process starts. If there is a marker the log counts as opened once that is removed."""
        self._log = None
        self._was_clean = self.files.exists(self.home / MARKER)
        self._cut_open = set()
        if not self._was_clean:
            self._cut_open.update(segment_names(self.files, self.home)[-1:])
            self.take("log_is_opened")

    def opened(self, log: Log) -> None:
        """The log is open."""
        if self.state.recovers:
            self._look_through()
            self.take("recovery_ends")
            if self._was_clean:  # nothing is left to sync, and the marker says so
                self._tell_synced()
        self._log = log
        run = self._run()
        self._batches, self._ends = run.batches, run.ends
        end = self._number(log.log_end_offset)
        must(end == self.state.end, f"recovery yields {end} batches, and the machine's {self.state.end}")
        must(all(run.leads), f"the index does not lead to batch {[*run.leads, False].index(False)}")
        if self.state.active_is_named and not are_named(self.files, self.home):
            self.take("segment_is_rolled")
        self._hold_records(run)
        self._follow_point(log)
        self.hold_theorems()

    def _look_through(self) -> None:
        """What a recovery does, at once."""
        while self.state.scanned < self.state.end and self.state.log[self.state.scanned] > 0:
            self.take("recovery_checks")
        if self.state.scanned < self.state.end:
            self.take("recovery_cuts")
        self.take("index_is_rebuilt")

    def after_kill(self, found: SimulatedFileSystem) -> Beside:
        """The same for the process that finds this disk after a kill."""
        other = self._copy(found)
        other._stop_if_marked()
        if other._runs:
            other.take("process_is_killed")
        run = other._run()
        other._hold_records(run)
        says = other._number(offset_in(found, self.home / CHECKPOINT))
        must(other._is_same(says, other.state.checkpoint), f"the checkpoint says {says}, not {other.state.checkpoint}")
        return other

    def after_power_loss(self, found: SimulatedFileSystem) -> Beside:
        """The same for the process that finds this disk after a loss of power: what is found is explained."""
        other = self._copy(found)
        other._stop_if_marked()
        run = other._run()
        if len(run.batches) > other.state.end and other._before_cut is not None:
            other._write_before_cut(run)
        other._write_back(run)
        other.take("power_is_lost")
        other._before_cut = None
        other._hold_found(run)
        other._batches, other._ends = run.batches, run.ends
        return other

    def _copy(self, files: SimulatedFileSystem) -> Beside:
        other = copy(self)
        other.files = files
        other._openings = dict(self._openings)
        other._cut_open = set(self._cut_open)
        if self._before_cut is not None:
            state, run, since = self._before_cut
            other._before_cut = state, run, list(since)
        return other

    def _stop_if_marked(self) -> None:
        """A stop that was not quite done is done, if its marker is found."""
        if self.state.serves and self.files.exists(self.home / MARKER):
            self.take("process_stops")

    def _write_before_cut(self, run: Run) -> None:
        """Batches are found that were cut off: they had been written before. Go back, and do all again."""
        assert self._before_cut is not None
        self.state, _, since = self._before_cut
        self._before_cut = None
        self._write_log(run)
        self.seen.subtract(name for name, _ in since)
        for name, arguments in since:
            self.take(name, **arguments)

    def _write_back(self, run: Run) -> None:
        """Let the operating system have written what is found."""
        home, state = self.home, self.state
        if state.disk_marker and not self.files.exists(home / MARKER):
            self.take("marker_reaches_disk")
        says = self._number(offset_in(self.files, home / CHECKPOINT), anew=False)
        if not self._is_same(says, state.disk_checkpoint):
            self.take("checkpoint_reaches_disk")
        self._write_log(run)
        count = len(run.batches)
        if count < self.state.disk_end and self.state.end <= count:
            self.take("length_reaches_disk", to=count)

    def _write_log(self, run: Run) -> None:
        """Records, their names, and lengths."""
        count = len(run.batches)
        if not all(self.state.is_named[each] for each in range(min(count, self.state.end))):
            self.take("names_reach_disk")
        if self.state.disk_end < count <= self.state.end:
            self.take("length_reaches_disk", to=count)
        for each in range(min(count, self.state.end)):
            if self.state.disk[each] != self.state.log[each]:
                self.take("record_reaches_disk", offset=each)
            if run.leads[each] and not self.state.disk_points[each]:
                self.take("index_entry_reaches_disk", offset=each)

    # -- what is compared --------------------------------------------------------------------------------------------

    @property
    def _runs(self) -> bool:
        return bool(self.state.serves or self.state.recovers)

    def _run(self) -> Run:
        """What can be read; of what was deleted the machine's is taken for it."""
        run = run_on(self.files, self.home)
        start = offset_in(self.files, self.home / LOG_STARTS)
        if start > max((run.first or 0, *run.ends)):  # all that is left is deleted, and goes when the log opens
            if run.batches:
                self._records(run, since=self._number(run.first or 0))
            before = self._deleted = bisect_right(self._ends, start)
            return Run(run.first, self._batches[:before], self._ends[:before], (True,) * before)
        if not run.first:
            self._deleted = 0
            return run
        if run.first == start and run.first > max((self._begin, *self._ends)):
            self._begin_anew(start)
        before = self._deleted = self._number(run.first)
        whole = {name: count + before for name, count in run.whole_segments.items()}
        return Run(
            run.first,
            (*self._batches[:before], *run.batches),
            (*self._ends[:before], *run.ends),
            (*[True] * before, *run.leads),
            whole,
        )

    def _begin_anew(self, start: int) -> None:
        """The log ended before its start, and goes on there: the offsets between were never appended."""
        self._deleted = self.state.end
        if self._deleted:
            self._ends = (*self._ends[: self._deleted - 1], start)
        else:
            self._begin = start

    def _number(self, offset: int, *, anew: bool = True) -> int:
        """How many batches there are before an offset. Raises Violation in the middle of a batch."""
        ends = self._ends
        if not anew and self._before_cut is not None and offset not in ends:
            ends = self._before_cut[1].ends
        run_ends = (self._begin, *ends)
        if offset < run_ends[self._deleted]:
            return max(bisect_right(run_ends, offset) - 1, 0)
        must(offset in run_ends, f"offset {offset} is not between two batches of the machine's: {run_ends}")
        return run_ends.index(offset)

    def _records(self, run: Run, since: int = 0) -> list[int]:
        """The batches, as the machine knows them: by the openings in which they were appended."""
        found = [self._openings.get(each, 0) for each in enumerate(run.batches, since)]
        must(0 not in found, f"batch {found.index(0) if 0 in found else 0} was never appended there")
        return found

    def _hold_records(self, run: Run) -> None:
        """What can be read is the machine's log, to the end."""
        expected = [self.state.log[each] for each in range(self.state.end)]
        must(self._records(run) == expected[: len(run.batches)], "what is read is not the machine's log")
        rest = expected[len(run.batches) :]
        must(not rest or rest[0] == 0, f"{len(run.batches)} batches are read, and the machine's are {expected}")

    def _hold_found(self, run: Run) -> None:
        """What is found after a loss of power is what the machine says is on the disk."""
        self._hold_records(run)
        believed = max((n for n in (0, *run.whole_segments.values()) if n <= self.state.checkpoint), default=0)
        for each in range(believed):
            must(run.leads[each] or not self.state.points[each], f"the index does not lead to batch {each}")
        home = self.home
        says = self._number(offset_in(self.files, home / CHECKPOINT), anew=False)
        must(
            self._is_same(says, self.state.checkpoint),
            f"the checkpoint on disk says {says}, not {self.state.checkpoint}",
        )
        is_marked = self.files.exists(home / MARKER)
        must(is_marked == self.state.marker, f"that there is a marker is {is_marked}, and not so in the machine")
