"""Bugs that storage could have, each put into one function; a check of `storage_checks` must see each.

A bug is planted by replacing a function while the checks run, which know nothing of it.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import attrs

from impl.errors import CutFileError
from impl.storage.batch import CorruptBatchError
from impl.storage.checkpoints import CLEAN_SHUTDOWN, RECOVERY_POINTS, LeaderEpochs
from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory
from impl.storage.producer_state import ProducerState
from impl.storage.recovery import LogRecovery
from impl.storage.segment import TRANSACTION_INDEX, Segment
from impl.storage.simulated import SimulatedFile
from impl.storage.snapshots import Snapshots
from impl.tests.durability import Violation
from impl.tests.fault_bugs import (
    AgreesWithAll,
    Planted,
    check_the_newest_only,
    end_where_it_fails,
    go_on_when_full,
    mark_always,
    swallow,
)
from impl.tests.storage_checks import LOGS


@attrs.frozen
class StorageBug:
    """A function, by the place where it is looked up, and what takes its place; `plant` is given the right one."""

    name: str
    place: str
    plant: Callable[[Any], Any]
    seed: int = 0  # a history that sees it, if the checks do not: only to find it sooner
    shows_as: type[Exception] = Violation  # what a check raises that sees it
    is_fault: bool = False  # generated histories with faults see it, by themselves
    is_transactional: bool = False  # those with transactions do


def _nothing(_: Any) -> Planted:
    """Do nothing."""
    return lambda *_, **__: None


def _answer(value: Any) -> Callable[[Any], Planted]:
    """Do nothing, and answer a value."""
    return lambda _: lambda *_, **__: value


def _truncate_without_flush(right: Any) -> Planted:
    def truncate_before(self: Segment, *rest: Any) -> Any:
        with patch.object(SimulatedFile, "sync", lambda _: None):
            return right(self, *rest)

    return truncate_before


def _believe_the_size(_: Any) -> Planted:
    """Leave what is there after the last good batch."""

    def truncate(self: Segment, size: int) -> None:
        self.size = size

    return truncate


def _one_batch_too_many(right: Any) -> Planted:
    return lambda self, offset, *rest: right(self, offset + 1, *rest)


def _sync_batches_only(_: Any) -> Planted:
    return lambda self: self._log.sync()


def _sync_names_in_mind(_: Any) -> Planted:
    def sync_names(self: Log) -> None:
        self._names_durable_to = self.active.base_offset

    return sync_names


def _forget_what_should_go(_: Any) -> Planted:
    """Don't remove the files of what is cut off."""

    def remove_from(self: LogRecovery, number: int) -> None:
        del self.segments[number:]

    return remove_from


def _recovery_point_at_the_end(_: Any) -> Planted:
    return lambda self: self._write(RECOVERY_POINTS, lambda log: log.log_end_offset)


def _flush_moves_first(right: Any) -> Planted:
    def flush_job(self: Log, up_to: int) -> Callable[[], None]:
        job: Callable[[], None] = right(self, up_to)
        self.recovery_point = max(self.recovery_point, up_to)
        return job

    return flush_job


def _next_segment(right: Any) -> Planted:
    return lambda self: min(right(self) + 1, len(self.segments) - 1)


def _write_in_place(_: Any) -> Planted:
    def replace_file(self: FileSystem, path: Path, content: bytes, *, durable: bool = True) -> None:
        file = self.open(path, create=True, truncate=True)
        file.write_at(0, (content,))
        if durable:
            file.sync()
            self.sync_directory(path.parent)

    return replace_file


def _rename_unflushed(_: Any) -> Planted:
    def replace_file(self: FileSystem, path: Path, content: bytes, *, durable: bool = True) -> None:
        beside = path.with_name(path.name + ".tmp")
        self.open(beside, create=True, truncate=True).write_at(0, (content,))
        self.rename(beside, path)

    return replace_file


def _only_move(_: Any) -> Planted:
    return lambda self, old, new: self.move(old, new)


