"""Requests about positions in logs: ListOffsets, OffsetForLeaderEpoch, DeleteRecords."""

from typing import Final

import attrs
from kafka.protocol.admin import DeleteRecordsRequest, DeleteRecordsResponse
from kafka.protocol.consumer import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
)

from impl.cluster.catalog import INTERNAL_TOPICS
from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import NO_EPOCH
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import Message, decode, encode
from impl.storage.timestamps import TimestampAndOffset

# The first version of ListOffsets that knows each special timestamp (ReplicaManager.isListOffsetsTimestampUnsupported).
FIRST_WITH_TIMESTAMP: Final = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9}
NEVER: Final = 32767
FIRST_WITH_ISOLATION: Final = 2
FIRST_WITH_LEADER_EPOCH: Final = 4
READ_UNCOMMITTED: Final = 0
READ_COMMITTED: Final = 1

ListedTopic = ListOffsetsResponse.ListOffsetsTopicResponse
ListedPartition = ListedTopic.ListOffsetsPartitionResponse
EpochTopic = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult
EpochEnd = EpochTopic.EpochEndOffset
DeletedTopic = DeleteRecordsResponse.DeleteRecordsTopicResult
DeletedPartition = DeletedTopic.DeleteRecordsPartitionResult


@attrs.frozen(slots=True)
class Lookup:
    """What ListOffsets asks of one partition."""

    topic: str
    wanted: Message
    version: int
    is_duplicate: bool
    read_committed: bool


def list_offsets(broker: Broker, request: Request) -> Reply:
    """Offsets by timestamp or special timestamp. A partition that is named twice is INVALID_REQUEST."""
    message = decode(ListOffsetsRequest, request)
    named: dict[tuple[str, int], int] = {}
    for topic in message.topics:
        for partition in topic.partitions:
            key = topic.name, partition.partition_index
            named[key] = named.get(key, 0) + 1
    topics = []
    for topic in message.topics:
        answers = []
        for partition in topic.partitions:
            is_duplicate = named[topic.name, partition.partition_index] > 1
            isolation = message.isolation_level if request.version >= FIRST_WITH_ISOLATION else READ_UNCOMMITTED
            asked = Lookup(topic.name, partition, request.version, is_duplicate, isolation == READ_COMMITTED)
            answers.append(_list_offset(broker, asked))
        topics.append(ListedTopic(name=topic.name, partitions=answers))
    return encode(ListOffsetsResponse(throttle_time_ms=0, topics=topics), request)


def _list_offset(broker: Broker, asked: Lookup) -> Message:
    code, found = ErrorCode.NONE, None
    try:
        found = _find_offset(broker, asked)
    except BrokerError as error:
        code = error.code
    return ListedPartition(
        partition_index=asked.wanted.partition_index,
        error_code=code,
        timestamp=found.timestamp if found else -1,
        offset=found.offset if found else -1,
        leader_epoch=found.leader_epoch if found else -1,
    )


def _find_offset(broker: Broker, asked: Lookup) -> TimestampAndOffset | None:
    """What a partition answers. Raises BrokerError."""
    wanted, version = asked.wanted, asked.version
    if asked.is_duplicate:
        raise BrokerError(ErrorCode.INVALID_REQUEST)
    if wanted.timestamp < 0 and version < FIRST_WITH_TIMESTAMP.get(wanted.timestamp, NEVER):
        raise BrokerError(ErrorCode.UNSUPPORTED_VERSION)
    epoch = wanted.current_leader_epoch if version >= FIRST_WITH_LEADER_EPOCH else NO_EPOCH
    partition = broker.partition(asked.topic, wanted.partition_index)
    return partition.find_offset(wanted.timestamp, epoch, read_committed=asked.read_committed)


def offset_for_leader_epoch(broker: Broker, request: Request) -> Reply:
    """Where leader epochs end (KIP-101, KIP-320)."""
    message = decode(OffsetForLeaderEpochRequest, request)
    topics = []
    for topic in message.topics:
        ends = []
        for wanted in topic.partitions:
            try:
                partition = broker.partition(topic.topic, wanted.partition)
                epoch, offset = partition.end_of_epoch(wanted.leader_epoch, wanted.current_leader_epoch)
                code = ErrorCode.NONE
            except BrokerError as error:
                epoch, offset, code = -1, -1, error.code
            ends.append(EpochEnd(error_code=code, partition=wanted.partition, leader_epoch=epoch, end_offset=offset))
        topics.append(EpochTopic(topic=topic.topic, partitions=ends))
    return encode(OffsetForLeaderEpochResponse(throttle_time_ms=0, topics=topics), request)


def delete_records(broker: Broker, request: Request) -> Reply:
    """Raise log start offsets (KIP-107)."""
    message = decode(DeleteRecordsRequest, request)
    topics = []
    for topic in message.topics:
        results = {wanted.partition_index: _delete(broker, topic.name, wanted) for wanted in topic.partitions}
        topics.append(DeletedTopic(name=topic.name, partitions=list(results.values())))
    return encode(DeleteRecordsResponse(throttle_time_ms=0, topics=topics), request)


def _delete(broker: Broker, topic: str, wanted: Message) -> Message:
    index = wanted.partition_index
    if topic in INTERNAL_TOPICS:
        return DeletedPartition(partition_index=index, low_watermark=-1, error_code=ErrorCode.INVALID_TOPIC_EXCEPTION)
    try:
        low_watermark = broker.delete_records(broker.partition(topic, index), wanted.offset)
    except BrokerError as error:
        return DeletedPartition(partition_index=index, low_watermark=-1, error_code=error.code)
    return DeletedPartition(partition_index=index, low_watermark=low_watermark, error_code=0)
