"""Operations: what an administrator asks of a cluster, as data: topics, partition counts, settings.

Not here: what producers, consumers and monitors ask (`model.reference.operations`), and what may be answered
(`model.reference.rules` finds the function for each class).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from uuid import UUID

from attrs import field, frozen

from model.reference.operations import Operation


@frozen(kw_only=True)
class TopicSpec:
    """A topic to be created. -1 leaves partitions or replication factor to the broker's default (KIP-464)."""

    name: str
    partitions: int = 1
    replication_factor: int = 1
    assignments: tuple[tuple[int, tuple[int, ...]], ...] = ()
    config: Mapping[str, str | None] = field(factory=dict)


@frozen(kw_only=True)
class CreateTopics(Operation):
    """Create topics; `validate_only` checks and creates nothing."""

    topics: tuple[TopicSpec, ...]
    validate_only: bool = False
    timeout_ms: int = 30_000


@frozen(kw_only=True)
class DeleteTopics(Operation):
    """Delete topics, by name or (from v6) by id."""

    topics: tuple[str | UUID, ...]
    timeout_ms: int = 30_000


@frozen(kw_only=True)
class PartitionIncrease:
    """A topic's new number of partitions. `assignments` None: the broker chooses replicas for the added ones."""

    topic: str
    count: int
    assignments: tuple[tuple[int, ...], ...] | None = None


@frozen(kw_only=True)
class CreatePartitions(Operation):
    """Raise partition counts; `validate_only` checks and changes nothing."""

    topics: tuple[PartitionIncrease, ...]
    validate_only: bool = False
    timeout_ms: int = 30_000


class ResourceType(IntEnum):
    """What a configuration belongs to (ConfigResource.Type)."""

    TOPIC = 2
    BROKER = 4


@frozen(kw_only=True)
class ConfigQuestion:
    """Whose configuration is asked for; `keys` None: all of it."""

    name: str
    kind: ResourceType = ResourceType.TOPIC
    keys: tuple[str, ...] | None = None


@frozen(kw_only=True)
class DescribeConfigs(Operation):
    """Ask for configuration, with where each value comes from."""

    resources: tuple[ConfigQuestion, ...]
    include_synonyms: bool = False


class ConfigChange(IntEnum):
    """What to do to a setting (AlterConfigOp.OpType)."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@frozen(kw_only=True)
class ConfigEdit:
    """One setting to change; `value` None: Kafka's null."""

    key: str
    change: ConfigChange = ConfigChange.SET
    value: str | None = None


@frozen(kw_only=True)
class TopicConfigEdits:
    """The settings of one topic to change, and no others."""

    topic: str
    edits: tuple[ConfigEdit, ...]


@frozen(kw_only=True)
class IncrementalAlterConfigs(Operation):
    """Change topic settings one by one (KIP-339). Broker settings are never touched by the suite."""

    topics: tuple[TopicConfigEdits, ...]
    validate_only: bool = False