def _keep_the_marker(right: Any) -> Planted:
    return lambda self, path: None if path.name == CLEAN_SHUTDOWN else right(self, path)


def _except_log_directories(right: Any) -> Planted:
    """Never flush the names in a log directory itself."""
    return lambda self, path: None if path.name == LOGS.name else right(self, path)


def _marker_first(right: Any) -> Planted:
    def close(self: LogDirectory) -> None:
        self._files.replace_file(self.path / CLEAN_SHUTDOWN, b"")
        right(self)

    return close


def _truncate_before_checkpoint(_: Any) -> Planted:
    return lambda self, name, offset, now_ms: self.logs[name].truncate_to(offset, now_ms)


def _checkpoint_what_was_asked_for(_: Any) -> Planted:
    """Write the recovery point before it is known where the batch begins that goes."""

    def truncate(self: LogDirectory, name: Any, offset: int, now_ms: int) -> None:
        log = self.logs[name]
        log.recovery_point = min(log.recovery_point, offset)
        self.checkpoint_recovery_points()
        log.truncate_to(offset, now_ms)

    return truncate


def _snapshot_alone(_: Any) -> Planted:
    """Believe the snapshot to be complete."""

    def rebuild(self: Snapshots, producers: ProducerState, segments: Sequence[Segment], start: int, end: int) -> None:
        producers.clear()
        self._load_newest(start, end, producers)

    return rebuild


def _snapshot_too_far(right: Any) -> Planted:
    return lambda self, offset, producers: right(self, offset + 1, producers)


def _holes_allowed(right: Any) -> Planted:
    def recovery(files: FileSystem, directory: Path, segments: list[Segment], start: Any, *rest: Any) -> LogRecovery:
        made: LogRecovery = right(files, directory, segments, attrs.evolve(start, may_have_gaps=True), *rest)
        return made

    return recovery


def _stop_short(_: Any) -> Planted:
    """Take one short write for the whole."""
    return lambda write_some, buffers, written: write_some(memoryview(b"".join(map(bytes, buffers))), written)


def _forget_names_only(_: Any) -> Planted:
    def forget(self: LogDirectory, names: Iterable[Any]) -> None:
        for name in names:
            self.logs.pop(name)

    return forget


def _index_off_by_one(right: Any) -> Planted:
    return lambda self, offset, position: right(self, offset - 1, position)


def _reuse_indexes(right: Any) -> Planted:
    """Recover batches, and take the indexes as they are."""

    def recover(segment: Segment, *rest: Any) -> Any:
        vars(segment).update(forget_indexes=lambda *_: None, note_indexed=lambda *_: None)
        try:
            return right(segment, *rest)
        finally:
            del vars(segment)["forget_indexes"], vars(segment)["note_indexed"]

    return recover


def _epochs_in_memory(_: Any) -> Planted:
    def save(self: LeaderEpochs) -> None:
        self._saved = self.entries

    return save


def _all_ended(right: Any) -> Planted:
    """Take all transactions in a snapshot for ended."""

    def load(self: ProducerState, snapshot: bytes) -> None:
        right(self, snapshot)
        self._open.clear()

    return load


def _snapshots_of_old(right: Any) -> Planted:
    return lambda self, _, up_to, producers: right(self, 0, up_to, producers)


def _begun_by_the_newest(right: Any) -> Planted:
    """Let a transaction begin with its newest batch."""

    def record(self: ProducerState, header: Any, last_timestamp: int) -> None:
        right(self, header, last_timestamp)
        if header.is_transactional:
            self._open[header.producer_id] = header.base_offset

    return record


def _index_unnamed(right: Any) -> Planted:
    """Don't flush the directory that the file is new in."""

    def note_aborted(self: Segment, aborted: Sequence[Any]) -> None:
        if aborted and TRANSACTION_INDEX not in self._opened:
            self._opened[TRANSACTION_INDEX] = self._files.open(self.path(TRANSACTION_INDEX), create=True)
        right(self, aborted)

    return note_aborted


