"""Whether a client's batch may be appended, and what it looks like in the log.

The rules of `UnifiedLog.analyzeAndValidateRecords` and `LogValidator` for batches of format v2, in Kafka's order, so
that of several faults the same one is reported. A batch is changed in place where Kafka does so (timestamp type,
maximum timestamp) and built anew where the topic asks for another codec. Sequence numbers and
segment sizes are checked elsewhere.
"""

from typing import Final

import attrs

from impl.errors import BrokerError, ErrorCode
from impl.replica.config import PartitionConfig
from impl.storage.batch import (
    HEADER_SIZE,
    NO_TIMESTAMP,
    BatchHeader,
    parse_header,
    stamp_timestamp,
    stored_crc_matches,
)
from impl.storage.builder import build_batch
from impl.storage.compression import NONE, ZSTD, CompressionError, decompress
from impl.storage.record_walk import RecordsSummary, summarize
from impl.storage.records import InvalidRecordError, Record, read_records

RECORD_ERRORS_SHOWN: Final = 3


@attrs.frozen(slots=True)
class RecordError:
    """Why one record of a batch was refused; `index` counts the batch's records from 0."""

    index: int
    message: str


class RecordsRefusedError(BrokerError):
    """A batch refused for single records of it (KIP-467)."""

    def __init__(self, code: ErrorCode, message: str, errors: list[RecordError]) -> None:
        super().__init__(code, message)
        self.errors = errors


@attrs.frozen(slots=True)
class ValidBatch:
    """A batch ready to be stamped: its bytes, its header as it is now, and its largest timestamp in ms."""

    data: memoryview
    header: BatchHeader
    max_timestamp: int


def validate(data: memoryview, config: PartitionConfig, partition: str, now_ms: int) -> ValidBatch:
    """Check one batch and give it its final timestamps and codec. `data` must be writable.

    `partition` is its name as messages show it (`topic-0`). Raises BrokerError with the code of the first rule
    that is broken.
    """
    header = _check_envelope(data, config)
    _check_header(header)
    target = header.compression if config.compression_codec is None else config.compression_codec
    try:
        plain = decompress(header.compression, data[HEADER_SIZE:])
        summary = summarize(plain, header.record_count)
    except InvalidRecordError as error:
        raise BrokerError(ErrorCode.INVALID_RECORD, str(error)) from error
    except CompressionError as error:
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from error
    if _may_refuse_records(header, summary, config, now_ms):
        _check_records(header, plain, config, partition, now_ms)
    max_timestamp = _max_timestamp(header, summary, config, now_ms)
    if target != header.compression:
        return _rebuilt(header, plain, target, config, now_ms)
    if header.compression != NONE and not summary.offsets_are_consecutive:
        # Kafka wants to rebuild such a batch, but has skipped the keys and values that it would need for that.
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, "the records of a compressed batch are numbered wrongly")
    if stamp_timestamp(data, max_timestamp, log_append_time=config.log_append_time):
        header = parse_header(data)
    return ValidBatch(data, header, max_timestamp)


def _check_envelope(data: memoryview, config: PartitionConfig) -> BatchHeader:
    """What can be said without the records: base offset, size, checksum."""
    if len(data) < HEADER_SIZE:
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE, "the batch is shorter than its header")
    header = parse_header(data)
    if header.base_offset != 0:
        raise BrokerError(ErrorCode.INVALID_RECORD, f"the base offset should be 0, but it is {header.base_offset}")
    if len(data) > config.max_message_bytes:
        raise BrokerError(
            ErrorCode.MESSAGE_TOO_LARGE, f"{len(data)} bytes exceed the maximum of {config.max_message_bytes}"
        )
    if not stored_crc_matches(data):
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE, f"stored crc = {header.crc}")
    if header.compression > ZSTD:
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, f"unknown compression type id: {header.compression}")
    return header


def _check_header(header: BatchHeader) -> None:
    """`LogValidator.validateBatch` for a client's batch."""
    count_from_offsets = header.last_offset_delta + 1
    if count_from_offsets <= 0:
        raise BrokerError(ErrorCode.INVALID_RECORD, "the batch has an invalid offset range")
    if header.record_count <= 0:
        raise BrokerError(ErrorCode.INVALID_RECORD, f"invalid reported count {header.record_count}")
    if count_from_offsets != header.record_count:
        raise BrokerError(ErrorCode.INVALID_RECORD, "inconsistent offset range and record count")
    if header.is_control:
        raise BrokerError(ErrorCode.INVALID_RECORD, "clients are not allowed to write control records")
    if header.has_producer_id and header.base_sequence < 0:
        raise BrokerError(ErrorCode.INVALID_RECORD, f"invalid sequence number {header.base_sequence}")


