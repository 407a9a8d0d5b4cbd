"""The register of translations, one for each class of operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from conformance.client import Client
from conformance.wire.apis import Api
from conformance.wire.connection import Exchange
from model.reference.operations import Operation
from model.reference.outcomes import Values
from model.reference.state import Cluster


class Unsayable(Exception):
    """The operation can't be said in this API version; say at which versions the case runs."""


@frozen
class Translation:
    """How operations of one class are sent, and how their answers are read.

    `encode(operation, version, cluster)` gives the request; `decode(operation, version, exchange, cluster)` gives the
    sections of the answer. The cluster is the model's, for names and ids only.
    """

    api: Api
    encode: Callable[[Any, int, Cluster], object]
    decode: Callable[[Any, int, Exchange, Cluster], Sequence[Values]]
    answered: Callable[[Any], bool] = lambda _operation: True
    """Whether the broker answers at all (a produce with acks=0 gets nothing)."""
    coordinator: Callable[[Any], str | None] = lambda _operation: None
    """The group whose coordinator must be asked, if any."""
    leader_of: Callable[[Any], tuple[str, int] | None] = lambda _operation: None
    """The partition whose leader must be asked, if any."""
    broker: Callable[[Any], int | None] = lambda _operation: None
    """The broker that must be asked, if it is a certain one."""


class VersionOf(Protocol):
    """The version of an API that is to be used: of those in common, the lowest or the highest."""

    def __call__(self, api: Api, most: int | None = None) -> int:
        """The version, of those up to `most`; raises `Unsupported` if none is in common."""


@frozen
class Conversation:
    """How operations are carried out that are no single request: hostile bytes, pipelines, what a client library does.

    `hold(operation, client, cluster, version_of)` gives the sections of the answer, having opened whatever connections
    it needs.
    """

    apis: tuple[Api, ...]
    """What the target must offer."""
    hold: Callable[[Any, Client, Cluster, VersionOf], Sequence[Values]]


_TRANSLATIONS: dict[type[Operation], Translation] = {}
_CONVERSATIONS: dict[type[Operation], Conversation] = {}


def register(kind: type[Operation], translation: Translation) -> None:
    """Say how operations of this class go over the wire."""
    _TRANSLATIONS[kind] = translation


def translation_of(operation: Operation) -> Translation:
    """The translation of an operation's class."""
    return _TRANSLATIONS[type(operation)]


def register_conversation(kind: type[Operation], conversation: Conversation) -> None:
    """Say how operations of this class are carried out, which are no single request."""
    _CONVERSATIONS[kind] = conversation


def conversation_of(operation: Operation) -> Conversation | None:
    """The conversation of an operation's class, if it is one that takes more than a request."""
    return _CONVERSATIONS.get(type(operation))
