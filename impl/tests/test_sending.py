"""Records that are on their way to a client while the disk, or the client, fails, or their file is cut."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, CutFileError, ErrorCode
from impl.replica.partition import Partition, ReadRequest
from impl.server.broker import Broker
from impl.server.framing import FRAME_LENGTH, SENDFILE_FROM, Connection, Dispatch, Reply
from impl.storage.filesystem import RealFileSystem
from impl.storage.real_file import RealFile
from impl.tests.support import NOW, make_batch, records

LARGE = 8 << 20
HEAD = b"head"


class LyingDisk:
    """What `os.sendfile` and `os.pread` do: files in one directory fail with EIO once so many calls went well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: Path | None = None
        self.calls_left = 0
        for name in ("sendfile", "pread"):
            monkeypatch.setattr(os, name, self._lying(getattr(os, name), 1 if name == "sendfile" else 0))

    def _lying(self, right: Any, place: int) -> Any:
        def call(*arguments: int) -> Any:
            path = Path(f"/proc/self/fd/{arguments[place]}").readlink()
            if self.failing is not None and path.is_relative_to(self.failing):
                self.calls_left -= 1
                if self.calls_left < 0:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return right(*arguments)

        return call


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker with a partition in each of two directories."""
    config = BrokerConfig({"message.max.bytes": str(2 * LARGE)})
    made = Broker(RealFileSystem(), tmp_path / "first", config, 1, lambda: NOW, [tmp_path / "second"])
    made.create_topic(made.catalog.check_creation(TopicRequest("t", 4)))
    yield made
    made.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> LyingDisk:
    return LyingDisk(monkeypatch)


def partition_in(broker: Broker, name: str, size: int) -> Partition:
    """A partition in a directory, with a batch of at least so many bytes."""
    found = next(each for each in broker.partitions.values() if each.log.directory.parent.name == name)
    found.append(memoryview(make_batch(records(b"x" * size))), NOW)
    return found


def answer(partition: Partition) -> Reply:
    found = partition.read(ReadRequest(0, 2 * LARGE), at_least_one=True).records
    assert found is not None
    return [HEAD, found, HEAD]


class Watched(Connection):
    """A connection that says when it has ended."""

    def __init__(self, ended: asyncio.Event, dispatch: Dispatch) -> None:
        super().__init__(dispatch, 100, set())
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._ended.set()


def fetch(partition: Partition, *, reads: bool = True, found: Reply = None) -> bytes:
    """What a client receives until its connection is closed; one that does not read goes away at once.

    The records are looked for when it asks, unless they were `found` before.
    """

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        server = await loop.create_server(lambda: Watched(ended, lambda _: found or answer(partition)), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, FRAME_LENGTH.pack(1) + b"x")
            received = b""
            if reads:
                while len(received) < whole_size(partition) and (more := await loop.sock_recv(client, 1 << 20)):
                    received += more
        await ended.wait()
        server.close()
        await server.wait_closed()
        return received

    return asyncio.run(asyncio.wait_for(run(), 20))


def fetch_some(first: Partition, second: Partition) -> None:
    """Be a client that goes away while it is sent records of two partitions."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        parts = [*answer(first), *answer(second)]  # type: ignore[misc]
        server = await loop.create_server(lambda: Watched(ended, lambda _: parts), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, FRAME_LENGTH.pack(1) + b"x")
            await loop.sock_recv(client, 1)
        await ended.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(run(), 20))


