"""Frames with a flaw, and pipelines: bytes written by hand, on connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance.client import Client, Unsupported
from conformance.translate.base import Conversation, VersionOf, register_conversation
from conformance.wire.apis import Api, decode_answer, encode_request, message, request_header, split_answer
from conformance.wire.connection import LENGTH, Connection
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed, WireError
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic
from conformance.wire.primitives import Writer
from model.reference.operations import Flaw, Pipeline, Question, SendFrame
from model.reference.outcomes import Values
from model.reference.state import Cluster

CORRELATION_ID = 4711
PATIENCE_S = 5.0
"""How long a broker may take to close a connection."""
IMPATIENT_S = 1.0
"""How long it may take after it failed to in all of that time."""
METADATA_MAX = 1
"""The bytes of these requests are written by hand, for two versions of Metadata."""
FETCH_BY_NAME_MAX = 12
TAGGED_METADATA = 9
UNKNOWN_TAGS = {9_000: b"of a later release", 9_001: b""}
NO_SUCH_API = 9_999
NO_SUCH_VERSION = 999
SLOW_MS = 300


def _frame(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


def _header(version: int, api: int = Api.METADATA, client_id: str | None = "tidegauge") -> bytes:
    return request_header(api, version, CORRELATION_ID, client_id)


def _right(version: int, client_id: str | None = "tidegauge") -> bytes:
    """A Metadata request for no topics, of version 0 or 1."""
    return _frame(_header(version, client_id=client_id) + bytes(4))


def _tagged() -> bytes:
    """A Metadata request of version 9 with unknown tagged fields wherever tagged fields may be."""
    writer = Writer(flexible=True)
    writer.flexible = False
    writer.int16(Api.METADATA)
    writer.int16(TAGGED_METADATA)
    writer.int32(CORRELATION_ID)
    writer.string("tidegauge")
    writer.flexible = True
    writer.tags(UNKNOWN_TAGS)

    def topic(name: str) -> None:
        writer.string(name)
        writer.tags(UNKNOWN_TAGS)

    writer.array(["tidegauge-of-which-there-is-none"], topic)
    for flag in (0, 0, 0):  # no creation, no authorized operations of cluster or topics
        writer.int8(flag)
    writer.tags(UNKNOWN_TAGS)
    return _frame(writer.written())


BYTES: Mapping[Flaw, Callable[[int], bytes]] = {
    Flaw.NEGATIVE_LENGTH: lambda _version: LENGTH.pack(-1) + bytes(8),
    Flaw.OVERSIZED_LENGTH: lambda version: LENGTH.pack(2**31 - 1) + _header(version),
    Flaw.EMPTY_FRAME: lambda _version: LENGTH.pack(0),
    Flaw.SHORT_HEADER: lambda version: _frame(_header(version)[:6]),
    Flaw.UNKNOWN_API: lambda _version: _frame(_header(0, NO_SUCH_API) + bytes(4)),
    Flaw.UNKNOWN_VERSION: lambda _version: _frame(_header(NO_SUCH_VERSION) + b"\x01\x00\x00\x00\x00"),
    Flaw.OVERRUNNING_COUNT: lambda version: _frame(_header(version) + LENGTH.pack(2**31 - 1) + bytes(4)),
    Flaw.CUT_BODY: lambda version: _frame(_header(version) + LENGTH.pack(1) + b"\x00\x0aabc"),
    Flaw.GARBAGE: lambda _version: b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n",
    Flaw.GONE_CLIENT: lambda version: _right(version)[:-7],
    Flaw.IN_PIECES: _right,
    Flaw.UNKNOWN_TAGS: lambda _version: _tagged(),
    Flaw.NO_CLIENT_ID: lambda version: _right(version, None),
    Flaw.NO_GREETING: _right,
}
"""What is sent for each flaw; the argument is the version of Metadata, 0 or 1."""


def _send(operation: SendFrame, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    newest = client.ranges[Api.METADATA].most
    if operation.flaw is Flaw.UNKNOWN_TAGS and newest < TAGGED_METADATA:
        raise Unsupported(f"the target offers no flexible version of Metadata (v{TAGGED_METADATA})")
    sent = BYTES[operation.flaw](version_of(Api.METADATA, METADATA_MAX))
    with client.fresh() as other:
        _ask(other)
        with client.fresh() as connection:
            outcome = _outcome(connection, operation.flaw, sent, other, client.overdue)
        return [{"outcome": outcome, "other_connection": _still_answers(other)}]


def _outcome(connection: Connection, flaw: Flaw, sent: bytes, other: Connection, overdue: set[str]) -> str:
    """What became of the connection: closed, answered, left by the client, or neither in time."""
    patience_s = IMPATIENT_S if flaw.name in overdue else PATIENCE_S
    try:
        if flaw is Flaw.IN_PIECES:
            _send_in_pieces(connection, sent, other)
        else:
            connection.send_bytes(sent)
        if flaw is Flaw.GONE_CLIENT:
            return "left"
        frame = connection.receive_frame(patience_s)
    except ConnectionClosed:
        return "closed"
    except AnswerTimedOut:
        overdue.add(flaw.name)
        return f"neither answered nor closed in {patience_s:g} s"
    return "answered" if LENGTH.unpack_from(frame)[0] == CORRELATION_ID else "answered with another correlation id"


def _send_in_pieces(connection: Connection, sent: bytes, other: Connection) -> None:
    """Byte by byte. Now and then something else is asked, so that the broker has had time to read what came.

    First on this connection, or it might not be accepted before all is sent.
    """
    _ask(connection)
    for place, byte in enumerate(sent):
        connection.send_bytes(bytes([byte]))
        if place % 6 == 5:  # the first time with a length and two bytes sent
            _ask(other)


def _ask(connection: Connection) -> None:
    connection.call(Api.API_VERSIONS, 0, message(Api.API_VERSIONS, 0))


def _still_answers(connection: Connection) -> str:
    try:
        _ask(connection)
    except WireError as error:
        return f"{type(error).__name__}: {error}"
    return "answered"


register_conversation(SendFrame, Conversation((), _send))


# -- pipelines -------------------------------------------------------------------------------------------------------


def _request(question: Question, topic: str, version_of: VersionOf) -> tuple[Api, int, object]:
    match question:
        case Question.API_VERSIONS:
            return Api.API_VERSIONS, 0, message(Api.API_VERSIONS, 0)
        case Question.METADATA:
            version = version_of(Api.METADATA)
            return Api.METADATA, version, message(Api.METADATA, version, topics=[])
        case Question.SLOW_FETCH:
            version = version_of(Api.FETCH, FETCH_BY_NAME_MAX)
            part = FetchPartition(index=0, fetch_offset=0)
            waiting = FetchRequest(
                topics=(FetchTopic(topic=topic, partitions=(part,)),), max_wait_ms=SLOW_MS, min_bytes=1
            )
            return Api.FETCH, version, waiting


def _converse(operation: Pipeline, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    requests = [_request(question, operation.topic, version_of) for question, _ in operation.questions]
    frames = [
        _frame(request_header(api, version, correlation_id, "tidegauge") + encode_request(api, version, request))
        for (api, version, request), (_, correlation_id) in zip(requests, operation.questions, strict=True)
    ]
    ids = []
    with client.fresh(client.leader(operation.topic, 0)) as connection:
        connection.send_bytes(b"".join(frames))
        answers = [connection.receive_frame() for _ in requests]
    asked = {
        correlation_id: request for request, (_, correlation_id) in zip(requests, operation.questions, strict=True)
    }
    for answer in answers:
        correlation_id = LENGTH.unpack_from(answer)[0]
        ids.append(correlation_id)
        if correlation_id in asked:
            api, version, _ = asked[correlation_id]
            decode_answer(api, version, split_answer(api, version, answer)[1])
    return [{"ids": tuple(ids), "sorted_ids": tuple(sorted(ids))}]


register_conversation(Pipeline, Conversation((Api.FETCH,), _converse))
