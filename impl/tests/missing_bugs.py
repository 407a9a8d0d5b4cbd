"""Bugs by which files that are gone pass for good ones, and the checks, on both file systems, that see each.

A disk that was unmounted, or a file that somebody removed, is a disk that fails. Only what the broker itself deletes
may be gone when another thread comes to flush it.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, StorageError
from impl.replica.partition import Partition, ReadRequest
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.segment import INDEX
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import append, refused
from impl.tests.durability import Violation, must
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

PARTITIONS: Final = 4
LONG_MS: Final = 1 << 40
NO_PAUSE: Final = {"log.initial.task.delay.ms": "0"}
FLUSHED: Final = {"flush.messages": "1"}
OF_ONE_BATCH: Final = {"segment.bytes": "80", "retention.bytes": "0"}

# -- checks ----------------------------------------------------------------------------------------------------------


@contextmanager
def _file_systems() -> Iterator[list[tuple[FileSystem, Path]]]:
    """Both file systems, each with a directory in which there is nothing yet."""
    with TemporaryDirectory() as home:
        yield [(SimulatedFileSystem(), Path("/home")), (RealFileSystem(), Path(home))]


@contextmanager
def _broker(files: FileSystem, home: Path, configs: dict[str, str]) -> Iterator[Broker]:
    """A broker with two log directories, in each of which are partitions with a few batches."""
    broker = Broker(files, home / "first", BrokerConfig(NO_PAUSE), 1, lambda: NOW, [home / "second"])
    try:
        broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS, configs={**configs})))
        for partition in broker.partitions.values():
            for _ in range(3):
                append(partition)
        yield broker
        broker.close()
    finally:
        broker._locks.close()


def _in(broker: Broker, directory: str) -> list[Partition]:
    """The partitions in one of the directories."""
    found = [each for each in broker.partitions.values() if each.log.directory.parent.name == directory]
    must(bool(found), f"there are no partitions in the {directory} directory")
    return found


def _vanish(files: FileSystem, path: Path) -> None:
    """Take a directory away, and nobody is told."""
    if isinstance(files, RealFileSystem):
        shutil.rmtree(path)
    else:
        files.remove_tree(path)


def _must_be_offline(broker: Broker, directory: str) -> None:
    """One directory is offline, the other serves on."""
    for home in broker.directories.all:
        must((home.failure is not None) == (home.path.name == directory), f"{home.path}: {home.failure}")
    for partition in broker.partitions.values():
        if partition.log.directory.parent.name == directory:
            must(refused(partition), f"{partition.name} is in use")
        else:
            append(partition)
            request = ReadRequest(partition.log.log_start_offset, 1000)
            found = partition.read(request, at_least_one=True).records
            must(found is not None, f"{partition.name} can't be read")


def check_appends_to_what_is_gone() -> None:
    """What can't be flushed, because its directory is gone, is not acknowledged. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            with _broker(files, home, FLUSHED) as broker:
                victim = _in(broker, "second")[0]
                point = victim.log.recovery_point
                _vanish(files, home / "second")
                try:
                    append(victim)
                except BrokerError as error:
                    must("restart the broker" in str(error), f"nobody is told what to do: {error}")
                else:
                    raise Violation("what was appended to a directory that is gone is acknowledged")
                must(victim.log.recovery_point == point, "what is gone counts as flushed")
                _must_be_offline(broker, "second")


def check_names_in_what_is_gone() -> None:
    """Names in a directory that is gone are not durable. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            files.make_directory(home / "logs")
            _vanish(files, home / "logs")
            try:
                files.sync_directory(home / "logs")
            except StorageError as error:
                must(error.is_missing, str(error))
            else:
                raise Violation("the names in a directory that is gone are durable")


def check_retention_without_an_index() -> None:
    """A missing index takes its directory offline, and keeps retention from no other partition. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            with _broker(files, home, OF_ONE_BATCH) as broker:
                for partition in _in(broker, "second"):
                    files.remove(partition.log.segments[0].path(INDEX))
                try:
                    Housekeeping(broker).run()
                except FileNotFoundError as error:
                    raise Violation(f"retention ends with {error!r}") from error
                for partition in _in(broker, "first"):
                    must(partition.log.log_start_offset > 0, f"{partition.name} keeps what is too old")
                _must_be_offline(broker, "second")


