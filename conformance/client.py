"""The suite's view of a cluster's brokers: connections by name, and who must be asked for what.

Connections are named, so that a case can keep several open to one broker. After a broker went away, `forget` drops
its connections; the next use connects anew. Nothing here retries: what an operation answers is for the model.

Where there are several brokers, one of them is `home`: the run's topics are on it (`conformance.placement`), it is
asked what any broker can be asked, and faults are done to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from attrs import frozen

from conformance.targets.base import Address, Target
from conformance.wire.apis import Api, client_range, message
from conformance.wire.connection import Connection
from conformance.wire.errors import Unreachable, WireError
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic
from model.reference.errors import ErrorCode

METADATA_VERSION_MAX = 8
"""Names suffice for routing; later versions are flexible, in which librdkafka's mock errs, and add ids."""
OFFSET_FETCH_VERSION_MAX = 7
"""The last version that asks for one group."""
INIT_PRODUCER_ID_VERSION_MAX = 2
"""The last version that names no producer."""
FETCH_VERSION_MAX = 12
"""The last version that names topics."""
FETCH_EPOCHS_FROM = 9
"""The first version that says which leader epoch it expects."""
_OF_ANOTHER_EPOCH = {ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH}
_NOT_YET_SERVED = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.REPLICA_NOT_AVAILABLE,
}


KEPT: Mapping[str, str] = {"retention.ms": "-1"}
"""Settings of every topic of the suite: records of a case may be of 1970, and a broker must not tidy them away."""


class Unsupported(Exception):
    """The target lacks what a case needs; the reason is what the report shows."""


class NotReady(Exception):
    """The target did not get ready in time (a leader, a coordinator); says for what we waited."""


@frozen
class Range:
    """API versions, both ends included."""

    least: int
    most: int

    def common(self, other: Range) -> Range | None:
        """The versions in both, or None."""
        both = Range(max(self.least, other.least), min(self.most, other.most))
        return both if both.least <= both.most else None


