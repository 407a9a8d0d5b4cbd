"""Topics: creating and deleting them.

A topic's partitions are numbered from 0. What the target chooses (ids, replicas, defaults of a cluster in use) is
learned from its answers. Where several things are wrong with a topic at once, any of their errors may be answered.

Not modelled here: what Metadata tells (`metadata`), settings (`configs`), quotas, policies and permissions.

Source: ReplicationControlManager.createTopics, ControllerApis.deleteTopics, Topic.validate; KIP-464, KIP-516, KIP-525.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

from attrs import evolve

from model.profiles import ControlPlane
from model.reference import configs
from model.reference.administration import CreateTopics, DeleteTopics, TopicSpec
from model.reference.errors import ErrorCode
from model.reference.outcomes import (
    Between,
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

CREATE_ANSWERED = declare("create_topics.answered", "the request as a whole was answered")
CREATED = declare("create_topics.created", "the topic was created")
CHECKED = declare(
    "create_topics.checked", "the topic could be created, and was not, because only a check was asked for"
)
REFUSED = declare("create_topics.refused", "the topic was not created")
DELETE_ANSWERED = declare("delete_topics.answered", "the request as a whole was answered")
DELETED = declare("delete_topics.deleted", "the topic was deleted")
DELETE_REFUSED = declare("delete_topics.refused", "there is no such topic, or it is named twice: nothing is deleted")

ZERO_ID = UUID(int=0)
NAME_LENGTH_MAX = 249
_NAME = re.compile(r"[a-zA-Z0-9._-]+")
BY_DEFAULT = -1


def is_name(name: str) -> bool:
    """Whether a topic may be called so (Topic.validate)."""
    return name not in (".", "..") and len(name) <= NAME_LENGTH_MAX and _NAME.fullmatch(name) is not None


def collides(name: str, other: str) -> bool:
    """Whether metrics could not tell two topics apart, because "." and "_" are one to them."""
    return name != other and name.replace(".", "_") == other.replace(".", "_")


def default(cluster: Cluster, context: Context, name: str) -> str:
    """A broker's setting: what it said, or the profile's default."""
    return cluster.broker_config.get(name, context.profile.value(name))


# -- create ----------------------------------------------------------------------------------------------------------


Problem = tuple[ErrorCode | tuple[ErrorCode, ...], str]
"""An error and the requirement that says so."""


@rule(CreateTopics)
def create_topics(cluster: Cluster, operation: CreateTopics, context: Context) -> tuple[Section, ...]:
    """What creating topics may answer, for each by itself."""
    whole = Section("request", (Permitted(CREATE_ANSWERED, ()),))
    return (whole, *(_create(cluster, operation, spec, context) for spec in operation.topics))


def _create(cluster: Cluster, operation: CreateTopics, spec: TopicSpec, context: Context) -> Section:
    problems = tuple(_problems(cluster, operation, spec, context))
    if problems:
        return Section(spec.name, tuple(_refused(spec.name, problem) for problem in problems))
    requirement = _rule_of_creation(cluster, operation, spec, context)
    count = len(spec.assignments) or _or_default(spec.partitions, cluster, "num.partitions")
    factor = (
        len(spec.assignments[0][1])
        if spec.assignments
        else _or_default(spec.replication_factor, cluster, "default.replication.factor")
    )
    told = requirement if requirement in ("MET-05", "MET-07", "MET-21") else "MET-02"
    expects = [
        success(requirement),
        Expect("partitions", _number(count), told),
        Expect("replication_factor", _number(factor), told, vital=False),
        *configs.created(spec.config),
    ]
    if operation.validate_only:
        note: Effect = lambda after, _answer: after.noting(spec.name, "MET-06")  # noqa: E731
        return Section(spec.name, (Permitted(CHECKED, tuple(expects), note),))
    expects.append(Expect("topic_id", Meets("an id not used before", _fresh(cluster)), "MET-16", vital=False))
    return Section(spec.name, (Permitted(CREATED, tuple(expects), _created(spec, requirement, count, factor)),))


def _or_default(asked: int, cluster: Cluster, name: str) -> int | None:
    """A number asked for, or the broker's default as it told it; None: it has told none."""
    if asked != BY_DEFAULT:
        return asked
    return int(cluster.broker_config[name]) if name in cluster.broker_config else None


def _number(count: int | None) -> Exactly | Between:
    return Between(1) if count is None else Exactly(count)


def _problems(cluster: Cluster, operation: CreateTopics, spec: TopicSpec, context: Context) -> Iterator[Problem]:
    """Everything for which this topic is not created."""
    if sum(other.name == spec.name for other in operation.topics) > 1:
        yield ErrorCode.INVALID_REQUEST, "MET-13"
        return
    if spec.name in cluster.topics:
        yield ErrorCode.TOPIC_ALREADY_EXISTS, "MET-03"
    if not is_name(spec.name):
        yield ErrorCode.INVALID_TOPIC_EXCEPTION, "MET-11"
    if any(collides(spec.name, other) for other in cluster.topics):
        yield ErrorCode.INVALID_TOPIC_EXCEPTION, "MET-12"
    if any(value is None for value in spec.config.values()):
        yield (ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST), "MET-14"
    elif any(
        not configs.is_valid(key, value, context.profile) for key, value in spec.config.items() if value is not None
    ):
        yield ErrorCode.INVALID_CONFIG, "MET-14"
    if spec.assignments:
        yield from _problems_of_assignment(cluster, spec)
        return
    if spec.partitions < BY_DEFAULT or spec.partitions == 0:
        yield ErrorCode.INVALID_PARTITIONS, "MET-10"
    factor = spec.replication_factor
    if factor < BY_DEFAULT or factor == 0 or (cluster.brokers and factor > len(cluster.brokers)):
        yield ErrorCode.INVALID_REPLICATION_FACTOR, "MET-09"


