"""ApiVersions in any version, known or not, on a connection of its own."""

from __future__ import annotations

from conformance.client import Client
from conformance.translate.base import Conversation, VersionOf, register_conversation
from conformance.wire.apis import Api, request_header
from conformance.wire.connection import LENGTH
from conformance.wire.errors import MalformedAnswer
from conformance.wire.primitives import Reader, Writer
from model.reference.errors import error_of
from model.reference.operations import ApiVersions
from model.reference.outcomes import Values
from model.reference.state import Cluster

FLEXIBLE_FROM = 3
THROTTLE_FROM = 1
MEANT_BROKER_FROM = 5
"""The first version that can say which cluster and broker are meant (KIP-1242)."""
CORRELATION_ID = 7


def _body(operation: ApiVersions) -> bytes:
    writer = Writer(flexible=operation.version >= FLEXIBLE_FROM)
    if writer.flexible:
        writer.string(operation.software_name)
        writer.string(operation.software_version)
        if operation.version >= MEANT_BROKER_FROM:
            writer.string(None)  # no certain cluster
            writer.int32(-1)  # and no certain broker
        writer.tags()
    return writer.written()


def _read(body: bytes, version: int) -> Values:
    """The answer, read in the form of one version, to the last byte."""
    reader = Reader(body, flexible=version >= FLEXIBLE_FROM)
    code = reader.int16()

    def item() -> tuple[int, int, int]:
        seen = reader.int16(), reader.int16(), reader.int16()
        reader.tags()
        return seen

    listed = reader.array(item)
    if version >= THROTTLE_FROM:
        reader.int32()
    reader.tags()
    reader.end("ApiVersions")
    keys = [key for key, _, _ in listed]
    return {
        "error": error_of(code),
        "form": version,
        "versions": {key: (least, most) for key, least, most in listed},
        "repeated": frozenset(key for key in keys if keys.count(key) > 1),
    }


def _ask(operation: ApiVersions, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    header = request_header(Api.API_VERSIONS, operation.version, CORRELATION_ID, "tidegauge")
    with client.fresh() as connection:
        frame = header + _body(operation)
        connection.send_bytes(LENGTH.pack(len(frame)) + frame)
        reader = Reader(connection.receive_frame())
    if reader.int32() != CORRELATION_ID:
        raise reader.fail("the correlation id is another")
    body = reader.take(reader.remaining())
    try:
        return [_read(body, operation.version)]
    except MalformedAnswer:
        return [_read(body, 0)]  # how a broker answers that does not know the version


register_conversation(ApiVersions, Conversation((), _ask))
