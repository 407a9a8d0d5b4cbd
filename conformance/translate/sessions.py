"""Fetches in a session, by way of the translation of Fetch."""

from __future__ import annotations

from conformance.translate.base import Translation, Unsayable, register, translation_of
from conformance.translate.parts import place_of_first
from conformance.wire.apis import Api
from conformance.wire.connection import Exchange
from conformance.wire.fetch import FetchAnswer
from model.reference.operations import Fetch, FetchInSession, FetchPart
from model.reference.outcomes import Values
from model.reference.sessions import ABSENT_PART, places
from model.reference.state import Cluster

SESSIONS_FROM = 7


def _fetch(operation: FetchInSession, parts: tuple[FetchPart, ...]) -> Fetch:
    return Fetch(
        parts=parts,
        session_id=operation.session_id,
        session_epoch=operation.session_epoch,
        forgotten=operation.forgotten,
    )


def _encode(operation: FetchInSession, version: int, cluster: Cluster) -> object:
    if version < SESSIONS_FROM:
        raise Unsayable(f"Fetch has sessions from v{SESSIONS_FROM}")
    fetch = _fetch(operation, operation.parts)
    return translation_of(fetch).encode(fetch, version, cluster)


def _decode(operation: FetchInSession, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    fetch = _fetch(operation, places(cluster, operation))
    whole, *parts = translation_of(fetch).decode(fetch, version, exchange, cluster)
    answer = exchange.answer
    count = sum(len(topic.partitions) for topic in answer.topics) if isinstance(answer, FetchAnswer) else 0
    strangers = frozenset({f"{count - sum(map(bool, parts))} more"} if count > sum(map(bool, parts)) else ())
    return [
        {**whole, "strangers": strangers},
        *(part or {"error": ABSENT_PART} for part in parts),
    ]


register(
    FetchInSession,
    Translation(
        Api.FETCH,
        _encode,
        _decode,
        leader_of=place_of_first,
    ),
)
