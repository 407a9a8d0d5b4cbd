"""Produce, versions 3 to 11, read and written by hand: records stay views of the request's bytes.

Fields by version: `ProduceRequest.json`, `ProduceResponse.json` (9 flexible; 8 record errors; 10 current leader).
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import attrs

from impl.errors import ErrorCode
from impl.replica.validator import RecordError
from impl.server.wire import INT32, Reader, Writer

FIRST_FLEXIBLE: Final = 9
ACKS_AND_TIMEOUT = Struct(">hi")
PARTITION_ANSWER = Struct(">ihqq")
LOG_START_OFFSET = Struct(">q")
FIRST_WITH_LOG_START: Final = 5
FIRST_WITH_RECORD_ERRORS: Final = 8


@attrs.frozen(slots=True)
class ProduceRequest:
    """A produce request; `topics` are names with partitions and their records (None: null)."""

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: list[tuple[str, list[tuple[int, memoryview | None]]]]


@attrs.frozen(slots=True)
class ProduceAnswer:
    """What became of one partition's records."""

    index: int
    error: ErrorCode = ErrorCode.NONE
    base_offset: int = -1
    log_append_time: int = -1
    log_start_offset: int = -1
    record_errors: Sequence[RecordError] = ()
    message: str | None = None


def read_produce(body: memoryview, version: int) -> ProduceRequest:
    """Decode a request. Raises MalformedRequestError."""
    reader = Reader(body, is_flexible=version >= FIRST_FLEXIBLE)
    transactional_id = reader.nullable_string()
    acks, timeout_ms = reader.struct(ACKS_AND_TIMEOUT)
    topics = []
    for _ in range(reader.array_length()):
        name = reader.string()
        partitions = []
        for _ in range(reader.array_length()):
            partitions.append((reader.int32(), reader.nullable_bytes()))
            reader.tagged_fields()
        reader.tagged_fields()
        topics.append((name, partitions))
    reader.tagged_fields()
    return ProduceRequest(transactional_id, acks, timeout_ms, topics)


def write_produce(writer: Writer, version: int, topics: Sequence[tuple[str, Sequence[ProduceAnswer]]]) -> None:
    """Append an answer's body."""
    writer.length(len(topics))
    for name, answers in topics:
        writer.nullable_string(name)
        writer.length(len(answers))
        for answer in answers:
            _write_answer(writer, version, answer)
        writer.tagged_fields()
    writer.data += INT32.pack(0)  # throttle time
    writer.tagged_fields()


def _write_answer(writer: Writer, version: int, answer: ProduceAnswer) -> None:
    writer.data += PARTITION_ANSWER.pack(answer.index, answer.error, answer.base_offset, answer.log_append_time)
    if version >= FIRST_WITH_LOG_START:
        writer.data += LOG_START_OFFSET.pack(answer.log_start_offset)
    if version >= FIRST_WITH_RECORD_ERRORS:
        writer.length(len(answer.record_errors))
        for error in answer.record_errors:
            writer.data += INT32.pack(error.index)
            writer.nullable_string(error.message)
            writer.tagged_fields()
        writer.nullable_string(answer.message)
    writer.tagged_fields()
