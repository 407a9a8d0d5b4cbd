"""Bugs by which a broker's checkpoints are in the wrong place, or written at the wrong time, and the checks."""

from collections.abc import Callable, Collection
from errno import EIO
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from impl.cluster.catalog import SET, ConfigChange, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import StorageError
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.clean_offsets import CleanOffsets
from impl.server.housekeeping import Housekeeping
from impl.server.log_cleaner import LogCleaner
from impl.server.log_directories import LogDirectories
from impl.storage.checkpoints import (
    CLEANER_OFFSETS,
    CORRUPT,
    HIGH_WATERMARKS,
    LEADER_EPOCHS,
    LOG_START_OFFSETS,
    META_PROPERTIES,
    RECOVERY_POINTS,
    read_offsets,
)
from impl.storage.faults import Fault
from impl.storage.log_directory import LogDirectory, LogName
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import FIRST, PARTITIONS, PATHS, SECOND, append, failing, filled, open_broker, read
from impl.tests.durability import must
from impl.tests.logs import contents, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

Planted = Callable[..., Any]
SEGMENT_BYTES: Final = "110"
RECORDS: Final = 5
CLEAN_TO: Final = RECORDS - 1  # the last record is in the active segment
COMMITTED_MS: Final = 5_000
FLUSHED_MS: Final = 60_000
NO_NUMBERS: Final = ("99999999999999999999999", "-7", "1_0")  # none that Kafka writes; Python takes them all


def lines(files: SimulatedFileSystem, directory: Path, name: str) -> dict[LogName, int]:
    """What a checkpoint of offsets says of partitions; nothing if there is none."""
    return {key: offset for key, offset in read_offsets(files, directory / name).items() if key[1] >= 0}


def compacted(files: SimulatedFileSystem) -> Broker:
    """A broker whose three directories hold partitions, all of which are compacted."""
    broker = open_broker(files)
    configs = {"cleanup.policy": "compact", "segment.bytes": SEGMENT_BYTES}
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS, configs=configs)))
    for partition in broker.partitions.values():
        for _ in range(RECORDS):
            partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)
    compact_all(broker)
    return broker


def compact_all(broker: Broker) -> None:
    """Compact what is due."""
    cleaner = LogCleaner(broker)
    while cleaner.step(NOW):
        pass


def by_home(broker: Broker) -> dict[Path, Partition]:
    """A partition of each directory."""
    found = {partition.log.directory.parent: partition for partition in broker.partitions.values()}
    assert found.keys() == set(PATHS)
    return found


# -- checks ----------------------------------------------------------------------------------------------------------


def check_that_clean_offsets_are_where_their_logs_are() -> None:
    """Before and after a restart, and after the topic was deleted. Raises Violation."""
    files = SimulatedFileSystem()
    broker = compacted(files)
    homes = {name: partition.log.directory.parent for name, partition in broker.partitions.items()}
    for again in (False, True):
        for path in PATHS:
            found = lines(files, path, CLEANER_OFFSETS)
            must(found == {name: CLEAN_TO for name in homes if homes[name] == path}, f"{path} says {found}")
        for name in homes:
            must(broker.clean_offsets.get(*name) == CLEAN_TO, f"nobody knows how far {name} is clean")
            must(broker.clean_offsets.may_have_gaps(*name), f"nobody knows that {name} may have gaps")
        if not again:
            broker.close()
            broker = open_broker(files)
    broker.delete_topic("t")
    left = [path for path in PATHS if lines(files, path, CLEANER_OFFSETS)]
    must(not left, f"a topic that is gone is in {left}")


def check_that_clean_offsets_of_topics_that_are_gone_go() -> None:
    """The broker is killed before it has forgotten how far a deleted topic was clean. Raises Violation."""
    files = SimulatedFileSystem()
    broker = compacted(files)
    with patch.object(CleanOffsets, "forget"):
        broker.delete_topic("t")
    again = open_broker(files.after_kill())
    again.create_topic(again.catalog.check_creation(TopicRequest("t", PARTITIONS)))
    known = [index for index in range(PARTITIONS) if again.clean_offsets.may_have_gaps("t", index)]
    must(not known, f"partitions {known} of a new topic are taken for what an old one was")


