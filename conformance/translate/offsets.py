"""ListOffsets between the model and the wire."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, Unsayable, register
from conformance.translate.parts import CONSUMER, by_topic, place_of_first
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import Isolation, ListOffsets, ListOffsetsPart
from model.reference.outcomes import Values
from model.reference.state import Cluster

ISOLATION_FROM = 2
EPOCHS_FROM = 4


def _encode(operation: ListOffsets, version: int, cluster: Cluster) -> object:
    if version < ISOLATION_FROM and operation.isolation is not Isolation.READ_UNCOMMITTED:
        raise Unsayable(f"ListOffsets has isolation levels from v{ISOLATION_FROM}")

    def partition(part: ListOffsetsPart) -> dict[str, Any]:
        fields: dict[str, Any] = {"partition_index": part.partition, "timestamp": part.timestamp}
        if version >= EPOCHS_FROM:
            fields["current_leader_epoch"] = part.current_leader_epoch
        elif part.current_leader_epoch != -1:
            raise Unsayable(f"ListOffsets checks leader epochs from v{EPOCHS_FROM}")
        return fields

    fields: dict[str, Any] = {"isolation_level": int(operation.isolation)} if version >= ISOLATION_FROM else {}
    return message(
        Api.LIST_OFFSETS,
        version,
        replica_id=CONSUMER,
        topics=[{"name": name, "partitions": parts} for name, parts in by_topic(operation.parts, partition).items()],
        **fields,
    )


def _decode(operation: ListOffsets, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {(topic.name, each.partition_index): each for topic in answer.topics for each in topic.partitions}

    def part_values(part: ListOffsetsPart) -> Values:
        seen = found.get((part.topic, part.partition))
        if seen is None:
            return {}
        values = {"error": error_of(seen.error_code), "offset": seen.offset, "timestamp": seen.timestamp}
        if version >= EPOCHS_FROM:
            values["leader_epoch"] = seen.leader_epoch
        return values

    whole = {"throttle_time_ms": answer.throttle_time_ms} if version >= ISOLATION_FROM else {}
    return [whole, *(part_values(part) for part in operation.parts)]


register(
    ListOffsets,
    Translation(
        Api.LIST_OFFSETS,
        _encode,
        _decode,
        leader_of=place_of_first,
    ),
)