def fetch_slowly(first: Partition, second: Partition, meanwhile: Callable[[], None]) -> bytes:
    """What a client receives that reads no more of two partitions until something is done."""

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        parts = [*answer(first), *answer(second)]  # type: ignore[misc]
        server = await loop.create_server(lambda: Connection(lambda _: parts, 100, set()), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, FRAME_LENGTH.pack(1) + b"x")
            received = await loop.sock_recv(client, 1)  # the answer waits for the client to read on
            meanwhile()
            while more := await loop.sock_recv(client, 1 << 20):
                received += more
        server.close()
        await server.wait_closed()
        return received

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("size", [SENDFILE_FROM // 4, SENDFILE_FROM])
def test_records_that_are_deleted_before_a_slow_client_reads_them_take_nothing_offline(
    broker: Broker, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    first, second = partition_in(broker, "first", LARGE), partition_in(broker, "second", size)
    received = fetch_slowly(first, second, second.log.active.remove)
    assert LARGE < len(received) < whole_size(first) + whole_size(second)
    assert [each.failure for each in broker.directories.all] == [None, None]
    assert [(each.levelname, second.log.active.path(".log").name in each.message) for each in caplog.records] == [
        ("WARNING", True)
    ]


@pytest.mark.parametrize("reads_first", [False, True])
def test_a_client_that_leaves_before_it_has_its_answer_is_no_warning(
    broker: Broker, caplog: pytest.LogCaptureFixture, *, reads_first: bool
) -> None:
    caplog.set_level(logging.INFO)
    if reads_first:
        fetch_some(partition_in(broker, "first", LARGE), partition_in(broker, "second", LARGE))
    else:
        fetch(partition_in(broker, "second", LARGE), reads=False)
    assert [each.failure for each in broker.directories.all] == [None, None]
    told = [each for each in caplog.records if each.message.startswith("closing the connection from 127.0.0.1:")]
    assert [each.levelname for each in told] == ["INFO"], [each.message for each in told]


@pytest.mark.parametrize("calls", [1, 2])  # the first finds the batch
def test_a_file_that_can_not_be_opened_again_closes_the_connection(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    partition = partition_in(broker, "second", LARGE)
    found = answer(partition)[1]  # type: ignore[index]
    right, left = RealFile._opened, [calls]

    def opened(self: RealFile) -> int:
        if self is found.file:  # type: ignore[union-attr]
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return right(self)

    monkeypatch.setattr(RealFile, "_opened", opened)
    assert len(fetch(partition)) < whole_size(partition)
    assert [each.failure is None for each in broker.directories.all] == [True, False]


def whole_size(partition: Partition) -> int:
    return partition.log.active.size + 2 * len(HEAD)


def is_refused(partition: Partition) -> bool:
    with pytest.raises(BrokerError) as error:
        answer(partition)
    return error.value.code == ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.parametrize(
    ("size", "calls_before"),
    [(SENDFILE_FROM // 4, 1), (SENDFILE_FROM, 1), (LARGE, 1), (LARGE, 2), (LARGE, 3)],
)
def test_a_disk_that_fails_while_it_is_sent_goes_offline(
    broker: Broker, disk: LyingDisk, size: int, calls_before: int
) -> None:
    lost, kept = partition_in(broker, "second", size), partition_in(broker, "first", size)
    disk.failing, disk.calls_left = lost.log.directory.parent, calls_before  # the first finds the batch
    assert len(fetch(lost)) < whole_size(lost)
    assert is_refused(lost)
    assert broker.look_at_failures()
    assert [each.failure is None for each in broker.directories.all] == [True, False]
    assert len(fetch(kept)) == whole_size(kept)


@pytest.mark.parametrize("size", [SENDFILE_FROM // 4, SENDFILE_FROM, LARGE])
def test_a_client_that_goes_away_takes_nothing_offline(broker: Broker, size: int) -> None:
    partition = partition_in(broker, "second", size)
    fetch(partition, reads=False)
    assert [each.failure for each in broker.directories.all] == [None, None]
    assert len(fetch(partition)) == whole_size(partition)


def must_be_offline(broker: Broker, lost: Partition, kept: Partition) -> None:
    """The directory of one partition is offline because its file was cut, and the other one is served."""
    assert is_refused(lost)
    assert broker.look_at_failures()
    first, second = broker.directories.all
    assert first.failure is None
    assert isinstance(second.failure, CutFileError)
    assert str(lost.log.active.path(".log")) in str(second.failure)
    assert len(fetch(kept)) == whole_size(kept)


@pytest.mark.parametrize("size", [SENDFILE_FROM // 4, SENDFILE_FROM, LARGE])
@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_file_that_is_cut_before_it_is_sent_closes_the_connection(broker: Broker, size: int, left: float) -> None:
    lost, kept = partition_in(broker, "second", size), partition_in(broker, "first", size)
    found, rest = answer(lost), int(size * left)
    os.truncate(lost.log.active.path(".log"), rest)
    assert len(fetch(lost, found=found)) <= len(HEAD) + rest  # nothing follows what is missing
    must_be_offline(broker, lost, kept)


def test_a_file_that_is_cut_while_it_is_sent_closes_the_connection(broker: Broker) -> None:
    lost, kept = partition_in(broker, "second", LARGE), partition_in(broker, "first", LARGE)
    rest = LARGE - 10
    received = fetch_slowly(lost, kept, lambda: os.truncate(lost.log.active.path(".log"), rest))
    assert len(received) == len(HEAD) + rest
    must_be_offline(broker, lost, kept)


def test_a_file_that_is_cut_is_told_also_if_the_client_goes_away(broker: Broker) -> None:
    lost, kept = partition_in(broker, "second", LARGE), partition_in(broker, "first", LARGE)
    found = answer(lost)
    os.truncate(lost.log.active.path(".log"), LARGE - 10)
    fetch(lost, reads=False, found=found)
    must_be_offline(broker, lost, kept)