def check_that_gaps_stay_known() -> None:
    """A checkpoint of clean offsets was damaged, or lost, before the last start but one. Raises Violation."""
    for is_lost in (False, True):
        files = SimulatedFileSystem()
        broker = compacted(files)
        broker.reconfigure_topic(broker.catalog.change_configs("t", [ConfigChange("cleanup.policy", SET, "delete")]))
        before = {name: contents(partition.log) for name, partition in broker.partitions.items()}
        broker.close()
        for path in PATHS:
            if is_lost:
                files.remove(path / CLEANER_OFFSETS)
            else:
                files.replace_file(path / CLEANER_OFFSETS, b"?")
        open_broker(files)
        left = files.after_kill()
        for path in PATHS:  # so that all of each log is recovered
            left.replace_file(path / RECOVERY_POINTS, b"?")
        again = open_broker(left)
        found = {name: contents(partition.log) for name, partition in again.partitions.items()}
        must(found == before, f"{before} became {found}")
        again.create_topic(again.catalog.check_creation(TopicRequest("new")))
        must(not again.clean_offsets.may_have_gaps("new", 0), "a new log may have gaps")
        again.close()


def check_that_what_is_offline_has_no_say() -> None:
    """A checkpoint is neither read nor written in a directory that is offline. Raises Violation."""
    files = SimulatedFileSystem()
    broker = compacted(files)
    index = by_home(broker)[SECOND].index
    broker.close()
    before = files.read_file(SECOND / CLEANER_OFFSETS)
    with failing(files, Fault("read", path_contains=f"{SECOND}/{META_PROPERTIES}")):
        broker = open_broker(files)
        must(broker.directories.all[1].failure is not None, "the second directory is in use")
        must(broker.clean_offsets.get("t", index) is None, "what is offline is read")
        broker.close()
    broker = open_broker(files)
    broker.directories.fail(StorageError("write", SECOND, EIO))
    broker.delete_topic("t")
    must(files.read_file(SECOND / CLEANER_OFFSETS) == before, "what is offline is written")
    broker.close()


def check_when_checkpoints_are_written() -> None:
    """They are written when they are due by the clock, and not before. Raises Violation."""
    for settings, committed_ms, flushed_ms in (
        ({}, COMMITTED_MS, FLUSHED_MS),
        (
            {
                "replica.high.watermark.checkpoint.interval.ms": "700",
                "log.flush.offset.checkpoint.interval.ms": "2100",
            },
            700,
            2_100,
        ),
    ):
        with patch.object(LogDirectories, "_run_later", lambda _, job: job()):
            _check_times(settings, committed_ms, flushed_ms)


def _check_times(settings: dict[str, str], committed_ms: int, flushed_ms: int) -> None:
    """Append before each writing that is due; flush, and delete records, before the others. Raises Violation."""
    times = [NOW]
    files = SimulatedFileSystem()
    broker = Broker(files, FIRST, BrokerConfig(settings), 1, lambda: times[-1])
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t")))
    keeper = Housekeeping(broker)
    partition = broker.partition("t", 0)
    told = dict.fromkeys((HIGH_WATERMARKS, RECOVERY_POINTS, LOG_START_OFFSETS), 0)
    for now_ms in range(NOW + committed_ms, NOW + 2 * flushed_ms + 1, committed_ms):
        append(partition)
        append(partition)
        partition.log.flush()
        partition.delete_records(partition.log.log_end_offset - 1)
        for time_ms in (now_ms - 1, now_ms):
            times.append(time_ms)
            keeper.run()
            end = partition.log.log_end_offset
            if time_ms == now_ms:
                told[HIGH_WATERMARKS] = end
                if (now_ms - NOW) % flushed_ms == 0:
                    told |= {RECOVERY_POINTS: end, LOG_START_OFFSETS: end - 1}
            found = {name: lines(files, FIRST, name).get(("t", 0), 0) for name in told}
            must(found == told, f"{time_ms - NOW} ms after the start there is {found} instead of {told}")
    keeper.close()


def check_numbers_that_can_not_be() -> None:
    """They are no numbers: of a log's start, and of a leader epoch. Raises Violation."""
    for number in NO_NUMBERS:
        files = filled()
        broker = open_broker(files)
        partition = by_home(broker)[SECOND]
        home = partition.log.directory
        broker.close()
        for path, entry in (
            (SECOND / LOG_START_OFFSETS, f"t {partition.index} {number}"),
            (home / LEADER_EPOCHS, f"{number} 0"),
        ):
            files.replace_file(path, f"0\n1\n{entry}\n".encode())
        again = open_broker(files)
        for path in (SECOND / LOG_START_OFFSETS, home / LEADER_EPOCHS):
            must(files.exists(path.with_name(path.name + CORRUPT)), f"{number} in {path} is believed")
        must(all(read(each) for each in again.partitions.values()), "records are gone that were in the directory")
        again.close()


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_that_clean_offsets_are_where_their_logs_are,
    check_that_clean_offsets_of_topics_that_are_gone_go,
    check_that_gaps_stay_known,
    check_that_what_is_offline_has_no_say,
    check_when_checkpoints_are_written,
    check_numbers_that_can_not_be,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _all_in_the_first(_: Any) -> Planted:
    """One file has all entries."""

    def home(self: CleanOffsets, _: LogName) -> LogDirectory:
        return self._directories.all[0]

    return home


