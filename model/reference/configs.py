"""Topic settings: which there are, what they may be, where a value comes from, and changing them.

A topic's own value hides the broker's, which hides the default. Broker settings are read and never changed here; how
they are told is in `model.reference.described`.

Not modelled: settings of clients, users and loggers; AlterConfigs (KIP-133), which replaces all at once.

Source: LogConfig (names, types, validators), ServerTopicConfigSynonyms, ConfigurationControlManager,
ConfigAdminManager; KIP-133, KIP-226, KIP-339.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum, StrEnum

from attrs import evolve, frozen

from model.profiles import Profile
from model.reference.administration import (
    ConfigChange,
    ConfigEdit,
    IncrementalAlterConfigs,
    TopicConfigEdits,
)
from model.reference.errors import ErrorCode
from model.reference.outcomes import (
    Effect,
    Expect,
    Meets,
    OneOf,
    Permitted,
    Section,
    Values,
    declare,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster

ALTER_ANSWERED = declare("alter_configs.answered", "the request as a whole was answered")
ALTERED = declare("alter_configs.altered", "the settings were changed")
ALTER_CHECKED = declare("alter_configs.checked", "the settings could be changed; only a check was asked for")
NOT_ALTERED = declare("alter_configs.refused", "the settings are as they were")


class Source(IntEnum):
    """Where a value comes from (DescribeConfigsResponse.ConfigSource)."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5


class Kind(StrEnum):
    """The type of a setting (ConfigDef.Type)."""

    BOOLEAN = "boolean"
    DOUBLE = "double"
    INT = "int"
    LONG = "long"
    LIST = "list"
    STRING = "string"


_BOUNDS = {Kind.INT: 2**31, Kind.LONG: 2**63}


@frozen
class Setting:
    """A setting of topics: its type, default in 3.9, what it may be, and the broker's setting that stands behind it.

    A least that differs by release is the profile's.
    """

    kind: Kind
    default: str
    synonym: str | None = None
    least: float = -(2.0**63)
    most: float = 2.0**63
    choices: frozenset[str] = frozenset()
    others: tuple[tuple[str, int], ...] = ()
    """Broker settings that count where the first is not set, in this order, and how much one of their units is."""

    def admits(self, value: str) -> bool:
        """Whether a topic may be set so (ConfigDef.parseType and the setting's validator)."""
        text = value.strip()
        match self.kind:
            case Kind.BOOLEAN:
                return text.lower() in ("true", "false")
            case Kind.LIST:
                return not self.choices or (
                    bool(text) and all(each.strip() in self.choices for each in text.split(","))
                )
            case Kind.STRING:
                return not self.choices or text in self.choices
            case Kind.DOUBLE:
                return _is_number(text, float) and self.least <= float(text) <= self.most
        if not _is_number(text, int):
            return False
        bound = _BOUNDS[self.kind]
        return -bound <= int(text) < bound and self.least <= int(text) <= self.most


def _is_number(text: str, of: Callable[[str], object]) -> bool:
    try:
        of(text)
    except ValueError:
        return False
    return "_" not in text


_NEVER = str(2**63 - 1)
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_RETENTION = (("log.retention.minutes", _MINUTE_MS), ("log.retention.hours", _HOUR_MS))
_CODECS = frozenset({"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"})
_STAMPS = frozenset({"CreateTime", "LogAppendTime"})

