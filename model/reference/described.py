"""DescribeConfigs: which settings are told, with which values, and where those come from.

A setting that a topic was not given has the broker's value; the broker says what it is set to when it is asked for
its own settings, by its own names for them. Until it has been asked, or where it does not tell, only Kafka's defaults
are known, and a value that is said to be the broker's is taken as it comes.

Not modelled: what brokers may be set to, settings of clients, users and loggers, sensitive values.

Source: ConfigHelper.describeConfigs, ServerTopicConfigSynonyms, DynamicBrokerConfig.brokerConfigSynonyms; KIP-226.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve

from model.reference.administration import ConfigQuestion, DescribeConfigs, ResourceType
from model.reference.configs import MORE, SETTINGS, Source, default_of, is_own, is_same_value
from model.reference.errors import ErrorCode
from model.reference.outcomes import Expect, Meets, Permitted, Section, Values, declare, error, success
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Topic

DESCRIBE_ANSWERED = declare("describe_configs.answered", "the request as a whole was answered")
TOPIC_SETTINGS = declare("describe_configs.topic", "the topic's settings were described")
BROKER_SETTINGS = declare("describe_configs.broker", "the broker's settings were described")
NOT_DESCRIBED = declare("describe_configs.unknown", "there is no such topic")

OF_THE_BROKER = frozenset({Source.DYNAMIC_BROKER, Source.DYNAMIC_DEFAULT_BROKER, Source.STATIC_BROKER, Source.DEFAULT})
"""In this order the nearer hides the farther."""


@rule(DescribeConfigs)
def describe_configs(cluster: Cluster, operation: DescribeConfigs, context: Context) -> tuple[Section, ...]:
    """What may be told of settings, for each topic or broker asked about."""
    whole = Section("request", (Permitted(DESCRIBE_ANSWERED, ()),))
    return (whole, *(_describe(cluster, operation, each, context) for each in operation.resources))


def _describe(cluster: Cluster, operation: DescribeConfigs, asked: ConfigQuestion, context: Context) -> Section:
    where = f"{asked.kind.name.lower()} {asked.name}"
    if asked.kind is ResourceType.BROKER:
        known = Meets("a value for each setting that was asked for", lambda seen: _has(seen, asked.keys))
        expects = (success("MET-50"), Expect("configs", known, "MET-50", vital=False))
        return Section(where, (Permitted(BROKER_SETTINGS, expects, _learn_broker),))
    topic = cluster.topics.get(asked.name)
    if topic is None:
        return Section(where, (Permitted(NOT_DESCRIBED, (error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "MET-43"),)),))
    return Section(where, (Permitted(TOPIC_SETTINGS, tuple(_told(cluster, operation, asked, topic, context))),))


def _has(seen: object, keys: tuple[str, ...] | None) -> bool:
    return isinstance(seen, Mapping) and bool(seen) and all(key in seen for key in keys or ())


def _learn_broker(cluster: Cluster, answer: Values) -> Cluster:
    told = answer.get("configs")
    if not isinstance(told, Mapping):
        return cluster
    values = {key: value for key, (value, _source) in told.items() if value is not None}
    return evolve(cluster, broker_config={**cluster.broker_config, **values})


def _told(
    cluster: Cluster, operation: DescribeConfigs, asked: ConfigQuestion, topic: Topic, context: Context
) -> Iterator[Expect]:
    yield success("MET-40")
    if asked.keys is not None:
        wanted = frozenset(key for key in asked.keys if key in SETTINGS)
        others = frozenset(asked.keys) - wanted - MORE

        def just_these(seen: object) -> bool:
            return isinstance(seen, Mapping) and wanted <= set(seen) <= set(asked.keys or ()) - others

        yield Expect("configs", Meets(f"{', '.join(sorted(wanted))} and no others", just_these), "MET-42", vital=False)
    keys = SETTINGS.keys() if asked.keys is None else [key for key in asked.keys if key in SETTINGS]
    for key in keys:
        if key in topic.config:
            yield _own(cluster, topic, key)
        else:
            yield _inherited(cluster, topic, key, context, required=asked.keys is not None)
        if operation.include_synonyms:
            yield _synonyms(cluster, topic, key, context)


def _own(cluster: Cluster, topic: Topic, key: str) -> Expect:
    value = topic.config[key]
    requirement = cluster.noted.get(f"{topic.name}/{key}", "MET-40")
    words = f"{key}={value} from the topic"
    return Expect(
        "configs",
        Meets(words, lambda seen: isinstance(seen, Mapping) and is_own(seen, key, value)),
        requirement,
        vital=False,
    )


# -- what comes from the broker --------------------------------------------------------------------------------------


def value_of_broker(cluster: Cluster, key: str) -> str | None:
    """What the broker's own settings make of a topic's setting; None if it has not told them."""
    known = SETTINGS[key]
    if known.synonym is None:
        return None
    for name, unit in ((known.synonym, 1), *known.others):
        if name in cluster.broker_config:
            return _in_units(cluster.broker_config[name], unit)
    return None


def _in_units(value: str, unit: int) -> str:
    """The value in the topic setting's unit; a negative number stands for "no limit" in all units."""
    return value if unit == 1 else str(max(-1, int(value) * unit))


