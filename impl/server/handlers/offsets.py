"""OffsetCommit and OffsetFetch for simple consumers, which have no generation and no member id.

`GroupCoordinatorService.commitOffsets`, `OffsetMetadataManager`. Groups with members are not here yet: a commit that
claims a generation is refused as Kafka refuses it for a group without members.
"""

from collections.abc import Callable
from typing import Final

from kafka.protocol.consumer import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)

from impl.cluster.offsets import CommittedOffset, TopicPartition
from impl.errors import ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import Message, decode, encode

FIRST_WITH_LEADER_EPOCH: Final = 6
FIRST_WITH_ERROR: Final = 2
FIRST_WITH_GROUPS: Final = 8
FIRST_WITH_MEMBER_EPOCH: Final = 9

CommitTopic = OffsetCommitResponse.OffsetCommitResponseTopic
CommitPartition = CommitTopic.OffsetCommitResponsePartition
FetchTopic = OffsetFetchResponse.OffsetFetchResponseTopic
FetchPartition = FetchTopic.OffsetFetchResponsePartition
FetchGroup = OffsetFetchResponse.OffsetFetchResponseGroup
GroupTopic = FetchGroup.OffsetFetchResponseTopics
GroupPartition = GroupTopic.OffsetFetchResponsePartitions


def offset_commit(broker: Broker, request: Request) -> Reply:
    """Keep offsets of partitions that exist."""
    message = decode(OffsetCommitRequest, request)
    now_ms = broker.now_ms()
    size_max = broker.config.number("offset.metadata.max.bytes")
    refusal = _refusal(broker, message)
    offsets: dict[TopicPartition, CommittedOffset] = {}
    # Kafka names the partitions that do not exist first, and then what its coordinator says of the others.
    unknown: list[tuple[str, int, ErrorCode]] = []
    known: list[tuple[str, int, ErrorCode]] = []
    for topic in message.topics:
        for partition in topic.partitions:
            key = topic.name, partition.partition_index
            metadata = partition.committed_metadata or ""
            if key not in broker.partitions:
                unknown.append((*key, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            elif refusal != ErrorCode.NONE:
                known.append((*key, refusal))
            elif len(metadata) > size_max:
                known.append((*key, ErrorCode.OFFSET_METADATA_TOO_LARGE))
            else:
                epoch = partition.committed_leader_epoch if request.version >= FIRST_WITH_LEADER_EPOCH else -1
                offsets[key] = CommittedOffset(partition.committed_offset, epoch, metadata, now_ms)
                known.append((*key, ErrorCode.NONE))
    broker.offsets.commit(message.group_id, offsets, now_ms)
    by_topic: dict[str, list[Message]] = {}
    for name, index, code in unknown + known:
        by_topic.setdefault(name, []).append(CommitPartition(partition_index=index, error_code=code))
    topics = [CommitTopic(name=name, partitions=partitions) for name, partitions in by_topic.items()]
    return encode(OffsetCommitResponse(throttle_time_ms=0, topics=topics), request)


def _refusal(broker: Broker, message: Message) -> ErrorCode:
    """Why no offset of a request may be committed (`OffsetMetadataManager.validateOffsetCommit`, no members)."""
    if message.generation_id_or_member_epoch < 0:
        return ErrorCode.NONE
    is_known = bool(broker.offsets.of_group(message.group_id))
    return ErrorCode.UNKNOWN_MEMBER_ID if is_known else ErrorCode.ILLEGAL_GENERATION


def offset_fetch(broker: Broker, request: Request) -> Reply:
    """Committed offsets: of the partitions asked for, or all; from version 8 on of several groups."""
    message = decode(OffsetFetchRequest, request)
    if request.version >= FIRST_WITH_GROUPS:
        groups = [_group(broker, asked) for asked in message.groups]
        return encode(OffsetFetchResponse(throttle_time_ms=0, groups=groups), request)
    topics = _topics(broker, message, FetchTopic, FetchPartition)
    return encode(OffsetFetchResponse(throttle_time_ms=0, topics=topics, error_code=0), request)


def _group(broker: Broker, asked: Message) -> Message:
    topics = _topics(broker, asked, GroupTopic, GroupPartition)
    return FetchGroup(group_id=asked.group_id, topics=topics, error_code=0)


def _topics(
    broker: Broker, asked: Message, topic: Callable[..., Message], partition: Callable[..., Message]
) -> list[Message]:
    """The topics of an answer, in the classes of its version, to what was asked of one group."""
    return [
        topic(
            name=name,
            partitions=[
                partition(
                    partition_index=index,
                    committed_offset=found.offset,
                    committed_leader_epoch=found.leader_epoch,
                    metadata=found.metadata,
                    error_code=0,
                )
                for index, found in offsets
            ],
        )
        for name, offsets in _offsets(broker, asked.group_id, asked.topics)
    ]


UNKNOWN: Final = CommittedOffset(-1, -1, "", -1)
NamedOffsets = list[tuple[str, list[tuple[int, CommittedOffset]]]]


def _offsets(broker: Broker, group: str, asked: list[Message] | None) -> NamedOffsets:
    """What a group has committed, by topic; -1 for what it has not."""
    committed = broker.offsets.of_group(group)
    if asked is None:
        by_topic: dict[str, list[tuple[int, CommittedOffset]]] = {}
        for (topic, index), found in committed.items():
            by_topic.setdefault(topic, []).append((index, found))
        return list(by_topic.items())
    return [
        (topic.name, [(index, committed.get((topic.name, index), UNKNOWN)) for index in topic.partition_indexes])
        for topic in asked
        if topic.partition_indexes
    ]
