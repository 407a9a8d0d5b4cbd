"""Bugs that a broker could have in what it compacts and when, and what goes meanwhile; and the checks that see each."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import attrs

from impl.cluster.catalog import SET, ConfigChange, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.server.log_cleaner import LogCleaner
from impl.storage import cleaner
from impl.storage.batch import SIZE_POSITION
from impl.storage.limits import SegmentLimits
from impl.storage.segment import LOG
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import must
from impl.tests.logs import pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

Planted = Callable[..., Any]
HOME: Final = Path("/disk")
TURNS: Final = 50
DAY_MS: Final = 86_400_000
GROUP_LIMITS: Final = SegmentLimits(bytes_max=100, age_ms_max=0, index_bytes_max=24, index_interval_bytes=0)
FAR: Final = 2**31
DIRTY: Final = ("somewhat", "half", "mostly")  # topics of which one segment is dirty, two, and three of four


class Clock:
    """A clock that is set."""

    now_ms = NOW

    def __call__(self) -> int:
        return self.now_ms


def open_broker(clock: Clock) -> Broker:
    """A broker on a disk of its own, whose log cleaner rests for a tenth of a second."""
    return Broker(SimulatedFileSystem(), HOME, BrokerConfig({"log.cleaner.backoff.ms": "100"}), 1, clock)


def create(broker: Broker, topic: str, configs: dict[str, str]) -> Partition:
    """The partition of a new topic, with a segment for each batch of `send`."""
    configs = {"cleanup.policy": "compact", "segment.bytes": "110"} | configs
    broker.create_topic(broker.catalog.check_creation(TopicRequest(topic, 1, configs=configs)))
    return broker.partition(topic, 0)


def send(partition: Partition, count: int, now_ms: int = NOW) -> None:
    """Append batches of one record, all with the same key."""
    for _ in range(count):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)], time_ms=now_ms)), now_ms)


@attrs.frozen
class Sizes:
    """What counts of a segment as groups are made."""

    base_offset: int
    size: int
    index_bytes: tuple[int, int] = (0, 0)


# Segments, where the part ends that is to be compacted, and the base offsets of each group.
GROUPS: Final[tuple[tuple[list[Sizes], int, list[list[int]]], ...]] = (
    ([], 0, []),
    ([Sizes(0, 500), Sizes(1, 1), Sizes(2, 1)], 3, [[0], [1, 2]]),
    ([Sizes(0, 40), Sizes(1, 60), Sizes(2, 1)], 3, [[0, 1], [2]]),
    ([Sizes(0, 40), Sizes(1, 61), Sizes(2, 39)], 3, [[0], [1, 2]]),
    ([Sizes(0, 1, (8, 0)), Sizes(1, 1, (16, 0)), Sizes(2, 1, (8, 0))], 3, [[0, 1], [2]]),
    ([Sizes(0, 1, (0, 12)), Sizes(1, 1, (0, 12)), Sizes(2, 1, (0, 12))], 3, [[0, 1], [2]]),
    ([Sizes(0, 1, (24, 0)), Sizes(1, 1, (0, 24))], 2, [[0, 1]]),  # each index has room of its own
    ([Sizes(0, 1), Sizes(1, 1)], FAR, [[0, 1]]),
    ([Sizes(0, 1), Sizes(1, 1)], FAR + 1, [[0], [1]]),
    ([Sizes(7, 1), Sizes(8, 1), Sizes(7 + FAR, 1)], 8 + FAR, [[7, 8], [7 + FAR]]),
    ([Sizes(7, 1), Sizes(8, 1), Sizes(8 + FAR, 1)], 9 + FAR, [[7], [8], [8 + FAR]]),
    ([Sizes(0, 1), Sizes(1, 0), Sizes(2 * FAR, 0), Sizes(3 * FAR, 1)], 4 * FAR, [[0, 1, 2 * FAR], [3 * FAR]]),
)

# -- checks ----------------------------------------------------------------------------------------------------------


def check_groups() -> None:
    """Segments become one as long as their bytes, each index, and the span of their offsets allow. Raises Violation."""
    log: Any = SimpleNamespace(limits=GROUP_LIMITS)
    for sizes, end, expected in GROUPS:
        segments: list[Any] = [*sizes]
        found = [[segment.base_offset for segment in group] for group in cleaner._groups(segments, end, log)]
        must(found == expected, f"{sizes} up to {end} become {found}, not {expected}")


def check_the_dirtiest_first() -> None:
    """Logs are compacted in the order of their dirty part, whatever that of their topics is. Raises Violation."""
    for topics in permutations(DIRTY):
        broker = open_broker(Clock())
        for topic in topics:
            send(create(broker, topic, {"min.cleanable.dirty.ratio": "0"}), 5)  # the last is in the active segment
            broker.clean_offsets.put(topic, 0, 3 - DIRTY.index(topic))
        worker = LogCleaner(broker)
        for done in range(1, len(DIRTY) + 1):
            worker.step(NOW)
            clean = [topic for topic in DIRTY if broker.clean_offsets.get(topic, 0) == 4]
            must(clean == [*DIRTY[-done:]], f"of {topics} {clean} are compacted after {done} passes")
        worker.close()
        broker.close()


def check_retention_beside_compaction() -> None:
    """A compacted topic becomes too old while there is always another one that is to be compacted. Raises Violation."""
    clock = Clock()
    broker = open_broker(clock)
    old = create(broker, "old", {"cleanup.policy": "compact,delete", "retention.ms": "1000"})
    busy = create(broker, "busy", {"min.cleanable.dirty.ratio": "0"})
    send(old, 5)
    keeper = Housekeeping(broker)
    for _ in range(TURNS):
        send(busy, 2, clock.now_ms)
        keeper.run()
        clock.now_ms += 1000
    start, end = old.log.log_start_offset, old.log.log_end_offset
    keeper.close()
    broker.close()
    must(start == end, f"the log starts at {start}, though all up to {end} is too old")


def check_retention_of_what_can_not_be_compacted() -> None:
    """A log that the cleaner gave up keeps all it has until it is no longer to be compacted. Raises Violation."""
    clock = Clock()
    broker = open_broker(clock)
    limits = {"cleanup.policy": "compact,delete", "retention.ms": "1000"}
    damaged, other = (create(broker, topic, limits) for topic in ("damaged", "other"))
    for partition in (damaged, other):
        send(partition, 5)
    broker._files.open(damaged.log.segments[1].path(LOG)).write_at(SIZE_POSITION, [bytes(4)])
    keeper = Housekeeping(broker)
    for _ in range(TURNS):
        keeper.run()
        clock.now_ms += 1000
    must(other.log.log_start_offset == other.log.log_end_offset, "what was compacted is kept though it is too old")
    must(damaged.log.log_start_offset == 0, "segments go from a log that can't be compacted")
    broker.reconfigure_topic(broker.catalog.change_configs("damaged", [ConfigChange("cleanup.policy", SET, "delete")]))
    clock.now_ms += DAY_MS
    keeper.run()
    must(damaged.log.log_start_offset > 0, "a log that need not be compacted keeps what is too old")
    keeper.close()
    broker.close()


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_groups,
    check_the_dirtiest_first,
    check_retention_beside_compaction,
    check_retention_of_what_can_not_be_compacted,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _when_idle(_: Any) -> Planted:
    """Let old segments go when nothing is to be compacted."""

    def compact(self: Any, cleaner: Any, now_ms: int) -> None:
        if not cleaner.step(now_ms):
            self._cleaner_due_ms = now_ms + self._cleaner_pause_ms
            self._delete_old_segments(compacted=True, now_ms=now_ms)

    return compact


def _when_not_running(_: Any) -> Planted:
    """Let old segments go from any log that is not being compacted now."""
    return lambda self, partition: self._cleaner is not None and self._cleaner.partition is partition


def _whatever_its_policy(_: Any) -> Planted:
    """Let nothing go from a log that was given up, though its topic is no longer compacted."""
    return lambda self, partition: self._cleaner is not None and self._cleaner.has_given_up(partition)


def _with_limits(**changes: int) -> Callable[[Any], Planted]:
    """Make groups by other limits."""

    def plant(right: Any) -> Planted:
        return lambda segments, end, log: right(
            segments, end, SimpleNamespace(limits=attrs.evolve(log.limits, **changes))
        )

    return plant


def _with_indexes(change: Callable[[int, int], tuple[int, int]]) -> Callable[[Any], Planted]:
    """Make groups as if the indexes had other sizes."""

    def plant(right: Any) -> Planted:
        return lambda segments, *rest: right(
            [attrs.evolve(each, index_bytes=change(*each.index_bytes)) for each in segments], *rest
        )

    return plant


def _with_ratios(change: Callable[[float], float]) -> Callable[[Any], Any]:
    """Take the dirty part of a log for another one."""
    return lambda right: property(lambda self: change(right.fget(self)))


GROUPED: Final = "impl.storage.cleaner._groups"
SPAN: Final = "impl.storage.cleaner.RELATIVE_OFFSET_MAX"
RATIO: Final = "impl.storage.cleaner.Cleanable.ratio"
KEEPER: Final = "impl.server.housekeeping.Housekeeping"
BUGS: Final = (
    StorageBug("compaction makes segments of any size", GROUPED, _with_limits(bytes_max=1 << 60)),
    StorageBug("compaction makes indexes of any size", GROUPED, _with_limits(index_bytes_max=1 << 60)),
    StorageBug("only the index of offsets is bounded", GROUPED, _with_indexes(lambda offsets, _: (offsets, 0))),
    StorageBug("only the index of times is bounded", GROUPED, _with_indexes(lambda _, times: (0, times))),
    StorageBug("the larger index counts for both", GROUPED, _with_indexes(lambda *both: (max(both), max(both)))),
    StorageBug("compaction makes segments of any span", SPAN, lambda _: 1 << 62),
    StorageBug("compaction makes segments of a span too large by one", SPAN, lambda right: right + 1),
    StorageBug("the cleanest log is compacted first", RATIO, _with_ratios(lambda ratio: 1 / (1 + ratio))),
    StorageBug("any dirty log is compacted first", RATIO, _with_ratios(lambda ratio: float(ratio > 0))),
    StorageBug("retention waits for compaction", f"{KEEPER}._compact", _when_idle),
    StorageBug("retention takes from logs that were given up", f"{KEEPER}._is_left_alone", _when_not_running),
    StorageBug("logs that were given up are kept for ever", f"{KEEPER}._is_left_alone", _whatever_its_policy),
)
