"""Fetch answers, versions 4 to 18; the other half of `fetch`, which says what each version changes.

A field that a version does not carry is `None`, and so is a tagged field that is absent.
Not here: the records of a partition, which are kept as the bytes that came (`batch.decode_batches`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from attrs import frozen

from conformance.wire.leaders import CurrentLeader, NodeEndpoint, read_current_leader, read_node_endpoints
from conformance.wire.primitives import Reader

LOG_START_FROM = 5
SESSIONS_FROM = 7
PREFERRED_REPLICA_FROM = 11
FLEXIBLE_FROM = 12
TOPIC_IDS_FROM = 13
ENDPOINTS_FROM = 16

DIVERGING_EPOCH_TAG = 0
CURRENT_LEADER_TAG = 1
SNAPSHOT_TAG = 2
ENDPOINTS_TAG = 0


@frozen
class AbortedTransaction:
    """A producer whose records from this offset on, up to its abort marker, are to be skipped."""

    producer_id: int
    first_offset: int


@frozen
class EpochEnd:
    """An epoch and the offset at which it ends: where logs diverge, or a snapshot stops."""

    epoch: int
    end_offset: int


@frozen(kw_only=True)
class PartitionFetched:
    """What was fetched of one partition."""

    index: int
    error_code: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int | None
    """From version 5."""
    aborted_transactions: tuple[AbortedTransaction, ...] | None
    """Null unless the isolation level is read_committed."""
    preferred_read_replica: int | None
    """From version 11."""
    records: bytes | None
    diverging_epoch: EpochEnd | None
    """From version 12, tagged."""
    current_leader: CurrentLeader | None
    """From version 12, tagged."""
    snapshot_id: EpochEnd | None
    """From version 12, tagged."""


@frozen
class TopicFetched:
    """What was fetched of one topic: named below version 13, by id from there."""

    topic: str | None
    topic_id: UUID | None
    partitions: tuple[PartitionFetched, ...]


@frozen
class FetchAnswer:
    """A Fetch answer."""

    throttle_time_ms: int
    error_code: int | None
    """From version 7."""
    session_id: int | None
    """From version 7."""
    topics: tuple[TopicFetched, ...]
    node_endpoints: tuple[NodeEndpoint, ...] | None
    """From version 16, tagged."""


def decode_answer(body: bytes, version: int) -> FetchAnswer:
    """The body of a Fetch answer, without its header."""
    reader = Reader(body, flexible=version >= FLEXIBLE_FROM)
    endpoints = {ENDPOINTS_TAG: read_node_endpoints} if version >= ENDPOINTS_FROM else {}
    # Arguments are evaluated in the order of the fields on the wire; the tagged fields come last.
    answer = FetchAnswer(
        throttle_time_ms=reader.int32(),
        error_code=reader.int16() if version >= SESSIONS_FROM else None,
        session_id=reader.int32() if version >= SESSIONS_FROM else None,
        topics=reader.array(lambda: _read_topic(reader, version)),
        node_endpoints=reader.tags(endpoints).get(ENDPOINTS_TAG),
    )
    reader.end("a Fetch answer")
    return answer


def _read_topic(reader: Reader, version: int) -> TopicFetched:
    by_id = version >= TOPIC_IDS_FROM
    topic = TopicFetched(
        topic=None if by_id else reader.string(),
        topic_id=reader.uuid() if by_id else None,
        partitions=reader.array(lambda: _read_partition(reader, version)),
    )
    reader.tags()
    return topic


def _read_partition(reader: Reader, version: int) -> PartitionFetched:
    fields: dict[str, Any] = {
        "index": reader.int32(),
        "error_code": reader.int16(),
        "high_watermark": reader.int64(),
        "last_stable_offset": reader.int64(),
        "log_start_offset": reader.int64() if version >= LOG_START_FROM else None,
        "aborted_transactions": reader.nullable_array(lambda: _read_aborted(reader)),
        "preferred_read_replica": reader.int32() if version >= PREFERRED_REPLICA_FROM else None,
        "records": reader.nullable_byte_string(),
    }
    known: dict[int, Callable[[Reader], object]] = {
        DIVERGING_EPOCH_TAG: _read_diverging_epoch,
        CURRENT_LEADER_TAG: read_current_leader,
        SNAPSHOT_TAG: _read_snapshot_id,
    }
    tags: dict[int, Any] = reader.tags(known)
    return PartitionFetched(
        **fields,
        diverging_epoch=tags.get(DIVERGING_EPOCH_TAG),
        current_leader=tags.get(CURRENT_LEADER_TAG),
        snapshot_id=tags.get(SNAPSHOT_TAG),
    )


def _read_aborted(reader: Reader) -> AbortedTransaction:
    aborted = AbortedTransaction(reader.int64(), reader.int64())
    reader.tags()
    return aborted


def _read_diverging_epoch(reader: Reader) -> EpochEnd:
    end = EpochEnd(epoch=reader.int32(), end_offset=reader.int64())
    reader.tags()
    return end


def _read_snapshot_id(reader: Reader) -> EpochEnd:
    """A snapshot's id, which writes the offset before the epoch."""
    end_offset = reader.int64()
    end = EpochEnd(epoch=reader.int32(), end_offset=end_offset)
    reader.tags()
    return end
