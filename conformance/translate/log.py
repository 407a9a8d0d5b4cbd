"""Produce and Fetch between the model and the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from conformance.translate.base import Translation, Unsayable, register
from conformance.translate.parts import NO_ID, by_topic, grouped, id_of, place_of_first
from conformance.wire import fetch as fetch_wire
from conformance.wire import produce as produce_wire
from conformance.wire.apis import Api
from conformance.wire.batch import FRAME, decode_batches, encode_batches
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import Fetch, FetchPart, Produce, ProducePart
from model.reference.outcomes import Values
from model.reference.state import Cluster
from model.reference.waiting import Waited

FETCH_BY_ID_FROM = 13
ERROR_MESSAGES_FROM = 8


def _id_to_fetch(cluster: Cluster, topic: str, version: int) -> UUID:
    """The topic's id; one that exists, but whose id no answer has told, can't be fetched by id."""
    if version >= FETCH_BY_ID_FROM and topic in cluster.topics and cluster.topics[topic].topic_id is None:
        raise Unsayable(f"Fetch names topics by id from v{FETCH_BY_ID_FROM}, and no answer has told that of {topic}")
    return id_of(cluster, topic)


def _carried(**fields: object) -> dict[str, object]:
    """The fields that the API version carries (the codecs give None for those that it does not)."""
    return {name: value for name, value in fields.items() if value is not None}


def _key(topic: Any) -> object:
    """What an answer calls a topic: its name, or its id (which the codec gives as None if it is zero)."""
    return topic.topic if topic.topic is not None else topic.topic_id or NO_ID


def _answered(parts: Sequence[Any], answer: Any, cluster: Cluster) -> tuple[tuple[object, int], ...]:
    """The partitions that were answered, by the topic's name as the request had it; sorted."""
    names: dict[object, str] = {}
    for part in parts:
        names.setdefault(getattr(part, "topic_id", None) or id_of(cluster, part.topic), part.topic)
    found = [
        (topic.topic if topic.topic is not None else names.get(_key(topic), str(topic.topic_id)), partition.index)
        for topic in answer.topics
        for partition in topic.partitions
    ]
    return tuple(sorted(found))


# -- produce ---------------------------------------------------------------------------------------------------------


def _encode_produce(operation: Produce, version: int, cluster: Cluster) -> object:
    def partition(part: ProducePart) -> produce_wire.PartitionRecords:
        records = None if part.batches is None else encode_batches(part.batches)
        return produce_wire.PartitionRecords(part.partition, records)

    topics = tuple(
        produce_wire.TopicRecords(
            name,
            tuple(parts),
            id_of(cluster, name),
        )
        for name, parts in by_topic(operation.parts, partition).items()
    )
    return produce_wire.ProduceRequest(operation.acks, operation.timeout_ms, operation.transactional_id, topics)


