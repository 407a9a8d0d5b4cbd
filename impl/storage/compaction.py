"""What compaction leaves of one batch: the last value of each key, and tombstones for a while (`Cleaner.cleanInto`).

A record stays if no later one with its key is known. A record without a value (a tombstone) stays until the delete
horizon of its batch, which the first compaction that sees it sets to `delete.retention.ms` from then (KIP-534). The
last batch of a producer that is still remembered keeps its header even without records, so that a restarted broker
knows its sequence number. Times are in milliseconds since 1970.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import attrs

from impl.storage.batch import HEADER_SIZE, BatchHeader
from impl.storage.builder import build_remaining
from impl.storage.compression import decompress
from impl.storage.records import Record, read_records

DIGEST_BYTES: Final = 16  # of a key; as many as Kafka keeps of it (SkimpyOffsetMap)


def key_digest(key: bytes) -> bytes:
    """What a key is known by; keys can be long."""
    return blake2b(key, digest_size=DIGEST_BYTES).digest()


class NewestOffsets:
    """The newest offset of each key up to an offset, with at most about `keys_max` keys (`OffsetMap`)."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._offsets: dict[bytes, int] = {}
        self.end_offset = 0  # all records before it were seen

    @property
    def is_full(self) -> bool:
        """Whether no more batches should be added. One batch is never too many, so that there is always progress."""
        return len(self._offsets) >= self._keys_max

    def add(self, batch: bytes, header: BatchHeader, from_offset: int) -> None:
        """Note the keys of a batch, but for records before `from_offset`."""
        for record in _records(batch, header):
            offset = header.base_offset + record.offset_delta
            if record.key is not None and offset >= from_offset:
                self._offsets[key_digest(record.key)] = offset
        self.end_offset = header.next_offset

    def is_newest(self, key: bytes, offset: int) -> bool:
        """Whether no record behind `offset` is known to have this key."""
        return offset >= self._offsets.get(key_digest(key), offset)


@attrs.frozen(slots=True)
class Compaction:
    """One pass over a log: what is known of its keys and producers, and the time that it counts from."""

    newest: NewestOffsets
    last_offsets: Mapping[int, int]  # of the producers that are remembered, by their ids
    now_ms: int
    delete_retention_ms: int

    def remaining(self, batch: bytes, header: BatchHeader) -> bytes | None:
        """The batch as it is to be kept; None when nothing of it is (`MemoryRecords.filterTo`)."""
        kept = [each for each in _records(batch, header) if self._is_kept(each, header)]
        if not kept:
            is_last = self.last_offsets.get(header.producer_id) == header.last_offset
            return bytes(build_remaining(header, (), None)) if header.has_producer_id and is_last else None
        horizon_ms = header.delete_horizon_ms
        needs_horizon = horizon_ms is None and any(record.value is None for record in kept)
        if len(kept) == header.record_count and not needs_horizon:
            return batch
        if needs_horizon:
            horizon_ms = self.now_ms + self.delete_retention_ms
        return bytes(build_remaining(header, kept, horizon_ms))

    def _is_kept(self, record: Record, header: BatchHeader) -> bool:
        """`Cleaner.shouldRetainRecord`. A record without a key, from before the topic was compacted, goes."""
        offset = header.base_offset + record.offset_delta
        if offset >= self.newest.end_offset:
            return True
        if record.key is None or not self.newest.is_newest(record.key, offset):
            return False
        horizon_ms = header.delete_horizon_ms
        return record.value is not None or horizon_ms is None or self.now_ms < horizon_ms


def _records(batch: bytes, header: BatchHeader) -> list[Record]:
    """The records of a batch. Raises InvalidRecordError, CompressionError."""
    if header.record_count == 0:
        return []
    return list(read_records(decompress(header.compression, batch[HEADER_SIZE:]), header.record_count))
