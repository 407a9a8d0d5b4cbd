"""Bugs that hide or lose a log that is found in two places, or not its topic's; and the checks that must see each.

A disk that was offline, or not mounted, at one start comes back with what it had, while the broker went on without it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EROFS
from pathlib import Path
from typing import Any, Final

from impl.cluster.catalog import FILE_NAME as TOPICS
from impl.cluster.catalog import TopicRequest
from impl.errors import DataDirectoryError, StorageError
from impl.server.broker import Broker
from impl.server.found_logs import DuplicateLogsError, Found, FoundLogs
from impl.server.log_directories import LogDirectories
from impl.server.strangers import STRAY_SUFFIX
from impl.storage.checkpoints import CLEAN_SHUTDOWN, CORRUPT, PARTITION_METADATA, read_properties, set_aside
from impl.storage.faults import Fault, Kind
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogName, directory_name
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import (
    FIRST,
    PARTITIONS,
    PATHS,
    SECOND,
    THIRD,
    append,
    failing,
    filled,
    open_broker,
    refused,
)
from impl.tests.durability import Violation, must
from impl.tests.storage_bugs import StorageBug

AWAY: Final = Path("/away")
KINDS: Final[tuple[Kind, ...]] = ("list", "sync", "move")
DAMAGED: Final = b"\xff\xfe"
NONSENSE: Final = b"version: 0\nnonsense\n"

# -- checks ----------------------------------------------------------------------------------------------------------


def _logs_in(files: FileSystem, home: Path) -> list[str]:
    """The directories of a topic's logs."""
    return [each for each in files.list_names(home) if each.startswith("t-") and "." not in each]


def _strays_in(files: FileSystem, home: Path) -> list[str]:
    return [each for each in files.list_names(home) if each.endswith(STRAY_SUFFIX)]


def _make(broker: Broker) -> None:
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))


@contextmanager
def _started(files: FileSystem, more: Sequence[Path] = (SECOND, THIRD)) -> Iterator[Broker]:
    """A broker, as it must be possible to start it. Raises Violation if it is not."""
    try:
        broker = open_broker(files, more)
    except (DataDirectoryError, StorageError) as error:
        raise Violation(f"the start is refused: {error}") from error
    yield broker
    broker.close()


def _must_be_refused(files: FileSystem, twice: dict[str, list[Path]]) -> None:
    """The start must be refused, name both places of a log, say what to do, and leave everything as it is."""
    try:
        open_broker(files).close()
    except DuplicateLogsError as error:
        told = [all(f"{path} " in str(error) for path in paths) for paths in twice.values()]
        must(any(told) and "move the other one out" in str(error), f"nobody is told what to do: {error}")
    else:
        raise Violation("one of two logs hides the other")
    must(all(files.exists(home / CLEAN_SHUTDOWN) for home in PATHS), "a start that is refused takes a marker away")
    must(all(files.exists(path) for paths in twice.values() for path in paths), "a log was moved")


def check_logs_that_were_begun_anew() -> None:
    """A disk is missing at one start, and both logs of its partitions are there when it is back. Raises Violation."""
    files = filled()
    names = _logs_in(files, SECOND)
    with _started(files, [THIRD]) as broker:
        for name in names:
            append(broker.partitions["t", int(name.removeprefix("t-"))])
    twice = {name: [home / name for home in PATHS if name in _logs_in(files, home)] for name in names}
    must({len(each) for each in twice.values()} == {2}, f"logs are in {twice}")
    _must_be_refused(files, twice)
    files.make_directory(AWAY)
    for paths in twice.values():
        files.move(next(each for each in paths if each.parent != SECOND), AWAY / paths[0].name)
    with _started(files) as broker:
        ends = {each.log.log_end_offset for each in broker.partitions.values()}
        must(ends == {1}, f"logs end at {ends}")


def check_a_log_whose_topic_can_not_be_read() -> None:
    """What can't be read may be the log, with its records, and the other one of a name, too. Raises Violation."""
    for content in (DAMAGED, NONSENSE):
        files = filled()
        name = _logs_in(files, SECOND)[0]
        _copied(files, SECOND / name, THIRD / name)
        files.replace_file(SECOND / name / PARTITION_METADATA, content)
        _must_be_refused(files, {name: [SECOND / name, THIRD / name]})


