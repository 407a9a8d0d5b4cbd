"""Bugs that a broker could have in what it keeps beside its logs, and the check that sees each."""

from collections.abc import Callable
from errno import EACCES
from functools import partialmethod
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from impl.cluster.catalog import FILE_NAME, Topic, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.cluster.offsets import CommittedOffset
from impl.cluster.state_log import StateLog
from impl.errors import StorageError
from impl.server.broker import OFFSETS_LOG, Broker
from impl.storage.faults import Crash, Fault, Faults, crash_before
from impl.storage.filesystem import FileSystem
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.broker_histories import DIRECTORIES, BrokerTrial, Step, Stop
from impl.tests.directories import append
from impl.tests.durability import Violation, must
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW

Planted = Callable[..., Any]
HOME: Final = Path("/data")
NESTED: Final = Path("/var/lib/broker/data")

# -- checks ----------------------------------------------------------------------------------------------------------


def check_losses_of_power() -> None:
    """Power is lost before every change of two histories, in one of which it is lost for good. Raises Violation."""
    filled = [Step("create"), *[Step("append")] * 2, Step("flush"), Step("delete_records"), Step("allocate")]
    again = [Step("create"), Step("append"), Step("flush")]
    BrokerTrial().play([*filled, Step("configure"), Step("delete"), *again, Step("restart")])
    halfway = Step("delete", stop=Stop(4, 0, killed=True))  # the topic is gone, its partition is there
    BrokerTrial(directories=DIRECTORIES).play([*filled, halfway, *again, Step("restart"), Step("allocate")])


def check_offsets_of_a_deleted_topic() -> None:
    """Power is lost before each change of a deletion: a topic of that name begins without offsets. Raises Violation."""
    change = 0
    while True:
        files = SimulatedFileSystem()
        broker = _with_offsets(files)
        old_id = _id_of_gone(broker)
        files.faults = Faults(before_change=crash_before(change))
        try:
            broker.delete_topic("gone")
            broker.create_topic(broker.catalog.check_creation(TopicRequest("gone")))
        except Crash:
            is_whole = False
        else:
            is_whole = True
        for left in (files.after_kill(), files.after_power_loss(Random(change))):
            _must_begin_without_offsets(left, old_id, f"after a stop before change {change} of a deletion")
        if is_whole:
            must(change > 1, "a deletion changes nothing")
            return
        change += 1


def _with_offsets(files: SimulatedFileSystem) -> Broker:
    """A broker with two topics, for each of which a group has committed an offset, durably."""
    broker = Broker(files, HOME, BrokerConfig(), 1, lambda: NOW)
    for topic in ("gone", "there"):
        broker.create_topic(broker.catalog.check_creation(TopicRequest(topic)))
        broker.offsets.commit("g", {(topic, 0): CommittedOffset(5, -1, "", NOW)}, NOW)
    broker.directories.log(OFFSETS_LOG).flush()
    return broker


def _id_of_gone(broker: Broker) -> UUID | None:
    topic = broker.catalog.get("gone")
    return None if topic is None else topic.topic_id


def _must_begin_without_offsets(files: SimulatedFileSystem, old_id: UUID | None, when: str) -> None:
    broker = Broker(files, HOME, BrokerConfig(), 1, lambda: NOW)
    if _id_of_gone(broker) is None:
        broker.create_topic(broker.catalog.check_creation(TopicRequest("gone")))
    committed = {name for name, _ in broker.offsets.of_group("g")}
    must("there" in committed, f"offsets are lost {when}")
    if _id_of_gone(broker) != old_id:
        must("gone" not in committed, f"offsets of a deleted topic are there {when}")
    broker.close()


def check_offsets_of_topics_that_are_missing() -> None:
    """An older file of topics costs no offsets: it may be put right. Raises Violation."""
    files = SimulatedFileSystem()
    _with_offsets(files).close()
    newer = files.read_file(HOME / FILE_NAME)
    files.replace_file(HOME / FILE_NAME, b'{"version": 1, "topics": []}')
    Broker(files, HOME, BrokerConfig(), 1, lambda: NOW).close()
    files.replace_file(HOME / FILE_NAME, newer)
    broker = Broker(files, HOME, BrokerConfig(), 1, lambda: NOW)
    committed = {name for name, _ in broker.offsets.of_group("g")}
    must(committed == {"gone", "there"}, f"of all offsets those for {committed} are left")
    broker.close()


def check_first_starts_that_are_killed() -> None:
    """A kill before each change of the first start, a flush by the next broker, a loss of power. Raises Violation."""
    change = 0
    while True:
        files = SimulatedFileSystem()
        files.make_directory(NESTED.parent)
        files.faults = Faults(before_change=crash_before(change))
        try:
            Broker(files, NESTED, BrokerConfig(), 1, lambda: NOW)
        except Crash:
            _must_survive(files.after_kill(), change)
            change += 1
        else:
            must(change > 1, "a first start changes nothing")
            return


def _must_survive(files: SimulatedFileSystem, change: int) -> None:
    broker = Broker(files, NESTED, BrokerConfig(), 1, lambda: NOW)
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t")))
    append(broker.partition("t", 0))
    broker.partition("t", 0).log.flush()
    for seed in range(4):
        again = Broker(files.after_power_loss(Random(seed)), NESTED, BrokerConfig(), 1, lambda: NOW)
        is_there = ("t", 0) in again.partitions and again.partition("t", 0).log.log_end_offset == 1
        must(is_there, f"what was flushed is lost if the start before it was killed before change {change}")