def _is_same(key: str, told: object, value: str) -> bool:
    """Whether two texts say the same value."""
    is_text = isinstance(told, str) and told.strip().lower() == value.strip().lower()
    return is_text or is_same_value(key, told, value)


def _inherited(cluster: Cluster, topic: Topic, key: str, context: Context, *, required: bool) -> Expect:
    """The default, or what the broker was set to; a broker need not know every setting, if it was not asked for it."""
    default = default_of(context, key)
    of_broker = value_of_broker(cluster, key)

    def fits(seen: object) -> bool:
        if not isinstance(seen, Mapping) or key not in seen:
            return isinstance(seen, Mapping) and not required
        told, source = seen[key]
        if source not in OF_THE_BROKER or (of_broker is not None and not _is_same(key, told, of_broker)):
            return False
        # Kafka calls what its broker has by another name than the first (log.retention.hours) a default, too.
        is_by_another_name = of_broker is not None and bool(SETTINGS[key].others)
        return source != Source.DEFAULT or is_by_another_name or _is_same(key, told, default)

    words = f"{key}={default} by default, or from the broker" if of_broker is None else f"{key}={of_broker} as broker"
    requirement = cluster.noted.get(f"{topic.name}/{key}", "MET-41")
    return Expect("configs", Meets(words, fits), requirement, vital=False)


def _synonyms(cluster: Cluster, topic: Topic, key: str, context: Context) -> Expect:
    """Where the value may come from, the nearest first: the topic, then the broker by its own name for it."""
    own = topic.config.get(key)
    known = SETTINGS[key]
    names = {known.synonym, *(name for name, _unit in known.others)}

    def fits(seen: object) -> bool:
        if not isinstance(seen, Mapping) or key not in seen:
            return isinstance(seen, Mapping)
        listed = list(seen[key])
        if own is not None:
            if listed[:1] != [(key, own, Source.DYNAMIC_TOPIC)]:
                return False
            listed = listed[1:]
        sources = [source for _name, _value, source in listed]
        if not set(sources) <= OF_THE_BROKER or sources != sorted(sources):
            return False
        if known.others:
            # Kafka leaves out those before the first name, which may be all of them.
            return all(name in names for name, _value, _source in listed)
        return bool(listed) and all(name == known.synonym for name, _value, _source in listed) and has_values(listed)

    def has_values(listed: list[tuple[str, object, int]]) -> bool:
        of_broker = value_of_broker(cluster, key)
        if of_broker is not None and not _is_same(key, listed[0][1], of_broker):
            return False
        return all(
            _is_same(key, value, default_of(context, key))
            for _name, value, source in listed
            if source == Source.DEFAULT
        )

    words = f"{key}: {'the topic, then ' if own is not None else ''}the broker by {known.synonym}"
    return Expect("synonyms", Meets(words, fits), "MET-44", vital=False)
