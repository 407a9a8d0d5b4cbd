"""CreateTopics, Metadata and DeleteTopics between the model and the wire."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kafka.protocol.admin import CreateTopicsRequest, DeleteTopicsRequest
from kafka.protocol.metadata import MetadataRequest

from conformance.translate.base import Translation, Unsayable, register
from conformance.wire.apis import Api
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import CreateTopics, DeleteTopics, Metadata, TopicSpec
from model.reference.outcomes import Values
from model.reference.state import Cluster

NO_ID = UUID(int=0)
CREATE_IDS_FROM = 7
CREATE_DETAILS_FROM = 5
DELETE_BY_ID_FROM = 6
METADATA_EPOCHS_FROM = 7
METADATA_IDS_FROM = 10


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
    elif version == 0:
        topics = []
    return MetadataRequest(
        topics=topics, allow_auto_topic_creation=operation.allow_auto_topic_creation, version=version
    )


def _described(operation: Metadata, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer

    def values(topic: Any) -> Values:
        partitions = sorted(topic.partitions, key=lambda each: each.partition_index)
        seen: dict[str, object] = {
            "error": error_of(topic.error_code),
            "partitions": tuple(each.partition_index for each in partitions),
            "leaders": tuple(each.leader_id for each in partitions),
            "replicas": tuple(tuple(each.replica_nodes) for each in partitions),
            "isr": tuple(tuple(each.isr_nodes) for each in partitions),
            "is_internal": topic.is_internal,
        }
        if version >= METADATA_EPOCHS_FROM:
            seen["leader_epochs"] = tuple(each.leader_epoch for each in partitions)
        if version >= METADATA_IDS_FROM:
            seen["topic_id"] = topic.topic_id
        return seen

    found: dict[object, Values] = {}
    for topic in answer.topics:
        found[topic.name] = values(topic)
        if version >= METADATA_IDS_FROM and topic.topic_id != NO_ID:
            found[topic.topic_id] = found[topic.name]
    names = frozenset(name for name in found if isinstance(name, str))
    return [{"topics": names}, *(found.get(each, {}) for each in operation.topics or ())]


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
        found[topic.name] = values
        if version >= DELETE_BY_ID_FROM and topic.topic_id != NO_ID:
            found[topic.topic_id] = values
    return [{}, *(found.get(each, {}) for each in operation.topics)]


register(DeleteTopics, Translation(Api.DELETE_TOPICS, _delete, _deleted))
