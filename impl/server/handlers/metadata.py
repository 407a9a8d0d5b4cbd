"""Metadata and DescribeCluster: what clients learn of topics and of this one broker.

Unknown topics are created if the client and `auto.create.topics.enable` allow it; as in Kafka the answer that
creates one still calls it unknown, and the next has it (`AutoTopicCreationManager`).
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from kafka.protocol.admin import DescribeClusterRequest, DescribeClusterResponse
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from impl.cluster.catalog import INTERNAL_TOPICS, Topic, TopicRequest, check_topic_name
from impl.errors import BrokerError, ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import Message, decode, encode

FIRST_WITH_NAMELESS_TOPICS: Final = 12
NO_ID: Final = UUID(int=0)
NO_LEADER: Final = -1
AnswerTopic = MetadataResponse.MetadataResponseTopic
AnswerPartition = AnswerTopic.MetadataResponsePartition
# What an unauthenticated client may do, as bits of AclOperation: everything that Kafka lists without an authorizer.
BROKERS: Final = 1
CONTROLLERS: Final = 2
CLUSTER_OPERATIONS: Final = {5, 7, 8, 9, 10, 11, 12}
TOPIC_OPERATIONS: Final = {3, 4, 5, 6, 7, 8, 10, 11}


def metadata(broker: Broker, request: Request) -> Reply:
    """Describe the topics asked for, or all."""
    message = decode(MetadataRequest, request)
    refused = _refused(message, request.version)
    if refused:
        return encode(MetadataResponse(throttle_time_ms=0, brokers=[], cluster_id=None, topics=refused), request)
    wants_all = message.topics is None or (request.version == 0 and not message.topics)
    if wants_all:
        topics = [_describe(broker, topic) for topic in broker.catalog.all()]
    else:
        topics = list(_asked(broker, message, request.version))
    if request.version >= 8 and message.include_topic_authorized_operations:
        for topic in topics:
            topic.authorized_operations = TOPIC_OPERATIONS
    response = MetadataResponse(
        throttle_time_ms=0,
        brokers=[
            MetadataResponse.MetadataResponseBroker(
                node_id=broker.node_id, host=broker.host, port=broker.port, rack=None
            )
        ],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        topics=topics,
    )
    if 8 <= request.version <= 10 and message.include_cluster_authorized_operations:
        response.authorized_operations = CLUSTER_OPERATIONS
    return encode(response, request)


def _refused(message: Message, version: int) -> list[Message]:
    """The answer for each topic when the request names one in a way that can't be; empty if all is well.

    Versions 10 and 11 have a field for ids and must not use it (KAFKA-12701). A topic with neither name nor id
    makes Kafka 3.9 fail, which it answers as such.
    """
    asked = message.topics or []
    code = ErrorCode.NONE
    if version < FIRST_WITH_NAMELESS_TOPICS:
        if any(topic.name is None or topic.topic_id not in (None, NO_ID) for topic in asked):
            code = ErrorCode.INVALID_REQUEST
    elif all(topic.topic_id in (None, NO_ID) for topic in asked) and any(topic.name is None for topic in asked):
        code = ErrorCode.UNKNOWN_SERVER_ERROR
    if code == ErrorCode.NONE:
        return []
    return [_missing(topic.name or "", code, topic.topic_id or NO_ID) for topic in asked]


def _asked(broker: Broker, message: Message, version: int) -> Iterable[Message]:
    """The topics of a request, by id if it has ids, else by name; each once."""
    asked = message.topics or []
    ids = {topic.topic_id: None for topic in asked if topic.topic_id not in (None, NO_ID)}
    if version >= FIRST_WITH_NAMELESS_TOPICS and ids:
        for topic_id in ids:
            topic = broker.catalog.by_id(topic_id)
            yield _describe(broker, topic) if topic else _missing(None, ErrorCode.UNKNOWN_TOPIC_ID, topic_id)
        return
    may_create = message.allow_auto_topic_creation or version < 4
    for name in dict.fromkeys(topic.name for topic in asked):
        topic = broker.catalog.get(name)
        yield _describe(broker, topic) if topic else _unknown(broker, name, may_create=may_create)


def _unknown(broker: Broker, name: str, *, may_create: bool) -> Message:
    """Say that a topic is unknown, and create it if that is allowed."""
    try:
        check_topic_name(name)
        if may_create and broker.config.flag("auto.create.topics.enable"):
            broker.create_topic(broker.catalog.check_creation(TopicRequest(name)))
    except BrokerError as error:
        return _missing(name, error.code)
    return _missing(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _missing(name: str | None, code: ErrorCode, topic_id: UUID = NO_ID) -> Message:
    return AnswerTopic(
        error_code=code, name=name, topic_id=topic_id, is_internal=name in INTERNAL_TOPICS, partitions=[]
    )


def _describe(broker: Broker, topic: Topic) -> Message:
    partitions = [_describe_partition(broker, topic.name, index) for index in range(topic.partition_count)]
    return AnswerTopic(
        error_code=0,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=partitions,
    )


def _describe_partition(broker: Broker, topic: str, index: int) -> Message:
    """A partition and its one replica, which does not lead while its log directory is offline (KIP-112, KIP-858).

    It is the last one in the ISR and stays there (`PartitionChangeBuilder`, `KRaftMetadataCache`).
    """
    partition, node = broker.partitions[topic, index], [broker.node_id]
    if partition.is_offline:
        error, leader, offline = ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER, node
    else:
        error, leader, offline = ErrorCode.NONE, broker.node_id, []
    return AnswerPartition(
        error_code=error,
        partition_index=index,
        leader_id=leader,
        leader_epoch=partition.told_leader_epoch,
        replica_nodes=node,
        isr_nodes=node,
        offline_replicas=offline,
    )


def describe_cluster(broker: Broker, request: Request) -> Reply:
    """The cluster's id and its one broker (KIP-700)."""
    message = decode(DescribeClusterRequest, request)
    kind = message.endpoint_type if request.version >= 1 else BROKERS
    if kind != BROKERS:
        return encode(_no_such_endpoint(kind), request)
    node = DescribeClusterResponse.DescribeClusterBroker(
        broker_id=broker.node_id, host=broker.host, port=broker.port, rack=None
    )
    response = DescribeClusterResponse(
        throttle_time_ms=0,
        error_code=0,
        error_message=None,
        endpoint_type=BROKERS,
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        brokers=[node],
    )
    if message.include_cluster_authorized_operations:
        response.authorized_operations = CLUSTER_OPERATIONS
    return encode(response, request)


def _no_such_endpoint(kind: int) -> Message:
    """The refusal to describe anything but brokers (KIP-919)."""
    code = ErrorCode.MISMATCHED_ENDPOINT_TYPE if kind == CONTROLLERS else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
    message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
    if kind != CONTROLLERS:
        message = f"Unsupported endpoint type {kind}"
    return DescribeClusterResponse(
        throttle_time_ms=0,
        error_code=code,
        error_message=message,
        endpoint_type=BROKERS,
        cluster_id="",
        controller_id=-1,
        brokers=[],
    )
