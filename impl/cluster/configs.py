"""Topic and broker configurations: names, types, defaults, synonyms, and their checks.

The table is that of Kafka 3.9 (`LogConfig`, `ServerTopicConfigSynonyms`); texts are parsed as `ConfigDef` does.
Every topic config can be set and described; those that this broker acts on are the fields of `PartitionConfig`.
Broker configs come from the command line and can't be changed while it runs.
"""

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from impl.errors import BrokerError, ErrorCode
from impl.replica.config import PartitionConfig
from impl.storage.cleaner import CompactionConfig
from impl.storage.compression import CODEC_BY_NAME, GZIP, LZ4, ZSTD
from impl.storage.retention import RetentionLimits

BOOLEAN: Final = 1
STRING: Final = 2
INT: Final = 3
LONG: Final = 5
DOUBLE: Final = 6
LIST: Final = 7

SOURCE_TOPIC: Final = 1
SOURCE_STATIC_BROKER: Final = 4
SOURCE_DEFAULT: Final = 5

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1
HOURS: Final = 3_600_000
MINUTES: Final = 60_000
CODECS: Final = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")


@attrs.frozen(slots=True)
class Definition:
    """One config: its type's number in DescribeConfigs, its default, and what values it takes.

    An internal one can be set, and is described only then (`ConfigHelper.allConfigs`).
    """

    name: str
    type: int
    default: str | None
    synonyms: tuple[str, ...] = ()  # broker configs, the most important first
    low: float = -(2**63)
    high: float = 2**63
    choices: tuple[str, ...] = ()
    is_internal: bool = False


@attrs.frozen(slots=True)
class Entry:
    """One config as DescribeConfigs shows it: value, where it is from, and the synonyms (name, value, source)."""

    definition: Definition
    value: str | None
    source: int
    synonyms: tuple[tuple[str, str, int], ...]


def _log(*names: str) -> tuple[str, ...]:
    return tuple(f"log.{name}" for name in names)


TOPIC_CONFIGS: Final = {
    definition.name: definition
    for definition in (
        Definition("compression.type", STRING, "producer", ("compression.type",), choices=CODECS),
        Definition("compression.gzip.level", INT, "-1", ("compression.gzip.level",), -1, 9),
        Definition("compression.lz4.level", INT, "9", ("compression.lz4.level",), 1, 17),
        Definition("compression.zstd.level", INT, "3", ("compression.zstd.level",), -131072, 22),
        Definition("cleanup.policy", LIST, "delete", _log("cleanup.policy"), choices=("compact", "delete")),
        Definition("delete.retention.ms", LONG, "86400000", ("log.cleaner.delete.retention.ms",), 0),
        Definition("file.delete.delay.ms", LONG, "60000", _log("segment.delete.delay.ms"), 0),
        Definition("flush.messages", LONG, str(LONG_MAX), _log("flush.interval.messages"), 1),
        Definition("flush.ms", LONG, str(LONG_MAX), _log("flush.interval.ms"), 0),
        Definition("follower.replication.throttled.replicas", LIST, ""),
        Definition("index.interval.bytes", INT, "4096", _log("index.interval.bytes"), 0, INT_MAX),
        Definition("leader.replication.throttled.replicas", LIST, ""),
        Definition("local.retention.bytes", LONG, "-2", _log("local.retention.bytes"), -2),
        Definition("local.retention.ms", LONG, "-2", _log("local.retention.ms"), -2),
        Definition("max.compaction.lag.ms", LONG, str(LONG_MAX), ("log.cleaner.max.compaction.lag.ms",), 1),
        Definition("max.message.bytes", INT, "1048588", ("message.max.bytes",), 0, INT_MAX),
        Definition("message.downconversion.enable", BOOLEAN, "true", _log("message.downconversion.enable")),
        Definition("message.format.version", STRING, "3.0-IV1", _log("message.format.version")),
        Definition("message.timestamp.after.max.ms", LONG, str(LONG_MAX), _log("message.timestamp.after.max.ms"), 0),
        Definition("message.timestamp.before.max.ms", LONG, str(LONG_MAX), _log("message.timestamp.before.max.ms"), 0),
        Definition(
            "message.timestamp.difference.max.ms",
            LONG,
            str(LONG_MAX),
            _log("message.timestamp.difference.max.ms"),
            0,
        ),
        Definition(
            "message.timestamp.type",
            STRING,
            "CreateTime",
            _log("message.timestamp.type"),
            choices=("CreateTime", "LogAppendTime"),
        ),
        Definition("min.cleanable.dirty.ratio", DOUBLE, "0.5", ("log.cleaner.min.cleanable.ratio",), 0, 1),
        Definition("min.compaction.lag.ms", LONG, "0", ("log.cleaner.min.compaction.lag.ms",), 0),
        Definition("min.insync.replicas", INT, "1", ("min.insync.replicas",), 1, INT_MAX),
        Definition("preallocate", BOOLEAN, "false", _log("preallocate")),
        Definition("remote.log.copy.disable", BOOLEAN, "false"),
        Definition("remote.log.delete.on.disable", BOOLEAN, "false"),
        Definition("remote.storage.enable", BOOLEAN, "false"),
        Definition("retention.bytes", LONG, "-1", _log("retention.bytes")),
        Definition("retention.ms", LONG, "604800000", _log("retention.ms", "retention.minutes", "retention.hours"), -1),
        Definition("segment.bytes", INT, "1073741824", _log("segment.bytes"), 14, INT_MAX),
        Definition("segment.index.bytes", INT, "10485760", _log("index.size.max.bytes"), 4, INT_MAX),
        Definition("segment.jitter.ms", LONG, "0", _log("roll.jitter.ms", "roll.jitter.hours"), 0),
        Definition("segment.ms", LONG, "604800000", _log("roll.ms", "roll.hours"), 1),
        Definition("unclean.leader.election.enable", BOOLEAN, "false", ("unclean.leader.election.enable",)),
    )
}

