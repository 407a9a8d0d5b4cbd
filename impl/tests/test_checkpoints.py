"""What a log directory remembers between starts, what it does when memories are damaged, and when its disk fails."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode, StorageError
from impl.replica.partition import Partition, ReadRequest
from impl.server.broker import Broker
from impl.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    HIGH_WATERMARKS,
    LEADER_EPOCHS,
    LOG_START_OFFSETS,
    RECOVERY_POINTS,
    CheckpointError,
    LeaderEpochs,
    read_offsets,
)
from impl.storage.faults import Fault
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.log_directory import Job, LogDirectory, LogName, LogSettings
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import SETTINGS, stored
from impl.tests.limits import LIMITS
from impl.tests.support import NOW, append, make_batch, records

HOME = Path("/logs")
NAME = ("t", 0)
OTHER = ("u", 1)


def opened(files: FileSystem, *names: LogName, path: Path = HOME, **options: object) -> LogDirectory:
    directory = LogDirectory(files, path, **options)  # type: ignore[arg-type]
    directory.open_all(dict.fromkeys(names or (NAME,), SETTINGS), NOW)
    return directory


def fill(directory: LogDirectory, count: int, name: LogName = NAME) -> None:
    for _ in range(count):
        append(directory.logs[name], make_batch(records(b"x" * 50)))


def lines(files: FileSystem, name: str) -> list[str]:
    return files.read_file(HOME / name).decode().splitlines()


def test_checkpoints_say_what_is_flushed_where_logs_begin_and_what_is_committed() -> None:
    files = SimulatedFileSystem()
    directory = opened(files, NAME, OTHER)
    fill(directory, 5)
    fill(directory, 2, OTHER)
    directory.logs[NAME].flush()
    fill(directory, 3)
    directory.logs[NAME].raise_start(1)
    directory.checkpoint()
    assert lines(files, RECOVERY_POINTS)[:3] == ["0", "1", "t 0 6"]  # a segment that is full was flushed meanwhile
    assert lines(files, LOG_START_OFFSETS) == ["0", "1", "t 0 1"]
    assert lines(files, HIGH_WATERMARKS) == ["0", "2", "t 0 8", "u 1 2"]


def test_only_what_is_after_the_recovery_point_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 30)
    directory.checkpoint()
    segments = directory.logs[NAME].segments
    assert len(segments) > 3
    scanned: list[int] = []
    monkeypatch.setattr("impl.storage.progress.Progress.scanned", lambda _, size: scanned.append(size))
    again = opened(files.after_kill())
    assert sum(scanned) == segments[-1].size
    assert len(stored(again.logs[NAME])) == 30


def test_a_clean_stop_leaves_a_marker_and_the_start_takes_it_away() -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 3)
    directory.close()
    assert files.exists(HOME / CLEAN_SHUTDOWN)
    opened(files)
    assert not files.exists(HOME / CLEAN_SHUTDOWN)


OFFSETS_DAMAGED = [
    b"0\n1\nt zero 5\n",
    b"0\n1\nt 0 99999999999999999999999\n",  # no number of 64 bits
    b"0\n1\nt 0 9223372036854775808\n",
    b"0\n1\nt 0 -7\n",
    b"0\n1\nt -2 7\n",
    b"0\n1\nt 2147483648 7\n",
    b"0\n1\nt 0 1_0\n",  # Python takes it for a number
    b"0\n2\nt 0 5\nt 0 6\n",
]
EPOCHS_DAMAGED = [
    b"0\n1\n3 zero\n",
    b"0\n1\n99999999999 0\n",  # no number of 32 bits
    b"0\n1\n2147483648 0\n",
    b"0\n1\n-1 0\n",
    b"0\n1\n3 -7\n",
    b"0\n1\n3 9223372036854775808\n",
    b"0\n1\n1_0 0\n",
    b"0\n2\n3 0\n3 6\n",
]
OFFSET_FILES = (RECOVERY_POINTS, LOG_START_OFFSETS, HIGH_WATERMARKS)
EPOCH_FILE = f"t-0/{LEADER_EPOCHS}"
DAMAGED = [
    *((name, damage) for name in OFFSET_FILES for damage in OFFSETS_DAMAGED),
    *((EPOCH_FILE, damage) for damage in EPOCHS_DAMAGED),
    *(
        (name, damage)
        for name in (*OFFSET_FILES, EPOCH_FILE)
        for damage in (b"\0" * 30, b"0\n7\nt 0 5\n", b"1\n1\nt 0 5\n", b"\xff\xfe\n1")
    ),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
@pytest.mark.parametrize("was_clean", [True, False])
def test_a_damaged_checkpoint_is_set_aside_and_everything_is_found(
    caplog: pytest.LogCaptureFixture, name: str, damage: bytes, *, was_clean: bool
) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    directory.logs[NAME].epochs.assign(3, 0)
    for _ in range(12):
        append(directory.logs[NAME], make_batch(records(b"x" * 50)), epoch=3)
    if was_clean:
        directory.close()
    else:
        directory.checkpoint()
    files.replace_file(HOME / name, damage)
    again = opened(files)
    assert len(stored(again.logs[NAME])) == 12
    assert again.logs[NAME].epochs.latest == 3
    assert files.read_file(HOME / f"{name}.corrupt") == damage
    assert str(HOME / name) in caplog.text
    assert "it is kept as" in caplog.text


def test_the_largest_numbers_of_a_checkpoint_are_taken() -> None:
    files = SimulatedFileSystem()
    files.make_directory(HOME)
    files.replace_file(HOME / "offsets", b"0\n2\nown -1 9223372036854775807\nt 2147483647 0\n")
    files.replace_file(HOME / "epochs", b"0\n2\n0 0\n2147483647 9223372036854775807\n")
    assert read_offsets(files, HOME / "offsets") == {("own", -1): 2**63 - 1, ("t", 2**31 - 1): 0}
    entries = LeaderEpochs(files, HOME / "epochs").entries
    assert [(each.epoch, each.start_offset) for each in entries] == [(0, 0), (2**31 - 1, 2**63 - 1)]


def test_a_log_that_comes_back_shorter_than_it_was_committed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 2)
    directory.checkpoint()
    path = directory.logs[NAME].active.path(".log")
    files.open(path).truncate(files.open(path).size() - 1)
    opened(files.after_kill())
    assert "cutting /logs/t-0/00000000000000000000.log at byte" in caplog.text
    assert "offsets before 2 were committed: records are lost" in caplog.text


def test_a_deleted_log_leaves_nothing_to_a_later_one_of_its_name() -> None:
    files = SimulatedFileSystem()
    directory = opened(files, NAME, OTHER)
    fill(directory, 20)
    directory.checkpoint()
    directory.forget([NAME])
    assert lines(files, RECOVERY_POINTS) == ["0", "0"]
    assert lines(files, HIGH_WATERMARKS) == ["0", "0"]


def test_flushes_come_by_number_and_by_age_and_with_a_full_segment() -> None:
    jobs: list[Job] = []
    directory = LogDirectory(SimulatedFileSystem(), HOME, run_later=jobs.append)
    settings = LogSettings(LIMITS, flush_messages_max=3, flush_ms_max=1000)
    directory.open_all({NAME: settings}, NOW)
    log = directory.logs[NAME]
    fill(directory, 2)
    assert log.recovery_point == 0
    fill(directory, 1)
    assert log.recovery_point == 3
    directory.configure(NAME, LogSettings(LIMITS, flush_ms_max=1000))
    fill(directory, 1)
    directory.flush_overdue(NOW + 1000)
    assert (len(jobs), log.recovery_point) == (2, 3)  # one of them for the segment that was full
    for job in jobs:
        job()
    assert log.recovery_point == 4


def test_a_flush_for_another_reason_counts_as_the_last_one() -> None:
    jobs: list[Job] = []
    time_ms = NOW
    directory = LogDirectory(SimulatedFileSystem(), HOME, run_later=jobs.append, clock=lambda: time_ms)
    directory.open_all({NAME: LogSettings(LIMITS, flush_ms_max=1000)}, NOW)
    log = directory.logs[NAME]
    fill(directory, 1)
    time_ms = NOW + 600
    log.flush()
    fill(directory, 1)
    jobs.clear()
    for time_ms, count in ((NOW + 1000, 0), (NOW + 1599, 0), (NOW + 1600, 1), (NOW + 1601, 1)):
        directory.flush_overdue(time_ms)
        assert len(jobs) == count
    time_ms = NOW + 1700
    jobs[0]()
    fill(directory, 1)
    for time_ms, count in ((NOW + 2699, 1), (NOW + 2700, 2)):
        directory.flush_overdue(time_ms)
        assert len(jobs) == count


def test_several_logs_are_recovered_at_once(tmp_path: Path) -> None:
    names = [("t", index) for index in range(7)]
    directory = opened(RealFileSystem(), *names, path=tmp_path)
    for name in names:
        fill(directory, 10 + name[1], name)
        directory.logs[name].abandon()
    again = opened(RealFileSystem(16), *names, path=tmp_path, threads=3)
    assert [again.logs[name].log_end_offset for name in names] == [10 + index for _, index in names]
    for name in names:
        assert len(stored(again.logs[name])) == 10 + name[1]
    again.close()


def test_long_recoveries_show_their_progress(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 5)
    seconds = iter(range(0, 1000, 3))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    opened(files.after_kill())
    assert "recovering /logs: 0 of 1 logs are open" in caplog.text


Act = Callable[[LogDirectory], object]


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("sync", lambda directory: directory.logs[NAME].flush()),
        ("write", lambda directory: fill(directory, 1)),
        ("read", lambda directory: stored(directory.logs[NAME])),
    ],
)
def test_a_failed_disk_is_told_with_file_and_advice(kind: str, act: Act) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 2)
    files.faults.planned.append(Fault(kind, path_contains="t-0"))  # type: ignore[arg-type]
    with pytest.raises(StorageError) as failure:
        act(directory)
    assert "/logs/t-0/00000000000000000000" in str(failure.value)
    assert "check the disk" in str(failure.value)


def test_after_a_failed_flush_nothing_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    directory = opened(files)
    fill(directory, 2)
    directory.logs[NAME].flush()
    directory.checkpoint()
    files.faults.planned.append(Fault("sync", path_contains=".log"))
    fill(directory, 30)
    assert directory.failure is not None
    assert directory.logs[NAME].failure is directory.failure
    assert "goes offline until the next start" in caplog.text
    before = lines(files, RECOVERY_POINTS)
    directory.checkpoint()
    assert lines(files, RECOVERY_POINTS) == before
    directory.close()
    assert not files.exists(HOME / CLEAN_SHUTDOWN)


def broker_on(files: FileSystem) -> Broker:
    config = BrokerConfig({"log.segment.bytes": "400", "num.partitions": "2"})
    return Broker(files, HOME, config, 1, lambda: NOW, [Path("/more")])


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("kind", ["write", "read"])
def test_a_log_directory_whose_disk_fails_goes_offline_and_the_others_serve_on(kind: str, error: int) -> None:
    files = SimulatedFileSystem()
    broker = broker_on(files)
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t")))
    partitions = [broker.partitions["t", index] for index in range(2)]
    lost = next(partition for partition in partitions if partition.log.directory.parent == Path("/more"))
    files.faults.planned.append(Fault(kind, error=error, path_contains=str(lost.log.directory)))  # type: ignore[arg-type]

    def use(partition: Partition) -> None:
        partition.append(memoryview(make_batch(records(b"x"))), NOW)
        partition.read(ReadRequest(0, 1000), at_least_one=True)

    heard: list[int] = []
    lost.watch(lambda: heard.append(1))
    for _ in range(3):  # it stays offline, also when the disk works again
        with pytest.raises(BrokerError) as refused:
            use(lost)
        assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    heard.clear()
    assert broker.look_at_failures()
    assert heard == [1]
    broker.create_topic(broker.catalog.check_creation(TopicRequest("u", partition_count=1)))
    assert broker.partitions["u", 0].log.directory.parent == HOME
    use(broker.partitions["u", 0])
    broker.close()
    assert files.exists(HOME / CLEAN_SHUTDOWN)
    assert not files.exists(Path("/more") / CLEAN_SHUTDOWN)
    again = broker_on(files)
    use(again.partitions["t", lost.index])
    use(again.partitions["u", 0])
    again.close()


def test_a_broker_can_not_go_on_without_its_first_directory(caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    broker = broker_on(files)
    broker.directories.fail(StorageError("write", HOME / "committed-offsets" / "x", errno.EIO))
    assert not broker.look_at_failures()
    assert caplog.records[-1].levelno == logging.ERROR
    broker.close()
    assert not files.exists(HOME / CLEAN_SHUTDOWN)


@pytest.mark.parametrize(
    ("content", "where", "why"),
    [
        ("1\n0\n", "line 1", "not the version, 0"),
        ("0\n", "line 2", "not the number of entries after it, 0"),
        ("0\n3\nt 0 1\n", "line 2", "not the number of entries after it, 1"),
        ("0\n2\nt 0 1\nt x 2\n", "line 4", "not `topic partition offset`, but 't x 2'"),
        ("0\n1\nt 0 9223372036854775808\n", "line 3", "not `topic partition offset`, but 't 0 9223372036854775808'"),
        ("0\n2\nt 0 1\nt 0 2\n", "line 4", "t 0 for the second time"),
    ],
)
def test_a_damaged_checkpoint_says_where_and_what_to_do(content: str, where: str, why: str) -> None:
    files = SimulatedFileSystem()
    files.make_directory(HOME)
    files.replace_file(HOME / "offsets", content.encode())
    with pytest.raises(CheckpointError) as error:
        read_offsets(files, HOME / "offsets")
    assert error.value.path == HOME / "offsets"
    assert str(error.value).startswith(f"{HOME}/offsets is damaged at {where}: {why}; ")
    assert "while the broker is stopped" in str(error.value)


@pytest.mark.parametrize(
    ("content", "where"), [("0\n2\n1 0\n1 5\n", "line 4"), ("0\n2\n1 5\n2 4\n", "line 4"), ("0\n1\n1\n", "line 3")]
)
def test_damaged_epochs_are_told_with_their_line(content: str, where: str, caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    files.make_directory(HOME)
    files.replace_file(HOME / "epochs", content.encode())
    assert LeaderEpochs(files, HOME / "epochs").was_damaged
    assert f"{HOME}/epochs is damaged at {where}: " in caplog.text
