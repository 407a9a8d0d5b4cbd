"""What compaction leaves of one batch: the last value of each key, and tombstones for a while (`Cleaner.cleanInto`).

A record stays if no later one with its key is known. A record without a value (a tombstone) stays until the delete
horizon of its batch, which the first compaction that sees it sets to `delete.retention.ms` from then (KIP-534). What
was aborted goes; the marker of a transaction of which nothing is left is kept as long as a tombstone. The last batch of
a producer that is still remembered keeps its header even without records, so that a restarted broker knows its sequence
number. Times are in milliseconds since 1970.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import attrs

from impl.storage.batch import HEADER_SIZE, BatchHeader
from impl.storage.builder import build_remaining
from impl.storage.cleaned_transactions import CleanedTransactions
from impl.storage.compression import decompress
from impl.storage.record_walk import walk_keys
from impl.storage.records import read_record
from impl.storage.transactions import read_marker

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

    def is_newest(self, key: bytes, offset: int) -> bool:
        """Whether no record after `offset` is known to have this key."""
        return offset >= self._offsets.get(key_digest(key), offset)


@attrs.frozen(slots=True)
class Compaction:
    """One pass over a log: what is known of its keys and producers, and the time that it counts from."""

    newest: NewestOffsets
    last_offsets: Mapping[int, int]  # of the producers that are remembered, by their ids
    epochs_of_markers: Mapping[int, int]  # of those that wrote nothing but markers in their epochs
    now_ms: int
    delete_retention_ms: int
    transactions: CleanedTransactions = attrs.field(factory=CleanedTransactions)

    def remaining(self, batch: bytes, header: BatchHeader) -> bytes | None:
        """The batch as it is to be kept; None when nothing of it is (`Cleaner.cleanInto`, `MemoryRecords.filterTo`).

        Batches must come in order, because of the transactions.
        """
        if header.is_control:
            return self._remaining_marker(batch, header)
        if self.transactions.is_aborted(header):
            return self._emptied(header)
        body = _body(batch, header)
        kept, has_tombstones = [], False
        for position, offset_delta, key, has_value in walk_keys(body, header.record_count):
            if self._is_kept(header, header.base_offset + offset_delta, key, has_value=has_value):
                kept.append(position)
                has_tombstones = has_tombstones or not has_value
        if not kept:
            return self._emptied(header)
        horizon_ms = header.delete_horizon_ms
        needs_horizon = has_tombstones and horizon_ms is None
        if len(kept) == header.record_count and not needs_horizon:
            return batch
        if needs_horizon:
            horizon_ms = self._new_horizon_ms()
        return bytes(build_remaining(header, [read_record(body, position) for position in kept], horizon_ms))

    def _remaining_marker(self, batch: bytes, header: BatchHeader) -> bytes | None:
        """A control batch: as it is, with a delete horizon once its transaction is gone, or nothing of it then."""
        is_over = self.transactions.is_over(header, read_marker(batch, header))
        horizon_ms = header.delete_horizon_ms
        is_spent = is_over and horizon_ms is not None and horizon_ms <= self.now_ms
        if is_spent or not header.record_count:
            return self._emptied(header)
        if not is_over or horizon_ms is not None:
            return batch
        return bytes(build_remaining(header, [read_record(_body(batch, header), 0)], self._new_horizon_ms()))

    def _emptied(self, header: BatchHeader) -> bytes | None:
        """A batch of which no record is left: its header, if a producer that is remembered wrote nothing later."""
        producer_id = header.producer_id
        is_last = self.last_offsets.get(producer_id) == header.last_offset
        # A marker tells who was fenced, if nothing else does.
        is_epoch = header.is_control and self.epochs_of_markers.get(producer_id) == header.producer_epoch
        is_needed = header.has_producer_id and (is_last or is_epoch)
        return bytes(build_remaining(header, (), None)) if is_needed else None

    def _new_horizon_ms(self) -> int:
        return self.now_ms + self.delete_retention_ms

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
