"""Bugs by which a segment takes more than its limits allow, and the check that sees each."""

from collections.abc import Callable
from typing import Any, Final

from impl.storage.batch import NO_TIMESTAMP
from impl.storage.log import Log
from impl.storage.segment import Segment
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Act, Append, Lose, Step, Trial, Truncate, must
from impl.tests.limits import ALL_LIMITS, BY_AGE, overfull
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW, append, make_batch, records
from impl.tests.transactions import HOME


def check_limits() -> None:
    """Segments that become full by their size, their indexes or their age, also after a cut and a stop.

    Raises Violation.
    """
    few: list[Step] = [Append(1, 30)] * 6
    history: list[Step] = [*few, Act("restart"), *few, Truncate(3), *few, Lose(0, killed=True), *few]
    for limits in ALL_LIMITS:
        Trial(SimulatedFileSystem(), limits=limits).play(history)


def check_the_age_of_what_is_cut() -> None:
    """A segment of which nothing is left is as old as what comes next. Raises Violation."""
    log = Log(SimulatedFileSystem(), HOME, BY_AGE, NOW)
    for time_ms in (NOW + 1000, NOW + 1001):
        append(log, make_batch(records(b"cut"), time_ms=time_ms))
    log.truncate_to(0, NOW)
    for number in range(8):
        append(log, make_batch(records(b"left"), time_ms=NOW + number))
    too_full = overfull(log)
    must(too_full is None, f"{too_full}")


def check_the_age_of_what_is_cut_without_times() -> None:
    """A segment of which nothing is left is made anew, as its age counts by the clock. Raises Violation."""
    log = Log(SimulatedFileSystem(), HOME, BY_AGE, NOW)
    later = NOW + BY_AGE.age_ms_max
    append(log, make_batch(records(b"cut"), time_ms=NO_TIMESTAMP))
    log.truncate_to(0, later)
    for now_ms, is_old in ((later + BY_AGE.age_ms_max, False), (later + BY_AGE.age_ms_max + 1, True)):
        if not log.active.size:
            append(log, make_batch(records(b"left"), time_ms=NO_TIMESTAMP))
        must(log.active.should_roll(1, NO_TIMESTAMP, 2, now_ms) == is_old, f"at {now_ms} the segment is not {is_old=}")


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_limits,
    check_the_age_of_what_is_cut,
    check_the_age_of_what_is_cut_without_times,
)


def _as_old_as_before(right: Any) -> Callable[..., Any]:
    """A segment that is emptied remembers its first batch."""

    def truncate(self: Segment, size: int) -> None:
        first = self._first_batch_timestamp
        right(self, size)
        self._first_batch_timestamp = first

    return truncate


def _made_as_before(right: Any) -> Callable[..., Any]:
    """A segment that is emptied is as old as its file."""

    def truncate_before(self: Segment, *rest: Any) -> Any:
        made = self._created_ms
        end = right(self, *rest)
        self._created_ms = made
        return end

    return truncate_before


SEGMENT: Final = "impl.storage.segment.Segment"
BUGS: Final = (
    StorageBug(
        "segments become full by their size only",
        f"{SEGMENT}.should_roll",
        lambda _: lambda self, size, *_: self.size > self.limits.bytes_max - size,
    ),
    StorageBug(
        "a full index of times takes more",
        "impl.storage.indexes.TimeIndex.is_full",
        lambda _: property(lambda _: False),
    ),
    StorageBug("a segment is always young", f"{SEGMENT}._waited_ms", lambda _: lambda *_: 0),
    StorageBug("an empty segment is as old as before", f"{SEGMENT}.truncate", _as_old_as_before),
    StorageBug("an empty segment is as old as its file", f"{SEGMENT}.truncate_before", _made_as_before),
    StorageBug(
        "the size of the batch to come is not counted",
        f"{SEGMENT}.should_roll",
        lambda right: lambda self, _, *rest: right(self, 0, *rest),
    ),
)
