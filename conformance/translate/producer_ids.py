"""InitProducerId between the model and the wire."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, Unsayable, register
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.errors import error_of
from model.reference.operations import InitProducerId
from model.reference.outcomes import Values
from model.reference.state import Cluster

PRODUCER_NAMED_FROM = 3


def _encode(operation: InitProducerId, version: int, cluster: Cluster) -> object:
    fields: dict[str, Any] = {
        "transactional_id": operation.transactional_id,
        "transaction_timeout_ms": operation.transaction_timeout_ms,
    }
    if version >= PRODUCER_NAMED_FROM:
        fields |= {"producer_id": operation.producer_id, "producer_epoch": operation.producer_epoch}
    elif (operation.producer_id, operation.producer_epoch) != (-1, -1):
        raise Unsayable(f"InitProducerId names a producer from v{PRODUCER_NAMED_FROM}")
    return message(Api.INIT_PRODUCER_ID, version, **fields)


def _decode(operation: InitProducerId, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    return [
        {
            "error": error_of(answer.error_code),
            "producer_id": answer.producer_id,
            "producer_epoch": answer.producer_epoch,
            "throttle_time_ms": answer.throttle_time_ms,
        }
    ]


register(InitProducerId, Translation(Api.INIT_PRODUCER_ID, _encode, _decode))
