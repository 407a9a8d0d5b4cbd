"""Fetch, versions 4 to 17, read and written by hand: an answer's records stay in their segment's file.

Fields by version: `FetchRequest.json`, `FetchResponse.json` (5 log start offset; 7 sessions; 9 leader epoch;
11 rack; 12 flexible, last fetched epoch; 13 topic ids; 15 replica state; 16 current leader).
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import attrs

from impl.errors import ErrorCode
from impl.replica.fetch_session import PartitionFetch, PartitionKey
from impl.server.wire import INT32, INT64, Reader, Writer
from impl.storage.log import LogSlice
from impl.storage.transactions import AbortedTransaction

FIRST_WITH_LOG_START: Final = 5
FIRST_WITH_SESSIONS: Final = 7
FIRST_WITH_LEADER_EPOCH: Final = 9
FIRST_WITH_RACK: Final = 11
FIRST_FLEXIBLE: Final = 12
FIRST_WITH_TOPIC_IDS: Final = 13
FIRST_WITH_REPLICA_STATE: Final = 15
FIRST_WITH_CURRENT_LEADER: Final = 16

LIMITS = Struct(">iiib")
SESSION = Struct(">ii")
PARTITION_START = Struct(">ihqq")
TOPIC_ID_SIZE: Final = 16
REPLICA_STATE_TAG: Final = 1
REPLICA_STATE = Struct(">iq")
DIVERGING_TAG: Final = 0
CURRENT_LEADER_TAG: Final = 1
EPOCH_AND_OFFSET = Struct(">iq")
LEADER_AND_EPOCH = Struct(">ii")
PRODUCER_AND_OFFSET = Struct(">qq")


@attrs.frozen(slots=True)
class FetchRequest:
    """A fetch request; -1 and 0 stand where a version has no field."""

    replica_id: int
    wait_ms_max: int
    bytes_min: int
    bytes_max: int
    read_committed: bool
    session_id: int
    session_epoch: int
    partitions: dict[PartitionKey, PartitionFetch]
    forgotten: list[PartitionKey]


@attrs.frozen(slots=True)
class FetchAnswer:
    """One partition of an answer. `aborted` is None where Kafka sends null."""

    key: PartitionKey
    error: ErrorCode = ErrorCode.NONE
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    aborted: tuple[AbortedTransaction, ...] | None = ()
    records: LogSlice | None = None
    diverging: tuple[int, int] | None = None
    current_leader: tuple[int, int] | None = None


def read_fetch(body: memoryview, version: int) -> FetchRequest:
    """Decode a request. Raises MalformedRequestError."""
    reader = Reader(body, is_flexible=version >= FIRST_FLEXIBLE)
    replica_id = reader.int32() if version < FIRST_WITH_REPLICA_STATE else -1
    wait_ms_max, bytes_min, bytes_max, isolation = reader.struct(LIMITS)
    session_id, session_epoch = reader.struct(SESSION) if version >= FIRST_WITH_SESSIONS else (0, -1)
    partitions: dict[PartitionKey, PartitionFetch] = {}

    def topic() -> None:
        name = _read_topic(reader, version)
        for index, fetch in reader.array(lambda: _read_partition(reader, version)):
            partitions[name, index] = fetch
        reader.tagged_fields()

    forgotten: list[PartitionKey] = []

    def forgotten_topic() -> None:
        name = _read_topic(reader, version)
        forgotten.extend((name, index) for index in reader.array(reader.int32))
        reader.tagged_fields()

    reader.array(topic)
    if version >= FIRST_WITH_SESSIONS:
        reader.array(forgotten_topic)
    if version >= FIRST_WITH_RACK:
        reader.string()
    state = reader.tagged_fields().get(REPLICA_STATE_TAG)
    if state is not None and len(state) >= REPLICA_STATE.size:
        replica_id = REPLICA_STATE.unpack_from(state)[0]
    return FetchRequest(
        replica_id, wait_ms_max, bytes_min, bytes_max, isolation == 1, session_id, session_epoch, partitions, forgotten
    )


def _read_topic(reader: Reader, version: int) -> str | bytes:
    return reader.raw(TOPIC_ID_SIZE) if version >= FIRST_WITH_TOPIC_IDS else reader.string()


def _read_partition(reader: Reader, version: int) -> tuple[int, PartitionFetch]:
    index = reader.int32()
    current_epoch = reader.int32() if version >= FIRST_WITH_LEADER_EPOCH else -1
    offset = reader.struct(INT64)[0]
    last_epoch = reader.int32() if version >= FIRST_FLEXIBLE else -1
    log_start = reader.struct(INT64)[0] if version >= FIRST_WITH_LOG_START else -1
    bytes_max = reader.int32()
    reader.tagged_fields()
    return index, PartitionFetch(offset, log_start, bytes_max, current_epoch, last_epoch)


@attrs.frozen(slots=True)
class FetchHead:
    """What stands before the partitions of an answer."""

    error: ErrorCode
    session_id: int
    node: tuple[int, str, int]  # this broker's id, host and port, named when a leader is (KIP-951)


def write_fetch(
    writer: Writer, version: int, head: FetchHead, answers: Sequence[FetchAnswer]
) -> list[bytes | bytearray | LogSlice]:
    """The answer's parts in order: bytes, and where records go, slices of files."""
    parts: list[bytes | bytearray | LogSlice] = []
    writer.data += INT32.pack(0)  # throttle time
    if version >= FIRST_WITH_SESSIONS:
        writer.data += head.error.to_bytes(2, "big", signed=True) + INT32.pack(head.session_id)
    topics = _grouped(answers)
    writer.length(len(topics))
    for name, of_topic in topics:
        if isinstance(name, bytes):
            writer.data += name
        else:
            writer.nullable_string(name)
        writer.length(len(of_topic))
        for answer in of_topic:
            _write_partition(writer, version, answer)
            if answer.records is not None:
                parts += (writer.data, answer.records)
                writer.data = bytearray()
            writer.tagged_fields(_partition_tags(version, answer))
        writer.tagged_fields()
    writer.tagged_fields(_node_tags(version, head, answers))
    parts.append(writer.data)
    return parts


