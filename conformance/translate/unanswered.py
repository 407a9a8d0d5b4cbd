"""A produce that gets no answer, and a look at its connection."""

from __future__ import annotations

import time
from collections.abc import Sequence

from conformance.client import Client
from conformance.translate.base import Conversation, VersionOf, register_conversation, translation_of
from conformance.wire.apis import Api
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed
from model.reference.operations import ProduceUnanswered
from model.reference.outcomes import Values
from model.reference.state import Cluster


def _watch(operation: ProduceUnanswered, client: Client, cluster: Cluster, version_of: VersionOf) -> Sequence[Values]:
    translation = translation_of(operation.produce)
    place = translation.leader_of(operation.produce)
    broker = client.leader(*place) if place is not None else client.any_broker()
    version = version_of(Api.PRODUCE)
    request = translation.encode(operation.produce, version, cluster)
    received = 0
    with client.fresh(broker) as connection:
        connection.send(Api.PRODUCE, version, request)
        is_closed = False
        deadline = time.monotonic() + operation.watch_ms / 1000
        while not is_closed and (left := deadline - time.monotonic()) > 0:
            try:
                received += len(connection.receive_frame(left))
            except ConnectionClosed:
                is_closed = True
            except AnswerTimedOut:
                break
    return [{"is_closed": is_closed, "bytes_received": received}]


register_conversation(ProduceUnanswered, Conversation((Api.PRODUCE,), _watch))