def _may_refuse_records(header: BatchHeader, summary: RecordsSummary, config: PartitionConfig, now_ms: int) -> bool:
    """Whether single records have to be looked at: false for nearly every batch."""
    if config.cleanup_compact and not summary.every_record_has_key:
        return True
    if header.has_log_append_time:
        return True
    if config.log_append_time:
        return False
    earliest = header.base_timestamp + summary.earliest_delta
    latest = header.base_timestamp + summary.latest_delta
    return now_ms - earliest > config.timestamp_before_max_ms or latest - now_ms > config.timestamp_after_max_ms


def _check_records(header: BatchHeader, plain: bytes, config: PartitionConfig, partition: str, now_ms: int) -> None:
    """`LogValidator.validateRecord` for each record. Raises RecordsRefusedError with all that are refused."""
    errors = []
    code = ErrorCode.INVALID_RECORD
    for index, record in enumerate(read_records(plain, header.record_count)):
        if config.cleanup_compact and record.key is None:
            message = f"Compacted topic cannot accept message without key in topic partition {partition}"
            errors.append(RecordError(index, message))
            continue
        timestamp = header.base_timestamp + record.timestamp_delta
        if header.has_log_append_time:
            timestamp = header.max_timestamp
        fault = _timestamp_fault(header, timestamp, record, config, now_ms)
        if fault is not None:
            errors.append(RecordError(index, fault))
            code = ErrorCode.INVALID_TIMESTAMP
    if not errors:
        return
    if code == ErrorCode.INVALID_TIMESTAMP:
        message = "One or more records have been rejected due to invalid timestamp"
    else:
        shown = ", ".join(
            f"RecordError(batchIndex={e.index}, message='{e.message}')" for e in errors[:RECORD_ERRORS_SHOWN]
        )
        message = (
            f"One or more records have been rejected due to {len(errors)} record errors in total, "
            f"and only showing the first three errors at most: [{shown}]"
        )
    raise RecordsRefusedError(code, message, errors)


def _timestamp_fault(
    header: BatchHeader, timestamp: int, record: Record, config: PartitionConfig, now_ms: int
) -> str | None:
    """What is wrong with a record's timestamp (`LogValidator.validateTimestamp`)."""
    if not config.log_append_time and timestamp != NO_TIMESTAMP:
        earliest, latest = now_ms - config.timestamp_before_max_ms, now_ms + config.timestamp_after_max_ms
        if earliest <= timestamp <= latest:
            return None
        return (
            f"Timestamp {timestamp} of message with offset {record.offset_delta} is out of range. "
            f"The timestamp should be within [{earliest}, {latest}]"
        )
    if header.has_log_append_time:
        sizes = f"key={len(record.key or b'')} bytes, value={len(record.value or b'')} bytes"
        shown = f"DefaultRecord(offset={record.offset_delta}, timestamp={timestamp}, {sizes})"
        return f"Invalid timestamp type in message {shown}. Producer should not set timestamp type to LogAppendTime."
    return None


def _max_timestamp(header: BatchHeader, summary: RecordsSummary, config: PartitionConfig, now_ms: int) -> int:
    """The batch's largest timestamp as the log will have it."""
    if config.log_append_time:
        return now_ms
    if header.has_log_append_time:
        return header.max_timestamp
    return max(NO_TIMESTAMP, header.base_timestamp + summary.latest_delta)


def _rebuilt(header: BatchHeader, plain: bytes, codec: int, config: PartitionConfig, now_ms: int) -> ValidBatch:
    """The same records in a new batch (`LogValidator.buildRecordsAndAssignOffsets`), measured again."""
    records = list(read_records(plain, header.record_count))
    fixed_time = now_ms if config.log_append_time else None
    if header.has_log_append_time and fixed_time is None:
        fixed_time = header.max_timestamp
    data = memoryview(build_batch(header, records, codec, config.compression_level, fixed_time))
    if config.log_append_time:
        stamp_timestamp(data, now_ms, log_append_time=True)
    if len(data) > config.max_message_bytes:
        raise BrokerError(
            ErrorCode.MESSAGE_TOO_LARGE, f"{len(data)} bytes exceed the maximum of {config.max_message_bytes}"
        )
    rebuilt = parse_header(data)
    return ValidBatch(data, rebuilt, rebuilt.max_timestamp)
