"""Metadata: the brokers, the topics, and who leads what.

The names of brokers, ids and leaders are the target's to choose; they are learned, and must be of one piece. Up to
version 3 whoever asks for a topic that does not exist has it created, if the broker does so at all.

Not modelled here: authorized operations, offline replicas, listeners.

Source: KafkaApis.handleTopicMetadataRequest, MetadataResponse.json; KIP-4, KIP-78, KIP-204, KIP-516.
"""

from __future__ import annotations

from uuid import UUID

from attrs import evolve

from model.reference import epochs
from model.reference.errors import ErrorCode
from model.reference.operations import Metadata
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Meets,
    OneOf,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Partition, Topic
from model.reference.topics import default, is_name, learn_id

METADATA_ANSWERED = declare("metadata.answered", "the request as a whole was answered")
DESCRIBED = declare("metadata.described", "the topic was described")
NO_SUCH_TOPIC = declare("metadata.unknown", "there is no such topic")
NO_SUCH_ID = declare("metadata.unknown_id", "no topic has this id")
NO_TOPIC_NAME = declare("metadata.invalid_name", "no topic can have this name")
COMING = declare("metadata.auto_created", "the topic did not exist and is being created")

AUTO_CREATION_CHOSEN_FROM = 4
"""Up to the version before this, every request allows topics to be created."""


@rule(Metadata)
def metadata(cluster: Cluster, operation: Metadata, context: Context) -> tuple[Section, ...]:
    """What a metadata request may answer, as a whole and for each topic that it names."""
    whole = Permitted(METADATA_ANSWERED, (*_brokers(cluster), *_listed(cluster, operation, context)), _learn_brokers)
    return (
        Section("request", (whole,)),
        *(_topic(cluster, operation, name, context) for name in operation.topics or ()),
    )


# -- the cluster -----------------------------------------------------------------------------------------------------


def _brokers(cluster: Cluster) -> tuple[Expect, ...]:
    def are_brokers(seen: object) -> bool:
        return (
            isinstance(seen, tuple)
            and bool(seen)
            and len({broker[0] for broker in seen}) == len(seen)
            and all(broker[0] >= 0 and broker[1] and 0 < broker[2] < 1 << 16 for broker in seen)
        )

    def is_cluster_id(seen: object) -> bool:
        return isinstance(seen, str) and bool(seen) and cluster.cluster_id in (None, seen)

    words = "at least one broker, ids apart, each with host and port"
    return (
        Expect("brokers", Meets(words, are_brokers), "MET-30", vital=False),
        Expect("controller_is_listed", Exactly(True), "MET-30", vital=False),
        Expect("cluster_id", Meets(f"an id, {cluster.cluster_id or 'any'}", is_cluster_id), "MET-31", vital=False),
        Expect("repeated", Exactly(frozenset()), "MET-33", vital=False),
    )


def _listed(cluster: Cluster, operation: Metadata, context: Context) -> tuple[Expect, ...]:
    """Which topics the answer names."""
    if operation.topics is None:
        here, gone = frozenset(cluster.topics), cluster.gone

        def all_here(seen: object) -> bool:
            return isinstance(seen, frozenset) and here <= seen

        def none_gone(seen: object) -> bool:
            return isinstance(seen, frozenset) and not gone & seen

        return (
            Expect("topics", Meets(f"all of {', '.join(sorted(here)) or 'nothing'}", all_here), "MET-23", vital=False),
            Expect("topics", Meets(f"none of {', '.join(sorted(gone)) or 'nothing'}", none_gone), "MET-17"),
        )
    names = {each if isinstance(each, str) else _name_of(cluster, each) for each in operation.topics}
    requirement = "MET-33" if operation.topics else "MET-24"
    return (Expect("topics", Exactly(frozenset(names - {None})), requirement, vital=False),)


def _name_of(cluster: Cluster, topic_id: UUID) -> str | None:
    found = cluster.named(topic_id)
    return found.name if found is not None else None


def _learn_brokers(cluster: Cluster, answer: Values) -> Cluster:
    brokers, cluster_id = answer.get("brokers"), answer.get("cluster_id")
    if isinstance(brokers, tuple):
        cluster = evolve(cluster, brokers={node: (host, port) for node, host, port in brokers})
    return evolve(cluster, cluster_id=cluster_id) if isinstance(cluster_id, str) else cluster


# -- a topic ---------------------------------------------------------------------------------------------------------


