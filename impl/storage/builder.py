"""Build a record batch of format v2 from records.

Used when the broker has to change a batch (another codec, compaction) and for the logs that the broker itself
writes. Offsets of a new batch are numbered from 0; whoever appends it stamps its base offset and epoch
(`MemoryRecordsBuilder`).
"""

from collections.abc import Sequence

import attrs
from crc32c import crc32c

from impl.storage.batch import (
    CHECKED_FROM,
    COMPRESSION_MASK,
    CONTROL_BIT,
    CRC_FIELD,
    CRC_POSITION,
    DELETE_HORIZON_BIT,
    HEADER,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
)
from impl.storage.compression import compress
from impl.storage.records import Record, encode_record


def build_batch(
    like: BatchHeader, records: Sequence[Record], codec: int, level: int | None = None, fixed_time: int | None = None
) -> bytearray:
    """A batch with the producer's fields of `like`, holding `records`, whose deltas are relative to `like`.

    With `fixed_time` (milliseconds) every record gets that timestamp.
    """
    times = [like.base_timestamp + r.timestamp_delta if fixed_time is None else fixed_time for r in records]
    header = attrs.evolve(
        like,
        base_offset=0,
        partition_leader_epoch=-1,
        attributes=(like.attributes & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_BIT)) | codec,
        last_offset_delta=len(records) - 1,
        base_timestamp=times[0],
        max_timestamp=max(times),
        record_count=len(records),
    )
    return _assembled(header, records, times, range(len(records)), level)


def build_remaining(header: BatchHeader, records: Sequence[Record], delete_horizon_ms: int | None) -> bytearray:
    """What compaction leaves of a batch: some of its records, with the offsets and timestamps that they had.

    First and last offset stay, and with them the sequence numbers; the codec stays; the checksum is made anew
    (`MemoryRecords.buildRetainedRecordsInto`). With no records only the header is left, for the sake of its producer
    (`DefaultRecordBatch.writeEmptyHeader`).
    """
    if not records:
        attributes = header.attributes & (TIMESTAMP_TYPE_BIT | TRANSACTIONAL_BIT | CONTROL_BIT)
        empty = attrs.evolve(header, attributes=attributes, base_timestamp=NO_TIMESTAMP, record_count=0)
        return _assembled(empty, (), (), ())
    times = [
        header.max_timestamp if header.has_log_append_time else header.base_timestamp + r.timestamp_delta
        for r in records
    ]
    remaining = attrs.evolve(
        header,
        attributes=header.attributes & ~DELETE_HORIZON_BIT | (0 if delete_horizon_ms is None else DELETE_HORIZON_BIT),
        base_timestamp=times[0] if delete_horizon_ms is None else delete_horizon_ms,
        max_timestamp=max(times),
        record_count=len(records),
    )
    return _assembled(remaining, records, times, [record.offset_delta for record in records])


def _assembled(
    header: BatchHeader,
    records: Sequence[Record],
    times: Sequence[int],
    offset_deltas: Sequence[int],
    level: int | None = None,
) -> bytearray:
    """The bytes of a batch with the fields of `header`, but for length and checksum, which are worked out."""
    body = bytearray()
    for record, time, offset_delta in zip(records, times, offset_deltas, strict=True):
        encode_record(body, time - header.base_timestamp, offset_delta, record)
    packed = compress(header.compression, bytes(body), level)
    batch = bytearray(HEADER.size + len(packed))
    HEADER.pack_into(
        batch, 0, header.base_offset, len(batch) - LOG_OVERHEAD, header.partition_leader_epoch, MAGIC, 0,
        header.attributes, header.last_offset_delta, header.base_timestamp, header.max_timestamp,
        header.producer_id, header.producer_epoch, header.base_sequence, header.record_count,
    )  # fmt: skip
    batch[HEADER.size :] = packed
    CRC_FIELD.pack_into(batch, CRC_POSITION, crc32c(memoryview(batch)[CHECKED_FROM:]))
    return batch


def build_plain_batch(pairs: Sequence[tuple[bytes, bytes | None]], now_ms: int) -> bytearray:
    """An uncompressed batch of keys and values, all with one timestamp, from no producer."""
    like = BatchHeader(0, 0, -1, MAGIC, 0, 0, 0, now_ms, now_ms, NO_PRODUCER_ID, -1, NO_SEQUENCE, 0)
    records = [Record(0, 0, number, key, value, b"\x00") for number, (key, value) in enumerate(pairs)]
    return build_batch(like, records, codec=0)
