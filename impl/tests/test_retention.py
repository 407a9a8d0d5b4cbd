"""Which segments are deleted when, in which steps, and what an interrupted deletion leaves."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from impl.cluster.catalog import SET, ConfigChange, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.faults import Crash, Faults, crash_before
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.retention import RetentionLimits, delete_old_segments
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.logs import before_every_change
from impl.tests.support import NOW, append, make_batch, open_log, records

BATCH_BYTES = len(make_batch(records(b"v")))
ONE_BATCH = SegmentLimits(BATCH_BYTES, 1 << 60, 10 << 20, 4096)
DAY_MS = 86_400_000
HOME = Path("/t-0")


def log_of(directory: Path, count: int, limits: SegmentLimits = ONE_BATCH) -> Log:
    """A log with one record a segment, each a second later than the one before."""
    log = open_log(directory, limits)
    for number in range(count):
        append(log, make_batch(records(b"v"), time_ms=NOW + 1000 * number))
    return log


def bases(log: Log) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def limits(bytes_max: int = -1, age_ms_max: int = -1, *, deletes: bool = True) -> RetentionLimits:
    return RetentionLimits(bytes_max, age_ms_max, deletes)


@pytest.mark.parametrize(
    ("bytes_max", "kept"),
    [(5 * BATCH_BYTES, 5), (5 * BATCH_BYTES - 1, 5), (4 * BATCH_BYTES, 4), (1, 1), (-1, 5)],
)
def test_by_size_a_log_keeps_at_least_its_limit(tmp_path: Path, bytes_max: int, kept: int) -> None:
    log = log_of(tmp_path, 5)
    delete_old_segments(log, limits(bytes_max), 5, NOW)
    assert bases(log) == [0, 1, 2, 3, 4][-kept:]
    assert log.log_start_offset == 5 - kept


def test_by_size_everything_goes_when_nothing_is_to_be_kept(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    delete_old_segments(log, limits(0), 3, NOW)
    assert (bases(log), log.log_start_offset, log.log_end_offset) == ([3], 3, 3)
    assert delete_old_segments(log, limits(0), 3, NOW) == []


@pytest.mark.parametrize(("age_ms", "kept"), [(4000, [0, 1, 2, 3, 4]), (3999, [1, 2, 3, 4]), (0, [4])])
def test_by_age_a_segment_stays_until_its_newest_record_is_older(tmp_path: Path, age_ms: int, kept: list[int]) -> None:
    log = log_of(tmp_path, 5)
    delete_old_segments(log, limits(age_ms_max=age_ms), 5, NOW + 4000)
    assert bases(log) == kept


def test_the_active_segment_is_followed_by_another_when_it_is_too_old(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    delete_old_segments(log, limits(age_ms_max=0), 3, NOW + DAY_MS)
    assert (bases(log), log.log_start_offset) == ([3], 3)
    append(log, make_batch(records(b"v"), time_ms=NOW))
    assert log.log_end_offset == 4


def test_nothing_goes_beyond_the_high_watermark(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    delete_old_segments(log, limits(0, 0), 3, NOW + DAY_MS)
    assert bases(log) == [3, 4]


def test_a_younger_segment_protects_those_after_it(tmp_path: Path) -> None:
    log = open_log(tmp_path, ONE_BATCH)
    for time_ms in (NOW, NOW + DAY_MS, NOW):
        append(log, make_batch(records(b"v"), time_ms=time_ms))
    delete_old_segments(log, limits(age_ms_max=1000), 3, NOW + DAY_MS)
    assert bases(log) == [1, 2]


def test_without_the_policy_only_what_is_before_the_start_goes(tmp_path: Path) -> None:
    log = log_of(tmp_path, 5)
    log.raise_start(3)
    delete_old_segments(log, limits(0, 0, deletes=False), 5, NOW + DAY_MS)
    assert (bases(log), log.log_start_offset) == ([3, 4], 3)


def test_segments_go_with_their_indexes_and_snapshots_in_two_steps(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    gone = delete_old_segments(log, limits(BATCH_BYTES), 3, NOW)
    names = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("0" * 19 + "0"))
    assert names == [f"{0:020d}.{kind}.deleted" for kind in ("index", "log", "timeindex")]
    for segment in gone:
        segment.remove()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".deleted")]


def test_a_reader_goes_on_while_its_segment_is_deleted(tmp_path: Path) -> None:
    files = RealFileSystem(descriptors_max=1)
    log = Log(files, tmp_path, ONE_BATCH, NOW)
    for _ in range(3):
        append(log, make_batch(records(b"v")))
    part = log.read(0, 1 << 20, 3, at_least_one=True)
    assert part is not None
    before = part.file.read_at(part.position, part.size)
    delete_old_segments(log, limits(0), 3, NOW)
    log.active.read(0, 1)  # takes the only descriptor
    assert part.file.read_at(part.position, part.size) == before
    with pytest.raises(BrokerError):
        log.read(0, 1 << 20, 3, at_least_one=True)


@pytest.mark.parametrize("was_clean", [True, False])
def test_what_an_interrupted_deletion_left_is_removed_at_the_next_start(tmp_path: Path, *, was_clean: bool) -> None:
    log = log_of(tmp_path, 5)
    delete_old_segments(log, limits(2 * BATCH_BYTES), 5, NOW)
    log.close()
    again = open_log(tmp_path, ONE_BATCH, was_clean=was_clean)
    assert (bases(again), again.log_start_offset, again.log_end_offset) == ([3, 4], 3, 5)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".deleted")]


def delete_until(crash_at: int | None) -> SimulatedFileSystem:
    """Delete three of five durable segments on a simulated disk, whose power fails before operation `crash_at`."""
    files = SimulatedFileSystem()
    log = Log(files, HOME, ONE_BATCH, NOW)
    for _ in range(5):
        append(log, make_batch(records(b"v")))
    log.close()
    files.sync_directory(HOME.parent)
    log = Log(files, HOME, ONE_BATCH, NOW, LogStart(was_clean=True))
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    try:
        for segment in delete_old_segments(log, limits(2 * BATCH_BYTES), 5, NOW):
            segment.remove()
    except Crash:
        pass
    return files


def look_after_a_loss(crash_at: int) -> None:
    """Whether there is no hole, whatever is left on the disk."""
    files = delete_until(crash_at)
    survivors: list[FileSystem] = [files.after_kill()]
    survivors += [files.after_power_loss(Random(seed)) for seed in range(10)]
    for left in survivors:
        log = Log(left, HOME, ONE_BATCH, NOW, LogStart(recovery_point=5))
        assert bases(log) == list(range(bases(log)[0], 5))
        assert (log.log_start_offset, log.log_end_offset) == (bases(log)[0], 5)
        assert bases(log)[0] <= 3
        assert {name.partition(".")[0] for name in left.list_names(HOME) if "index" in name} == {
            f"{base:020d}" for base in bases(log)
        }
        again = Log(left, HOME, ONE_BATCH, NOW, LogStart(recovery_point=0))
        assert (bases(again), again.log_end_offset) == (bases(log), 5)


def test_a_loss_of_power_while_segments_are_deleted_leaves_no_hole() -> None:
    changes = delete_until(None).faults.changes
    assert changes > 5
    before_every_change(changes, look_after_a_loss)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_ms = NOW

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_broker(directory: Path, clock: Clock, **configs: str) -> Broker:
    given = {name.replace("_", "."): value for name, value in configs.items()}
    return Broker(RealFileSystem(), directory, BrokerConfig(given), 1, clock)


@pytest.fixture
def broker_(tmp_path: Path, clock: Clock) -> Iterator[Broker]:
    broker = open_broker(tmp_path, clock, log_retention_check_interval_ms="1000", log_initial_task_delay_ms="0")
    yield broker
    broker.close()


def create(broker: Broker, name: str, **configs: str) -> Partition:
    overrides = {key.replace("_", "."): value for key, value in configs.items()}
    broker.create_topic(broker.catalog.check_creation(TopicRequest(name, 1, configs=overrides)))
    return broker.partition(name, 0)


def test_retention_is_looked_at_in_intervals_and_files_go_after_their_delay(broker_: Broker, clock: Clock) -> None:
    partition = create(broker_, "t", retention_ms="5000", segment_bytes="100", file_delete_delay_ms="60000")
    keeper = Housekeeping(broker_)
    partition.append(memoryview(make_batch(records(b"v"), time_ms=NOW)), NOW)
    for after_ms, start, waiting in ((5000, 0, 0), (5999, 0, 0), (6000, 1, 1), (65_999, 1, 1), (66_000, 1, 0)):
        clock.now_ms = NOW + after_ms
        keeper.run()
        assert (partition.log.log_start_offset, len(broker_.deletions)) == (start, waiting)


def test_limits_are_those_of_the_topic_as_it_is_now(broker_: Broker, clock: Clock) -> None:
    partition = create(broker_, "t", segment_bytes="100")
    for _ in range(4):
        partition.append(memoryview(make_batch(records(b"v"), time_ms=NOW)), NOW)
    keeper = Housekeeping(broker_)
    keeper.run()
    assert partition.log.log_start_offset == 0
    broker_.reconfigure_topic(
        broker_.catalog.change_configs("t", [ConfigChange("retention.bytes", SET, str(BATCH_BYTES))])
    )
    clock.now_ms += 1000
    keeper.run()
    assert partition.log.log_start_offset == 3


def test_a_deleted_topic_is_renamed_and_removed_later(broker_: Broker, tmp_path: Path, clock: Clock) -> None:
    partition = create(broker_, "t")
    partition.append(memoryview(make_batch(records(b"v"))), NOW)
    part = partition.log.read(0, 1000, 1, at_least_one=True)
    assert part is not None
    broker_.delete_topic("t")
    create(broker_, "t")
    (gone,) = [path for path in tmp_path.iterdir() if path.name.endswith("-delete")]
    assert gone.name.startswith("t-0.")
    assert part.file.read_at(part.position, part.size)
    keeper = Housekeeping(broker_)
    clock.now_ms += 60_000
    keeper.run()
    assert not gone.exists()
    assert (tmp_path / "t-0").exists()


def test_a_deletion_that_a_stop_interrupted_is_finished(tmp_path: Path, clock: Clock) -> None:
    broker = open_broker(tmp_path, clock)
    create(broker, "t")
    broker.delete_topic("t")
    broker.close()
    open_broker(tmp_path, clock).close()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("t-0")]


def test_the_start_of_a_log_is_kept_over_a_restart(tmp_path: Path, clock: Clock) -> None:
    broker = open_broker(tmp_path, clock, log_retention_check_interval_ms="1000", log_initial_task_delay_ms="0")
    partition = create(broker, "t", segment_bytes="100")
    for _ in range(4):
        partition.append(memoryview(make_batch(records(b"v", b"w"))), NOW)
    broker.delete_records(partition, 3)
    checkpoint = tmp_path / "log-start-offset-checkpoint"
    assert checkpoint.read_text() == "0\n1\nt 0 3\n"
    Housekeeping(broker).run()
    assert bases(partition.log) == [2, 4, 6]
    broker.close()
    again = open_broker(tmp_path, clock)
    assert again.partition("t", 0).log.log_start_offset == 3
    again.delete_records(again.partition("t", 0), 4)
    assert Housekeeping(again).run() > 0
    again.close()
