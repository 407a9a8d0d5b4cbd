"""Which APIs and versions this client speaks, and who encodes and decodes each.

Produce and Fetch have codecs of ours (`produce`, `fetch`); every other request is one of kafka-python's
message objects, built as `message(Api.METADATA, version, topics=None)` or by kafka-python's own class.
Not here: the APIs that brokers speak among themselves and kafka-python lacks (Vote, AlterPartition, ...);
write their bytes with `primitives.Writer` and send them with `Connection.send_bytes`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from conformance.wire import fetch, fetch_answer, produce, schemas
from conformance.wire.errors import MalformedAnswer, UnsupportedVersion
from conformance.wire.primitives import Reader, Writer
from model.reference.errors import ErrorCode


class Api(IntEnum):
    """The API keys that this client can encode and decode."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_ACLS = 29
    CREATE_ACLS = 30
    DELETE_ACLS = 31
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    ALTER_REPLICA_LOG_DIRS = 34
    DESCRIBE_LOG_DIRS = 35
    SASL_AUTHENTICATE = 36
    CREATE_PARTITIONS = 37
    DELETE_GROUPS = 42
    ELECT_LEADERS = 43
    INCREMENTAL_ALTER_CONFIGS = 44
    ALTER_PARTITION_REASSIGNMENTS = 45
    LIST_PARTITION_REASSIGNMENTS = 46
    OFFSET_DELETE = 47
    DESCRIBE_CLIENT_QUOTAS = 48
    ALTER_CLIENT_QUOTAS = 49
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50
    ALTER_USER_SCRAM_CREDENTIALS = 51
    DESCRIBE_QUORUM = 55
    UPDATE_FEATURES = 57
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66
    LIST_CONFIG_RESOURCES = 74
    DESCRIBE_TOPIC_PARTITIONS = 75

    @property
    def title(self) -> str:
        """The API's name as Kafka writes it, such as `ListOffsets`."""
        return "".join(word.capitalize() for word in self.name.split("_"))


KNOWN_KEYS = frozenset(int(api) for api in Api)

OURS = {
    Api.PRODUCE: (produce.VERSION_MIN, produce.VERSION_MAX, produce.FLEXIBLE_FROM),
    Api.FETCH: (fetch.VERSION_MIN, fetch.VERSION_MAX, fetch_answer.FLEXIBLE_FROM),
}
"""For each API with a codec of ours: least and greatest version, and the first flexible one."""


def client_range(api: Api) -> tuple[int, int]:
    """The least and greatest version of `api` that this client speaks."""
    if api in OURS:
        least, greatest, _ = OURS[api]
        return least, greatest
    return schemas.version_range(f"{api.title}Request")


def is_flexible(api: Api, version: int) -> bool:
    """Whether that version of `api` has compact lengths and tagged fields (KIP-482)."""
    if api in OURS:
        return version >= OURS[api][2]
    return schemas.is_flexible(f"{api.title}Request", version)


def check_version(api: Api, version: int) -> None:
    """Refuse a version that this client cannot encode."""
    least, greatest = client_range(api)
    if not least <= version <= greatest:
        raise UnsupportedVersion(
            f"{api.title} version {version} is not spoken by this client ({least} to {greatest} are); "
            "send its bytes with Connection.send_bytes"
        )


def message(api: Api, version: int, **fields: Any) -> Any:
    """A request of an API without a codec of ours.

    Fields are named as in Kafka's schemas, in snake_case. A structure inside is a dict of its fields, or an
    object of its class, which hangs on the message's class (`MetadataRequest.MetadataRequestTopic`).
    """
    check_version(api, version)
    return schemas.build(f"{api.title}Request", version, fields)


def request_header(api: int, version: int, correlation_id: int, client_id: str | None) -> bytes:
    """A request's header; `api` may be a number that this client does not know (then not flexible)."""
    flexible = api in KNOWN_KEYS and is_flexible(Api(api), version)
    writer = Writer()
    writer.int16(api)
    writer.int16(version)
    writer.int32(correlation_id)
    writer.string(client_id)  # never compact, so that a broker can read it before it knows the version
    if flexible:
        writer.flexible = True
        writer.tags()
    return writer.written()


def encode_request(api: Api, version: int, request: object) -> bytes:
    """A request's body, without its header."""
    check_version(api, version)
    if isinstance(request, produce.ProduceRequest):
        return produce.encode_request(request, version)
    if isinstance(request, fetch.FetchRequest):
        return fetch.encode_request(request, version)
    return schemas.encode(request, version)


def split_answer(api: Api, version: int, frame: bytes) -> tuple[int, bytes]:
    """An answer's correlation id, and its body."""
    # ApiVersions is answered without tagged fields in the header: a client that asked for a version
    # unknown to the broker must still be able to read the answer (KIP-511).
    reader = Reader(frame, flexible=is_flexible(api, version) and api is not Api.API_VERSIONS)
    correlation_id = reader.int32()
    reader.tags()
    return correlation_id, reader.take(reader.remaining())


def decode_answer(api: Api, version: int, body: bytes) -> Any:
    """An answer's body, which must be read to its last byte."""
    check_version(api, version)
    match api:
        case Api.PRODUCE:
            return produce.decode_answer(body, version)
        case Api.FETCH:
            return fetch_answer.decode_answer(body, version)
        case Api.API_VERSIONS:
            return _decode_api_versions(version, body)
        case _:
            return schemas.decode(f"{api.title}Response", version, body)


def _decode_api_versions(version: int, body: bytes) -> Any:
    """An ApiVersions answer, which is of version 0 when the broker does not know the version asked."""
    if version and Reader(body).int16() == ErrorCode.UNSUPPORTED_VERSION:
        try:
            return schemas.decode("ApiVersionsResponse", 0, body)
        except MalformedAnswer:
            # A broker may know the version and yet answer so; read what was asked for, and judge that.
            return schemas.decode("ApiVersionsResponse", version, body)
    return schemas.decode("ApiVersionsResponse", version, body)
