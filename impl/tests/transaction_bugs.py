"""Bugs that storage could have where logs with transactions are compacted or deleted, and the checks that see each."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from unittest.mock import patch

from impl.storage.log import Log
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.transactions import collect_aborted
from impl.tests.durability import Violation
from impl.tests.logs import COMPACTION, compact, contents
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append
from impl.tests.transactions import HOME, end, plain, write

Planted = Callable[..., Any]

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


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_a_tombstone_after_an_aborted_transaction,)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _tell_what_is_over(right: Any) -> Planted:
    """Expect all aborted transactions in the index of the segment that a pass begins in (`UnifiedLog`)."""

    def aborted_between(log: Log, _: int, end: int) -> list[Any]:
        return collect_aborted((segment.aborted for segment in log.segments), log.log_start_offset, end)

    def note_keys(*arguments: Any) -> Iterator[int]:
        with patch.object(Log, "aborted_between", aborted_between):
            yield from right(*arguments)

    return note_keys


BUGS: Final = (
    StorageBug(
        "a pass expects transactions that were over before it", "impl.storage.cleaner._note_keys", _tell_what_is_over
    ),
)
