"""Asks a broker whether it is there: ApiVersions version 0, and Metadata version 1 for the brokers that it knows.

The two frames are written by hand: the versions are the oldest that every release answers, and nothing is
negotiated. Not covered: how well the broker answers; that is for the suite to say.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

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


def brokers(address: Address, security: Security | None = None) -> dict[int, Address]:
    """The brokers that Metadata tells, by node id; none are listed while the broker is still joining.

    Raises:
        NoAnswerError: no answer of that shape came.
    """
    return _metadata(address, _NO_TOPICS, security)[0]


def topic_count(address: Address, security: Security | None = None) -> int:
    """How many topics Metadata tells of.

    Raises:
        NoAnswerError: no answer of that shape came.
    """
    return _metadata(address, _ALL_TOPICS, security)[1]


def _metadata(address: Address, topics: int, security: Security | None) -> tuple[dict[int, Address], int]:
    """The brokers and the number of topics that Metadata version 1 tells."""
    answer = _ask(address, _METADATA, 1, struct.pack(">i", topics), security)
    found: dict[int, Address] = {}
    try:
        (count,) = struct.unpack_from(">i", answer)
        at = 4
        for _ in range(count):
            node_id, host_length = struct.unpack_from(">ih", answer, at)
            at += 6
            host = answer[at : at + host_length].decode()
            port, rack_length = struct.unpack_from(">ih", answer, at + host_length)
            at += host_length + 6 + max(rack_length, 0)
            found[node_id] = Address(host, port)
        _controller_id, topic_count = struct.unpack_from(">ii", answer, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise NoAnswerError(f"{address} answered Metadata version 1 in another shape: {error}") from error
    return found, topic_count


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
