"""A log directory that fails at the start is offline, and the others serve on; without the first there is no broker."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode, StorageError
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.handlers.metadata import metadata
from impl.server.housekeeping import Housekeeping
from impl.storage.checkpoints import CLEAN_SHUTDOWN, META_PROPERTIES, RECOVERY_POINTS
from impl.storage.faults import Fault, Kind
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.cleaner_bugs import Clock
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
    read,
    refused,
)
from impl.tests.support import NOW, ROOT, STOP_CEILING_S, BrokerProcess, make_batch, records
from impl.tests.support import append as log_append


def check_second_is_offline(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Those in the second directory are refused, the others are served, and new ones go elsewhere."""
    assert [each.failure is None for each in broker.directories.all] == [True, False, True]
    assert f"{SECOND} goes offline until the next start: cannot" in caplog.text
    assert len(broker.partitions) == PARTITIONS
    by_home = {home: [p for p in broker.partitions.values() if p.log.directory.parent == home] for home in PATHS}
    assert all(map(refused, by_home[SECOND]))
    for home in (FIRST, THIRD):
        for partition in by_home[home]:
            append(partition)
            assert read(partition) > 0
    assert broker.look_at_failures()
    broker.create_topic(broker.catalog.check_creation(TopicRequest("u", 2)))
    assert {broker.partitions["u", n].log.directory.parent for n in range(2)} <= {FIRST, THIRD}


DAMAGES = [
    *(Fault("read", lasts=True, path_contains=f"{SECOND}/{name}") for name in (META_PROPERTIES, RECOVERY_POINTS, "t-")),
    Fault("list", lasts=True, path_contains=str(SECOND)),
    Fault("write", lasts=True, path_contains=f"{SECOND}/", error=errno.ENOSPC),
    Fault("sync", lasts=True, path_contains=f"{SECOND}/"),
    Fault("move", lasts=True, path_contains=f"{SECOND}/", error=errno.EROFS),
    Fault("remove", lasts=True, path_contains=f"{SECOND}/{CLEAN_SHUTDOWN}", error=errno.EROFS),
    Fault("sync directory", lasts=True, path_contains=f"{SECOND}"),
]


@pytest.mark.parametrize("fault", DAMAGES, ids=lambda each: f"{each.kind}-{Path(each.path_contains).name}")
def test_the_others_serve_on(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    files = filled()
    fault.seen = 0
    with failing(files, fault):
        broker = open_broker(files)
        check_second_is_offline(broker, caplog)
        broker.close()
    assert [files.exists(path / CLEAN_SHUTDOWN) for path in (FIRST, THIRD)] == [True, True]


@pytest.mark.parametrize("kind", ["read", "write", "truncate"])
def test_recovery_that_fails_takes_its_directory_offline(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    files = filled(was_clean=False)
    with failing(files, Fault(kind, lasts=True, path_contains=f"{SECOND}/t-")):
        check_second_is_offline(open_broker(files), caplog)


def described(broker: Broker) -> dict[int, tuple[object, ...]]:
    """What clients are told of the partitions: error, leader, its epoch, replicas, those in sync, those offline."""
    asked = MetadataRequest(topics=None, allow_auto_topic_creation=False, version=8)
    body = memoryview(asked.encode(version=8))
    answer = b"".join(
        part for part in metadata(broker, Request(3, 8, 0, None, body)) or () if isinstance(part, bytes | bytearray)
    )
    return {
        each.partition_index: (
            each.error_code,
            each.leader_id,
            each.leader_epoch,
            each.replica_nodes,
            each.isr_nodes,
            each.offline_replicas,
        )
        for each in MetadataResponse.decode(answer, version=8).topics[0].partitions
    }


def in_second(broker: Broker) -> set[int]:
    return {each.index for each in broker.partitions.values() if each.log.directory.parent == SECOND}


def test_clients_are_told_that_partitions_have_no_leader() -> None:
    files = filled()
    broker = open_broker(files)
    lost = in_second(broker)
    served: tuple[object, ...] = (0, 1, 1, [1], [1], [])
    assert lost
    assert described(broker) == dict.fromkeys(range(PARTITIONS), served)
    with failing(files, Fault("write", lasts=True, path_contains=f"{SECOND}/")):
        with pytest.raises(BrokerError):
            append(broker.partitions["t", min(lost)])
        without = (ErrorCode.LEADER_NOT_AVAILABLE, -1, 2, [1], [1], [1])
        assert described(broker) == {n: without if n in lost else served for n in range(PARTITIONS)}
    broker.close()
    assert described(open_broker(files)) == dict.fromkeys(range(PARTITIONS), (0, 1, 2, [1], [1], []))


def test_producers_are_forgotten_where_the_disk_is_well() -> None:
    files = filled()
    clock = Clock()
    with failing(files, Fault("read", path_contains=f"{SECOND}/{META_PROPERTIES}")):
        broker = Broker(files, FIRST, BrokerConfig(), 1, clock, [SECOND, THIRD])
    well = [each.log for each in broker.partitions.values() if each.log.failure is None]
    assert 0 < len(well) < PARTITIONS
    for log in well:
        log_append(log, make_batch(records(b"x"), producer_id=1, producer_epoch=0, base_sequence=0))
    housekeeping = Housekeeping(broker)
    clock.now_ms += 86_400_000
    housekeeping.run()
    assert [len(log.producers) for log in well] == [0] * len(well)
    housekeeping.close()
    broker.close()


@pytest.mark.parametrize("grows", [False, True], ids=["created", "grown"])
@pytest.mark.parametrize("kind", ["open", "make", "write", "sync", "move", "sync directory"])
def test_a_disk_that_fails_while_a_topic_is_made(kind: Kind, *, grows: bool) -> None:
    files = SimulatedFileSystem()
    broker = open_broker(files)
    if grows:
        broker.create_topic(broker.catalog.check_creation(TopicRequest("t", 1)))
    with failing(files, Fault(kind, lasts=True, path_contains=str(SECOND))):
        if grows:
            broker.grow_topic(broker.catalog.check_growth("t", PARTITIONS, None))
        else:
            broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))
        assert [each.failure is None for each in broker.directories.all] == [True, False, True]
        lost = in_second(broker)
        assert lost
        told = described(broker)
        assert {n for n, (error, *_) in told.items() if error == ErrorCode.LEADER_NOT_AVAILABLE} == lost
        assert len(told) == PARTITIONS
        for partition in broker.partitions.values():
            assert refused(partition) if partition.index in lost else not read(partition)
        broker.delete_topic("t")
        broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))
        assert not in_second(broker)
        broker.close()