def _copied(files: FileSystem, old: Path, new: Path) -> None:
    files.make_directory(new)
    for name in files.list_names(old):
        files.replace_file(new / name, files.read_file(old / name))


def check_other_ways_to_write_an_id() -> None:
    """As Kafka reads it: padded, of a later version, with what later versions may add. Raises Violation."""
    files = filled()
    for home in PATHS:
        for name in _logs_in(files, home):
            path = home / name / PARTITION_METADATA
            old = files.read_file(path).rstrip(b"\n").replace(b"version: 0", b"version: 1")
            files.replace_file(path, old + b"==\nmore: 1\n")
    with _started(files):
        left = {name for home in PATHS for name in files.list_names(home) if name.startswith("t-")}
        must(len(left) == PARTITIONS and not any("." in name for name in left), f"there are {left}")
        inside = {each for home in PATHS for name in _logs_in(files, home) for each in files.list_names(home / name)}
        must(PARTITION_METADATA + CORRUPT not in inside, f"{PARTITION_METADATA} was set aside")


def check_logs_that_were_made_again_elsewhere() -> None:
    """A disk fails, at a start or while a log is made; the topic is deleted, made again, written. Raises Violation."""
    for files, faults in (
        (filled(), [Fault(kind, lasts=True, path_contains=str(SECOND)) for kind in KINDS]),
        (SimulatedFileSystem(), [Fault(kind, lasts=True, path_contains=f"{SECOND}/t-") for kind in KINDS[1:]]),
    ):
        with failing(files, *faults), _started(files) as broker:
            if not broker.partitions:
                _make(broker)
            must(broker.directories.all[1].failure is not None, "the disk does not fail")
            broker.delete_topic("t")
            _make(broker)
            for partition in broker.partitions.values():
                append(partition)
                append(partition)
        left = _logs_in(files, SECOND)
        must(bool(left), "nothing is left of the first topic")
        with _started(files) as broker:
            ends = {each.log.log_end_offset for each in broker.partitions.values()}
            must(ends == {2}, f"logs end at {ends}")
        must(len(_strays_in(files, SECOND)) == len(left), f"{left} became {files.list_names(SECOND)}")


def check_what_is_in_the_places_of_a_new_topic() -> None:
    """What is there before a topic is made is moved aside in every directory, or hides it later. Raises Violation."""
    files = filled()
    files.replace_file(FIRST / TOPICS, b'{"topics": []}')
    name = _logs_in(files, SECOND)[0]
    _copied(files, SECOND / name, THIRD / name)
    with _started(files) as broker:
        _make(broker)
    for home in (SECOND, THIRD):
        strays = [each for each in _strays_in(files, home) if each.startswith(f"{name}.")]
        must(len(strays) == 1, f"{name} is left in {home}: {files.list_names(home)}")


def check_a_log_that_begins_where_a_strangers_was() -> None:
    """It begins at 0, whatever the checkpoints say of the other one. Raises Violation."""
    files = filled()
    with _started(files) as broker:
        for partition in broker.partitions.values():
            broker.delete_records(partition, 1)
    old = files.read_file(FIRST / TOPICS)
    files.replace_file(FIRST / TOPICS, re.sub(rb'"id": "[^"]*"', b'"id": "AAAAAAAAAAAAAAAAAAAAAQ"', old))
    with _started(files) as broker:
        starts = {(each.log.log_start_offset, each.log.log_end_offset) for each in broker.partitions.values()}
        must(starts == {(0, 0)}, f"new logs begin and end at {starts}")