def _grouped(answers: Sequence[FetchAnswer]) -> list[tuple[str | bytes, list[FetchAnswer]]]:
    """Neighbours of the same topic together, as `FetchResponse.toMessage` groups them."""
    topics: list[tuple[str | bytes, list[FetchAnswer]]] = []
    for answer in answers:
        if not topics or topics[-1][0] != answer.key[0]:
            topics.append((answer.key[0], []))
        topics[-1][1].append(answer)
    return topics


def _write_partition(writer: Writer, version: int, answer: FetchAnswer) -> None:
    """A partition's fields up to the length of its records."""
    writer.data += PARTITION_START.pack(answer.key[1], answer.error, answer.high_watermark, answer.last_stable_offset)
    if version >= FIRST_WITH_LOG_START:
        writer.data += INT64.pack(answer.log_start_offset)
    _write_aborted(writer, answer.aborted)
    if version >= FIRST_WITH_RACK:
        writer.data += INT32.pack(-1)  # preferred read replica
    writer.length(answer.records.size if answer.records is not None else 0)


def _write_aborted(writer: Writer, aborted: tuple[AbortedTransaction, ...] | None) -> None:
    writer.length(-1 if aborted is None else len(aborted))
    for each in aborted or ():
        writer.data += PRODUCER_AND_OFFSET.pack(each.producer_id, each.first_offset)
        writer.tagged_fields()


def _partition_tags(version: int, answer: FetchAnswer) -> dict[int, bytes]:
    tags = {}
    if answer.diverging is not None:
        tags[DIVERGING_TAG] = EPOCH_AND_OFFSET.pack(*answer.diverging) + b"\x00"
    if answer.current_leader is not None and version >= FIRST_WITH_CURRENT_LEADER:
        tags[CURRENT_LEADER_TAG] = LEADER_AND_EPOCH.pack(*answer.current_leader) + b"\x00"
    return tags


def _node_tags(version: int, head: FetchHead, answers: Sequence[FetchAnswer]) -> dict[int, bytes]:
    if version < FIRST_WITH_CURRENT_LEADER or not any(answer.current_leader for answer in answers):
        return {}
    nodes = Writer(is_flexible=True)
    nodes.length(1)
    node_id, host, port = head.node
    nodes.data += INT32.pack(node_id)
    nodes.nullable_string(host)
    nodes.data += INT32.pack(port)
    nodes.nullable_string(None)
    nodes.tagged_fields()
    return {0: bytes(nodes.data)}
