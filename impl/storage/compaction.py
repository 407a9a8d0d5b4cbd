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
from impl.storage.record_walk import walk_keys
from impl.storage.records import read_record

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
        for _, offset_delta, key, _ in walk_keys(_body(batch, header), header.record_count):
            offset = header.base_offset + offset_delta
            if key is not None and offset >= from_offset:
                self._offsets[key_digest(key)] = offset
        self.end_offset = header.next_offset

    def is_newest(self, key: bytes, offset: int) -> bool:
        """Whether no record after `offset` is known to have this key."""
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
        body = _body(batch, header)
        kept, has_tombstones = [], False
        for position, offset_delta, key, has_value in walk_keys(body, header.record_count):
            if self._is_kept(header, header.base_offset + offset_delta, key, has_value=has_value):
                kept.append(position)
                has_tombstones = has_tombstones or not has_value
        if not kept:
            is_last = self.last_offsets.get(header.producer_id) == header.last_offset
            return bytes(build_remaining(header, (), None)) if header.has_producer_id and is_last else None
        horizon_ms = header.delete_horizon_ms
        needs_horizon = has_tombstones and horizon_ms is None
        if len(kept) == header.record_count and not needs_horizon:
            return batch
        if needs_horizon:
            horizon_ms = self.now_ms + self.delete_retention_ms
        return bytes(build_remaining(header, [read_record(body, position) for position in kept], horizon_ms))

    def _is_kept(self, header: BatchHeader, offset: int, key: bytes | None, *, has_value: bool) -> bool:
        """`Cleaner.shouldRetainRecord`. A record without a key, from before the topic was compacted, goes."""
        if offset >= self.newest.end_offset:
            return True
        if key is None or not self.newest.is_newest(key, offset):
            return False
        horizon_ms = header.delete_horizon_ms
        return has_value or horizon_ms is None or self.now_ms < horizon_ms


def _body(batch: bytes, header: BatchHeader) -> bytes:
    """The records of a batch, plain. Raises CompressionError."""
    return decompress(header.compression, memoryview(batch)[HEADER_SIZE:]) if header.record_count else b""