def check_questions_about_what_is_gone() -> None:
    """Whatever is asked of a missing file, the answer is a StorageError that says where. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            files.make_directory(home)
            gone = home / "gone"
            must(not files.exists(gone), "what is gone exists")
            files.remove(gone)
            files.remove_tree(gone)
            for question in (
                lambda files, gone: files.open(gone),
                lambda files, gone: files.read_file(gone),
                lambda files, gone: files.list_names(gone),
                lambda files, gone: files.move(gone, gone.with_name("there")),
                lambda files, gone: files.open(gone / "file", create=True),
            ):
                _must_be_missing(question, files, gone)


def _must_be_missing(question: Callable[[FileSystem, Path], object], files: FileSystem, gone: Path) -> None:
    try:
        question(files, gone)
    except FileNotFoundError as error:
        raise Violation(f"{error!r} is raised") from error
    except StorageError as error:
        must(error.is_missing and str(gone) in str(error), str(error))
    else:
        raise Violation("a missing file is found")


def check_flushes_that_a_deletion_overtakes() -> None:
    """A flush of segments, or of a log, that are deleted before it runs is no failure. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            with _broker(files, home, OF_ONE_BATCH) as broker:
                of_segments = [each.log.flush_job(2) for each in _in(broker, "first")]
                Housekeeping(broker).run()
                append(_in(broker, "second")[0])
                of_logs = [each.log.flush_job(each.log.log_end_offset) for each in _in(broker, "second")]
                broker.delete_topic("t")
                broker.deletions.run(NOW + LONG_MS)
                try:
                    for job in (*of_segments, *of_logs):
                        job()
                except StorageError as error:
                    raise Violation(f"a deletion fails: {error}") from error


def check_deletions_of_what_is_gone() -> None:
    """A log whose directory is gone can't be deleted: its disk fails, though nothing else looks. Raises Violation."""
    with _file_systems() as both:
        for files, home in both:
            with _broker(files, home, {}) as broker:
                for partition in _in(broker, "second"):
                    _vanish(files, partition.log.directory)
                broker.delete_topic("t")
                for each in broker.directories.all:
                    must((each.failure is not None) == (each.path.name == "second"), f"{each.path}: {each.failure}")


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_appends_to_what_is_gone,
    check_names_in_what_is_gone,
    check_retention_without_an_index,
    check_questions_about_what_is_gone,
    check_flushes_that_a_deletion_overtakes,
    check_deletions_of_what_is_gone,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _done_if_gone(right: Any) -> Callable[..., Any]:
    """Take for done what fails because something is missing."""

    def planted(*arguments: Any) -> Any:
        try:
            return right(*arguments)
        except StorageError as error:
            if not error.is_missing:
                raise

    return planted


def _raw_if_gone(right: Any) -> Callable[..., Any]:
    """Tell of what is missing as Python does."""

    def planted(*arguments: Any, **named: Any) -> Any:
        try:
            return right(*arguments, **named)
        except StorageError as error:
            if error.is_missing:
                raise FileNotFoundError(error.errno, error.strerror) from error
            raise

    return planted


def _delete_what_is_there(right: Any) -> Callable[..., None]:
    def begin_deletion(self: Broker, partition: Partition, due_ms: int) -> None:
        if self._files.exists(partition.log.directory):
            right(self, partition, due_ms)

    return begin_deletion


STORAGE: Final = "impl.storage"
SIMULATED: Final = f"{STORAGE}.simulated.Simulated"
REAL: Final = f"{STORAGE}.filesystem.Real"
MISSING: Final = (
    ("sync of a missing file counts as done", "File.sync", _done_if_gone),
    ("sync of a missing directory counts as done", "FileSystem.sync_directory", _done_if_gone),
    ("a file that can't be moved is told without a name", "FileSystem.move", _raw_if_gone),
    ("a file that can't be opened is told without a name", "FileSystem.open", _raw_if_gone),
    ("a file that can't be read is told without a name", "FileSystem.read_file", _raw_if_gone),
    ("a directory that can't be listed is told without a name", "FileSystem.list_names", _raw_if_gone),
)
SEGMENT: Final = f"{STORAGE}.segment.Segment"
BUGS: Final = (
    *(StorageBug(f"{what}, on a simulated disk", SIMULATED + place, plant) for what, place, plant in MISSING),
    *(StorageBug(f"{what}, on a real disk", REAL + place, plant) for what, place, plant in MISSING),
    StorageBug("segments that are deleted fail a flush", f"{SEGMENT}.begin_deletion", lambda _: lambda _: None),
    StorageBug("logs that are deleted fail a flush", f"{STORAGE}.log.Log.begin_deletion", lambda _: lambda _: None),
    StorageBug(
        "a log that is gone counts as deleted", "impl.server.broker.Broker._begin_deletion", _delete_what_is_there
    ),
)
