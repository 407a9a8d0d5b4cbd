"""Bugs that a broker could have in what it keeps beside its logs, and the check that sees each."""

from collections.abc import Callable
from functools import partialmethod
from typing import Any, Final
from unittest.mock import patch

from impl.cluster.catalog import Topic
from impl.server.broker import Broker
from impl.storage.filesystem import FileSystem
from impl.tests.broker_histories import DIRECTORIES, BrokerTrial, Step, Stop
from impl.tests.storage_bugs import StorageBug

Planted = Callable[..., Any]

# -- checks ----------------------------------------------------------------------------------------------------------


def check_losses_of_power() -> None:
    """Power is lost before every change of two histories, in one of which it is lost for good. Raises Violation."""
    filled = [Step("create"), *[Step("append")] * 2, Step("flush"), Step("delete_records"), Step("allocate")]
    again = [Step("create"), Step("append"), Step("flush")]
    BrokerTrial().play([*filled, Step("configure"), Step("delete"), *again, Step("restart")])
    halfway = Step("delete", stop=Stop(4, 0, killed=True))  # the topic is gone, its partition is there
    BrokerTrial(directories=DIRECTORIES).play([*filled, halfway, *again, Step("restart"), Step("allocate")])


CHECKS: Final[tuple[Callable[[], None], ...]] = (check_losses_of_power,)

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


BROKER: Final = "impl.server.broker.Broker"
BUGS: Final = (
    StorageBug("topics are not flushed", "impl.cluster.catalog.Catalog._write", _without_flush),
    StorageBug("a changed topic is not written", "impl.cluster.catalog.Catalog.replace", _never_written),
    StorageBug("logs are deleted before their topic", f"{BROKER}.delete_topic", _logs_first),
    StorageBug("a new topic takes over an old one's records", f"{BROKER}._move_stranger", _nothing),
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
    StorageBug("the cluster's id is not flushed", f"{BROKER}._read_identity", _without_flush),
)
