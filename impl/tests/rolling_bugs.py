"""Bugs by which a segment takes more than its limits allow, and the check that sees each."""

from collections.abc import Callable
from typing import Any, Final

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


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_limits, check_the_age_of_what_is_cut)


def _as_old_as_before(right: Any) -> Callable[..., Any]:
    """A segment that is emptied remembers its first batch."""

    def truncate(self: Segment, size: int) -> None:
        first = self._first_batch_timestamp
        right(self, size)
        self._first_batch_timestamp = first

    return truncate


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
    StorageBug(
        "the size of the batch to come is not counted",
        f"{SEGMENT}.should_roll",
        lambda right: lambda self, _, *rest: right(self, 0, *rest),
    ),
)
