"""Bugs by which a file that is cut under the running broker passes for a whole one, and the checks that see each.

Nobody but the broker changes its files; if somebody does, nothing that it has acknowledged can be believed any more.
The directory goes offline, and the next start recovers what is there.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, CutFileError, ErrorCode
from impl.replica.partition import Partition, ReadRequest
from impl.server.broker import Broker
from impl.storage.checkpoints import CLEAN_SHUTDOWN
from impl.storage.filesystem import File, FileSystem, RealFileSystem
from impl.storage.log import Log
from impl.storage.segment import INDEX, LOG, TIME_INDEX, Segment
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import refused
from impl.tests.durability import Append, Step, Violation, must
from impl.tests.faulty import Cut, Fail, FaultyTrial, with_cuts
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW, make_batch, records

Planted = Callable[..., Any]
PARTITIONS: Final = 4
BATCHES: Final = 5
BATCH: Final = bytes(make_batch(records(b"x" * 50)))
SIZE: Final = BATCHES * len(BATCH)
CUTS: Final = (0, 30, 2 * len(BATCH), 2 * len(BATCH) + 30, SIZE - 1)  # at the start, in a header, between batches, ...
LATER: Final = SIZE + 1  # longer than it was
NO_INTERVAL: Final = {"index.interval.bytes": "0"}
SEEDS: Final = range(8)
HISTORY: Final[tuple[Step, ...]] = (Append(2), Append(1, 30, 1), Append(3)) * 4

# -- checks ----------------------------------------------------------------------------------------------------------


@contextmanager
def _brokers(configs: dict[str, str]) -> Iterator[Sequence[tuple[FileSystem, Path, Broker]]]:
    """A broker on either file system, with partitions in each of two directories and a few batches in these."""
    with TemporaryDirectory() as name:
        made = []
        for files, home in ((SimulatedFileSystem(), Path("/home")), (RealFileSystem(), Path(name))):
            broker = _opened(files, home)
            broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS, configs=configs)))
            for partition in broker.partitions.values():
                for _ in range(BATCHES):
                    _append(partition)
            made.append((files, home, broker))
        try:
            yield made
        finally:
            for _, _, broker in made:
                broker.close()


def _opened(files: FileSystem, home: Path) -> Broker:
    return Broker(files, home / "first", BrokerConfig(), 1, lambda: NOW, [home / "second"])


def _append(partition: Partition) -> int:
    return partition.append(memoryview(bytearray(BATCH)), NOW).base_offset


def _cut(files: FileSystem, path: Path, size: int) -> None:
    """Make a file shorter, or longer, and nobody is told."""
    if isinstance(files, SimulatedFileSystem):
        content = files.content(path)
        missing = size - len(content.cached)
        content.change((len(content.cached), b"x" * missing) if missing > 0 else (size, None))
    else:
        os.truncate(path, size)


def _victim(broker: Broker) -> Partition:
    """The first partition in the second directory."""
    return min(_in(broker, "second"), key=lambda each: each.index)


def _in(broker: Broker, directory: str) -> list[Partition]:
    found = [each for each in broker.partitions.values() if each.log.directory.parent.name == directory]
    must(bool(found), f"there are no partitions in the {directory} directory")
    return found


def _must_be_told(use: Callable[[], object], path: Path) -> None:
    """Something is refused, with the name of a file. Raises Violation."""
    try:
        use()
    except BrokerError as error:
        must(error.code == ErrorCode.KAFKA_STORAGE_ERROR and str(path) in str(error), f"{path} was cut: {error}")
        must("restart the broker" in str(error), f"nobody is told what to do: {error}")
    else:
        raise Violation(f"{path} was cut, and nobody is told")


def _must_be_offline(broker: Broker) -> None:
    """The second directory is offline, and the first one serves on. Raises Violation."""
    for home in broker.directories.all:
        must((home.failure is not None) == (home.path.name == "second"), f"{home.path}: {home.failure}")
    for partition in _in(broker, "second"):
        must(refused(partition), f"{partition.name} is in use")
    for partition in _in(broker, "first"):
        _append(partition)


def _must_have(broker: Broker, size: int) -> None:
    """After the next start there is what was whole of what was cut, and the next batch follows. Raises Violation."""
    partition, wanted = _victim(broker), min(size, SIZE) // len(BATCH)
    must(partition.high_watermark == wanted, f"{partition.high_watermark} batches of {wanted} are there")
    must(_append(partition) == wanted, "a batch does not follow the last one")


def check_appends_to_a_cut_file() -> None:
    """What would stand behind a hole is not acknowledged. Raises Violation."""
    for size in (*CUTS, LATER):
        with _brokers({}) as brokers:
            for files, home, broker in brokers:
                partition = _victim(broker)
                path = partition.log.active.path(LOG)
                _cut(files, path, size)
                _must_be_told(lambda partition=partition: _append(partition), path)  # type: ignore[misc]
                _must_be_offline(broker)
                broker.close()
                again = _opened(files, home)
                _must_have(again, size)
                again.close()


def check_reads_of_a_cut_file() -> None:
    """What is gone is not taken for the end, also not by who looks for a timestamp. Raises Violation."""
    request = ReadRequest(BATCHES - 1, 1)
    uses: tuple[Callable[[Partition], object], ...] = (
        lambda partition: partition.read(request, at_least_one=True),
        lambda partition: partition.find_offset(NOW, -1),
    )
    for size in CUTS:
        for use in uses:
            with _brokers({}) as brokers:
                for files, _, broker in brokers:
                    partition = _victim(broker)
                    path = partition.log.active.path(LOG)
                    _cut(files, path, size)
                    _must_be_told(lambda use=use, partition=partition: use(partition), path)  # type: ignore[misc]
                    _must_be_offline(broker)


def check_stops_with_a_cut_file() -> None:
    """A stop leaves no marker where something is gone, and the next start has what is there. Raises Violation."""
    for size in (*CUTS, LATER):
        with _brokers({}) as brokers:
            for files, home, broker in brokers:
                _cut(files, _victim(broker).log.active.path(LOG), size)
                broker.close()
                for name in ("first", "second"):
                    is_marked = files.exists(home / name / CLEAN_SHUTDOWN)
                    must(is_marked == (name == "first"), f"{name} is marked as stopped cleanly: {is_marked}")
                again = _opened(files, home)
                _must_have(again, size)
                again.close()


def check_flushes_of_a_cut_file() -> None:
    """What is gone does not count as flushed, nor is a segment full with it. Raises Violation."""
    uses: tuple[Callable[[Log], None], ...] = (Log.flush, lambda log: log.roll(NOW))
    for use in uses:
        with _brokers({}) as brokers:
            for files, _, broker in brokers:
                log = _victim(broker).log
                _cut(files, log.active.path(LOG), CUTS[2])
                try:
                    use(log)
                except CutFileError as error:
                    log.fail(error)
                else:
                    raise Violation(f"{log.recovery_point} offsets count as flushed")
                must(len(log.segments) == 1, "a segment follows one that is cut")
                must(log.recovery_point == 0, f"{log.recovery_point} offsets count as flushed")
                _must_be_offline(broker)


def check_cut_indexes() -> None:
    """An index that is cut leads nobody astray, and is not written to. Raises Violation."""
    uses: tuple[tuple[str, Callable[[Partition], object]], ...] = (
        (INDEX, lambda partition: partition.read(ReadRequest(BATCHES - 1, 1), at_least_one=True)),
        (TIME_INDEX, lambda partition: partition.find_offset(NOW, -1)),
        (INDEX, _flushed),
    )
    for suffix, use in uses:
        with _brokers(NO_INTERVAL) as brokers:
            for files, _, broker in brokers:
                partition = _victim(broker)
                partition.log.flush()
                _append(partition)
                path = partition.log.active.path(suffix)
                _cut(files, path, 3)
                _must_be_told(lambda use=use, partition=partition: use(partition), path)  # type: ignore[misc]
                _must_be_offline(broker)


def _flushed(partition: Partition) -> None:
    """Append with a flush."""
    partition.log.flush_messages_max = 1
    _append(partition)


def check_histories_with_cuts() -> None:
    """Generated histories on a disk on which files lose their ends. Raises Violation."""
    for seed in SEEDS:
        history = with_cuts(Random(seed), [*HISTORY, Fail("sync", 3), Cut(seed), Append(1)])
        FaultyTrial(SimulatedFileSystem(), seed=seed).play_faulty(history)


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_appends_to_a_cut_file,
    check_reads_of_a_cut_file,
    check_stops_with_a_cut_file,
    check_flushes_of_a_cut_file,
    check_cut_indexes,
    check_histories_with_cuts,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _believe(_: Any) -> Planted:
    """Take any file for whole."""
    return lambda *_: None


def _only_shorter(_: Any) -> Planted:
    """Take a file that has grown for whole."""

    def check_length(file: File, written: int) -> None:
        if file.size() < written:
            raise CutFileError(file.path, file.size(), written)

    return check_length


def _read_what_is_there(_: Any) -> Planted:
    return lambda file, position, size, _: file.read_at(position, size)


def _flush_what_is_there(_: Any) -> Planted:
    """Flush indexes, and ask nothing of the batches."""

    def flush_indexes(self: Segment) -> None:
        self._offsets.flush()
        self._times.flush()

    return flush_indexes


def _write_before_looking(_: Any) -> Planted:
    """Look at the length only once the batch is written: the hole is then part of it."""

    def append(self: Segment, batch: Any, header: Any, max_timestamp: int) -> None:
        position = self.size
        self._log.write_at(position, (batch,))
        self.size = position + len(batch)
        if self._log.size() != self.size:
            raise CutFileError(self._log.path, self._log.size(), self.size)
        self.note_batch(position, len(batch), header.last_offset, max_timestamp)

    return append


SEGMENT: Final = "impl.storage.segment"
INDEXES: Final = "impl.storage.indexes"
BUGS: Final = (
    StorageBug("appends don't look at the length of the file", f"{SEGMENT}.check_length", _believe),
    StorageBug("a file that has grown is believed", f"{SEGMENT}.check_length", _only_shorter),
    StorageBug("an append looks at the length too late", f"{SEGMENT}.Segment.append", _write_before_looking),
    StorageBug("the end of a cut file is taken for the log's", f"{SEGMENT}.read_written", _read_what_is_there),
    StorageBug("a cut file counts as flushed", f"{SEGMENT}.Segment.flush_indexes", _flush_what_is_there),
    StorageBug("an index is written behind a hole", f"{INDEXES}.check_length", _believe),
)