def _only_the_first(right: Any) -> Planted:
    """Only the first directory's file is read at the start."""
    return lambda self, path, known: right(self, path, known) if path == FIRST else None


def _whoever_is_there(right: Any) -> Planted:
    """What is read at the start is believed, whether there is such a partition or not."""
    return lambda self, path, _: right(self, path, lines(self._files, path, CLEANER_OFFSETS))


def _in_memory_only(right: Any) -> Planted:
    """The logs of a checkpoint that can't be understood are not written down."""

    def begin(self: CleanOffsets, path: Path, known: Collection[LogName]) -> None:
        right(self, path, ())
        self._offsets[path] = dict.fromkeys(known, 0)

    return begin


def _lost_is_empty(right: Any) -> Planted:
    """A checkpoint that is not there says that nothing was compacted."""

    def look(self: CleanOffsets, path: Path, known: Collection[LogName]) -> None:
        if self._files.exists(path / CLEANER_OFFSETS):
            right(self, path, known)

    return look


def _forgotten_in_the_first(_: Any) -> Planted:
    """A deleted topic is forgotten in the first directory only."""
    return lambda self, topic: self._write(
        FIRST, {name: offset for name, offset in self._offsets[FIRST].items() if name[0] != topic}
    )


def _offline_as_well(_: Any) -> Planted:
    """A directory that is offline is used as any other."""

    def in_each(self: CleanOffsets, use: Callable[[Path], None]) -> None:
        for directory in self._directories.all:
            use(directory.path)

    return in_each


def later(field: str, factor: float) -> Callable[[Any], Planted]:
    """An interval that is longer, or shorter, than it was set."""

    def plant(right: Any) -> Planted:
        def init(self: Housekeeping, broker: Broker) -> None:
            right(self, broker)
            interval_ms = int(getattr(self, f"_{field}_interval_ms") * factor)
            setattr(self, f"_{field}_interval_ms", interval_ms)
            setattr(self, f"_{field}_due_ms", broker.now_ms() + interval_ms)

        return init

    return plant


def _all_at_once(right: Any) -> Planted:
    """All checkpoints are written as often as high watermarks."""
    return lambda self, *, high_watermarks_only: right(self, high_watermarks_only=False)


def _committed_only(right: Any) -> Planted:
    """Only high watermarks are ever written."""
    return lambda self, *, high_watermarks_only: right(self, high_watermarks_only=True)


def _whatever_the_size(_: Any) -> Planted:
    """A number may be of any size, and less than it can be."""
    return lambda text, *_: int(text)


def _whatever_is_taken(_: Any) -> Planted:
    """A number may be written in any way that Python takes."""

    def number_in(text: str, least: int, most: int) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return number_in


OFFSETS: Final = "impl.server.clean_offsets.CleanOffsets"
NUMBER: Final = "impl.storage.checkpoints.number_in"
KEEPER: Final = "impl.server.housekeeping.Housekeeping"
LATER: Final = "impl.server.log_directories.LogDirectories.checkpoint_later"
BUGS: Final = (
    StorageBug("the first directory says how far all logs are clean", f"{OFFSETS}._home", _all_in_the_first),
    StorageBug("how far logs are clean is read in the first directory", f"{OFFSETS}._look", _only_the_first),
    StorageBug("a new topic is as clean as one that is gone", f"{OFFSETS}._look", _whoever_is_there),
    StorageBug("gaps are unknown once a damaged checkpoint is set aside", f"{OFFSETS}._begin", _in_memory_only),
    StorageBug("gaps are unknown once a checkpoint is lost", f"{OFFSETS}._look", _lost_is_empty),
    StorageBug("a deleted topic is forgotten in the first directory", f"{OFFSETS}.forget", _forgotten_in_the_first),
    StorageBug("directories that are offline say how far logs are clean", f"{OFFSETS}._in_each", _offline_as_well),
    StorageBug("high watermarks are written half as often", f"{KEEPER}.__init__", later("committed", 2)),
    StorageBug("high watermarks are written twice as often", f"{KEEPER}.__init__", later("committed", 0.5)),
    StorageBug("recovery points are written half as often", f"{KEEPER}.__init__", later("checkpoint", 2)),
    StorageBug("recovery points are written with high watermarks", LATER, _all_at_once),
    StorageBug("recovery points are never written", LATER, _committed_only),
    StorageBug("numbers that can not be are believed", NUMBER, _whatever_the_size),
    StorageBug("what Python takes for a number is believed", NUMBER, _whatever_is_taken),
    StorageBug("checkpoints are never written", f"{KEEPER}._checkpoint", lambda _: lambda *_: None),
)
