"""Bits that flip in the indexes of a log, the checks that its answers stay right, and bugs that each of them sees."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import attrs

from impl.storage.indexes import OFFSET_ENTRY, TIME_ENTRY, OffsetIndex
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.segment import INDEX, TIME_INDEX, Segment
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import Violation
from impl.tests.logs import pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append

HOME: Final = Path("/logs/t-0")
BATCHES: Final = 18  # of two records each, in two segments
TIMES: Final[dict[str, Callable[[int], int]]] = {
    "rising": lambda number: 2 * number,
    "in runs": lambda number: number // 7,
    "constant": lambda _: 0,
    "in disorder": lambda number: number * 5 % 13,
}
Answers = dict[str, list[int | None]]  # by the index that leads to them


@attrs.frozen(slots=False)
class Indexed:
    """A log that was closed cleanly, and when each of its records was made."""

    files: SimulatedFileSystem
    record_times: tuple[int, ...]

    def open(self) -> Log:
        """The log, on a disk that is not changed."""
        files = self.files.after_kill()
        start = LogStart(was_clean=True, recovery_point=2 * BATCHES, producer_age_ms_max=1 << 60)
        return open_log(files, start)

    @cached_property
    def right_answers(self) -> Answers:
        """What lookups answer that look at every record: see `answers`."""
        times = self.record_times
        earliest = [next((at for at, time in enumerate(times) if time >= target), None) for target in targets(times)]
        read: list[int | None] = [offset - offset % 2 for offset in range(2 * BATCHES)]
        return {INDEX: read, TIME_INDEX: [*earliest, times.index(max(times))]}


def open_log(files: SimulatedFileSystem, start: LogStart | None = None) -> Log:
    """A log with many index entries."""
    return Log(files, HOME, attrs.evolve(LIMITS, bytes_max=950, index_interval_bytes=150), NOW, start)


def indexed(time_of: Callable[[int], int]) -> Indexed:
    """A log whose batches have times after `NOW` by their number."""
    log = open_log(files := SimulatedFileSystem())
    for number in range(BATCHES):
        append(log, pairs_batch([(b"a", b"v"), (b"b", b"v" * 20)], time_ms=NOW + time_of(number)))
    log.close()
    if len(log.segments) != 2:
        raise AssertionError(log.segments)
    return Indexed(files, tuple(NOW + time_of(number) + each for number in range(BATCHES) for each in range(2)))


def targets(times: Sequence[int]) -> range:
    """Times to look for."""
    return range(min(times) - 1, max(times) + 2)


def answers(log: Log, times: Sequence[int], suffix: str) -> list[int | None]:
    """Which batch is read for each offset; or what is found for each time, and where the largest time is."""
    if suffix == INDEX:
        batches = [next(log.batches(offset), None) for offset in range(2 * BATCHES)]
        return [found and found[0].base_offset for found in batches]
    looked_up = [*map(log.find_timestamp, targets(times)), log.find_max_timestamp()]
    return [None if at is None else at.offset for at in looked_up]


def bits(log: Indexed, suffix: str) -> Iterator[tuple[Path, int, int]]:
    """Each bit of the indexes of both segments."""
    for base_offset in (segment.base_offset for segment in log.open().segments):
        path = HOME / f"{base_offset:020d}{suffix}"
        size = len(log.files.read_file(path))
        yield from ((path, place, bit) for place in range(size) for bit in range(8))


def check_flips_before_a_start(suffix: str, time_of: Callable[[int], int]) -> None:
    """Flip a bit while the log is closed. Raises Violation."""
    log = indexed(time_of)
    for path, place, bit in bits(log, suffix):
        flipped = attrs.evolve(log, files=log.files.after_kill())
        flipped.files.content(path).flip(place, bit)
        must_be_right(flipped.open(), log, suffix, f"bit {bit} of byte {place} of {path} flips before a start")


def check_flips_under_an_open_log(suffix: str, time_of: Callable[[int], int]) -> None:
    """Flip a bit after the indexes were looked at, and back. Raises Violation."""
    log = indexed(time_of)
    opened = log.open()
    files = opened._files
    if not isinstance(files, SimulatedFileSystem):
        raise TypeError(files)
    for path, place, bit in bits(log, suffix):
        files.content(path).flip(place, bit)
        must_be_right(opened, log, suffix, f"bit {bit} of byte {place} of {path} flips while the log is open")
        files.content(path).flip(place, bit)


def must_be_right(opened: Log, log: Indexed, suffix: str, what: str) -> None:
    """Look up all that an index leads to. Raises Violation."""
    try:
        found = answers(opened, log.record_times, suffix)
        must_reach_beyond(opened)
    except Exception as error:
        raise Violation(f"{what}: {error!r}") from error
    if found != log.right_answers[suffix]:
        raise Violation(f"{what}: {found} is answered")


def must_reach_beyond(log: Log) -> None:
    """No batch before a position reaches the offset that is answered for it. Raises Violation."""
    for segment in log.segments:
        for batch in segment.batches_from(0):
            end = segment.offset_after(batch.position + batch.header.size)
            if end is not None and end <= batch.header.last_offset:
                raise Violation(f"{end} is said to be after {batch.header}")


def check_that_lookups_are_short() -> None:
    """An entry whose offset is far too large hides no entry after it, nor one that is too small those before it."""
    log = indexed(TIMES["rising"])
    last = 2 * BATCHES - 1
    for bit in range(8):
        flipped = attrs.evolve(log, files=log.files.after_kill())
        path = log.open().active.path(INDEX)
        entries = len(log.files.read_file(path)) // OFFSET_ENTRY.size
        flipped.files.content(path).flip(entries // 2 * OFFSET_ENTRY.size, bit)
        opened = flipped.open().active
        for offset in (opened.base_offset, last):
            walked = 0
            for batch in opened.batches_to(offset):
                walked += 1
                if batch.header.last_offset >= offset:
                    break
            if walked > 3:
                raise Violation(f"{walked} batches are looked at for offset {offset}")


def appended_together(log: Indexed, count: int = 5) -> Indexed:
    """The same log with the indexes that Kafka makes of batches that are appended several at a time, as a follower's.

    An entry has the position of the first and the last offset of the last (`LogSegment.append`).
    """
    files = log.files.after_kill()
    for segment in log.open().segments:
        found = list(segment.batches_from(0))
        offsets, times, latest = b"", b"", -1
        for begin in range(0, len(found), count):
            together = found[begin : begin + count]
            best = max(together, key=lambda each: each.header.max_timestamp)  # the first of them
            if best.header.max_timestamp > latest:
                latest = best.header.max_timestamp
                times += TIME_ENTRY.pack(latest, best.header.last_offset - segment.base_offset)
            if begin:
                last_offset = together[-1].header.last_offset
                offsets += OFFSET_ENTRY.pack(last_offset - segment.base_offset, together[0].position)
        files.replace_file(segment.path(INDEX), offsets)
        files.replace_file(segment.path(TIME_INDEX), times)
    return attrs.evolve(log, files=files)


def run_checks() -> None:
    """Run the checks up to the first that fails. Raises Violation."""
    check_that_lookups_are_short()
    for suffix in (INDEX, TIME_INDEX):
        check_flips_before_a_start(suffix, TIMES["in runs"])
        check_flips_under_an_open_log(suffix, TIMES["in runs"])


def _believe_positions(_: Any) -> Callable[..., Any]:
    def batches_to(segment: Segment, index: OffsetIndex, offset: int) -> Any:
        return segment.batches_from(next(index.positions_before(offset), 0))

    return batches_to


def _believe_times(_: Any) -> Callable[..., Any]:
    return lambda segment, _, offset: segment.batches_to(offset)


def _look_at_one(_: Any) -> Callable[..., Any]:
    """Look at what an entry's batch has, and not at those before it."""

    def from_first_with(segment: Segment, timestamp: int, offset: int) -> Any:
        found = segment.find(offset)
        is_right = found is not None and found.header.max_timestamp == timestamp
        return segment.batches_to(offset) if is_right else None

    return from_first_with


def _believe_ends(_: Any) -> Callable[..., Any]:
    def offset_after(_: Segment, index: OffsetIndex, position: int) -> int | None:
        entry = index.entry_after(position)
        return entry and entry[0]

    return offset_after


def _search_once(_: Any) -> Callable[..., int]:
    def floor(self: OffsetIndex, key: int, field: int = 0, *, end: int | None = None) -> int:
        return self._search(key, field, 0, self.count if end is None else end)

    return floor


BUGS: Final = (
    StorageBug("any position is believed", "impl.storage.segment.batches_to", _believe_positions),
    StorageBug("any time is believed", "impl.storage.lookups.from_first_with", _believe_times),
    StorageBug("a later batch of the same time is believed", "impl.storage.lookups.from_first_with", _look_at_one),
    StorageBug("a later largest time is believed", "impl.storage.segment.from_first_with", _believe_times),
    StorageBug("any end is believed", "impl.storage.segment.offset_after", _believe_ends),
    StorageBug("one entry hides others", "impl.storage.indexes.OffsetIndex._floor", _search_once),
)
