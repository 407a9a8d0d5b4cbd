"""The topics of the cluster: names, ids, partitions and configurations, kept in one file.

Creation, deletion, growth and reconfiguration check what Kafka's controller checks (`ReplicationControlManager`,
`ConfigurationControlManager`) and are durable when they return. Opening and removing the logs of the partitions
is done by the broker, who is told what changed. A topic that is deleted and created again has another id.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import attrs

from impl.cluster.configs import TOPIC_CONFIGS, BrokerConfig, check, check_topic_configs
from impl.errors import BrokerError, DataDirectoryError, ErrorCode
from impl.storage.checkpoints import parse_uuid, uuid_text
from impl.storage.filesystem import FileSystem

FILE_NAME: Final = "topics.json"
NAME_LENGTH_MAX: Final = 249
LEGAL_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")
INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state"})
UNSPECIFIED: Final = -1
# A topic and its partitions are one change of the cluster's metadata (QuorumController.MAX_RECORDS_PER_USER_OP).
RECORDS_PER_CHANGE_MAX: Final = 10_000


@attrs.frozen(slots=True)
class Topic:
    """A topic; its partitions are numbered from 0 and each has this broker as its only replica."""

    name: str
    topic_id: UUID
    partition_count: int
    overrides: Mapping[str, str]


@attrs.frozen(slots=True)
class TopicRequest:
    """What CreateTopics asks for; -1 means the broker's default. `assignments` are partitions with replicas."""

    name: str
    partition_count: int = UNSPECIFIED
    replication_factor: int = UNSPECIFIED
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    configs: Mapping[str, str | None] = attrs.field(factory=dict)


@attrs.frozen(slots=True)
class ConfigChange:
    """One operation of IncrementalAlterConfigs (KIP-339) on a topic."""

    name: str
    operation: int
    value: str | None


SET: Final = 0
DELETE: Final = 1
APPEND: Final = 2
SUBTRACT: Final = 3


def check_topic_name(name: str) -> None:
    """Raise INVALID_TOPIC_EXCEPTION for a name that no topic can have (`org.apache.kafka.common.internals.Topic`)."""
    fault = ""
    if not name:
        fault = "the empty string is not allowed"
    elif name in (".", ".."):
        fault = f"'{name}' is not allowed"
    elif len(name) > NAME_LENGTH_MAX:
        fault = f"the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"
    elif not LEGAL_NAME.fullmatch(name):
        fault = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    if fault:
        raise BrokerError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {fault}")