def _problems_of_assignment(cluster: Cluster, spec: TopicSpec) -> Iterator[Problem]:
    if spec.partitions != BY_DEFAULT or spec.replication_factor != BY_DEFAULT:
        yield ErrorCode.INVALID_REQUEST, "MET-08"
    indexes = [index for index, _ in spec.assignments]
    lists = [brokers for _, brokers in spec.assignments]
    if (
        sorted(indexes) != list(range(len(indexes)))
        or len({len(brokers) for brokers in lists}) > 1
        or not all(are_replicas(cluster, brokers) for brokers in lists)
    ):
        yield ErrorCode.INVALID_REPLICA_ASSIGNMENT, "MET-08"


def are_replicas(cluster: Cluster, brokers: tuple[int, ...]) -> bool:
    """Whether these may be a partition's replicas: brokers that exist, each once."""
    exist = not cluster.brokers or all(broker in cluster.brokers for broker in brokers)
    return bool(brokers) and len(set(brokers)) == len(brokers) and exist


def _refused(name: str, problem: Problem) -> Permitted:
    codes, requirement = problem
    allowed = codes if isinstance(codes, tuple) else (codes,)

    def then(cluster: Cluster, answer: Values) -> Cluster:
        return cluster.noting(name, requirement)

    return Permitted(REFUSED, (Expect("error", OneOf(allowed), requirement),), then)


def _rule_of_creation(cluster: Cluster, operation: CreateTopics, spec: TopicSpec, context: Context) -> str:
    """Which rule says that this topic is created."""
    if operation.validate_only:
        return "MET-06"
    others = [other for other in operation.topics if other is not spec]
    if any(tuple(_problems(cluster, operation, other, context)) for other in others):
        return "MET-04"
    if spec.assignments:
        return "MET-07"
    if BY_DEFAULT in (spec.partitions, spec.replication_factor):
        return "MET-05"
    if len(spec.name) > 200 or set("._") & set(spec.name):
        return "MET-11"
    if any(spec.config.get(key) == str(least) for key, least in context.profile.leasts.items()):
        return "MET-14"
    return "MET-21" if spec.name in cluster.gone else "MET-01"


def _fresh(cluster: Cluster) -> Callable[[object], bool]:
    return lambda seen: isinstance(seen, UUID) and seen != ZERO_ID and seen not in cluster.topic_ids


def _created(spec: TopicSpec, requirement: str, count: int | None, factor: int | None) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        told = answer.get("partitions") if count is None else count
        topic = Topic(
            spec.name,
            tuple(Partition() for _ in range(told if isinstance(told, int) else 1)),
            is_counted=isinstance(told, int),
            config={name: value for name, value in spec.config.items() if value is not None},
            is_recreated=spec.name in cluster.gone,
            replication_factor=factor,
            assignment=dict(spec.assignments),
        )
        return learn_id(cluster.with_topic(topic).noting(spec.name, requirement), spec.name, answer.get("topic_id"))

    return then


def learn_id(cluster: Cluster, name: str, topic_id: object) -> Cluster:
    """The cluster after an answer named a topic's id."""
    if not isinstance(topic_id, UUID) or topic_id == ZERO_ID:
        return cluster
    return evolve(
        cluster.with_topic(evolve(cluster.topics[name], topic_id=topic_id)),
        topic_ids=cluster.topic_ids | {topic_id},
    )


# -- delete ----------------------------------------------------------------------------------------------------------


@rule(DeleteTopics)
def delete_topics(cluster: Cluster, operation: DeleteTopics, context: Context) -> tuple[Section, ...]:
    """What deleting topics may answer for each of them."""
    whole = Section("request", (Permitted(DELETE_ANSWERED, ()),))
    return (whole, *(_delete(cluster, operation, name, context) for name in operation.topics))


def _delete(cluster: Cluster, operation: DeleteTopics, name: str | UUID, context: Context) -> Section:
    by_name = isinstance(name, str)
    topic = cluster.topics.get(name) if isinstance(name, str) else cluster.named(name)
    if topic is None:
        codes = {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION} if by_name else {ErrorCode.UNKNOWN_TOPIC_ID}
        if name in cluster.topic_ids and context.profile.control_plane is ControlPlane.ZOOKEEPER:
            codes.add(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)  # its controller knows the name until all is removed
        if operation.topics.count(name) > 1:
            codes.add(ErrorCode.INVALID_REQUEST)
        requirement = "MET-18" if by_name else "MET-19"
        return Section(str(name), (Permitted(DELETE_REFUSED, (Expect("error", OneOf(tuple(codes)), requirement),)),))
    deleted = Permitted(
        DELETED,
        (success("MET-17" if by_name else "MET-19"),),
        lambda after, _answer: after.without_topic(topic.name) if topic.name in after.topics else after,
    )
    if sum(each in (topic.name, topic.topic_id) for each in operation.topics) == 1:
        return Section(topic.name, (deleted,))
    twice = Permitted(
        DELETE_REFUSED,
        (error(ErrorCode.INVALID_REQUEST, "MET-20"),),
        lambda after, _answer: after.noting(topic.name, "MET-20"),
    )
    # Where ZooKeeper keeps the topics, naming one twice is naming it once.
    return Section(topic.name, (twice,) if context.profile.control_plane is ControlPlane.KRAFT else (twice, deleted))