def check_parents_that_can_not_be_read() -> None:
    """A data directory may be in one that the broker may not read, and so did not make. Raises Violation."""
    files = SimulatedFileSystem()
    files.make_directory(NESTED)
    files.faults.planned.append(Fault("sync directory", error=EACCES))
    try:
        Broker(files, NESTED, BrokerConfig(), 1, lambda: NOW).close()
    except StorageError as error:
        raise Violation(f"the start is refused: {error}") from error


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    check_losses_of_power,
    check_offsets_of_a_deleted_topic,
    check_offsets_of_topics_that_are_missing,
    check_first_starts_that_are_killed,
    check_parents_that_can_not_be_read,
)

# -- bugs ------------------------------------------------------------------------------------------------------------


def _nothing(_: Any) -> Planted:
    """Do nothing."""
    return lambda *_, **__: None


def _without_flush(right: Any) -> Planted:
    """Write a file in the place of another, and flush neither it nor its name."""
    replace = partialmethod(FileSystem.replace_file, durable=False)

    def written(*arguments: Any, **named: Any) -> Any:
        with patch.object(FileSystem, "replace_file", replace):
            return right(*arguments, **named)

    return written


def _sync_what_was_missing(_: Any) -> Planted:
    """Flush only the names that this process has made, as Kafka does."""

    def make(files: FileSystem, path: Path) -> None:
        missing = [each for each in (path, *path.parents) if not files.exists(each)]
        files.make_directory(path)
        for each in missing:
            files.sync_directory(each.parent)

    return make


def _sync_all(_: Any) -> Planted:
    """Flush the names of all parents, or fail."""

    def make(files: FileSystem, path: Path) -> None:
        files.make_directory(path)
        for each in path.parents:
            files.sync_directory(each)

    return make


def _logs_first(right: Any) -> Planted:
    """Delete logs while the catalog still has their topic."""

    def delete_topic(self: Broker, name: str) -> None:
        topic = self.catalog.get(name)
        assert topic is not None
        for index in range(topic.partition_count):
            self._begin_deletion(self.partitions[name, index], self.now_ms())
        with patch.object(Broker, "_begin_deletion", lambda *_: None):
            right(self, name)

    return delete_topic


def _never_written(_: Any) -> Planted:
    """Change a topic in memory only."""

    def replace(self: Any, topic: Topic) -> None:
        self._keep(topic)

    return replace


def _create_only(right: Any) -> Planted:
    """A new topic has the offsets that there are for its name."""

    def create_topic(self: Broker, *arguments: Any) -> None:
        with patch.object(self.offsets, "remove_topic", lambda *_: None):
            right(self, *arguments)

    return create_topic


def _keep_only_known(right: Any) -> Planted:
    """A start forgets offsets for partitions that no topic has."""

    def read_own_logs(self: Broker) -> None:
        right(self)
        committed = {partition for group in tuple(self.offsets._groups.values()) for partition in group}
        for topic in {name for name, _ in committed - self._known()}:
            self.offsets.remove_topic(topic, NOW)

    return read_own_logs


def _in_memory(right: Any) -> Planted:
    """Flush nothing of what is said of a deleted topic."""

    def remove_topic(self: Any, topic: str, now_ms: int) -> None:
        with patch.object(StateLog, "flush", lambda _: None):
            right(self, topic, now_ms)

    return remove_topic


OFFSETS: Final = "impl.cluster.offsets.CommittedOffsets"
MAKE: Final = "impl.server.broker.make_durably"
BROKER: Final = "impl.server.broker.Broker"
BUGS: Final = (
    StorageBug(
        "a killed start's directories are not flushed", "impl.server.broker.make_durably", _sync_what_was_missing
    ),
    StorageBug("each parent must be readable", "impl.server.broker.make_durably", _sync_all),
    StorageBug("topics are not flushed", "impl.cluster.catalog.Catalog._write", _without_flush),
    StorageBug("a changed topic is not written", "impl.cluster.catalog.Catalog.replace", _never_written),
    StorageBug("logs are deleted before their topic", f"{BROKER}.delete_topic", _logs_first),
    StorageBug("a new topic takes over an old one's records", f"{BROKER}._move_aside", _nothing),
    StorageBug("deletions that were interrupted are left so", f"{BROKER}._look_for_leftovers", _nothing),
    StorageBug(
        "where a log begins is answered before it is written",
        "impl.server.log_directories.LogDirectories.checkpoint_log_starts",
        _nothing,
    ),
    StorageBug(
        "producer ids are given before they are claimed",
        "impl.cluster.producer_ids.ProducerIds.allocate",
        _without_flush,
    ),
    StorageBug("offsets outlive a deletion that was interrupted", f"{BROKER}.create_topic", _create_only),
    StorageBug("offsets go with topics that are missing", f"{BROKER}._read_own_logs", _keep_only_known),
    StorageBug("offsets of a deleted topic come back", f"{OFFSETS}.remove_topic", _in_memory),
    StorageBug("the cluster's id is not flushed", f"{BROKER}._read_identity", _without_flush),
)
