"""Bugs that storage could have where segments are compacted or deleted, and the checks that see each."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

from impl.storage.batch import HEADER_SIZE, DamagedBatchError, stored_crc_matches
from impl.storage.faults import Crash, Faults, crash_before
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.segment import INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.transactions import AbortedTransaction, collect_aborted
from impl.tests.cleaning import contents as records_of
from impl.tests.committed import consumed, leader_of
from impl.tests.durability import Violation, stored
from impl.tests.logs import COMPACTION, compact, contents, pairs_batch
from impl.tests.start_bugs import renaming
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append
from impl.tests.transactions import HOME, end, must_be_indexed, plain, write

Planted = Callable[..., Any]
SEEDS: Final = range(8)
LEADER_CHANGE: Final = 2  # a type of control records

# -- checks ----------------------------------------------------------------------------------------------------------


def check_a_tombstone_after_an_aborted_transaction() -> None:
    """A producer that aborts and then deletes a key for good, in a log that is compacted bit by bit.

    A pass ends between the two, inside a segment. Raises Violation.
    """
    for keys_max in (2, 3, 4):
        log = Log(SimulatedFileSystem(), HOME, LIMITS, NOW)
        append(log, plain(b"k", b"old"))
        write(log, 1, 0, pair=(b"x", b"aborted"))
        end(log, 1)
        for key in (b"a", b"b"):
            append(log, plain(key, b"v"))
        write(log, 1, 1, pair=(b"k", None))
        end(log, 1, aborts=False)
        log.roll(NOW)
        clean_to: int | None = None
        for round_ in range(4):
            append(log, plain(b"z", b"%d" % round_))
            log.roll(NOW)
            now_ms = NOW + 2 * round_ * COMPACTION.delete_retention_ms
            clean_to, _ = compact(log, clean_to, keys_max=keys_max, now_ms=now_ms)
        values = [value for _, key, value, _ in contents(log) if key == b"k"]
        if values:
            raise Violation(f"with room for {keys_max} keys the values of one that was deleted long ago are {values}")


def check_deletion() -> None:
    """A stop before every change of a deletion: what is still there of a segment is served without what was aborted.

    Raises Violation.
    """
    changes = _deleted_until(None)[0].faults.changes
    for change in range(changes + 1):
        files, start = _deleted_until(change)
        for left in (files.after_kill(), *(files.after_power_loss(Random(seed)) for seed in SEEDS)):
            log = Log(left, HOME, LIMITS, NOW, start)
            found = [value for _, _, value in consumed(leader_of(log), log.log_start_offset)]
            if b"aborted" in found or found[-1] != b"newest":
                raise Violation(f"a stop before change {change} of a deletion leaves {found} to be consumed")


def _deleted_until(crash_at: int | None) -> tuple[SimulatedFileSystem, LogStart]:
    """A durable log whose oldest segments are let go, on a disk that fails before a change; and how it begins again."""
    files = SimulatedFileSystem()
    files.make_directory(HOME.parent)
    files.sync_directory(Path("/"))
    log = Log(files, HOME, LIMITS, NOW)
    for producer, value in ((1, b"older"), (2, b"old"), (3, b"newest")):
        write(log, producer, pair=(b"k", b"aborted"))
        end(log, producer)
        append(log, plain(b"k", value))
        log.roll(NOW)
    log.flush()
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    with suppress(Crash):
        log.delete_oldest(2, NOW)
    files.faults.before_change = None
    return files, LogStart(recovery_point=log.recovery_point)


def check_damage_in_compaction() -> None:
    """A bit that has flipped in a batch of which something is to stay: it can't be seen once the batch is another one.

    Raises Violation.
    """
    batch = pairs_batch([(b"k", b"old"), (b"other", b"value")])
    for place in range(HEADER_SIZE, len(batch)):
        files = SimulatedFileSystem()
        log = Log(files, HOME, LIMITS, NOW)
        append(log, batch)
        append(log, plain(b"k", b"new"))
        log.roll(NOW)
        sent = records_of(stored(log)).items()
        path = log.segments[0].path(LOG)
        files.content(path).flip(place, place % 8)
        damaged = bytes(files.content(path).cached)
        try:
            compact(log)
        except DamagedBatchError as error:
            if str(path) not in str(error) or bytes(files.content(path).cached) != damaged:
                raise Violation(f"compaction does not leave a damaged batch alone: {error}") from error
        else:
            valid = records_of([each for each in stored(log) if stored_crc_matches(each)])
            if not valid.items() <= sent:
                raise Violation(f"compaction leaves what nobody has sent, with a valid checksum: {valid}")


def check_other_control_records() -> None:
    """A control record that is no marker, in a transaction that is aborted later. Raises Violation."""
    log = Log(SimulatedFileSystem(), HOME, LIMITS, NOW)
    write(log, 1)
    end(log, 1, kind=LEADER_CHANGE)
    end(log, 1)
    must_be_indexed(log, [AbortedTransaction(1, 0, 2, 3)])


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_a_tombstone_after_an_aborted_transaction,
    check_deletion,
    check_damage_in_compaction,
    check_other_control_records,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _tell_what_is_over(right: Any) -> Planted:
    """Expect all aborted transactions in the index of the segment that a pass begins in (`UnifiedLog`)."""

    def aborted_between(log: Log, _: int, end: int) -> list[Any]:
        return collect_aborted((segment.aborted for segment in log.segments), log.log_start_offset, end)

    def note_keys(*arguments: Any) -> Iterator[int]:
        with patch.object(Log, "aborted_between", aborted_between):
            yield from right(*arguments)

    return note_keys


def _batches_last(_: Any) -> Planted:
    """The indexes of a segment that is let go are renamed before its batches."""
    return renaming(INDEX, TIME_INDEX, TRANSACTION_INDEX, LOG)


BUGS: Final = (
    StorageBug(
        "any control record ends a transaction", "impl.storage.transactions.MARKERS", lambda _: range(-(2**15), 2**15)
    ),
    StorageBug(
        "a pass expects transactions that were over before it", "impl.storage.cleaner._note_keys", _tell_what_is_over
    ),
    StorageBug(
        "compaction makes damage valid", "impl.storage.stored_records.stored_crc_matches", lambda _: lambda _: True
    ),
    StorageBug("a deleted segment's batches are renamed last", "impl.storage.segment.Segment.rename", _batches_last),
)
