"""CreatePartitions between the model and the wire."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, register
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.administration import CreatePartitions, PartitionIncrease
from model.reference.errors import error_of
from model.reference.outcomes import Values
from model.reference.state import Cluster


def _create(operation: CreatePartitions, version: int, cluster: Cluster) -> object:
    def topic(increase: PartitionIncrease) -> dict[str, object]:
        chosen = increase.assignments
        return {
            "name": increase.topic,
            "count": increase.count,
            "assignments": None if chosen is None else [{"broker_ids": list(each)} for each in chosen],
        }

    return message(
        Api.CREATE_PARTITIONS,
        version,
        topics=[topic(each) for each in operation.topics],
        timeout_ms=operation.timeout_ms,
        validate_only=operation.validate_only,
    )


def _created(operation: CreatePartitions, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {result.name: {"error": error_of(result.error_code)} for result in answer.results}
    return [{}, *(found.get(each.topic, {}) for each in operation.topics)]


register(CreatePartitions, Translation(Api.CREATE_PARTITIONS, _create, _created))