SETTINGS: Mapping[str, Setting] = {
    "cleanup.policy": Setting(Kind.LIST, "delete", "log.cleanup.policy", choices=frozenset({"compact", "delete"})),
    "compression.type": Setting(Kind.STRING, "producer", "compression.type", choices=_CODECS),
    "delete.retention.ms": Setting(Kind.LONG, "86400000", "log.cleaner.delete.retention.ms", 0),
    "file.delete.delay.ms": Setting(Kind.LONG, "60000", "log.segment.delete.delay.ms", 0),
    "flush.messages": Setting(Kind.LONG, _NEVER, "log.flush.interval.messages", 1),
    "flush.ms": Setting(
        Kind.LONG, _NEVER, "log.flush.interval.ms", 0, others=(("log.flush.scheduler.interval.ms", 1),)
    ),
    "index.interval.bytes": Setting(Kind.INT, "4096", "log.index.interval.bytes", 0),
    "max.compaction.lag.ms": Setting(Kind.LONG, _NEVER, "log.cleaner.max.compaction.lag.ms", 1),
    "max.message.bytes": Setting(Kind.INT, "1048588", "message.max.bytes", 0),
    "message.timestamp.after.max.ms": Setting(Kind.LONG, _NEVER, "log.message.timestamp.after.max.ms", 0),
    "message.timestamp.before.max.ms": Setting(Kind.LONG, _NEVER, "log.message.timestamp.before.max.ms", 0),
    "message.timestamp.type": Setting(Kind.STRING, "CreateTime", "log.message.timestamp.type", choices=_STAMPS),
    "min.cleanable.dirty.ratio": Setting(Kind.DOUBLE, "0.5", "log.cleaner.min.cleanable.ratio", 0, 1),
    "min.compaction.lag.ms": Setting(Kind.LONG, "0", "log.cleaner.min.compaction.lag.ms", 0),
    "min.insync.replicas": Setting(Kind.INT, "1", "min.insync.replicas", 1),
    "preallocate": Setting(Kind.BOOLEAN, "false", "log.preallocate"),
    "retention.bytes": Setting(Kind.LONG, "-1", "log.retention.bytes"),
    "retention.ms": Setting(Kind.LONG, "604800000", "log.retention.ms", -1, others=_RETENTION),
    "segment.bytes": Setting(Kind.INT, "1073741824", "log.segment.bytes"),
    "segment.index.bytes": Setting(Kind.INT, "10485760", "log.index.size.max.bytes", 4),
    "segment.jitter.ms": Setting(
        Kind.LONG, "0", "log.roll.jitter.ms", 0, others=(("log.roll.jitter.hours", _HOUR_MS),)
    ),
    "segment.ms": Setting(Kind.LONG, "604800000", "log.roll.ms", 1, others=(("log.roll.hours", _HOUR_MS),)),
    "unclean.leader.election.enable": Setting(Kind.BOOLEAN, "false", "unclean.leader.election.enable"),
}
"""The settings of topics that the model knows; a broker may have more (tiered storage, throttles, codecs' levels)."""

MORE = frozenset(
    {
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.zstd.level",
        "follower.replication.throttled.replicas",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "message.downconversion.enable",
        "message.format.version",
        "message.timestamp.difference.max.ms",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
    }
)
"""Names that exist in some release and are not modelled: whatever is done with them is allowed."""


def is_valid(key: str, value: str, profile: Profile) -> bool:
    """Whether a topic may have this setting with this value, in the profile's release."""
    known = SETTINGS.get(key)
    if known is None:
        return key in MORE
    return evolve(known, least=profile.leasts.get(key, known.least)).admits(value)


def default_of(context: Context, key: str) -> str:
    """A setting's default in the profile's release."""
    return context.profile.defaults.get(key, SETTINGS[key].default)


def is_same_value(key: str, told: object, value: str | None) -> bool:
    """Whether what is told is what was set: the same text, or the same number where Kafka tells it as it reads it.

    With ZooKeeper, the answer to CreateTopics has a double of "1" as "1.0" (`ConfigDef.convertToString`).
    """
    if told == value:
        return True
    known = SETTINGS.get(key)
    if known is None or known.kind is not Kind.DOUBLE or not isinstance(told, str) or value is None:
        return False
    return known.admits(told) and known.admits(value) and float(told) == float(value)


def created(config: Mapping[str, str | None]) -> tuple[Expect, ...]:
    """What the answer to the creation of a topic must tell of its own settings (KIP-525)."""

    def tells(seen: object) -> bool:
        return isinstance(seen, Mapping) and all(is_own(seen, key, value) for key, value in config.items())

    words = f"its own settings {dict(config)}"
    return (Expect("configs", Meets(words, tells), "MET-15", vital=False),) if config else ()


def is_own(seen: Mapping[str, tuple[object, int]], key: str, value: str | None) -> bool:
    """Whether a setting is told with this value, and as the topic's own."""
    told, source = seen.get(key, (None, None))
    return source == Source.DYNAMIC_TOPIC and is_same_value(key, told, value)