def poll(what: str, ready: Callable[[], Any], ceiling_s: float = 30.0) -> Any:
    """Ask until the answer is truthy, with pauses that grow from 2 to 100 ms.

    Raises:
        NotReady: it was not within `ceiling_s` seconds.
    """
    deadline = time.monotonic() + ceiling_s
    pause = 0.002
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotReady(f"waited {ceiling_s:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Client:
    """Connections to the brokers of a target."""

    def __init__(
        self, target: Target, answer_timeout_s: float = 15.0, settling_s: float = 30.0, patience_s: float = 20.0
    ) -> None:
        """A new topic gets `settling_s` to have its leaders, a restarted broker `patience_s` to lead again."""
        self.target = target
        self.answer_timeout_s = answer_timeout_s
        self.settling_s = settling_s
        self.patience_s = patience_s
        self.overdue: set[str] = set()
        """What was waited for in vain, with all patience: ids of requirements, and names of flaws in frames.

        These are broken, whatever comes later, so that nobody waits as long for them again.
        """
        self.brokers: dict[int, Address] = {}
        self.controller = -1
        self.home = -1
        """The broker that leads the run's topics; the same through all faults."""
        self.has_several_brokers = False
        """Whether more than one broker has been seen at once."""
        self.kept = KEPT
        """What topics are set to besides what a case asks for; nothing, once the target has refused it."""
        self._leaders: dict[tuple[str, int], int] = {}
        self._coordinators: dict[str, int] = {}
        self._open: dict[tuple[str, int], Connection] = {}
        self.ranges: Mapping[Api, Range] = self._ask_ranges()
        self.refresh(())

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def forget(self) -> None:
        """Drop connections, leaders and coordinators: a broker was restarted or moved."""
        self.close()
        self._leaders.clear()
        self._coordinators.clear()

    # -- connections -------------------------------------------------------------------------------------------------

    def _connect(self, address: Address) -> Connection:
        return Connection(
            address.host, address.port, security=self.target.security, answer_timeout=self.answer_timeout_s
        )

    @contextmanager
    def fresh(self, broker: int | None = None) -> Iterator[Connection]:
        """A new connection to a broker, closed at the end; if None, to the first that lets itself be reached."""
        connection = self._connect(self.brokers[broker]) if broker is not None else self._connect_anywhere()
        try:
            yield connection
        finally:
            connection.close()

    def _connect_anywhere(self) -> Connection:
        """A connection to the home broker, or else by one of the bootstrap addresses."""
        known = [self.brokers[self.home]] if self.home in self.brokers else []
        first, *others = dict.fromkeys((*known, *self.target.bootstrap))
        for address in (first, *others):
            try:
                return self._connect(address)
            except Unreachable as error:
                refusal = error
        raise refusal

    def connection(self, name: str, broker: int) -> Connection:
        """The connection of this name to this broker; opened when first asked for."""
        key = (name, broker)
        if key not in self._open:
            self._open[key] = self._connect(self.brokers[broker])
        return self._open[key]

    def drop(self, name: str, broker: int) -> None:
        """Close one connection (after an error on it, it can't be used again)."""
        connection = self._open.pop((name, broker), None)
        if connection is not None:
            connection.close()

    def drop_awaiting(self) -> None:
        """Close the connections on which an answer is still due: who comes next can't use them."""
        for name, broker in [key for key, connection in self._open.items() if connection.is_awaiting]:
            self.drop(name, broker)

    # -- who must be asked -------------------------------------------------------------------------------------------

    def version(self, api: Api, highest: int | None = None) -> int:
        """The highest version of `api` in common, at most `highest`: for the suite's own bookkeeping.

        Raises:
            Unsupported: there is none.
        """
        offered = self.ranges.get(api)
        common = offered.common(Range(*client_range(api))) if offered is not None else None
        if common is None:
            raise Unsupported(f"the target offers no {api.name} version that the suite speaks")
        return common.most if highest is None else max(common.least, min(common.most, highest))

    def _ask_ranges(self) -> Mapping[Api, Range]:
        """What the target offers (ApiVersions v0, which every broker must answer)."""
        with self.fresh() as connection:
            answer = connection.call(Api.API_VERSIONS, 0, message(Api.API_VERSIONS, 0)).answer
        known = {int(api) for api in Api}
        return {
            Api(key.api_key): Range(key.min_version, key.max_version) for key in answer.api_keys if key.api_key in known
        }

    def refresh(self, topics: tuple[str, ...], *, create: bool = False) -> Any:
        """Learn brokers, the controller and the leaders of `topics`; the decoded Metadata answer is returned.

        `create` lets the target make those that it does not know.
        """
        answer = self._metadata(topics, create=create)
        self.brokers = {broker.node_id: Address(broker.host, broker.port) for broker in answer.brokers}
        self.controller = getattr(answer, "controller_id", -1)
        self.has_several_brokers |= len(self.brokers) > 1
        if self.home not in self.brokers and (self.home < 0 or not self.has_several_brokers):
            self.home = min(self.brokers, default=-1)
        for topic in answer.topics:
            for partition in topic.partitions:
                self._leaders[topic.name, partition.partition_index] = partition.leader_id
        return answer

    def _metadata(self, topics: tuple[str, ...] | None, *, create: bool = False, broker: int | None = None) -> Any:
        """What a broker tells of topics (None: of all)."""
        version = self.version(Api.METADATA, METADATA_VERSION_MAX)
        kind = message(Api.METADATA, version).MetadataRequestTopic
        wanted = None if topics is None else [kind(name=name) for name in topics]
        if version == 0:
            wanted = wanted or []  # by which v0 asks for all
        request = message(Api.METADATA, version, topics=wanted, allow_auto_topic_creation=create)
        with self.fresh(broker) as connection:
            return connection.call(Api.METADATA, version, request).answer

    def topics_named(self, prefix: str) -> list[str]:
        """The names of all topics that begin so, by a fresh look."""
        return sorted(topic.name for topic in self._metadata(None).topics if topic.name.startswith(prefix))

    def any_broker(self) -> int:
        """A broker that can be asked anything but what only the controller can do."""
        return self.home if self.home in self.brokers else min(self.brokers)

    def controlling_broker(self) -> int:
        """The broker that creates and deletes topics, if one of them says so (with KRaft each can be asked)."""
        return self.controller if self.controller in self.brokers else self.any_broker()

    def is_at_home(self, topic: str, partition: int) -> bool:
        """Whether the home broker leads the partition, as last known."""
        return self._leaders.get((topic, partition), -1) == self.home

    def home_answers(self) -> bool:
        """Whether the home broker is listed and answers; the others may do so while it is down.

        Raises:
            WireError: it can't be reached.
        """
        if self.home not in self.brokers:
            return False
        with self.fresh(self.home) as connection:
            connection.call(Api.API_VERSIONS, 0, message(Api.API_VERSIONS, 0))
        return True

    def leader(self, topic: str, partition: int) -> int:
        """The partition's leader as last known, or any broker if none is known."""
        found = self._leaders.get((topic, partition), -1)
        return found if found in self.brokers else self.any_broker()

    def coordinator(self, group: str) -> int:
        """The broker that keeps the group's offsets; asked for once, and waited for while it loads."""
        if group not in self._coordinators:
            self._coordinators[group] = poll(
                f"the coordinator of group {group}", lambda: self._find_coordinator(group)
            )[0]
        return self._coordinators[group]

    def _find_coordinator(self, group: str) -> tuple[int] | None:
        version = self.version(Api.FIND_COORDINATOR, 3)
        request = message(Api.FIND_COORDINATOR, version, key=group, key_type=0)
        with self.fresh() as connection:
            answer = connection.call(Api.FIND_COORDINATOR, version, request).answer
        if answer.error_code in (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS):
            return None
        if answer.error_code != ErrorCode.NONE:
            raise Unsupported(f"FindCoordinator answers {ErrorCode(answer.error_code).name} for a group")
        return (answer.node_id,) if self._keeps(answer.node_id, group) else None

    def _keeps(self, broker: int, group: str) -> bool:
        """Whether a coordinator has read what it keeps, and answers for the group."""
        if Api.OFFSET_FETCH not in self.ranges:
            return True
        version = self.version(Api.OFFSET_FETCH, OFFSET_FETCH_VERSION_MAX)
        request = message(Api.OFFSET_FETCH, version, group_id=group, topics=[])
        answer = self.connection("main", broker).call(Api.OFFSET_FETCH, version, request).answer
        code = getattr(answer, "error_code", ErrorCode.NONE)
        return code not in (
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            ErrorCode.NOT_COORDINATOR,
        )

    def leaders_are_known(self, topic: str, partitions: int) -> bool:
        """Whether every partition of the topic has a leader, by a fresh look."""
        told = self._partitions(topic, self.refresh((topic,)))
        return (
            bool(told)
            and _all_have_leaders(told, partitions)
            and all(self._is_served(topic, each.partition_index) for each in told)
            and all(self._hears_of(topic, partitions, broker) for broker in sorted(self.brokers) if broker != self.home)
        )

    @staticmethod
    def _partitions(topic: str, answer: Any) -> Any:
        """What a Metadata answer tells of the topic's partitions; nothing if it tells an error."""
        found = [each for each in answer.topics if each.name == topic and each.error_code == ErrorCode.NONE]
        return found[0].partitions if found else ()

    def _hears_of(self, topic: str, partitions: int, broker: int) -> bool:
        """Whether another broker knows the topic, which may coordinate a group; one that can't be reached is let be."""
        try:
            answer = self._metadata((topic,), broker=broker)
        except WireError:
            return True
        return _all_have_leaders(self._partitions(topic, answer), partitions)

    def hands_out_ids(self) -> bool:
        """Whether the target hands out producer ids, or never does."""
        if Api.INIT_PRODUCER_ID not in self.ranges:
            return True
        version = self.version(Api.INIT_PRODUCER_ID, INIT_PRODUCER_ID_VERSION_MAX)
        request = message(Api.INIT_PRODUCER_ID, version, transactional_id=None, transaction_timeout_ms=60_000)
        with self.fresh() as connection:
            answer = connection.call(Api.INIT_PRODUCER_ID, version, request).answer
        return bool(answer.error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)

    def leads_in(self, topic: str, partition: int, epoch: int) -> bool:
        """Whether the leader serves the partition in this leader epoch, as far as it can be asked (Fetch v9)."""
        version = self.version(Api.FETCH, FETCH_VERSION_MAX)
        if version not in range(FETCH_EPOCHS_FROM, FETCH_VERSION_MAX + 1):
            return True
        return not self._fetch_errors(topic, partition, epoch) & {*_NOT_YET_SERVED, *_OF_ANOTHER_EPOCH}

    def leader_epochs(self, topics: tuple[str, ...]) -> dict[tuple[str, int], int]:
        """The leader epochs of topics, by a fresh look; without those of partitions that have no leader now."""
        answer = self.refresh(topics)
        return {
            (topic.name, each.partition_index): getattr(each, "leader_epoch", -1)
            for topic in answer.topics
            for each in topic.partitions
            if each.leader_id >= 0
        }

    def _is_served(self, topic: str, partition: int) -> bool:
        """Whether the leader knows that it leads: a broker of Kafka may announce itself some ms before it does."""
        return not self._fetch_errors(topic, partition) & _NOT_YET_SERVED

    def _fetch_errors(self, topic: str, partition: int, epoch: int = -1) -> set[int]:
        """The error codes with which a fetch of the partition is answered; none where fetches go by topic ids."""
        version = self.version(Api.FETCH, FETCH_VERSION_MAX)
        if version > FETCH_VERSION_MAX:
            return set()
        asked = FetchPartition(index=partition, fetch_offset=0, max_bytes=1, current_leader_epoch=epoch)
        wanted = FetchTopic(topic=topic, partitions=(asked,))
        request = FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=1, topics=(wanted,))
        with self.fresh(self.leader(topic, partition)) as connection:
            answer = connection.call(Api.FETCH, version, request).answer
        return {each.error_code for found in answer.topics for each in found.partitions}

    def is_gone(self, topic: str) -> bool:
        """Whether the target knows no such topic, by a fresh look."""
        answer = self.refresh((topic,))
        return all(each.error_code != ErrorCode.NONE for each in answer.topics if each.name == topic)

    def delete_topic(self, topic: str) -> None:
        """Remove a topic that the suite made; a target that can't delete keeps it."""
        with suppress(Unsupported, WireError):
            version = self.version(Api.DELETE_TOPICS, 5)
            request = message(Api.DELETE_TOPICS, version, topic_names=[topic], timeout_ms=10_000)
            with self.fresh(self.controlling_broker()) as connection:
                connection.call(Api.DELETE_TOPICS, version, request)


def _all_have_leaders(told: Any, partitions: int) -> bool:
    """Whether there are so many partitions, and each has a leader."""
    return len(told) >= partitions and all(each.error_code == ErrorCode.NONE and each.leader_id >= 0 for each in told)
