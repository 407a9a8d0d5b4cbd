"""CreateTopics, DeleteTopics and CreatePartitions, as `ControllerApis` answers them."""

from collections import Counter
from typing import Final
from uuid import UUID

from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)

from impl.cluster.catalog import Topic, TopicRequest
from impl.cluster.configs import TOPIC_CONFIGS
from impl.errors import BrokerError, ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import Message, decode, encode

NO_ID: Final = UUID(int=0)
FIRST_WITH_CONFIGS: Final = 5
FIRST_DELETING_BY_ID: Final = 6

CreatedTopic = CreateTopicsResponse.CreatableTopicResult
CreatedConfig = CreatedTopic.CreatableTopicConfigs
DeletedTopic = DeleteTopicsResponse.DeletableTopicResult
GrownTopic = CreatePartitionsResponse.CreatePartitionsTopicResult


def create_topics(broker: Broker, request: Request) -> Reply:
    """Create topics, or only say what would happen (`validate_only`)."""
    message = decode(CreateTopicsRequest, request)
    counts = Counter(topic.name for topic in message.topics)
    results = []
    for asked in {topic.name: topic for topic in message.topics}.values():
        try:
            _check_named_once(counts, asked.name)
            topic = broker.catalog.check_creation(_topic_request(asked))
            if not message.validate_only:
                broker.create_topic(topic)
            results.append(_created(broker, topic, request.version))
        except BrokerError as error:
            results.append(_not_created(asked.name, error))
    return encode(CreateTopicsResponse(throttle_time_ms=0, topics=results), request)


def _check_named_once(counts: Counter[str], name: str) -> None:
    if counts[name] > 1:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")


def _topic_request(asked: Message) -> TopicRequest:
    if asked.name == "__cluster_metadata":
        raise BrokerError(ErrorCode.INVALID_REQUEST, "Creation of internal topic __cluster_metadata is prohibited.")
    assignments = [(each.partition_index, each.broker_ids) for each in asked.assignments]
    configs = {config.name: config.value for config in asked.configs}
    return TopicRequest(asked.name, asked.num_partitions, asked.replication_factor, assignments, configs)


def _created(broker: Broker, topic: Topic, version: int) -> Message:
    result = CreatedTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=0,
        error_message=None,
        topic_config_error_code=0,
        num_partitions=topic.partition_count,
        replication_factor=1,
        configs=[],
    )
    if version >= FIRST_WITH_CONFIGS:
        for name in sorted(TOPIC_CONFIGS):
            entry = broker.config.topic_entry(TOPIC_CONFIGS[name], topic.overrides)
            result.configs.append(
                CreatedConfig(
                    name=name, value=entry.value, read_only=False, config_source=entry.source, is_sensitive=False
                )
            )
    return result


def _not_created(name: str, error: BrokerError) -> Message:
    return CreatedTopic(
        name=name,
        topic_id=NO_ID,
        error_code=error.code,
        error_message=error.message or None,
        topic_config_error_code=0,
        num_partitions=-1,
        replication_factor=-1,
        configs=[],
    )


def delete_topics(broker: Broker, request: Request) -> Reply:
    """Delete topics by name, from version 6 on also by id."""
    message = decode(DeleteTopicsRequest, request)
    if request.version >= FIRST_DELETING_BY_ID:
        asked = [(topic.name, topic.topic_id or NO_ID) for topic in message.topics]
    else:
        asked = [(name, NO_ID) for name in message.topic_names]
    named = Counter(_topic_named(broker, name, topic_id) for name, topic_id in asked)
    results = [
        _delete(broker, name, topic_id, is_duplicate=named[_topic_named(broker, name, topic_id)] > 1)
        for name, topic_id in dict.fromkeys(asked)
    ]
    return encode(DeleteTopicsResponse(throttle_time_ms=0, responses=results), request)


def _topic_named(broker: Broker, name: str | None, topic_id: UUID) -> str | UUID | None:
    """What a request means by a name or an id: the topic's name, or as it was given where there is no such topic."""
    topic = broker.catalog.get(name) if name is not None else broker.catalog.by_id(topic_id)
    return topic.name if topic is not None else name if name is not None else topic_id


def _delete(broker: Broker, name: str | None, topic_id: UUID, *, is_duplicate: bool) -> Message:
    """Delete one topic (`ControllerApis.deleteTopics`)."""
    try:
        topic = _topic_to_delete(broker, name, topic_id, is_duplicate=is_duplicate)
        broker.delete_topic(topic.name)
    except BrokerError as error:
        text = error.message or None
        return DeletedTopic(name=name, topic_id=topic_id, error_code=error.code, error_message=text)
    return DeletedTopic(name=topic.name, topic_id=topic.topic_id, error_code=0, error_message=None)


def _topic_to_delete(broker: Broker, name: str | None, topic_id: UUID, *, is_duplicate: bool) -> Topic:
    """The topic that is meant. Raises BrokerError."""
    if is_duplicate:
        kind = "name" if name is not None else "id"
        raise BrokerError(ErrorCode.INVALID_REQUEST, f"Duplicate topic {kind}.")
    if name is None and topic_id == NO_ID:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
    if name is not None and topic_id != NO_ID:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
    topic = broker.catalog.get(name) if name is not None else broker.catalog.by_id(topic_id)
    if topic is None and name is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
    if topic is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    return topic


def create_partitions(broker: Broker, request: Request) -> Reply:
    """Give topics more partitions (KIP-195)."""
    message = decode(CreatePartitionsRequest, request)
    counts = Counter(topic.name for topic in message.topics)
    results = []
    for asked in {topic.name: topic for topic in message.topics}.values():
        code, text = ErrorCode.NONE, None
        try:
            _check_named_once(counts, asked.name)
            assignments = None if asked.assignments is None else [each.broker_ids for each in asked.assignments]
            topic = broker.catalog.check_growth(asked.name, asked.count, assignments)
            if not message.validate_only:
                broker.grow_topic(topic)
        except BrokerError as error:
            code, text = error.code, error.message or None
        results.append(GrownTopic(name=asked.name, error_code=code, error_message=text))
    return encode(CreatePartitionsResponse(throttle_time_ms=0, results=results), request)
