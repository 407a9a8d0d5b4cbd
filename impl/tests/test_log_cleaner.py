"""A broker that compacts its topics: when, how far, and what happens to a topic that is deleted meanwhile."""

from pathlib import Path

import pytest

from impl.cluster.catalog import APPEND, SET, SUBTRACT, ConfigChange, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.server.log_cleaner import LogCleaner
from impl.storage.faults import Fault, Faults, Kind
from impl.storage.filesystem import RealFileSystem
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.logs import contents, pairs_batch
from impl.tests.support import NOW

HOME = Path("/disk")


class Clock:
    """A clock that tests set."""

    now_ms = NOW

    def __call__(self) -> int:
        return self.now_ms


def open_broker(directory: Path, clock: Clock) -> Broker:
    return Broker(RealFileSystem(), directory, BrokerConfig({"log.retention.check.interval.ms": "1000"}), 1, clock)


def create(broker: Broker, **configs: str) -> Partition:
    overrides = {"cleanup.policy": "compact"} | {key.replace("_", "."): value for key, value in configs.items()}
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", 1, configs=overrides)))
    return broker.partition("t", 0)


def send(partition: Partition, count: int) -> None:
    for _ in range(count):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)


def test_the_broker_compacts_notes_how_far_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    broker = open_broker(tmp_path, clock)
    send(create(broker, segment_bytes="110"), 5)
    keeper = Housekeeping(broker)
    while keeper.run() == 0:
        pass
    partition = broker.partition("t", 0)
    assert [each[0] for each in contents(partition.log)] == [3, 4]
    checkpoint = tmp_path / "cleaner-offset-checkpoint"
    assert checkpoint.read_text() == "0\n1\nt 0 4\n"
    assert list((tmp_path / "t-0").glob("*.deleted"))
    keeper.close()
    broker.close()
    broker = open_broker(tmp_path, clock)
    assert broker.clean_offsets.get("t", 0) == 4
    assert [each[0] for each in contents(broker.partition("t", 0).log)] == [3, 4]
    broker.delete_topic("t")
    assert checkpoint.read_text() == "0\n0\n"
    broker.close()


def test_a_topic_deleted_while_it_is_compacted_leaves_nothing(tmp_path: Path) -> None:
    clock = Clock()
    broker = open_broker(tmp_path, clock)
    partition = create(broker, segment_bytes="2000000", max_message_bytes="3000000")
    for _ in range(4):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 1_100_000)])), NOW)
    keeper = Housekeeping(broker)
    for _ in range(5):
        assert keeper.run() == 0
    assert list((tmp_path / "t-0").glob("*.cleaned"))
    broker.delete_topic("t")
    keeper.run()
    clock.now_ms += 60_000
    keeper.run()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("t-0")]
    keeper.close()
    broker.close()


def test_a_topic_may_be_compacted_and_deleted_from(tmp_path: Path) -> None:
    clock = Clock()
    broker = open_broker(tmp_path, clock)
    partition = create(broker, cleanup_policy="compact,delete", segment_bytes="110", retention_ms="1000")
    send(partition, 5)
    keeper = Housekeeping(broker)
    while keeper.run() == 0:
        pass
    assert partition.log.log_start_offset == 0
    # Segments of which nothing is left are as old as their files.
    clock.now_ms = max(segment.largest_timestamp() for segment in partition.log.segments) + 15_000
    keeper.run()
    assert (partition.log.log_start_offset, contents(partition.log)) == (5, [])
    keeper.close()
    broker.close()


@pytest.mark.parametrize(("kind", "path"), [("write", ".cleaned"), ("move", "t-0"), ("read", "t-0"), ("sync", "t-0")])
def test_a_disk_that_fails_during_compaction_takes_the_log_offline(kind: Kind, path: str) -> None:
    files = SimulatedFileSystem()
    broker = Broker(files, Path("/first"), BrokerConfig(), 1, Clock(), [Path("/second")])
    broker.create_topic(broker.catalog.check_creation(TopicRequest("other")))
    partition = create(broker, segment_bytes="110")
    send(partition, 5)
    files.faults = Faults([Fault(kind, path_contains=path)])
    keeper = Housekeeping(broker)
    while keeper.run() == 0:
        pass
    assert partition.log.failure is not None
    with pytest.raises(BrokerError) as error:
        send(partition, 1)
    assert error.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    keeper.close()
    broker.close()