# Broker configs whose value is in another unit than the topic config's.
CONVERSIONS: Final[Mapping[str, int]] = {
    "log.roll.hours": HOURS,
    "log.roll.jitter.hours": HOURS,
    "log.retention.minutes": MINUTES,
    "log.retention.hours": HOURS,
}

BROKER_CONFIGS: Final = {
    definition.name: definition
    for definition in (
        Definition("auto.create.topics.enable", BOOLEAN, "true"),
        Definition("default.replication.factor", INT, "1", low=1),
        Definition("fetch.max.bytes", INT, "57671680", low=1024, high=INT_MAX),
        Definition("log.cleaner.backoff.ms", LONG, "15000", low=0),
        Definition("log.cleaner.dedupe.buffer.size", LONG, "134217728"),
        Definition("log.cleaner.enable", BOOLEAN, "true"),
        Definition("log.initial.task.delay.ms", LONG, "30000", low=0),
        Definition("log.retention.check.interval.ms", LONG, "300000", low=1),
        Definition("max.incremental.fetch.session.cache.slots", INT, "1000", low=0),
        Definition("log.flush.offset.checkpoint.interval.ms", INT, "60000", low=0),
        Definition("num.partitions", INT, "1", low=1),
        Definition("num.recovery.threads.per.data.dir", INT, "1", low=1),
        Definition("offset.metadata.max.bytes", INT, "4096"),
        Definition("producer.id.expiration.check.interval.ms", INT, "600000", low=1, is_internal=True),
        Definition("producer.id.expiration.ms", INT, "86400000", low=1),
        Definition("replica.high.watermark.checkpoint.interval.ms", LONG, "5000"),
        Definition("socket.request.max.bytes", INT, "104857600", low=1),
        Definition("transaction.max.timeout.ms", INT, "900000", low=1),
        *(
            Definition(synonym, topic.type, topic.default, low=topic.low, high=topic.high, choices=topic.choices)
            for topic in TOPIC_CONFIGS.values()
            for synonym in topic.synonyms
        ),
        # Several configs for one topic config, in units of their own: they have defaults of their own too.
        Definition("log.flush.interval.ms", LONG, None),
        Definition("log.retention.hours", INT, "168", high=INT_MAX),
        Definition("log.retention.minutes", INT, None, high=INT_MAX),
        Definition("log.retention.ms", LONG, None),
        Definition("log.roll.hours", INT, "168", low=1, high=INT_MAX),
        Definition("log.roll.jitter.hours", INT, "0", low=0, high=INT_MAX),
        Definition("log.roll.jitter.ms", LONG, None),
        Definition("log.roll.ms", LONG, None),
    )
}