def _decode_produce(operation: Produce, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer = exchange.answer
    if not isinstance(answer, produce_wire.ProduceAnswer):
        raise TypeError(f"not a Produce answer: {answer!r}")
    found = {(_key(topic), each.index): each for topic in answer.topics for each in topic.partitions}

    def part_values(part: ProducePart) -> Values:
        seen = found.get((part.topic, part.partition)) or found.get((id_of(cluster, part.topic), part.partition))
        if seen is None:
            return {}
        errors = seen.record_errors
        message = {"error_message": seen.error_message} if version >= ERROR_MESSAGES_FROM else {}
        return message | _carried(
            error=error_of(seen.error_code),
            base_offset=seen.base_offset,
            log_append_time_ms=seen.log_append_time_ms,
            log_start_offset=seen.log_start_offset,
            record_errors=None if errors is None else tuple(each.batch_index for each in errors),
        )

    whole = {"throttle_time_ms": answer.throttle_time_ms, "partitions": _answered(operation.parts, answer, cluster)}
    return [whole, *(part_values(part) for part in operation.parts)]


register(
    Produce,
    Translation(
        Api.PRODUCE,
        _encode_produce,
        _decode_produce,
        answered=lambda operation: operation.acks != 0,
        leader_of=place_of_first,
    ),
)


def images_of(records: bytes) -> tuple[bytes, ...]:
    """The bytes of each whole batch."""
    images = []
    position = 0
    while len(records) - position >= FRAME.size:
        _, length = FRAME.unpack_from(records, position)
        end = position + FRAME.size + length
        if end > len(records):
            break
        images.append(records[position:end])
        position = end
    return tuple(images)


# -- fetch -----------------------------------------------------------------------------------------------------------


def _encode_fetch(operation: Fetch, version: int, cluster: Cluster) -> object:
    def partition(part: FetchPart) -> fetch_wire.FetchPartition:
        return fetch_wire.FetchPartition(
            index=part.partition,
            current_leader_epoch=part.current_leader_epoch,
            fetch_offset=part.offset,
            last_fetched_epoch=part.last_fetched_epoch,
            log_start_offset=part.log_start_offset,
            max_bytes=part.max_bytes,
        )

    topics = tuple(
        fetch_wire.FetchTopic(
            topic=name,
            partitions=tuple(partition(part) for part in parts),
            topic_id=parts[0].topic_id or _id_to_fetch(cluster, name, version),
        )
        for name, parts in by_topic(operation.parts, lambda part: part).items()
    )
    return fetch_wire.FetchRequest(
        max_wait_ms=operation.max_wait_ms,
        min_bytes=operation.min_bytes,
        max_bytes=operation.max_bytes,
        isolation_level=int(operation.isolation),
        session_id=operation.session_id,
        session_epoch=operation.session_epoch,
        topics=topics,
        forgotten=tuple(
            fetch_wire.ForgottenTopic(topic=name, partitions=tuple(indexes), topic_id=id_of(cluster, name))
            for name, indexes in grouped(operation.forgotten).items()
        ),
    )


def _decode_fetch(operation: Fetch, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer = exchange.answer
    if not isinstance(answer, fetch_wire.FetchAnswer):
        raise TypeError(f"not a Fetch answer: {answer!r}")
    found = {(_key(topic), each.index): each for topic in answer.topics for each in topic.partitions}
    total = sum(len(each.records or b"") for each in found.values())
    waited_ms = exchange.seconds * 1000
    whole = _carried(
        error=error_of(answer.error_code or 0),
        partitions=_answered(operation.parts, answer, cluster),
        session_id=answer.session_id,
        throttle_time_ms=answer.throttle_time_ms,
        waited_ms=waited_ms,
        wait=Waited(waited_ms, total),
        total_bytes=total,
    )
    by_id = version >= FETCH_BY_ID_FROM

    def part_values(part: FetchPart) -> Values:
        key = (part.topic_id or id_of(cluster, part.topic)) if by_id else part.topic
        seen = found.get((key, part.partition))
        return {} if seen is None else _fetched(seen)

    return [whole, *(part_values(part) for part in operation.parts)]


def _fetched(seen: fetch_wire.PartitionFetched) -> Values:
    """What an answer to a fetch says of one partition."""
    records = seen.records or b""
    decoded = decode_batches(records)
    diverging = seen.diverging_epoch
    return {
        **_carried(
            error=error_of(seen.error_code),
            high_watermark=seen.high_watermark,
            last_stable_offset=seen.last_stable_offset,
            log_start_offset=seen.log_start_offset,
            preferred_read_replica=seen.preferred_read_replica,
        ),
        "aborted_transactions": seen.aborted_transactions,
        "diverging_epoch": None if diverging is None else (diverging.epoch, diverging.end_offset),
        "records": decoded.batches,
        "old_messages": len(decoded.legacy_messages),
        "records_bytes": len(records),
        "images": images_of(records),
    }


register(
    Fetch,
    Translation(
        Api.FETCH,
        _encode_fetch,
        _decode_fetch,
        leader_of=place_of_first,
    ),
)
