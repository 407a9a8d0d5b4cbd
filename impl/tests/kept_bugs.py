"""Bugs in what a log keeps beside its batches, believes at a start, and rolls by; and the checks that see each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import attrs

from impl.server.log_cleaner import LogCleaner
from impl.storage.batch import parse_header
from impl.storage.checkpoints import HIGH_WATERMARKS, RECOVERY_POINTS, read_offsets
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory
from impl.storage.recovery import LogRecovery, LogStart
from impl.storage.segment import INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX, Segment, file_name
from impl.storage.simulated import SimulatedFile, SimulatedFileSystem
from impl.storage.snapshots import SUFFIX, Snapshots
from impl.tests.cleaner_bugs import Clock, create, open_broker, send
from impl.tests.durability import DATA, NAME, SETTINGS, must
from impl.tests.limits import BY_AGE, LARGE, LIMITS
from impl.tests.logs import compact, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW, append, make_batch, records

HOME: Final = Path("/home/t-0")
CLEAN: Final = LogStart(was_clean=True, recovery_point=1 << 40, producer_age_ms_max=1 << 60)
BATCHES: Final = 12
READ_MAX: Final = (
    150_000  # bytes of each segment that a clean start may read: two windows, for its indexes, and its end
)
HOME_OF_BROKER: Final = Path("/disk")
Planted = Callable[..., Any]

# -- checks ----------------------------------------------------------------------------------------------------------


def _produced(log: Log, count: int, size: int = 50) -> bytearray:
    """Append batches of a producer; answers the last one."""
    for sequence in range(count):
        batch = make_batch(records(b"x" * size), producer_id=4, producer_epoch=1, base_sequence=sequence)
        append(log, batch)
    return make_batch(records(b"x" * size), producer_id=4, producer_epoch=1, base_sequence=count - 1)


def _snapshots(files: SimulatedFileSystem) -> list[int]:
    """The offsets of the snapshots that are there."""
    return [int(name.removesuffix(SUFFIX)) for name in files.list_names(HOME) if name.endswith(SUFFIX)]


def check_snapshots_of_deleted_segments() -> None:
    """A snapshot goes with its segment when retention lets it go. Raises Violation."""
    files = SimulatedFileSystem()
    log = Log(files, HOME, LIMITS, NOW)
    _produced(log, BATCHES)
    gone = {segment.base_offset for segment in log.delete_oldest(2, NOW)}
    must(not gone & {*_snapshots(files)}, f"of the segments {gone} there are snapshots: {_snapshots(files)}")


def check_snapshots_of_compacted_segments() -> None:
    """A snapshot goes with its segment when others take its place. Raises Violation."""
    files = SimulatedFileSystem()
    log = Log(files, HOME, LARGE, NOW)
    for _ in range(3):
        append(log, pairs_batch([(b"a", b"1")]))
        log.roll(NOW)
    compact(log)
    bases = [segment.base_offset for segment in log.segments]
    must(len(bases) == 2, f"nothing was put together: {bases}")
    must({*_snapshots(files)} <= {*bases}, f"of the segments {bases} there are snapshots: {_snapshots(files)}")


def check_stray_snapshots() -> None:
    """Snapshots that earlier stops left inside of a segment go at the next start, but for the newest.

    Raises Violation.
    """
    files = SimulatedFileSystem()
    for _ in range(3):
        log = Log(files, HOME, LARGE, NOW, CLEAN)
        _produced(log, 2)
        log.close()
    Log(files, HOME, LARGE, NOW, CLEAN)
    must(_snapshots(files) == [6], f"there are snapshots at {_snapshots(files)}")


def check_damaged_snapshots() -> None:
    """A damaged snapshot is removed, and the producers are found in the batches. Raises Violation."""
    for size in (0, 1, 20, -1):  # what is left of it; -1: all, with a bit flipped
        files = SimulatedFileSystem()
        log = Log(files, HOME, LARGE, NOW)
        last = parse_header(_produced(log, 3))
        log.close()
        path = HOME / file_name(3, SUFFIX)
        content = bytearray(files.read_file(path))
        content[-20] ^= 1
        files.replace_file(path, bytes(content if size < 0 else content[:size]))
        again = Log(files, HOME, LARGE, NOW, CLEAN)
        found = again.producers.find_duplicate(last)
        must(found is not None and found.last_offset == 2, f"with {size} bytes of the snapshot: {found=}")
        must(not files.exists(path), f"a damaged snapshot of {size} bytes is still there")


def check_what_a_clean_start_reads() -> None:
    """A start after a clean stop reads no segment through, and no batch to know the producers. Raises Violation."""
    files = SimulatedFileSystem()
    limits = attrs.evolve(LARGE, bytes_max=400_000, index_interval_bytes=200)
    log = Log(files, HOME, limits, NOW)
    _produced(log, 150, 5000)
    log.close()
    sizes = [segment.size for segment in log.segments]
    must(len(sizes) > 1 and min(sizes) > 2 * READ_MAX, f"too little to read: {sizes}")
    read: list[int] = []
    right = SimulatedFile.read_at

    def read_at(self: SimulatedFile, position: int, size: int) -> bytes:
        data = right(self, position, size)
        if self.path.suffix == LOG:
            read.append(len(data))
        return data

    with patch.object(SimulatedFile, "read_at", read_at):
        Log(files, HOME, limits, NOW, CLEAN)
    must(sum(read) <= READ_MAX * len(log.segments), f"{sum(read)} bytes are read of {len(log.segments)} segments")


def check_high_watermarks_at_a_stop() -> None:
    """A clean stop writes down how far each log was committed. Raises Violation."""
    files = SimulatedFileSystem()
    directory = LogDirectory(files, DATA)
    directory.open_all({NAME: SETTINGS}, NOW)
    append(directory.logs[NAME], make_batch(records(b"a")))
    directory.close()
    path = DATA / HIGH_WATERMARKS
    must(files.exists(path) and read_offsets(files, path) == {NAME: 1}, "the high watermark is not written down")


def check_rolls_with_changed_limits() -> None:
    """The active segment is full by the limits of now, not by those that it was made with. Raises Violation."""
    size = len(make_batch(records(b"a")))
    for made_with, changed_to, starts in (
        (LARGE, attrs.evolve(LARGE, bytes_max=2 * size), [0, 2]),
        (attrs.evolve(LARGE, bytes_max=2 * size), LARGE, [0]),
        (LARGE, BY_AGE, [0, 2]),
        (BY_AGE, LARGE, [0]),
    ):
        log = Log(SimulatedFileSystem(), HOME, made_with, NOW)
        append(log, make_batch(records(b"a"), time_ms=NOW))
        append(log, make_batch(records(b"a"), time_ms=NOW))
        log.limits = changed_to
        append(log, make_batch(records(b"a"), time_ms=NOW + BY_AGE.age_ms_max + 1))
        bases = [segment.base_offset for segment in log.segments]
        must(bases == starts, f"segments at {bases}, after {made_with} became {changed_to}")


def check_the_time_0() -> None:
    """A segment whose first record is of 1970 is as old as its records say. Raises Violation."""
    log = Log(SimulatedFileSystem(), HOME, BY_AGE, NOW)
    for time_ms in (0, BY_AGE.age_ms_max, BY_AGE.age_ms_max + 1):
        append(log, make_batch(records(b"a"), time_ms=time_ms))
    bases = [segment.base_offset for segment in log.segments]
    must(bases == [0, 2], f"the segments begin at {bases}")


def check_jitter_of_each_segment() -> None:
    """Each segment of a log has a jitter of its own. Raises Violation."""
    log = Log(SimulatedFileSystem(), HOME, attrs.evolve(LIMITS, jitter_ms_max=1 << 20), NOW)
    _produced(log, BATCHES)
    drawn = [segment.jitter_ms for segment in log.segments]
    must(len({*drawn}) == len(drawn) > 2, f"the jitters are {drawn}")


def check_epochs_at_a_start() -> None:
    """Epochs in which nothing of the log was written are not told, though the checkpoint has them. Raises Violation."""
    files = SimulatedFileSystem()
    log = Log(files, HOME, LARGE, NOW)
    for epoch in range(4):
        log.epochs.assign(epoch, log.log_end_offset)
        append(log, make_batch(records(b"a")), epoch)
    log.epochs.assign(7, log.log_end_offset)  # a leader that has not appended anything
    log.close()
    again = Log(files, HOME, LARGE, NOW, attrs.evolve(CLEAN, log_start_offset=2))
    told = [(each.epoch, each.start_offset) for each in again.epochs.entries]
    must(told == [(2, 2), (3, 3)], f"the epochs are {told}")
    must(again.last_epoch == 7, f"the next epoch would follow {again.last_epoch}")


def check_indexes_without_a_segment() -> None:
    """Indexes that no segment belongs to go: one that is made there later would take them for its own.

    Raises Violation.
    """
    files = SimulatedFileSystem()
    log = Log(files, HOME, LARGE, NOW)
    append(log, make_batch(records(b"a")))
    log.close()
    strays = [HOME / file_name(1, suffix) for suffix in (INDEX, TIME_INDEX, TRANSACTION_INDEX)]
    for path in strays:
        files.replace_file(path, b"\0" * 24)
    Log(files, HOME, LARGE, NOW, CLEAN)
    left = [path.name for path in strays if files.exists(path)]
    must(not left, f"{left} belong to no segment")


def check_what_is_flushed_before_a_compaction() -> None:
    """What is to be compacted is before the recovery point that is written down, also after a kill.

    Raises Violation.
    """
    clock = Clock()
    broker = open_broker(clock)
    partition = create(broker, "t", {"min.cleanable.dirty.ratio": "0"})
    partition.log.on_roll = None  # nothing of it is flushed by itself
    partition.log.may_have_gaps = False
    send(partition, 4)
    end = partition.log.active.base_offset
    must(partition.log.recovery_point < end, "it is flushed already")
    must(LogCleaner(broker).step(NOW), "nothing is compacted")
    found = read_offsets(broker._files, HOME_OF_BROKER / RECOVERY_POINTS).get(("t", 0), 0)
    must(found >= end, f"the recovery point is {found}, and it is compacted up to {end}")


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_snapshots_of_deleted_segments,
    check_snapshots_of_compacted_segments,
    check_stray_snapshots,
    check_damaged_snapshots,
    check_what_a_clean_start_reads,
    check_high_watermarks_at_a_stop,
    check_rolls_with_changed_limits,
    check_the_time_0,
    check_jitter_of_each_segment,
    check_epochs_at_a_start,
    check_indexes_without_a_segment,
    check_what_is_flushed_before_a_compaction,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _nothing(_: Any) -> Planted:
    """Do nothing."""
    return lambda *_, **__: None


def _without(owner: type, name: str, instead: Planted = lambda *_, **__: None) -> Callable[[Any], Planted]:
    """Do what is right, while a method of a class does nothing."""

    def plant(right: Any) -> Planted:
        def do(*rest: Any) -> Any:
            with patch.object(owner, name, instead):
                return right(*rest)

        return do

    return plant


def _read_all(right: Any) -> Planted:
    """Read every segment that is believed."""

    def trust(self: LogRecovery, number: int) -> None:
        list(self.segments[number].batches_from(0))
        right(self, number)

    return trust


def _by_limits_of_then(right: Any) -> Planted:
    """Roll by the limits that the active segment was made with."""

    def roll_for(self: Log, *rest: Any) -> None:
        limits, self.limits = self.limits, self.active.limits
        try:
            right(self, *rest)
        finally:
            self.limits = limits

    return roll_for


def _no_time_is_0(right: Any) -> Planted:
    """Take the time 0 for none."""

    def waited_ms(self: Segment, now_ms: int, batch_max_timestamp: int) -> int:
        first = self.first_batch_timestamp()
        return int(right(self, now_ms, batch_max_timestamp)) if first else now_ms - self._created_ms

    return waited_ms


BUGS: Final = (
    StorageBug(
        "snapshots outlive deleted segments", "impl.storage.log.Log.delete_oldest", _without(Snapshots, "remove")
    ),
    StorageBug("snapshots outlive compacted segments", "impl.storage.log.Log.replace", _without(Snapshots, "remove")),
    StorageBug("stray snapshots stay", "impl.storage.snapshots.Snapshots.remove_strays", _nothing),
    StorageBug(
        "damaged snapshots stay",
        "impl.storage.snapshots.Snapshots._load_newest",
        _without(SimulatedFileSystem, "remove"),
    ),
    StorageBug("a clean start reads all", "impl.storage.recovery.LogRecovery._trust", _read_all),
    StorageBug("no snapshot at a clean stop", "impl.storage.log.Log.close", _without(Snapshots, "write")),
    StorageBug(
        "no high watermarks at a stop",
        "impl.storage.log_directory.LogDirectory.close",
        _without(LogDirectory, "checkpoint_high_watermarks"),
    ),
    StorageBug("rolls by earlier limits", "impl.storage.log.Log.roll_for", _by_limits_of_then),
    StorageBug("the time 0 is none", "impl.storage.segment.Segment._waited_ms", _no_time_is_0),
    StorageBug(
        "one jitter for all segments",
        "impl.storage.limits.SegmentLimits.draw_jitter_ms",
        lambda right: lambda self, path: right(self, path.parent),
    ),
    StorageBug("epochs after the end stay", "impl.storage.checkpoints.LeaderEpochs.truncate_from_end", _nothing),
    StorageBug("epochs before the start stay", "impl.storage.checkpoints.LeaderEpochs.truncate_from_start", _nothing),
    StorageBug("indexes without a segment stay", "impl.storage.log.finish_interrupted", _nothing),
    StorageBug(
        "a compaction flushes nothing before it",
        "impl.server.log_cleaner.LogCleaner._note_gaps",
        _without(Log, "flush_job", lambda *_: lambda: None),
    ),
)
