"""Build a record batch of format v2 from records.

Used when the broker has to change a batch (another codec, wrongly numbered records) and for the logs that the
broker itself writes. Offsets are numbered from 0; whoever appends the batch stamps its base offset and epoch
(`MemoryRecordsBuilder`).
"""

from collections.abc import Sequence

from crc32c import crc32c

from impl.storage.batch import (
    CHECKED_FROM,
    COMPRESSION_MASK,
    CRC_FIELD,
    CRC_POSITION,
    HEADER,
    LOG_OVERHEAD,
    MAGIC,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TIMESTAMP_TYPE_BIT,
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
    base_time = times[0]
    body = bytearray()
    for offset_delta, (record, time) in enumerate(zip(records, times, strict=True)):
        encode_record(body, time - base_time, offset_delta, record)
    packed = compress(codec, bytes(body), level)
    attributes = (like.attributes & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_BIT)) | codec
    last_delta = len(records) - 1
    batch = bytearray(HEADER.size + len(packed))
    HEADER.pack_into(
        batch, 0, 0, len(batch) - LOG_OVERHEAD, -1, MAGIC, 0, attributes, last_delta, base_time, max(times),
        like.producer_id, like.producer_epoch, like.base_sequence, len(records),
    )  # fmt: skip
    batch[HEADER.size :] = packed
    CRC_FIELD.pack_into(batch, CRC_POSITION, crc32c(memoryview(batch)[CHECKED_FROM:]))
    return batch


def build_plain_batch(pairs: Sequence[tuple[bytes, bytes | None]], now_ms: int) -> bytearray:
    """An uncompressed batch of keys and values, all with one timestamp, from no producer."""
    like = BatchHeader(0, 0, -1, MAGIC, 0, 0, 0, now_ms, now_ms, NO_PRODUCER_ID, -1, NO_SEQUENCE, 0)
    records = [Record(0, 0, number, key, value, b"\x00") for number, (key, value) in enumerate(pairs)]
    return build_batch(like, records, codec=0)
