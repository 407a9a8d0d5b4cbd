"""CreateTopics, Metadata and DeleteTopics between the model and the wire."""

from __future__ import annotations

from typing import Any

from kafka.protocol.admin import CreateTopicsRequest, DeleteTopicsRequest
from kafka.protocol.metadata import MetadataRequest

from conformance.translate.base import Translation, Unsayable, register
from conformance.translate.parts import NO_ID
from conformance.wire.apis import Api
from conformance.wire.connection import Exchange
from model.reference.administration import CreateTopics, DeleteTopics, TopicSpec
from model.reference.errors import error_of
from model.reference.operations import Metadata
from model.reference.outcomes import Values
from model.reference.state import Cluster

CREATE_IDS_FROM = 7
CREATE_DETAILS_FROM = 5
DELETE_BY_ID_FROM = 6
METADATA_EPOCHS_FROM = 7
METADATA_IDS_FROM = 10
METADATA_BY_ID_FROM = 12
METADATA_CLUSTER_ID_FROM = 2


def _create(operation: CreateTopics, version: int, cluster: Cluster) -> object:
    def topic(spec: TopicSpec) -> Any:
        kinds = CreateTopicsRequest.CreatableTopic
        return kinds(
            name=spec.name,
            num_partitions=spec.partitions,
            replication_factor=spec.replication_factor,
            assignments=[
                kinds.CreatableReplicaAssignment(partition_index=index, broker_ids=list(brokers))
                for index, brokers in spec.assignments
            ],
            configs=[kinds.CreatableTopicConfig(name=name, value=value) for name, value in spec.config.items()],
        )

    if version < 1 and operation.validate_only:
        raise Unsayable("CreateTopics v0 cannot validate only")
    return CreateTopicsRequest(
        topics=[topic(spec) for spec in operation.topics],
        timeout_ms=operation.timeout_ms,
        validate_only=operation.validate_only,
        version=version,
    )


def _created(operation: CreateTopics, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {topic.name: topic for topic in answer.topics}

    def values(spec: TopicSpec) -> Values:
        topic = found.get(spec.name)
        if topic is None:
            return {}
        seen: dict[str, object] = {"error": error_of(topic.error_code)}
        if version >= CREATE_DETAILS_FROM:
            seen |= {"partitions": topic.num_partitions, "replication_factor": topic.replication_factor}
            seen["configs"] = {each.name: (each.value, each.config_source) for each in topic.configs or ()}
        if version >= CREATE_IDS_FROM:
            seen["topic_id"] = topic.topic_id
        return seen

    return [{}, *(values(spec) for spec in operation.topics)]


register(CreateTopics, Translation(Api.CREATE_TOPICS, _create, _created))


def _metadata(operation: Metadata, version: int, cluster: Cluster) -> object:
    topics: list[Any] | None = None
    if operation.topics is not None:
        kind = MetadataRequest.MetadataRequestTopic
        topics = [
            kind(name=each, topic_id=NO_ID) if isinstance(each, str) else kind(name=None, topic_id=each)
            for each in operation.topics
        ]
        if version == 0 and not topics:
            raise Unsayable("Metadata v0 asks for no topics by asking for all")
        if version < METADATA_BY_ID_FROM and not all(isinstance(each, str) for each in operation.topics):
            raise Unsayable(f"Metadata asks by id from v{METADATA_BY_ID_FROM}")
    elif version == 0:
        topics = []
    return MetadataRequest(
        topics=topics, allow_auto_topic_creation=operation.allow_auto_topic_creation, version=version
    )


def _topic_values(topic: Any, version: int, brokers: frozenset[int]) -> Values:
    partitions = sorted(topic.partitions, key=lambda each: each.partition_index)
    # Without an error, a partition has a leader that is in sync, and only replicas are in sync.
    odd = tuple(
        each.partition_index
        for each in partitions
        if each.error_code == 0
        and not (
            {each.leader_id} <= set(each.isr_nodes) <= set(each.replica_nodes) == set(each.replica_nodes) & brokers
        )
    )
    seen: dict[str, object] = {
        "error": error_of(topic.error_code),
        "partitions": tuple(each.partition_index for each in partitions),
        "leaders": tuple(each.leader_id for each in partitions),
        "replicas": tuple(tuple(each.replica_nodes) for each in partitions),
        "isr": tuple(tuple(each.isr_nodes) for each in partitions),
        "unlisted_leaders": frozenset(each.leader_id for each in partitions if each.error_code == 0) - brokers,
        "odd_replicas": odd,
    }
    if version >= 1:
        seen["is_internal"] = topic.is_internal
    if version >= METADATA_EPOCHS_FROM:
        seen["leader_epochs"] = tuple(each.leader_epoch for each in partitions)
    if version >= METADATA_IDS_FROM:
        seen["topic_id"] = topic.topic_id
    return seen


def _described(operation: Metadata, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    brokers = frozenset(broker.node_id for broker in answer.brokers)
    found: dict[object, Values] = {}
    for topic in answer.topics:
        values = _topic_values(topic, version, brokers)
        found[topic.name] = values
        if version >= METADATA_IDS_FROM and topic.topic_id is not None:
            found[topic.topic_id] = values
    names = [topic.name for topic in answer.topics if topic.name]
    whole: dict[str, object] = {
        "topics": frozenset(names),
        "repeated": frozenset(name for name in names if names.count(name) > 1) if operation.topics else frozenset(),
        "brokers": tuple((broker.node_id, broker.host, broker.port) for broker in answer.brokers),
    }
    if version >= 1:
        whole["controller_is_listed"] = answer.controller_id in brokers
    if version >= METADATA_CLUSTER_ID_FROM:
        whole["cluster_id"] = answer.cluster_id
    return [whole, *(found.get(each, {}) for each in operation.topics or ())]


register(Metadata, Translation(Api.METADATA, _metadata, _described))


def _delete(operation: DeleteTopics, version: int, cluster: Cluster) -> object:
    if version < DELETE_BY_ID_FROM:
        if not all(isinstance(each, str) for each in operation.topics):
            raise Unsayable(f"DeleteTopics deletes by id from v{DELETE_BY_ID_FROM}")
        return DeleteTopicsRequest(topic_names=list(operation.topics), timeout_ms=operation.timeout_ms, version=version)
    kind = DeleteTopicsRequest.DeleteTopicState
    return DeleteTopicsRequest(
        topics=[
            kind(name=each, topic_id=NO_ID) if isinstance(each, str) else kind(name=None, topic_id=each)
            for each in operation.topics
        ],
        timeout_ms=operation.timeout_ms,
        version=version,
    )


def _deleted(operation: DeleteTopics, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found: dict[object, Values] = {}
    for topic in answer.responses:
        values: Values = {"error": error_of(topic.error_code)}
        if topic.name is not None:
            found[topic.name] = values
        if version >= DELETE_BY_ID_FROM and topic.topic_id not in (None, NO_ID):
            found[topic.topic_id] = values
    return [{}, *(found.get(each, {}) for each in operation.topics)]


register(DeleteTopics, Translation(Api.DELETE_TOPICS, _delete, _deleted))