def check_a_topic_that_can_neither_be_read_nor_set_aside() -> None:
    """A damaged `partition.metadata` on a disk that takes no new names takes that offline only. Raises Violation."""
    files = filled()
    files.replace_file(SECOND / _logs_in(files, SECOND)[0] / PARTITION_METADATA, DAMAGED)
    fault = Fault("move", lasts=True, path_contains=f"{SECOND}/t-", error=EROFS)
    with failing(files, fault), _started(files) as broker:
        for partition in broker.partitions.values():
            of_second = partition.log.directory.parent == SECOND
            must(refused(partition) == of_second, f"{partition.log.directory} is refused: {not of_second}")


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_logs_that_were_begun_anew,
    check_a_log_whose_topic_can_not_be_read,
    check_other_ways_to_write_an_id,
    check_logs_that_were_made_again_elsewhere,
    check_what_is_in_the_places_of_a_new_topic,
    check_a_log_that_begins_where_a_strangers_was,
    check_a_topic_that_can_neither_be_read_nor_set_aside,
)

# -- bugs ------------------------------------------------------------------------------------------------------------

Planted = Callable[..., Any]


def _by_name(_: Any) -> Planted:
    """Whatever is in the place of a log is the log."""
    return lambda self, name: self._found.get(name, [])[:1]


def _only_by_id(_: Any) -> Planted:
    """What names no topic is as good as what names the right one."""

    def of_topic(self: FoundLogs, name: LogName) -> list[Found]:
        return [each for each in self._found.get(name, ()) if each.topic_id in {None, self._topic_ids[name]}]

    return of_topic


def _take_for_unnamed(right: Any) -> Planted:
    """What can't be read is not there."""

    def looked_at(self: FoundLogs, home: Path, name: str) -> Found:
        found: Found = right(self, home, name)
        return Found(home, found.topic_id)

    return looked_at


def _any_text(_: Any) -> Planted:
    """Text without a topic's id is as good as no file."""

    def read(files: FileSystem, path: Path) -> str | None:
        return read_properties(files, path, ":").get("topic_id")

    return read


def _remove(_: Any) -> Planted:
    """What is in the way is deleted."""

    def move_aside(files: FileSystem, directory: Path, name: LogName, *_: Any) -> None:
        files.remove_tree(directory / directory_name(name))

    return move_aside


def _markers_first(right: Any) -> Planted:
    """The markers of a clean stop go before it is sure that there will be a start."""

    def look_for_logs(self: Broker, paths: list[Path], failed: dict[Path, StorageError]) -> FoundLogs:
        LogDirectories(self._files, paths, 1, self.now_ms, failed)._flusher.shutdown()
        found: FoundLogs = right(self, paths, failed)
        return found

    return look_for_logs


def _unguarded(right: Any) -> Planted:
    """What can't be set aside is everyone's end."""

    def sort_out(self: Broker, name: LogName) -> None:
        own = self._found.own(name)
        if own is not None and own.damage is not None:
            set_aside(self._files, own.damage.path, own.damage, "")
        right(self, name)

    return sort_out


FOUND: Final = "impl.server.found_logs.FoundLogs"
DIRECTORIES: Final = "impl.server.log_directories.LogDirectories"
BROKER: Final = "impl.server.broker"
BUGS: Final = (
    StorageBug("of two logs the first one wins", f"{FOUND}.refuse_duplicates", lambda _: lambda _: None),
    StorageBug("a log is known by its name", f"{FOUND}._of_topic", _by_name),
    StorageBug("what names no topic counts as much as the log", f"{FOUND}._of_topic", _only_by_id),
    StorageBug("a log whose topic can't be read is left behind", f"{FOUND}._looked_at", _take_for_unnamed),
    StorageBug("nonsense names no topic", "impl.server.found_logs.read_topic_id", _any_text),
    StorageBug("what is not the log stays in its place", f"{FOUND}.strangers", lambda _: lambda *_: ()),
    StorageBug("what is not the log is deleted", f"{BROKER}.move_aside", _remove),
    StorageBug("a refused start takes the markers away", f"{BROKER}.Broker._look_for_logs", _markers_first),
    StorageBug("what can't be set aside ends the start", f"{BROKER}.Broker._sort_out", _unguarded),
    StorageBug(
        "only the first place of a new log is looked at",
        f"{DIRECTORIES}.that_have",
        lambda right: lambda self, name: right(self, name)[:1],
    ),
    StorageBug(
        "a log begins where a stranger's did",
        "impl.storage.log_directory.LogDirectory.forget_stranger",
        lambda _: lambda *_: None,
    ),
)