def _check_change_size(records: int) -> None:
    if records > RECORDS_PER_CHANGE_MAX:
        raise BrokerError(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")


def _fault(error: Exception) -> str:
    """What is wrong with the file of topics, in plain words."""
    match error:
        case json.JSONDecodeError():
            return f"it is no JSON from line {error.lineno}, column {error.colno} on"
        case UnicodeDecodeError():
            return f"byte {error.start} is not part of a text"
        case KeyError():
            return f'"{error.args[0]}" is missing'
        case BrokerError():
            return error.message
    return "its JSON is not what this broker writes"


class Catalog:
    """All topics, by name and by id."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        config: BrokerConfig,
        node_id: int,
        make_id: Callable[[], UUID] = uuid4,
    ) -> None:
        """Read the file of topics, if there is one. Raises DataDirectoryError when it can't be understood."""
        self._files = files
        self._path = directory / FILE_NAME
        self._config = config
        self._node_id = node_id
        self._make_id = make_id
        self._topics: dict[str, Topic] = {}
        self._names: dict[UUID, str] = {}
        if files.exists(self._path):
            self._read()

    def _read(self) -> None:
        """Learn of the topics. Raises DataDirectoryError."""
        number = 0
        try:
            for number, entry in enumerate(json.loads(self._files.read_file(self._path))["topics"], 1):  # noqa: B007
                name, count, overrides = entry["name"], entry["partitions"], entry["configs"]
                check_topic_name(name)
                if type(count) is not int or count < 1:
                    raise BrokerError(ErrorCode.INVALID_PARTITIONS, f"it has {json.dumps(count)} partitions")  # noqa: TRY301
                self._keep(Topic(name, parse_uuid(entry["id"]), count, dict(overrides)))
        except (ValueError, LookupError, TypeError, AttributeError, BrokerError) as error:
            where = f" at topic number {number}" if number else ""
            raise DataDirectoryError(
                f"{self._path} is damaged{where} ({_fault(error)}), and no topic is known without it: "
                "restore it, or move it away together with the directories of the partitions"
            ) from error

    def get(self, name: str) -> Topic | None:
        """The topic with this name."""
        return self._topics.get(name)

    def by_id(self, topic_id: UUID) -> Topic | None:
        """The topic with this id."""
        name = self._names.get(topic_id)
        return self._topics[name] if name is not None else None

    def all(self) -> list[Topic]:
        """All topics, in the order of their creation."""
        return list(self._topics.values())

    def check_creation(self, request: TopicRequest) -> Topic:
        """The topic that a request would create. Raises BrokerError with the controller's code and message."""
        check_topic_name(request.name)
        self._check_collision(request.name)
        count = self._checked_partition_count(request)
        overrides = self._checked_configs(request.configs)
        return Topic(request.name, self._make_id(), count, overrides)

    def add(self, topic: Topic) -> None:
        """Keep a topic that `check_creation` has given. Durable on return."""
        self._keep(topic)
        self._write()

    def remove(self, name: str) -> Topic:
        """Forget a topic. Durable on return. Raises UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self._topics.pop(name, None)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        del self._names[topic.topic_id]
        self._write()
        return topic

    def check_growth(self, name: str, count: int, assignments: Sequence[Sequence[int]] | None) -> Topic:
        """The topic with more partitions. Raises BrokerError as CreatePartitions answers."""
        topic = self._topics.get(name)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        current = topic.partition_count
        if count == current:
            raise BrokerError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {current} partition(s).")
        if count < current:
            raise BrokerError(
                ErrorCode.INVALID_PARTITIONS,
                f"The topic {name} currently has {current} partition(s); {count} would not be an increase.",
            )
        _check_change_size(count - current)
        if assignments is not None:
            if len(assignments) != count - current:
                raise BrokerError(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"Attempted to add {count - current} additional partition(s), "
                    f"but only {len(assignments)} assignment(s) were specified.",
                )
            for replicas in assignments:
                self._check_replicas(replicas, 1)
        return attrs.evolve(topic, partition_count=count)

    def change_configs(self, name: str, changes: Sequence[ConfigChange]) -> Topic:
        """The topic with its configs changed. Raises BrokerError as IncrementalAlterConfigs answers."""
        if not name:
            raise BrokerError(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
        check_topic_name(name)
        topic = self._topics.get(name)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
        overrides = dict(topic.overrides)
        for change in changes:
            self._change(overrides, change)
        return attrs.evolve(topic, overrides=self._checked_configs(overrides))

    def replace(self, topic: Topic) -> None:
        """Keep the changed state of an existing topic. Durable on return."""
        self._keep(topic)
        self._write()

    def _checked_configs(self, overrides: Mapping[str, str | None]) -> dict[str, str]:
        """Overrides that are good each and together (`LogConfig.validateValues`). Raises INVALID_CONFIG."""
        checked = check_topic_configs(overrides)
        lag = self._config.partition_config(checked).compaction
        if lag.lag_ms_min > lag.lag_ms_max:
            raise BrokerError(
                ErrorCode.INVALID_CONFIG,
                f"conflict topic config setting min.compaction.lag.ms ({lag.lag_ms_min}) > "
                f"max.compaction.lag.ms ({lag.lag_ms_max})",
            )
        return checked

    def _change(self, overrides: dict[str, str], change: ConfigChange) -> None:
        """Apply one operation (`ConfigurationControlManager.incrementalAlterConfigResource`)."""
        if change.operation == DELETE:
            overrides.pop(change.name, None)
            return
        if change.operation not in (SET, APPEND, SUBTRACT):
            raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR)
        if change.value is None:
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {change.name}")
        definition = TOPIC_CONFIGS.get(change.name)
        if definition is None:
            raise BrokerError(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {change.name}")
        if change.operation == SET:
            overrides[change.name] = check(definition, change.value)
            return
        if definition.type != 7:
            raise BrokerError(
                ErrorCode.INVALID_CONFIG,
                f"Can't {'APPEND' if change.operation == APPEND else 'SUBTRACT'} to key {change.name} "
                "because its type is not LIST.",
            )
        current = overrides.get(change.name) or self._config.topic_entry(definition, {}).value
        items = [item for item in (current or "").split(",") if item]
        named = [item.strip() for item in change.value.split(",")]
        if change.operation == APPEND:
            items += [item for item in named if item not in items]
        else:
            items = [item for item in items if item not in named]
        overrides[change.name] = ",".join(items)

    def _check_collision(self, name: str) -> None:
        if name in self._topics:
            raise BrokerError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        # Metrics' names replace periods, so that a.b and a_b would be the same there.
        for other in self._topics:
            if other.replace(".", "_") == name.replace(".", "_"):
                raise BrokerError(
                    ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}"
                )

    def _checked_partition_count(self, request: TopicRequest) -> int:
        """The number of partitions asked for (`ReplicationControlManager.createTopic`)."""
        if request.assignments:
            return self._checked_assignments(request)
        factor = request.replication_factor
        if factor < -1 or factor == 0:
            raise BrokerError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            )
        if request.partition_count < -1 or request.partition_count == 0:
            raise BrokerError(
                ErrorCode.INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            )
        count = request.partition_count if request.partition_count > 0 else self._config.number("num.partitions")
        factor = factor if factor > 0 else self._config.number("default.replication.factor")
        if factor > 1:
            raise BrokerError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                f"Unable to replicate the partition {factor} time(s): The target replication factor of {factor} "
                "cannot be reached because only 1 broker(s) are registered.",
            )
        _check_change_size(count + 1)
        return count

    def _checked_assignments(self, request: TopicRequest) -> int:
        """The number of partitions that manual assignments name."""
        if request.replication_factor != UNSPECIFIED:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            )
        if request.partition_count != UNSPECIFIED:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            )
        sizes = {len(replicas) for _, replicas in request.assignments}
        named: set[int] = set()
        for partition, replicas in request.assignments:
            if partition in named:
                raise BrokerError(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"Found multiple manual partition assignments for partition {partition}",
                )
            named.add(partition)
            self._check_replicas(replicas, max(sizes))
        if sorted(named) != list(range(len(named))):
            raise BrokerError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
            )
        return len(request.assignments)

    def _check_replicas(self, replicas: Sequence[int], expected: int) -> None:
        if not replicas:
            raise BrokerError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "The manual partition assignment includes an empty replica list.",
            )
        for replica in sorted(replicas):
            if replica != self._node_id:
                raise BrokerError(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"The manual partition assignment includes broker {replica}, but no such broker is registered.",
                )
        if len(replicas) != len(set(replicas)):
            raise BrokerError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"The manual partition assignment includes the broker {replicas[0]} more than once.",
            )
        if len(replicas) != expected:
            raise BrokerError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "replication factors differ")

    def _keep(self, topic: Topic) -> None:
        self._topics[topic.name] = topic
        self._names[topic.topic_id] = topic.name

    def _write(self) -> None:
        # No indents: with them the encoder takes thirty times as long, and each change writes all topics.
        entries = [
            {
                "name": topic.name,
                "id": uuid_text(topic.topic_id),
                "partitions": topic.partition_count,
                "configs": dict(topic.overrides),
            }
            for topic in self._topics.values()
        ]
        self._files.replace_file(self._path, json.dumps({"version": 1, "topics": entries}).encode())