def test_lags_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    broker = open_broker(tmp_path, Clock())
    with pytest.raises(BrokerError) as error:
        create(broker, min_compaction_lag_ms="10", max_compaction_lag_ms="9")
    assert error.value.code == ErrorCode.INVALID_CONFIG
    create(broker, max_compaction_lag_ms="9")
    with pytest.raises(BrokerError):
        broker.catalog.change_configs("t", [ConfigChange("min.compaction.lag.ms", SET, "10")])
    for operation_, left in ((APPEND, "compact,delete"), (SUBTRACT, "compact")):
        topic = broker.catalog.change_configs("t", [ConfigChange("cleanup.policy", operation_, "delete")])
        broker.reconfigure_topic(topic)
        assert broker.catalog.get("t").overrides["cleanup.policy"] == left  # type: ignore[union-attr]
    assert broker.partition("t", 0).config.segment_limits.life_ms_max == 9
    broker.close()


def compacting(files: SimulatedFileSystem, count: int = 6) -> tuple[Broker, Clock]:
    clock = Clock()
    broker = Broker(files, HOME, BrokerConfig(), 1, clock)
    send(create(broker, segment_bytes="110"), count)
    return broker, clock


@pytest.mark.parametrize("damage", [None, "cleaner-offset-checkpoint", "recovery-point-offset-checkpoint"])
def test_a_log_that_was_being_compacted_is_whole_after_a_kill_though_it_no_longer_is_compacted(
    damage: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impl.server.log_cleaner.STEP_BYTES", 1)
    steps = 0
    seen = set()
    while True:
        files = SimulatedFileSystem()
        broker, _ = compacting(files)
        cleaner = LogCleaner(broker)
        if not all([cleaner.step(NOW) for _ in range(steps)]):  # noqa: C419 - all of them
            break
        broker.reconfigure_topic(broker.catalog.change_configs("t", [ConfigChange("cleanup.policy", SET, "delete")]))
        expected = contents(broker.partition("t", 0).log)
        after = files.after_kill()
        if damage is not None and after.exists(HOME / damage):
            after.replace_file(HOME / damage, b"?")
        again = Broker(after, HOME, BrokerConfig(), 1, Clock())
        assert contents(again.partition("t", 0).log) == expected
        seen.add(len(expected))
        steps += 1
    assert len(seen) > 2  # also with a part of it compacted


def test_a_checkpoint_that_can_not_be_written_takes_its_directory_offline() -> None:
    files = SimulatedFileSystem()
    broker, _ = compacting(files)
    files.faults.planned.append(Fault("sync", path_contains="cleaner-offset", lasts=True))
    keeper = Housekeeping(broker)
    keeper.run()
    assert broker.failure is not None
    assert broker.clean_offsets.get("t", 0) is None
    keeper.close()


def test_what_compaction_replaced_is_there_for_its_readers_as_long_as_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("impl.server.log_cleaner.STEP_BYTES", 1)
    files = SimulatedFileSystem()
    broker, clock = compacting(files)
    cleaner = LogCleaner(broker)
    while cleaner.step(clock.now_ms):
        clock.now_ms += 10_000  # the pass takes longer than file.delete.delay.ms
    assert len(broker.deletions)
    assert broker.deletions.next_due_ms is not None
    assert broker.deletions.next_due_ms > NOW + 60_000 + 10_000


def test_intervals_of_nothing_leave_time_for_others(tmp_path: Path) -> None:
    names = ("log.flush.offset.checkpoint.interval.ms", "replica.high.watermark.checkpoint.interval.ms")
    config = BrokerConfig(dict.fromkeys((*names, "log.cleaner.backoff.ms"), "0"))
    broker = Broker(RealFileSystem(), tmp_path, config, 1, Clock())
    keeper = Housekeeping(broker)
    keeper.run()
    assert keeper.run() > 0
    keeper.close()
    broker.close()
