"""DeleteRecords between the model and the wire."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, register
from conformance.translate.parts import by_topic, place_of_first
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import DeleteRecords, DeleteRecordsPart
from model.reference.outcomes import Values
from model.reference.state import Cluster


def _encode(operation: DeleteRecords, version: int, cluster: Cluster) -> object:
    topics = by_topic(operation.parts, lambda part: {"partition_index": part.partition, "offset": part.offset})
    return message(
        Api.DELETE_RECORDS,
        version,
        topics=[{"name": name, "partitions": entries} for name, entries in topics.items()],
        timeout_ms=operation.timeout_ms,
    )


def _decode(operation: DeleteRecords, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {
        (topic.name, partition.partition_index): partition for topic in answer.topics for partition in topic.partitions
    }

    def values(part: DeleteRecordsPart) -> Values:
        seen = found.get((part.topic, part.partition))
        if seen is None:
            return {}
        return {"error": error_of(seen.error_code), "low_watermark": seen.low_watermark}

    answered = [(topic.name, each.partition_index) for topic in answer.topics for each in topic.partitions]
    whole = {"throttle_time_ms": answer.throttle_time_ms, "partitions": tuple(sorted(answered))}
    return [whole, *(values(part) for part in operation.parts)]


register(
    DeleteRecords,
    Translation(
        Api.DELETE_RECORDS,
        _encode,
        _decode,
        leader_of=place_of_first,
    ),
)
