"""OffsetForLeaderEpoch between the model and the wire, from v2, the first that a consumer may use."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, register
from conformance.translate.parts import CONSUMER, by_topic, place_of_first
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import OffsetForLeaderEpoch, OffsetForLeaderEpochPart
from model.reference.outcomes import Values
from model.reference.state import Cluster

REPLICA_FROM = 3


def _encode(operation: OffsetForLeaderEpoch, version: int, cluster: Cluster) -> object:
    def partition(part: OffsetForLeaderEpochPart) -> dict[str, int]:
        return {
            "partition": part.partition,
            "current_leader_epoch": part.current_leader_epoch,
            "leader_epoch": part.leader_epoch,
        }

    fields: dict[str, Any] = {"replica_id": CONSUMER} if version >= REPLICA_FROM else {}
    return message(
        Api.OFFSET_FOR_LEADER_EPOCH,
        version,
        topics=[{"topic": name, "partitions": parts} for name, parts in by_topic(operation.parts, partition).items()],
        **fields,
    )


def _decode(operation: OffsetForLeaderEpoch, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {(topic.topic, each.partition): each for topic in answer.topics for each in topic.partitions}

    def part_values(part: OffsetForLeaderEpochPart) -> Values:
        seen = found.get((part.topic, part.partition))
        if seen is None:
            return {}
        return {
            "error": error_of(seen.error_code),
            "leader_epoch": seen.leader_epoch,
            "end_offset": seen.end_offset,
        }

    return [{"throttle_time_ms": answer.throttle_time_ms}, *(part_values(part) for part in operation.parts)]


register(
    OffsetForLeaderEpoch,
    Translation(
        Api.OFFSET_FOR_LEADER_EPOCH,
        _encode,
        _decode,
        leader_of=place_of_first,
    ),
)
