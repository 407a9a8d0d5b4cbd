"""Bugs by which a segment takes more than its limits allow, and the check that sees each."""

from collections.abc import Callable
from typing import Final

from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Act, Append, Lose, Step, Trial, Truncate
from impl.tests.limits import ALL_LIMITS
from impl.tests.storage_bugs import StorageBug


def check_limits() -> None:
    """Segments that become full by their size, their indexes or their age, also after a cut and a stop.

    Raises Violation.
    """
    few: list[Step] = [Append(1, 30)] * 6
    history: list[Step] = [*few, Act("restart"), *few, Truncate(3), *few, Lose(0, killed=True), *few]
    for limits in ALL_LIMITS:
        Trial(SimulatedFileSystem(), limits=limits).play(history)


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_limits,)
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
    StorageBug(
        "the size of the batch to come is not counted",
        f"{SEGMENT}.should_roll",
        lambda right: lambda self, _, *rest: right(self, 0, *rest),
    ),
)
