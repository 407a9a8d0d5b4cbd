"""Asks a broker whether it is there: ApiVersions version 0, and Metadata version 1 for what it knows of its cluster.

The two frames are written by hand: the versions are the oldest that every release answers, and nothing is
negotiated. Not covered: how well the broker answers; that is for the suite to say.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from conformance.targets.base import Address, TargetError
from conformance.wire.connection import Connection
from conformance.wire.errors import WireError
from conformance.wire.security import Security

_API_VERSIONS, _METADATA = 18, 3
_NO_TOPICS, _ALL_TOPICS = 0, -1
"""The length of Metadata's array of topics: empty, and null, which asks for all of them."""
_CORRELATION_ID = 0x71DE
_CLIENT_ID = b"tidegauge-probe"
_POLL_S = 0.05
_ANSWER_CEILING_S = 2.0


class NoAnswerError(Exception):
    """The broker did not answer, or what answered does not speak Kafka."""


def api_versions(address: Address, security: Security | None = None) -> None:
    """Ask once for ApiVersions version 0.

    Raises:
        NoAnswerError: no answer of that shape came.
    """
    if len(_ask(address, _API_VERSIONS, 0, b"", security)) < 2:
        raise NoAnswerError(f"{address} answered ApiVersions with less than an error code")


@frozen
class View:
    """What a broker tells of its cluster."""

    brokers: Mapping[int, Address]
    """By node id; none are listed while the broker is still joining."""
    controller: int
    """The node id of the controller, or of some broker where that is nobody's business; -1 if there is none."""
    leaders: Mapping[str, tuple[int, ...]]
    """The node ids of the leaders of each topic's partitions; -1 for one without."""


def view(address: Address, security: Security | None = None, *, topics: bool = True) -> View:
    """Ask once for Metadata version 1, of all topics or of none.

    Raises:
        NoAnswerError: no answer of that shape came.
    """
    asked = struct.pack(">i", _ALL_TOPICS if topics else _NO_TOPICS)
    answer = _ask(address, _METADATA, 1, asked, security)
    try:
        return _Cursor(answer).view()
    except (struct.error, UnicodeDecodeError) as error:
        raise NoAnswerError(f"{address} answered Metadata version 1 in another shape: {error}") from error


def brokers(address: Address, security: Security | None = None) -> dict[int, Address]:
    """The brokers that Metadata tells, by node id; none are listed while the broker is still joining.

    Raises:
        NoAnswerError: no answer of that shape came.
    """
    return dict(view(address, security, topics=False).brokers)


class _Cursor:
    """Reads an answer to Metadata version 1, from its beginning."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 0

    def view(self) -> View:
        brokers = dict(self._broker() for _ in range(self._int32()))
        controller = self._int32()
        return View(brokers, controller, dict(self._topic() for _ in range(self._int32())))

    def _broker(self) -> tuple[int, Address]:
        node_id, host, port = self._int32(), self._string(), self._int32()
        self._string()  # rack
        return node_id, Address(host, port)

    def _topic(self) -> tuple[str, tuple[int, ...]]:
        self._take(">h")  # error code
        name = self._string()
        self._take(">?")  # internal
        return name, tuple(self._leader() for _ in range(self._int32()))

    def _leader(self) -> int:
        self._take(">hi")  # error code, partition
        leader = self._int32()
        for _ in ("replicas", "replicas in sync"):
            self._take(f">{self._int32()}i")
        return leader

    def _int32(self) -> int:
        value: int = self._take(">i")[0]
        return value

    def _string(self) -> str:
        length = max(self._take(">h")[0], 0)
        value: bytes = self._take(f">{length}s")[0]
        return value.decode()

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._answer, self._at)
        self._at += struct.calcsize(form)
        return values


def wait_until(
    ready: Callable[[], bool], what: str, ceiling_s: float, *, alive: Callable[[], bool] = lambda: True
) -> None:
    """Poll until `ready` says so; a NoAnswerError means not yet.

    Raises:
        TargetError: it is no longer alive, or the ceiling was reached; says what the last try saw.
    """
    deadline = time.monotonic() + ceiling_s
    seen = "no answer"
    while True:
        try:
            # Alive is asked after ready: were the port someone else's, our own process would have given up on it.
            if ready() and alive():
                return
        except NoAnswerError as error:
            seen = str(error)
        if not alive():
            raise TargetError(f"{what} ended instead of answering")
        if time.monotonic() > deadline:
            raise TargetError(f"{what} was not ready within {ceiling_s:g} s: {seen}")
        time.sleep(_POLL_S)


def _ask(address: Address, api_key: int, version: int, body: bytes, security: Security | None) -> bytes:
    header = struct.pack(">hhih", api_key, version, _CORRELATION_ID, len(_CLIENT_ID)) + _CLIENT_ID
    request = header + body
    try:
        with Connection(
            address.host,
            address.port,
            security,
            connect_timeout=_ANSWER_CEILING_S,
            answer_timeout=_ANSWER_CEILING_S,
        ) as connection:
            connection.send_bytes(struct.pack(">i", len(request)) + request)
            answer = connection.receive_frame()
    except WireError as error:
        raise NoAnswerError(str(error)) from error
    if answer[:4] != struct.pack(">i", _CORRELATION_ID):
        raise NoAnswerError(f"{address} answered with bytes that are not Kafka's: {answer[:16].hex(' ')}")
    return answer[4:]