def check(definition: Definition, value: str | None) -> str:
    """The value, if the config takes it. Raises INVALID_CONFIG as `ConfigDef.parseType` and its validators do."""
    if value is None:
        raise BrokerError(
            ErrorCode.INVALID_CONFIG,
            f"Null value not supported for topic configs: {definition.name}",
        )
    text = value.strip()
    if definition.type in (INT, LONG, DOUBLE):
        _check_number(definition, value, text)
    elif definition.type == BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise _invalid(definition, value, "Expected value to be either true or false")
    elif definition.choices:
        for item in text.split(",") if definition.type == LIST else [text]:
            if item.strip() not in definition.choices:
                shown = f"String must be one of: {', '.join(definition.choices)}"
                raise _invalid(definition, item.strip(), shown)
    return value


def _check_number(definition: Definition, value: str, text: str) -> None:
    kinds: dict[int, tuple[Callable[[str], float], str]] = {
        INT: (int, "Not a number of type INT"),
        LONG: (int, "Not a number of type LONG"),
        DOUBLE: (float, "Not a number of type DOUBLE"),
    }
    parse, complaint = kinds[definition.type]
    try:
        number = parse(text)
    except ValueError:
        raise _invalid(definition, value, complaint) from None
    if definition.type != DOUBLE and not -(INT_MAX if definition.type == INT else LONG_MAX) - 1 <= number:
        raise _invalid(definition, value, complaint)
    if definition.type == INT and number > INT_MAX:
        raise _invalid(definition, value, complaint)
    if number < definition.low:
        raise _invalid(definition, text, f"Value must be at least {definition.low:g}")
    if number > definition.high:
        raise _invalid(definition, text, f"Value must be no more than {definition.high:g}")


def _invalid(definition: Definition, value: str, why: str) -> BrokerError:
    message = f"Invalid value {value} for configuration {definition.name}: {why}"
    return BrokerError(ErrorCode.INVALID_CONFIG, message)