STORAGE: Final = "impl.storage"
BUGS: Final = (
    StorageBug("checksums of batches are not looked at", f"{STORAGE}.scan.crc32c", _answer(AgreesWithAll())),
    StorageBug(
        "checksums of snapshots are not looked at", f"{STORAGE}.producer_state.crc32c", _answer(AgreesWithAll())
    ),
    StorageBug("a file's size is believed", f"{STORAGE}.segment.Segment.truncate", _believe_the_size, 0, CutFileError),
    StorageBug(
        "what is cut is not made durable", f"{STORAGE}.segment.Segment.truncate_before", _truncate_without_flush
    ),
    StorageBug("one batch too many stays", f"{STORAGE}.segment.Segment.truncate_before", _one_batch_too_many, 2),
    StorageBug("segments after a cut stay", f"{STORAGE}.recovery.LogRecovery._remove_from", _nothing),
    StorageBug("files after a cut stay", f"{STORAGE}.recovery.LogRecovery._remove_from", _forget_what_should_go),
    StorageBug("holes are overlooked", f"{STORAGE}.log.LogRecovery", _holes_allowed),
    StorageBug(
        "the segment with the recovery point is trusted",
        f"{STORAGE}.recovery.LogRecovery._first_unflushed",
        _next_segment,
    ),
    StorageBug(
        "the recovery point is the log's end",
        f"{STORAGE}.log_directory.LogDirectory.checkpoint_recovery_points",
        _recovery_point_at_the_end,
    ),
    StorageBug("the recovery point moves before the flush", f"{STORAGE}.log.Log.flush_job", _flush_moves_first),
    StorageBug("flush does nothing", f"{STORAGE}.log.Log.flush", _nothing),
    StorageBug("segments are not flushed", f"{STORAGE}.segment.Segment.sync", _nothing),
    StorageBug("indexes are not flushed", f"{STORAGE}.segment.Segment.sync", _sync_batches_only, 13),
    StorageBug("index entries stay in memory", f"{STORAGE}.segment.Segment.flush_indexes", _nothing),
    StorageBug("full segments get no last index entry", f"{STORAGE}.segment.Segment.seal", _nothing, 13),
    StorageBug("indexes are off by one", f"{STORAGE}.indexes.OffsetIndex.append", _index_off_by_one),
    StorageBug("indexes are trusted after a clean stop", f"{STORAGE}.segment.Segment.indexes_fit", _answer(True)),
    StorageBug(
        "indexes are trusted after a crash",
        f"{STORAGE}.recovery.recover_segment",
        _reuse_indexes,
    ),
    StorageBug("names of segments are not flushed", f"{STORAGE}.log.Log._sync_names", _sync_names_in_mind),
    StorageBug(
        "names in log directories are not flushed",
        f"{STORAGE}.simulated.SimulatedFileSystem.sync_directory",
        _except_log_directories,
    ),
    StorageBug("checkpoints are written in place", f"{STORAGE}.filesystem.FileSystem.replace_file", _write_in_place),
    StorageBug("checkpoints are not flushed", f"{STORAGE}.filesystem.FileSystem.replace_file", _rename_unflushed),
    StorageBug("renames are not durable", f"{STORAGE}.filesystem.FileSystem.rename", _only_move),
    StorageBug("the marker stays", f"{STORAGE}.simulated.SimulatedFileSystem.remove", _keep_the_marker, 12),
    StorageBug(
        "the marker comes first",
        f"{STORAGE}.log_directory.LogDirectory.close",
        _marker_first,
        shows_as=CorruptBatchError,  # segments that were not flushed are trusted, and stay as they are
    ),
    StorageBug(
        "a truncated log keeps its recovery point",
        f"{STORAGE}.log_directory.LogDirectory.truncate",
        _truncate_before_checkpoint,
        41,
    ),
    StorageBug(
        "a truncated log's recovery point is inside a batch",
        f"{STORAGE}.log_directory.LogDirectory.truncate",
        _checkpoint_what_was_asked_for,
    ),
    StorageBug(
        "the start of a log is not kept", f"{STORAGE}.log_directory.LogDirectory.checkpoint_log_starts", _nothing
    ),
    StorageBug("a deleted log's checkpoints stay", f"{STORAGE}.log_directory.LogDirectory.forget", _forget_names_only),
    StorageBug("snapshots beyond the end stay", f"{STORAGE}.snapshots.Snapshots.remove_after", _answer(False)),
    StorageBug("batches after a snapshot are not read", f"{STORAGE}.snapshots.Snapshots.rebuild", _snapshot_alone),
    StorageBug("a snapshot says one offset too many", f"{STORAGE}.snapshots.Snapshots.write", _snapshot_too_far, 21),
    StorageBug("epochs of what was cut stay", f"{STORAGE}.checkpoints.LeaderEpochs.truncate_from_end", _nothing, 4),
    StorageBug("epochs are not kept", f"{STORAGE}.checkpoints.LeaderEpochs.save", _epochs_in_memory),
    StorageBug("aborted transactions are not indexed again", f"{STORAGE}.recovery.LogRecovery._follow", _answer(None)),
    StorageBug("aborted transactions outlive a cut", f"{STORAGE}.segment.Segment.forget_aborted", _nothing),
    StorageBug("which transactions are open is not kept", f"{STORAGE}.producer_state.ProducerState.load", _all_ended),
    StorageBug(
        "the name of a transaction index is not flushed", f"{STORAGE}.segment.Segment.note_aborted", _index_unnamed
    ),
    StorageBug("a short write is taken for all", f"{STORAGE}.simulated.write_rest", _stop_short, shows_as=CutFileError),
    StorageBug("what a kill left of a cut comes back", f"{STORAGE}.log.Log._make_cut_durable", _nothing),
    StorageBug("nothing is found in a log whose end is right", f"{STORAGE}.log.Log.read", _answer(None)),
    StorageBug(
        "a snapshot from before the start is loaded",
        f"{STORAGE}.snapshots.Snapshots._load_newest",
        _snapshots_of_old,
        40,
        is_transactional=True,
    ),
    StorageBug(
        "unwritten snapshots stay", f"{STORAGE}.leftovers._remove_unwritten", _nothing, 44, is_transactional=True
    ),
    StorageBug(
        "a transaction begins with its newest batch",
        f"{STORAGE}.producer_state.ProducerState.record",
        _begun_by_the_newest,
        is_transactional=True,
    ),
    StorageBug("a failed write is taken for done", f"{STORAGE}.segment.Segment.append", swallow, 5, is_fault=True),
    StorageBug("a failed flush is taken for done", f"{STORAGE}.segment.Segment.sync", swallow, 25, is_fault=True),
    StorageBug(
        "a failed flush of names is taken for done",
        f"{STORAGE}.simulated.SimulatedFileSystem.sync_directory",
        swallow,
        23,
        is_fault=True,
    ),
    StorageBug(
        "what can't be read is taken for the end",
        f"{STORAGE}.recovery.good_batches",
        end_where_it_fails,
        8,
        is_fault=True,
    ),
    StorageBug("a full disk goes unnoticed", f"{STORAGE}.segment.Segment.append", go_on_when_full, 5, is_fault=True),
    StorageBug(
        "an offline directory is marked as stopped cleanly",
        f"{STORAGE}.log_directory.LogDirectory.close",
        mark_always,
        4,
        is_fault=True,
    ),
    StorageBug(
        "checksums are looked at in the newest segment only",
        f"{STORAGE}.recovery.recover_segment",
        check_the_newest_only,
        is_fault=True,
    ),
    StorageBug("a failed flush is forgotten", f"{STORAGE}.log_directory.LogDirectory.fail", _nothing),
)
