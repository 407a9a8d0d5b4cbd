"""Fetch requests and answers, versions 4 to 18, as data and as bytes.

| version | what changes |
|---|---|
| 4 | first to give message format v2; isolation levels (KIP-98) |
| 5 | log start offsets |
| 7 | sessions (KIP-227) |
| 9 | the request's current leader epoch (KIP-320) |
| 11 | racks and preferred read replicas (KIP-392) |
| 12 | flexible (KIP-482); last fetched and diverging epochs (KIP-595) |
| 13 | topic ids in place of names (KIP-516) |
| 15 | the replica's id moves to a tagged field, with its epoch (KIP-903) |
| 16 | answers may carry the leaders' endpoints (KIP-951) |
| 17 | the follower's directory id, tagged (KIP-853) |
| 18 | the follower's high watermark, tagged (KIP-1166) |

A field of a request that a version does not carry is left out in silence, as Kafka's "ignorable" fields
are; a field of an answer that its version does not carry is `None`, and so is an absent tagged field.
Not here: the records themselves (`batch`), and versions 0 to 3, which carry formats v0 and v1 only.

Source: FetchRequest.json, FetchResponse.json. Answers are in `fetch_answer`.
"""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from conformance.wire.fetch_answer import (
    FLEXIBLE_FROM,
    LOG_START_FROM,
    SESSIONS_FROM,
    TOPIC_IDS_FROM,
    AbortedTransaction,
    EpochEnd,
    FetchAnswer,
    PartitionFetched,
    TopicFetched,
    decode_answer,
)
from conformance.wire.primitives import Writer

__all__ = [
    "AbortedTransaction",
    "EpochEnd",
    "FetchAnswer",
    "FetchPartition",
    "FetchRequest",
    "FetchTopic",
    "ForgottenTopic",
    "PartitionFetched",
    "TopicFetched",
    "decode_answer",
    "encode_request",
]

VERSION_MIN = 4
VERSION_MAX = 18
LEADER_EPOCH_FROM = 9
RACKS_FROM = 11
REPLICA_STATE_FROM = 15
DIRECTORY_ID_FROM = 17
HIGH_WATERMARK_FROM = 18

CLUSTER_ID_TAG = 0
REPLICA_STATE_TAG = 1
DIRECTORY_ID_TAG = 0
HIGH_WATERMARK_TAG = 1

CONSUMER_REPLICA_ID = -1
NO_SESSION_ID = 0
NO_SESSION_EPOCH = -1
INT32_MAX = 2**31 - 1


@frozen(kw_only=True)
class FetchPartition:
    """From where to fetch one partition."""

    index: int
    fetch_offset: int
    max_bytes: int = INT32_MAX
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1
    log_start_offset: int = -1
    """The follower's; consumers send -1."""
    replica_directory_id: UUID | None = None
    high_watermark: int | None = None
    """What the follower believes; `None` leaves the tagged field out."""


@frozen(kw_only=True)
class FetchTopic:
    """What to fetch of one topic, which versions below 13 name and later ones give by id."""

    topic: str = ""
    topic_id: UUID | None = None
    partitions: tuple[FetchPartition, ...]


@frozen(kw_only=True)
class ForgottenTopic:
    """Partitions to drop from an incremental fetch session."""

    topic: str = ""
    topic_id: UUID | None = None
    partitions: tuple[int, ...]


@frozen(kw_only=True)
class FetchRequest:
    """A Fetch request; `replica_id` other than -1 claims to be a follower."""

    topics: tuple[FetchTopic, ...]
    max_wait_ms: int = 0
    min_bytes: int = 0
    max_bytes: int = INT32_MAX
    isolation_level: int = 0
    session_id: int = NO_SESSION_ID
    session_epoch: int = NO_SESSION_EPOCH
    forgotten: tuple[ForgottenTopic, ...] = ()
    rack_id: str = ""
    replica_id: int = CONSUMER_REPLICA_ID
    replica_epoch: int = -1
    cluster_id: str | None = None


def encode_request(request: FetchRequest, version: int) -> bytes:
    """The body of a Fetch request, without its header."""
    writer = Writer(flexible=version >= FLEXIBLE_FROM)
    if version < REPLICA_STATE_FROM:
        writer.int32(request.replica_id)
    writer.int32(request.max_wait_ms)
    writer.int32(request.min_bytes)
    writer.int32(request.max_bytes)
    writer.int8(request.isolation_level)
    if version >= SESSIONS_FROM:
        writer.int32(request.session_id)
        writer.int32(request.session_epoch)
    writer.array(request.topics, lambda topic: _write_topic(writer, topic, version))
    if version >= SESSIONS_FROM:
        writer.array(request.forgotten, lambda topic: _write_forgotten(writer, topic, version))
    if version >= RACKS_FROM:
        writer.string(request.rack_id)
    writer.tags(_request_tags(request, version))
    return writer.written()


def _request_tags(request: FetchRequest, version: int) -> dict[int, bytes]:
    tags: dict[int, bytes] = {}
    if request.cluster_id is not None:
        cluster = Writer(flexible=True)
        cluster.string(request.cluster_id)
        tags[CLUSTER_ID_TAG] = cluster.written()
    is_default = request.replica_id == CONSUMER_REPLICA_ID and request.replica_epoch == -1
    if version >= REPLICA_STATE_FROM and not is_default:
        state = Writer(flexible=True)
        state.int32(request.replica_id)
        state.int64(request.replica_epoch)
        state.tags()
        tags[REPLICA_STATE_TAG] = state.written()
    return tags


def _write_name(writer: Writer, topic: FetchTopic | ForgottenTopic, version: int) -> None:
    if version >= TOPIC_IDS_FROM:
        writer.uuid(topic.topic_id)
    else:
        writer.string(topic.topic)


def _write_topic(writer: Writer, topic: FetchTopic, version: int) -> None:
    _write_name(writer, topic, version)
    writer.array(topic.partitions, lambda partition: _write_partition(writer, partition, version))
    writer.tags()


def _write_forgotten(writer: Writer, topic: ForgottenTopic, version: int) -> None:
    _write_name(writer, topic, version)
    writer.array(topic.partitions, writer.int32)
    writer.tags()


def _write_partition(writer: Writer, partition: FetchPartition, version: int) -> None:
    writer.int32(partition.index)
    if version >= LEADER_EPOCH_FROM:
        writer.int32(partition.current_leader_epoch)
    writer.int64(partition.fetch_offset)
    if version >= FLEXIBLE_FROM:
        writer.int32(partition.last_fetched_epoch)
    if version >= LOG_START_FROM:
        writer.int64(partition.log_start_offset)
    writer.int32(partition.max_bytes)
    writer.tags(_partition_tags(partition, version))


def _partition_tags(partition: FetchPartition, version: int) -> dict[int, bytes]:
    tags: dict[int, bytes] = {}
    if version >= DIRECTORY_ID_FROM and partition.replica_directory_id is not None:
        tags[DIRECTORY_ID_TAG] = partition.replica_directory_id.bytes
    if version >= HIGH_WATERMARK_FROM and partition.high_watermark is not None:
        watermark = Writer(flexible=True)
        watermark.int64(partition.high_watermark)
        tags[HIGH_WATERMARK_TAG] = watermark.written()
    return tags