class BrokerConfig:
    """The broker's own configuration: what was set at its start, over Kafka's defaults."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Raises INVALID_CONFIG for unknown names and bad values."""
        self._given: dict[str, str] = {}
        for name, value in (given or {}).items():
            if name not in BROKER_CONFIGS:
                raise BrokerError(ErrorCode.INVALID_CONFIG, f"Unknown broker config name: {name}")
            self._given[name] = check(BROKER_CONFIGS[name], value)

    def text(self, name: str) -> str:
        """The value in force; empty when there is none."""
        return self._given.get(name, BROKER_CONFIGS[name].default or "").strip()

    def number(self, name: str) -> int:
        """The value in force of an integer config."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """The value in force of a boolean config."""
        return self.text(name).lower() == "true"

    def entries(self) -> list[Entry]:
        """All broker configs that this broker has, for DescribeConfigs."""
        entries = []
        for name, definition in BROKER_CONFIGS.items():
            known = []
            if definition.is_internal and name not in self._given:
                continue
            if name in self._given:
                known.append((name, self._given[name], SOURCE_STATIC_BROKER))
            if definition.default is not None:
                known.append((name, definition.default, SOURCE_DEFAULT))
            value, source = known[0][1:] if known else (None, SOURCE_DEFAULT)
            entries.append(Entry(definition, value, source, tuple(known)))
        return entries

    def topic_entry(self, definition: Definition, overrides: Mapping[str, str]) -> Entry:
        """A topic's config, from the topic, the broker or Kafka's default (KIP-226)."""
        known: list[tuple[str, str, int]] = []
        if definition.name in overrides:
            known.append((definition.name, overrides[definition.name], SOURCE_TOPIC))
        given = [synonym for synonym in definition.synonyms if synonym in self._given]
        known += [(synonym, self._given[synonym], SOURCE_STATIC_BROKER) for synonym in given]
        default = BROKER_CONFIGS[definition.synonyms[0]].default if definition.synonyms else None
        if default is not None:
            known.append((definition.synonyms[0], default, SOURCE_DEFAULT))
        if not known:
            return Entry(definition, definition.default, SOURCE_DEFAULT, ())
        name, value, source = known[0]
        if name in CONVERSIONS:
            value = str(int(value) * CONVERSIONS[name])
        return Entry(definition, value, source, tuple(known))

    def partition_config(self, overrides: Mapping[str, str]) -> PartitionConfig:
        """What a topic with these overrides asks of its partitions."""

        def text(name: str) -> str:
            return (self.topic_entry(TOPIC_CONFIGS[name], overrides).value or "").strip()

        policies = {policy.strip() for policy in text("cleanup.policy").split(",")}
        deletes, compacts = "delete" in policies, "compact" in policies
        compaction = _compaction(text)
        before_max_ms, after_max_ms = _timestamp_limits(text)
        codec, level = _compression(text)
        return PartitionConfig(
            max_message_bytes=int(text("max.message.bytes")),
            segment_bytes=int(text("segment.bytes")),
            segment_ms=int(text("segment.ms")),
            segment_jitter_ms=int(text("segment.jitter.ms")),
            segment_index_bytes=int(text("segment.index.bytes")),
            index_interval_bytes=int(text("index.interval.bytes")),
            min_insync_replicas=int(text("min.insync.replicas")),
            cleanup_compact=compacts,
            flush_messages=int(text("flush.messages")),
            flush_ms=int(text("flush.ms")),
            cleanup_delete=deletes,
            retention=RetentionLimits(int(text("retention.bytes")), int(text("retention.ms")), deletes),
            compaction=compaction,
            file_delete_delay_ms=int(text("file.delete.delay.ms")),
            log_append_time=text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max_ms=before_max_ms,
            timestamp_after_max_ms=after_max_ms,
            compression_codec=codec,
            compression_level=level,
        )


def _compaction(text: Callable[[str], str]) -> CompactionConfig:
    return CompactionConfig(
        dirty_ratio_min=float(text("min.cleanable.dirty.ratio")),
        lag_ms_min=int(text("min.compaction.lag.ms")),
        lag_ms_max=int(text("max.compaction.lag.ms")),
        delete_retention_ms=int(text("delete.retention.ms")),
    )


def _timestamp_limits(text: Callable[[str], str]) -> tuple[int, int]:
    """How far before and after the broker's clock a timestamp may be, in milliseconds.

    Until 4.0 the older setting for both sides holds where a newer one is at its default (KIP-937).
    """
    both = int(text("message.timestamp.difference.max.ms"))
    before, after = (int(text(f"message.timestamp.{side}.max.ms")) for side in ("before", "after"))
    return both if before == LONG_MAX else before, both if after == LONG_MAX else after


def _compression(text: Callable[[str], str]) -> tuple[int | None, int | None]:
    """The codec that is asked for (None: as the producer sent it), and its level (None: its own)."""
    codec = CODEC_BY_NAME.get(text("compression.type"))
    names = {GZIP: "gzip", LZ4: "lz4", ZSTD: "zstd"}
    level = int(text(f"compression.{names[codec]}.level")) if codec in names else -1
    return codec, None if level == -1 else level


def check_topic_configs(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """A topic's overrides, checked. Raises INVALID_CONFIG (`LogConfig.validate`)."""
    checked = {}
    for name, value in overrides.items():
        if name not in TOPIC_CONFIGS:
            raise BrokerError(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {name}")
        checked[name] = check(TOPIC_CONFIGS[name], value)
    return checked