def _topic(cluster: Cluster, operation: Metadata, name: str | UUID, context: Context) -> Section:
    if isinstance(name, UUID):
        found = cluster.named(name)
        return _described(cluster, operation, found) if found is not None else _unknown_id(cluster, name)
    topic = cluster.topics.get(name)
    if topic is not None:
        return _described(cluster, operation, topic)
    if not is_name(name):
        return Section(name, (Permitted(NO_TOPIC_NAME, (error(ErrorCode.INVALID_TOPIC_EXCEPTION, "MET-28"),)),))
    creates = operation.allow_auto_topic_creation or context.version < AUTO_CREATION_CHOSEN_FROM
    if creates and default(cluster, context, "auto.create.topics.enable") == "true":
        return _coming(cluster, name, context)
    requirement = "MET-17" if name in cluster.gone else cluster.noted.get(name, "MET-26")
    unknown = (
        error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, requirement),
        Expect("partitions", Exactly(()), requirement, vital=False),
    )
    note: Effect = lambda after, _answer: after if name in after.noted else after.noting(name, "MET-26")  # noqa: E731
    return Section(name, (Permitted(NO_SUCH_TOPIC, unknown, note),))


def _unknown_id(cluster: Cluster, topic_id: UUID) -> Section:
    requirement = "MET-22" if topic_id in cluster.topic_ids else "MET-25"
    return Section(str(topic_id), (Permitted(NO_SUCH_ID, (error(ErrorCode.UNKNOWN_TOPIC_ID, requirement),)),))


def _coming(cluster: Cluster, name: str, context: Context) -> Section:
    """The topic is being created: the answer may come before or after it is there."""
    known = cluster.broker_config.get("num.partitions")
    count = int(known) if known is not None else 1
    codes = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NONE)

    def then(after: Cluster, answer: Values) -> Cluster:
        topic = Topic(
            name,
            tuple(Partition() for _ in range(count)),
            is_counted=known is not None,
            is_recreated=name in after.gone,
        )
        return learn_id(after.with_topic(topic).noting(name, "MET-27"), name, answer.get("topic_id"))

    return Section(name, (Permitted(COMING, (Expect("error", OneOf(codes), "MET-27"),), then),))


def _described(cluster: Cluster, operation: Metadata, topic: Topic) -> Section:
    requirement = cluster.noted.get(topic.name, "MET-01")
    if any(not isinstance(each, str) for each in operation.topics or ()):
        requirement = "MET-25"
    elif any(_is_unknown(cluster, each) for each in operation.topics or ()):
        requirement = "MET-33"
    factor, chosen = topic.replication_factor, topic.assignment

    def as_many(seen: object) -> bool:
        return isinstance(seen, tuple) and all(len(set(each)) == factor for each in seen)

    def as_chosen(seen: object) -> bool:
        return isinstance(seen, tuple) and all(
            index < len(seen) and seen[index] == replicas for index, replicas in chosen.items()
        )

    expects = [
        success(requirement),
        Expect("partitions", _numbers(topic), requirement),
        Expect("unlisted_leaders", Exactly(frozenset()), "MET-29", vital=False),
        Expect("odd_replicas", Exactly(()), "MET-29", vital=False),
        Expect("is_internal", Exactly(False), "MET-32", vital=False),
        *epochs.described(topic),
    ]
    if factor is not None:
        expects.append(Expect("replicas", Meets(f"{factor} for each partition", as_many), "MET-29", vital=False))
    if chosen:
        source = requirement if requirement in ("MET-07", "MET-38") else "MET-07"
        expects.append(Expect("replicas", Meets(f"as chosen: {dict(chosen)}", as_chosen), source, vital=False))
    if topic.topic_id is not None:
        expects.append(Expect("topic_id", Exactly(topic.topic_id), "MET-16"))
    return Section(topic.name, (Permitted(DESCRIBED, tuple(expects), _learn(topic.name)),))


def _numbers(topic: Topic) -> Exactly | Meets:
    """The numbers of a topic's partitions."""
    if topic.is_counted:
        return Exactly(tuple(range(len(topic.partitions))))

    def are_numbered_on(seen: object) -> bool:
        return isinstance(seen, tuple) and bool(seen) and seen == tuple(range(len(seen)))

    return Meets("0 and on", are_numbered_on)


def _is_unknown(cluster: Cluster, name: str | UUID) -> bool:
    return name not in cluster.topics if isinstance(name, str) else cluster.named(name) is None


def _learn(name: str) -> Effect:
    """Ids, leader epochs and default numbers are the target's to choose; from here on they are known."""

    def then(cluster: Cluster, answer: Values) -> Cluster:
        topic, told = cluster.topics[name], answer.get("partitions")
        if not topic.is_counted and isinstance(told, tuple) and told:
            counted = evolve(topic, partitions=tuple(Partition() for _ in told), is_counted=True)
            cluster = cluster.with_topic(counted)
        return epochs.learned_all(learn_id(cluster, name, answer.get("topic_id")), name, answer)

    return then
