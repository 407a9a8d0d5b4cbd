"""Bugs by which a broker opens too many files, or threads take each other's; and the checks that must see each.

All log directories of a broker, and all threads that recover logs, have one bound on open descriptors together.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.server.broker import LOCK, Broker
from impl.storage.filesystem import File, RealFileSystem
from impl.storage.log_directory import LogDirectory
from impl.storage.real_file import DescriptorPool, RealFile
from impl.tests.directories import append
from impl.tests.durability import must
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

BOUND: Final = 8
PARTITIONS: Final = 12  # with a file of batches each, and some with indexes that were looked at
THREADS: Final = 4
TURNS: Final = 100
CEILING_S: Final = 10.0
A_MOMENT_S: Final = 0.1
OFTEN_S: Final = 1e-6

# -- checks ----------------------------------------------------------------------------------------------------------


@contextmanager
def _broker(home: Path) -> Iterator[Broker]:
    """A broker with two log directories, whose logs are recovered by two threads each."""
    config = BrokerConfig({"num.recovery.threads.per.data.dir": "2"})
    broker = Broker(RealFileSystem(BOUND), home / "first", config, 1, lambda: NOW, [home / "second"])
    try:
        yield broker
        broker.close()
    finally:
        broker._locks.close()


def _open_under(home: Path) -> int:
    """How many files in a directory this process has open, but for locks."""
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the one by which this is listed is gone afterwards
        try:
            path = Path(f"/proc/self/fd/{name}").readlink()
        except FileNotFoundError:
            continue
        found += path.is_relative_to(home) and path.name != LOCK
    return found


def _add(broker: Broker, topic: str) -> None:
    """Make a topic and append to all partitions that there are."""
    broker.create_topic(broker.catalog.check_creation(TopicRequest(topic, PARTITIONS)))
    for partition in broker.partitions.values():
        append(partition)


def check_one_bound_for_all() -> None:
    """Old logs and new ones, in all directories, have as many files open as one broker may. Raises Violation."""
    with TemporaryDirectory() as name:
        home = Path(name).resolve()
        with _broker(home) as broker:
            _add(broker, "old")
        with _broker(home) as broker:
            _add(broker, "new")
            must(_open_under(home) <= BOUND, f"{_open_under(home)} files are open, {BOUND} may be")


def check_no_share_is_left_unused() -> None:
    """Once the logs are open, those of one directory may have all descriptors. Raises Violation."""
    with TemporaryDirectory() as name:
        home = Path(name).resolve()
        with _broker(home) as broker:
            _add(broker, "old")
        with _broker(home) as broker:
            _add(broker, "new")
            for partition in broker.partitions.values():
                if partition.log.directory.parent.name == "first":
                    append(partition)
            found = _open_under(home / "first")
            must(found == BOUND, f"{found} files are open in the directory that is in use, {BOUND} may be")


def _read_into(file: File) -> bytes:
    buffer = bytearray(10)
    return bytes(buffer[: file.read_into(0, memoryview(buffer))])


# What a file does by its descriptor: the call, how to have it made, the answer, and what the file holds then.
CALLS: Final[tuple[tuple[str, Callable[[File], object], object, bytes], ...]] = (
    ("pread", lambda file: file.read_at(0, 10), b"mine", b"mine"),
    ("preadv", _read_into, b"mine", b"mine"),
    ("pwritev", lambda file: file.write_at(0, (b"MI", b"NE")), 4, b"MINE"),
    ("ftruncate", lambda file: file.truncate(1), None, b"m"),
    ("lseek", lambda file: file.size(), 4, b"mine"),
    ("utime", lambda file: file.set_modified_ms(NOW), None, b"mine"),
)


def check_descriptors_in_use() -> None:
    """No thread takes the descriptor of a file that another one uses just then. Raises Violation."""
    for call, use, answer, content in CALLS:
        with TemporaryDirectory() as name:
            files = RealFileSystem(2)
            paths = [Path(name) / each for each in ("mine", "idle", "another's")]
            for path in paths:
                path.write_bytes(path.name.encode())
            mine, idle, other = (files.open(path) for path in paths)
            mine.fileno()
            idle.fileno()
            with _interrupted(call, other.fileno):
                found = use(mine)
            must(found == answer, f"{call}: {found!r} instead of {answer!r}")
            must(paths[0].read_bytes() == content, f"{call}: it holds {paths[0].read_bytes()!r}")
            must(paths[2].read_bytes() == b"another's", f"{call}: another file holds {paths[2].read_bytes()!r}")
            must(call != "utime" or mine.modified_ms() == NOW, f"{call}: the time is another file's")


@contextmanager
def _interrupted(call: str, job: Callable[[], object]) -> Iterator[None]:
    """Have another thread do something right before a call by a descriptor."""
    right = getattr(os, call)

    def late(*arguments: Any, **named: Any) -> Any:
        thread = threading.Thread(target=job)
        thread.start()
        thread.join(CEILING_S)
        must(not thread.is_alive(), f"{call}: another thread waits, though a descriptor is idle")
        return right(*arguments, **named)

    with patch.object(os, call, late):
        yield


def check_two_threads_that_open_at_once() -> None:
    """While one opens the only file that may be open, another one waits. Raises Violation."""
    with TemporaryDirectory() as name:
        system = RealFileSystem(1)
        files = [system.open(Path(name) / f"{number}", create=True) for number in range(2)]
        system.open(Path(name) / "idle", create=True).fileno()  # has the one descriptor
        right, opening, both = os.open, [0], threading.Event()

        def watched(*arguments: Any) -> int:
            opening[0] += 1
            if opening[0] == 1:
                both.wait(A_MOMENT_S)  # as long as it takes the other one to come so far, if it can
            else:
                both.set()
            descriptor = right(*arguments)
            opening[0] -= 1
            return descriptor

        with patch.object(os, "open", watched), ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda file: file.size(), files))
        must(not both.is_set(), "two files are opened at once, and one may be")


def check_threads_keep_the_bound() -> None:
    """Threads that use more files than may be open get what is theirs, within the bound. Raises Violation."""
    with TemporaryDirectory() as name:
        system = RealFileSystem(THREADS)
        files = [system.open(Path(name) / f"{number}", create=True) for number in range(3 * THREADS)]
        for file in files:
            file.write_at(0, (file.path.name.encode(),))
        right, most = os.open, [0]

        def counted(*arguments: Any) -> int:
            others = sum(isinstance(each, RealFile) and not each.is_closed for each in files)
            most[0] = max(most[0], others + 1)
            return right(*arguments)

        def read(own: Sequence[File]) -> bool:
            return all(file.read_at(0, 10) == file.path.name.encode() for _ in range(TURNS) for file in own)

        with _switching_often(), patch.object(os, "open", counted), ThreadPoolExecutor(THREADS) as pool:
            all_right = list(pool.map(read, [files[number::THREADS] for number in range(THREADS)]))
        must(all(all_right), "a thread has read another's file")
        must(most[0] <= THREADS, f"{most[0]} files were open, {THREADS} may be")


@contextmanager
def _switching_often() -> Iterator[None]:
    """While threads give way to each other as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(OFTEN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_descriptors_in_use,  # first, as others trip over what it sees
    check_one_bound_for_all,
    check_no_share_is_left_unused,
    check_two_threads_that_open_at_once,
    check_threads_keep_the_bound,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _with_own(bound: int) -> Callable[[Any], Callable[..., None]]:
    """Directories that have a bound each."""

    def plant(right: Any) -> Callable[..., None]:
        return lambda self, _, *rest, **named: right(self, RealFileSystem(bound), *rest, **named)

    return plant


def _recover_apart(right: Any) -> Callable[..., None]:
    """Logs that were there before have files apart from those of new ones."""

    def open_all(self: LogDirectory, *rest: Any) -> None:
        files, self._files = self._files, RealFileSystem(BOUND)
        right(self, *rest)
        self._files = files

    return open_all


def _take_from_anybody(_: Any) -> Callable[[RealFile], bool]:
    def close(self: RealFile) -> bool:
        self._close()
        return True

    return close


def _without_lock(right: Any) -> Callable[..., None]:
    def made(self: DescriptorPool, size_max: int) -> None:
        right(self, size_max)
        self._changing = nullcontext()  # type: ignore[assignment]

    return made


DIRECTORY: Final = "impl.storage.log_directory.LogDirectory"
FILE: Final = "impl.storage.real_file"
BUGS: Final = (
    StorageBug("each directory has a bound of its own", f"{DIRECTORY}.__init__", _with_own(BOUND)),
    StorageBug("the bound is shared out for ever", f"{DIRECTORY}.__init__", _with_own(BOUND // 2)),
    StorageBug("recovered logs have a bound of their own", f"{DIRECTORY}._open_all", _recover_apart),
    StorageBug("a descriptor is taken while it is in use", f"{FILE}.RealFile.close_unless_in_use", _take_from_anybody),
    StorageBug("threads open files at once beyond the bound", f"{FILE}.DescriptorPool.__init__", _without_lock),
)
