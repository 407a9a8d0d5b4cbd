"""CreatePartitions: raising the number of a topic's partitions.

What was there stays: numbers, records, offsets. (Which keys go elsewhere from then on is `partitioning`'s matter.)

Source: ReplicationControlManager.createPartitions, ControllerApis.createPartitions; KIP-195.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from model.reference.administration import CreatePartitions, PartitionIncrease
from model.reference.errors import ErrorCode
from model.reference.outcomes import Effect, Permitted, Section, Values, declare, error, success
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Partition, Topic
from model.reference.topics import are_replicas

RAISE_ANSWERED = declare("create_partitions.answered", "the request as a whole was answered")
RAISED = declare("create_partitions.raised", "the topic has more partitions, numbered on")
RAISE_CHECKED = declare("create_partitions.checked", "the topic could have more partitions; only a check was asked for")
RAISE_REFUSED = declare("create_partitions.refused", "the topic has the partitions that it had")


@rule(CreatePartitions)
def create_partitions(cluster: Cluster, operation: CreatePartitions, context: Context) -> tuple[Section, ...]:
    """What raising partition counts may answer, for each topic by itself."""
    whole = Section("request", (Permitted(RAISE_ANSWERED, ()),))
    return (whole, *(_raise(cluster, operation, increase) for increase in operation.topics))


def _raise(cluster: Cluster, operation: CreatePartitions, increase: PartitionIncrease) -> Section:
    problems = tuple(_problems(cluster, operation, increase))
    if problems:
        return Section(increase.topic, tuple(_refused(increase.topic, *problem) for problem in problems))
    requirement = _rule_of_raising(cluster, operation, increase)
    if operation.validate_only:
        note: Effect = lambda after, _answer: after.noting(increase.topic, requirement)  # noqa: E731
        return Section(increase.topic, (Permitted(RAISE_CHECKED, (success(requirement),), note),))
    return Section(increase.topic, (Permitted(RAISED, (success(requirement),), _raised(increase, requirement)),))


def _problems(
    cluster: Cluster, operation: CreatePartitions, increase: PartitionIncrease
) -> Iterator[tuple[ErrorCode, str]]:
    if sum(other.topic == increase.topic for other in operation.topics) > 1:
        yield ErrorCode.INVALID_REQUEST, "MET-39"
        return
    topic = cluster.topics.get(increase.topic)
    if topic is None:
        yield ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "MET-36"
        return
    if increase.count <= len(topic.partitions):
        yield ErrorCode.INVALID_PARTITIONS, "MET-35"
        return
    if increase.assignments is not None and not _fits(cluster, topic, increase.count, increase.assignments):
        yield ErrorCode.INVALID_REPLICA_ASSIGNMENT, "MET-38"


def _fits(cluster: Cluster, topic: Topic, count: int, assignments: tuple[tuple[int, ...], ...]) -> bool:
    """Whether replicas are given for each new partition, and as many as the others have."""
    factor = topic.replication_factor
    return len(assignments) == count - len(topic.partitions) and all(
        are_replicas(cluster, brokers) and factor in (None, len(brokers)) for brokers in assignments
    )


def _refused(topic: str, code: ErrorCode, requirement: str) -> Permitted:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        return cluster.noting(topic, requirement) if topic in cluster.topics else cluster

    return Permitted(RAISE_REFUSED, (error(code, requirement),), then)


def _rule_of_raising(cluster: Cluster, operation: CreatePartitions, increase: PartitionIncrease) -> str:
    """Which rule says that the count is raised."""
    if operation.validate_only:
        return "MET-37"
    if any(tuple(_problems(cluster, operation, other)) for other in operation.topics if other is not increase):
        return "MET-36"
    return "MET-38" if increase.assignments is not None else "MET-34"


def _raised(increase: PartitionIncrease, requirement: str) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        topic = cluster.topics[increase.topic]
        before = len(topic.partitions)
        chosen = {before + place: brokers for place, brokers in enumerate(increase.assignments or ())}
        added = tuple(Partition() for _ in range(increase.count - before))
        raised = evolve(topic, partitions=(*topic.partitions, *added), assignment={**topic.assignment, **chosen})
        return cluster.with_topic(raised).noting(increase.topic, requirement)

    return then
