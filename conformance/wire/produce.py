"""Produce requests and answers, versions 3 to 13, as data and as bytes.

| version | what changes |
|---|---|
| 3 | first to take message format v2 |
| 5 | answers carry the log start offset |
| 8 | answers name the records at fault (KIP-467) |
| 9 | flexible (KIP-482) |
| 10 | answers may carry the current leader and its endpoint (KIP-951) |
| 13 | topic ids in place of names (KIP-516) |

A field of an answer that its version does not carry is `None`, and so is a tagged field that is absent.
Tagged fields that no version here knows are skipped. Not here: the records themselves (`batch`), and
versions 0 to 2, which carry message formats v0 and v1 only.

Source: ProduceRequest.json, ProduceResponse.json.
"""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from conformance.wire.leaders import CurrentLeader, NodeEndpoint, read_current_leader, read_node_endpoints
from conformance.wire.primitives import Reader, Writer

VERSION_MIN = 3
VERSION_MAX = 13
FLEXIBLE_FROM = 9
LOG_START_FROM = 5
RECORD_ERRORS_FROM = 8
LEADERS_FROM = 10
TOPIC_IDS_FROM = 13

NO_ANSWER_ACKS = 0
"""With these acks a broker sends no answer at all."""


@frozen
class PartitionRecords:
    """The records for one partition; `None` is Kafka's null, which a broker must refuse."""

    index: int
    records: bytes | None


@frozen
class TopicRecords:
    """The records for one topic, which versions below 13 name and later ones give by id."""

    topic: str
    partitions: tuple[PartitionRecords, ...]
    topic_id: UUID | None = None


@frozen
class ProduceRequest:
    """A Produce request; acks are 0, 1, -1 (all in sync) or a lie."""

    acks: int
    timeout_ms: int
    transactional_id: str | None
    topics: tuple[TopicRecords, ...]


@frozen
class RecordError:
    """A record that made its batch be refused, by its index in the batch."""

    batch_index: int
    message: str | None


@frozen
class PartitionProduced:
    """What became of one partition's records."""

    index: int
    error_code: int
    base_offset: int
    log_append_time_ms: int
    log_start_offset: int | None
    """From version 5."""
    record_errors: tuple[RecordError, ...] | None
    """From version 8."""
    error_message: str | None
    """From version 8, and null there where there is nothing to say."""
    current_leader: CurrentLeader | None
    """From version 10, tagged."""


@frozen
class TopicProduced:
    """What became of one topic's records: named below version 13, by id from there."""

    topic: str | None
    topic_id: UUID | None
    partitions: tuple[PartitionProduced, ...]


@frozen
class ProduceAnswer:
    """A Produce answer."""

    topics: tuple[TopicProduced, ...]
    throttle_time_ms: int
    node_endpoints: tuple[NodeEndpoint, ...] | None = None
    """From version 10, tagged."""


def encode_request(request: ProduceRequest, version: int) -> bytes:
    """The body of a Produce request, without its header."""
    writer = Writer(flexible=version >= FLEXIBLE_FROM)
    writer.string(request.transactional_id)
    writer.int16(request.acks)
    writer.int32(request.timeout_ms)
    writer.array(request.topics, lambda topic: _write_topic(writer, topic, version))
    writer.tags()
    return writer.written()


def _write_topic(writer: Writer, topic: TopicRecords, version: int) -> None:
    if version >= TOPIC_IDS_FROM:
        writer.uuid(topic.topic_id)
    else:
        writer.string(topic.topic)
    writer.array(topic.partitions, lambda partition: _write_partition(writer, partition))
    writer.tags()


def _write_partition(writer: Writer, partition: PartitionRecords) -> None:
    writer.int32(partition.index)
    writer.byte_string(partition.records)
    writer.tags()


def decode_answer(body: bytes, version: int) -> ProduceAnswer:
    """The body of a Produce answer, without its header."""
    reader = Reader(body, flexible=version >= FLEXIBLE_FROM)
    topics = reader.array(lambda: _read_topic(reader, version))
    throttle_time_ms = reader.int32()
    tags = reader.tags({0: read_node_endpoints} if version >= LEADERS_FROM else {})
    reader.end("a Produce answer")
    return ProduceAnswer(topics, throttle_time_ms, node_endpoints=tags.get(0))


def _read_topic(reader: Reader, version: int) -> TopicProduced:
    by_id = version >= TOPIC_IDS_FROM
    topic = TopicProduced(
        topic=None if by_id else reader.string(),
        topic_id=reader.uuid() if by_id else None,
        partitions=reader.array(lambda: _read_partition(reader, version)),
    )
    reader.tags()
    return topic


def _read_partition(reader: Reader, version: int) -> PartitionProduced:
    names_records = version >= RECORD_ERRORS_FROM
    # Arguments are evaluated in the order of the fields on the wire; the tagged fields come last.
    return PartitionProduced(
        index=reader.int32(),
        error_code=reader.int16(),
        base_offset=reader.int64(),
        log_append_time_ms=reader.int64(),
        log_start_offset=reader.int64() if version >= LOG_START_FROM else None,
        record_errors=reader.array(lambda: _read_record_error(reader)) if names_records else None,
        error_message=reader.nullable_string() if names_records else None,
        current_leader=reader.tags({0: read_current_leader} if version >= LEADERS_FROM else {}).get(0),
    )


def _read_record_error(reader: Reader) -> RecordError:
    error = RecordError(reader.int32(), reader.nullable_string())
    reader.tags()
    return error
