"""Topics: creating, describing and deleting them.

Source: ReplicationControlManager.createTopics, Topic.validate, KafkaApis.handleTopicMetadataRequest; KIP-516.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from attrs import evolve

from model.reference import epochs
from model.reference.errors import ErrorCode
from model.reference.operations import CreateTopics, DeleteTopics, Metadata, TopicSpec
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Meets,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Partition, Topic

CREATED = declare("create_topics.created", "the topic was created")
EXISTS = declare("create_topics.exists", "there is a topic of this name already")
CREATE_ANSWERED = declare("create_topics.answered", "the request as a whole was answered")
DESCRIBED = declare("metadata.described", "the topic was described")
NO_SUCH_TOPIC = declare("metadata.unknown", "there is no such topic")
METADATA_ANSWERED = declare("metadata.answered", "the request as a whole was answered")
DELETED = declare("delete_topics.deleted", "the topic was deleted")
DELETE_UNKNOWN = declare("delete_topics.unknown", "there is no such topic")
DELETE_ANSWERED = declare("delete_topics.answered", "the request as a whole was answered")

ZERO_ID = UUID(int=0)


@rule(CreateTopics)
def create_topics(cluster: Cluster, operation: CreateTopics, context: Context) -> tuple[Section, ...]:
    """What creating topics may answer."""
    whole = Section("request", (Permitted(CREATE_ANSWERED, ()),))
    return (whole, *(_create(cluster, operation, spec, context) for spec in operation.topics))


def _create(cluster: Cluster, operation: CreateTopics, spec: TopicSpec, context: Context) -> Section:
    if spec.name in cluster.topics:
        return Section(spec.name, (Permitted(EXISTS, (error(ErrorCode.TOPIC_ALREADY_EXISTS, "MET-03"),)),))
    return Section(
        spec.name,
        (
            Permitted(
                CREATED,
                (
                    success("MET-01"),
                    Expect("topic_id", Meets("an id not used before", _fresh(cluster)), "MET-06"),
                ),
                _created(operation, spec, context),
            ),
        ),
    )


def _fresh(cluster: Cluster) -> Callable[[object], bool]:
    return lambda seen: isinstance(seen, UUID) and seen != ZERO_ID and seen not in cluster.topic_ids


def _created(operation: CreateTopics, spec: TopicSpec, context: Context) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        if operation.validate_only:
            return cluster
        topic_id = answer.get("topic_id")
        count = spec.partitions if spec.partitions != -1 else int(context.profile.defaults["num.partitions"])
        config = {name: value for name, value in spec.config.items() if value is not None}
        return learn_id(
            cluster.with_topic(
                Topic(
                    spec.name,
                    tuple(Partition() for _ in range(count)),
                    config=config,
                    is_recreated=spec.name in cluster.gone,
                )
            ),
            spec.name,
            topic_id,
        )

    return then


def learn_id(cluster: Cluster, name: str, topic_id: object) -> Cluster:
    """The cluster after an answer named a topic's id."""
    if not isinstance(topic_id, UUID) or topic_id == ZERO_ID:
        return cluster
    return evolve(
        cluster.with_topic(evolve(cluster.topics[name], topic_id=topic_id)),
        topic_ids=cluster.topic_ids | {topic_id},
    )


@rule(Metadata)
def metadata(cluster: Cluster, operation: Metadata, context: Context) -> tuple[Section, ...]:
    """What a metadata request may answer for each topic that it names."""
    whole = Section("request", (Permitted(METADATA_ANSWERED, ()),))
    return (whole, *(_describe(cluster, name) for name in operation.topics or ()))


def _describe(cluster: Cluster, name: str | UUID) -> Section:
    topic = cluster.topics.get(name) if isinstance(name, str) else cluster.named(name)
    if topic is None:
        return Section(str(name), (Permitted(NO_SUCH_TOPIC, (error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "MET-05"),)),))
    expects = [
        success("MET-02"),
        Expect("partitions", Exactly(tuple(range(len(topic.partitions)))), "MET-02"),
    ]
    expects += epochs.described(topic)
    if topic.topic_id is not None:
        expects.append(Expect("topic_id", Exactly(topic.topic_id), "MET-06"))
    return Section(topic.name, (Permitted(DESCRIBED, tuple(expects), _learn_epochs(topic.name)),))


def _learn_epochs(name: str) -> Effect:
    """Ids and leader epochs are the target's to choose; from here on they are known."""

    def then(cluster: Cluster, answer: Values) -> Cluster:
        return epochs.learned_all(learn_id(cluster, name, answer.get("topic_id")), name, answer)

    return then


@rule(DeleteTopics)
def delete_topics(cluster: Cluster, operation: DeleteTopics, context: Context) -> tuple[Section, ...]:
    """What deleting topics may answer for each of them."""
    whole = Section("request", (Permitted(DELETE_ANSWERED, ()),))
    return (whole, *(_delete(cluster, name) for name in operation.topics))


def _delete(cluster: Cluster, name: str | UUID) -> Section:
    topic = cluster.topics.get(name) if isinstance(name, str) else cluster.named(name)
    if topic is None:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if isinstance(name, str) else ErrorCode.UNKNOWN_TOPIC_ID
        return Section(str(name), (Permitted(DELETE_UNKNOWN, (error(code, "MET-07"),)),))
    return Section(
        topic.name,
        (Permitted(DELETED, (success("MET-06"),), lambda after, _values: after.without_topic(topic.name)),),
    )