# -- alter -----------------------------------------------------------------------------------------------------------


@rule(IncrementalAlterConfigs)
def alter_configs(cluster: Cluster, operation: IncrementalAlterConfigs, context: Context) -> tuple[Section, ...]:
    """What changing topic settings may answer, for each topic by itself and all of its changes together."""
    whole = Section("request", (Permitted(ALTER_ANSWERED, ()),))
    return (whole, *(_alter(cluster, operation, each, context) for each in operation.topics))


def _alter(cluster: Cluster, operation: IncrementalAlterConfigs, asked: TopicConfigEdits, context: Context) -> Section:
    where = f"topic {asked.topic}"
    problems = tuple(_problems(cluster, operation, asked, context))
    if problems:
        return Section(where, tuple(_refused(asked, codes, requirement) for codes, requirement in problems))
    if operation.validate_only:
        return Section(where, (Permitted(ALTER_CHECKED, (success("MET-48"),), _noting(asked, "MET-48")),))
    lists = any(edit.change in (ConfigChange.APPEND, ConfigChange.SUBTRACT) for edit in asked.edits)
    requirement = "MET-46" if lists else "MET-45"

    def then(after: Cluster, answer: Values) -> Cluster:
        topic = after.topics[asked.topic]
        changed = evolve(topic, config=edited(topic.config, asked.edits, context))
        return _noting(asked, requirement)(after.with_topic(changed), answer)

    return Section(where, (Permitted(ALTERED, (success(requirement),), then),))


def edited(config: Mapping[str, str], edits: tuple[ConfigEdit, ...], context: Context) -> dict[str, str]:
    """A topic's own settings after these changes."""
    after = dict(config)
    for edit in edits:
        if edit.change is ConfigChange.DELETE:
            after.pop(edit.key, None)
        elif edit.change is ConfigChange.SET:
            after[edit.key] = edit.value or ""
        else:
            after[edit.key] = _list_after(after.get(edit.key, default_of(context, edit.key)), edit)
    return after


def _list_after(before: str, edit: ConfigEdit) -> str:
    members = [each for each in before.split(",") if each]
    for each in (edit.value or "").split(","):
        if edit.change is ConfigChange.APPEND and each not in members:
            members.append(each)
        elif edit.change is ConfigChange.SUBTRACT and each in members:
            members.remove(each)
    return ",".join(members)


def _problems(
    cluster: Cluster, operation: IncrementalAlterConfigs, asked: TopicConfigEdits, context: Context
) -> Iterator[tuple[tuple[ErrorCode, ...], str]]:
    keys = [edit.key for edit in asked.edits]
    twice = sum(other.topic == asked.topic for other in operation.topics) > 1
    null = any(edit.value is None and edit.change is not ConfigChange.DELETE for edit in asked.edits)
    if len(set(keys)) < len(keys) or twice or null:
        yield (ErrorCode.INVALID_REQUEST,), "MET-49"
        return
    topic = cluster.topics.get(asked.topic)
    if topic is None:
        yield (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,), "MET-43"
    listed = [edit for edit in asked.edits if edit.change in (ConfigChange.APPEND, ConfigChange.SUBTRACT)]
    if any(edit.key not in SETTINGS or SETTINGS[edit.key].kind is not Kind.LIST for edit in listed):
        # KRaft's controller says that the setting is wrong, ZooKeeper's that the request is.
        yield (ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST), "MET-47"
        return
    before = topic.config if topic is not None else {}
    after = edited(before, asked.edits, context)
    if any(not is_valid(key, value, context.profile) for key, value in after.items() if key in keys):
        yield (ErrorCode.INVALID_CONFIG, *((ErrorCode.INVALID_REQUEST,) if listed else ())), "MET-47"


def _refused(asked: TopicConfigEdits, codes: tuple[ErrorCode, ...], requirement: str) -> Permitted:
    return Permitted(NOT_ALTERED, (Expect("error", OneOf(codes), requirement),), _noting(asked, requirement))


def _noting(asked: TopicConfigEdits, requirement: str) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        if asked.topic not in cluster.topics:
            return cluster
        for edit in asked.edits:
            cluster = cluster.noting(f"{asked.topic}/{edit.key}", requirement)
        return cluster

    return then