def test_partitions_are_in_order_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    files = filled()
    monkeypatch.setattr("impl.server.broker.MANY_PARTITIONS", 2)
    broker = open_broker(files)
    assert list(broker.partitions) == [("t", index) for index in range(PARTITIONS)]
    assert [each.leader_epoch for each in broker.partitions.values()] == [1] * PARTITIONS
    broker.close()


def test_nobody_knows_the_epochs_of_logs_that_could_not_be_opened() -> None:
    files = filled()
    with failing(files, Fault("read", lasts=True, path_contains=f"{SECOND}/")):
        broker = open_broker(files)
        told = described(broker)
        without = (ErrorCode.LEADER_NOT_AVAILABLE, -1, -1, [1], [1], [1])
        lost = {each.index for each in broker.partitions.values() if each.is_offline}
        assert 0 < len(lost) < PARTITIONS
        assert told == {n: without if n in lost else (0, 1, 1, [1], [1], []) for n in range(PARTITIONS)}
        broker.close()


def test_what_was_there_is_there_again() -> None:
    files = filled()
    with failing(files, Fault("read", lasts=True, path_contains=f"{SECOND}/")):
        broker = open_broker(files)
        lost = [each.index for each in broker.partitions.values() if each.log.failure is not None]
        assert 0 < len(lost) < PARTITIONS
        broker.close()
    again = open_broker(files)
    assert {each.log.directory.parent for each in again.partitions.values()} == set(PATHS)
    assert all(read(each) > 0 for each in again.partitions.values())
    again.close()


def test_topics_are_changed_and_deleted_while_a_directory_is_offline() -> None:
    files = filled()
    with failing(files, Fault("read", lasts=True, path_contains=f"{SECOND}/")):
        broker = open_broker(files)
        topic = broker.catalog.get("t")
        assert topic is not None
        broker.reconfigure_topic(topic)
        broker.delete_records(next(each for each in broker.partitions.values() if each.log.failure is None), 1)
        for home in broker.directories.all:
            if home.failure is None:
                home.checkpoint()
        broker.directories.checkpoint_later(high_watermarks_only=False)
        broker.directories.flush_overdue(NOW)
        broker.delete_topic("t")
        broker.deletions.run(NOW + (1 << 40))
        broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))
        assert {each.log.directory.parent for each in broker.partitions.values()} == {FIRST, THIRD}
        broker.close()
    again = open_broker(files)
    assert {each.log.directory.parent for each in again.partitions.values()} == {FIRST, THIRD}
    again.close()


@pytest.mark.parametrize("kind", ["read", "write", "sync", "list"])
def test_without_the_first_there_is_no_broker(kind: Kind) -> None:
    files = filled(was_clean=False)
    with failing(files, Fault(kind, lasts=True, path_contains=str(FIRST))), pytest.raises(StorageError) as error:
        open_broker(files)
    assert str(FIRST) in str(error.value)


@pytest.mark.parametrize(("kind", "where"), [("list", ""), ("read", "/cleaner-offset-checkpoint")])
def test_an_only_directory_that_fails_before_the_logs_are_opened_is_told(kind: Kind, where: str) -> None:
    files = SimulatedFileSystem()
    Broker(files, FIRST, BrokerConfig(), 1, lambda: NOW).close()
    fault = Fault(kind, lasts=True, path_contains=f"{FIRST}{where}")
    with failing(files, fault), pytest.raises(StorageError, match=f"{kind} {FIRST}{where}"):
        Broker(files, FIRST, BrokerConfig(), 1, lambda: NOW)


def test_a_process_serves_on_or_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data, none = tmp_path / "data", tmp_path / "file" / "data"
    broker = BrokerProcess(data, "--data", str(none))
    assert broker.stop() < STOP_CEILING_S
    command = [sys.executable, "-m", "impl", "--data", str(none), "--data", str(data), "--port", "0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: cannot make {none}: Not a directory")


def test_a_topic_that_was_made_again_while_a_directory_was_offline_keeps_its_records() -> None:
    files = filled()
    old = [name for name in files.list_names(SECOND) if name.startswith("t-")]
    faults = [Fault(kind, lasts=True, path_contains=str(SECOND)) for kind in ("list", "move")]
    with failing(files, *faults):
        broker = open_broker(files)
        broker.delete_topic("t")
        broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))
        for partition in broker.partitions.values():
            assert partition.log.directory.parent != SECOND
            append(partition)
            append(partition)
        broker.close()
    again = open_broker(files)
    assert {each.log.log_end_offset for each in again.partitions.values()} == {2}
    again.close()
    aside = [name for name in files.list_names(SECOND) if name.startswith("t-")]
    assert [name.endswith("-stray") for name in aside] == [True] * len(old) != []
