"""What a partition remembers of each idempotent producer, and the rules that it holds them to.

`ProducerState` checks a batch's epoch and sequence numbers and finds duplicates among the last five batches
(KIP-98, KIP-360; `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`). Snapshots are in Kafka's
format, and like Kafka's they keep only the last batch of a producer. Transactions are only followed, as they are found
in logs of Kafka's: where the open ones began, and which were aborted. Clients can't write any yet.
"""

from collections import deque
from struct import Struct
from typing import Final

import attrs
from crc32c import crc32c

from impl.errors import BrokerError, ErrorCode
from impl.storage.batch import NO_SEQUENCE, BatchHeader
from impl.storage.transactions import AbortedTransaction, Marker

BATCHES_REMEMBERED: Final = 5  # ProducerStateEntry.NUM_BATCHES_TO_RETAIN
SEQUENCE_MAX: Final = 2**31 - 1
NO_EPOCH: Final = -1

SNAPSHOT_HEADER = Struct(">hIi")  # version, CRC-32C of all that follows it, number of entries
SNAPSHOT_VERSION: Final = 1
CRC_FROM: Final = 6
# producer id and epoch, last sequence and offset, offset delta, timestamp, coordinator epoch, open transaction
SNAPSHOT_ENTRY = Struct(">qhiqiqiq")
NO_COORDINATOR_EPOCH: Final = -1
NO_TRANSACTION: Final = -1


class SnapshotError(Exception):
    """A producer snapshot that can't be read; the log is replayed from an older one."""


@attrs.frozen(slots=True)
class BatchMetadata:
    """A batch that a producer appended: what a duplicate is recognised by and answered with."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        """The sequence number of the batch's first record, modulo 2^31."""
        return (self.last_sequence - self.offset_delta) % (SEQUENCE_MAX + 1)

    @property
    def first_offset(self) -> int:
        """The offset of the batch's first record."""
        return self.last_offset - self.offset_delta


@attrs.define(slots=True)
class ProducerEntry:
    """One producer's newest epoch and its last batches in that epoch, oldest first."""

    epoch: int
    batches: deque[BatchMetadata] = attrs.field(factory=lambda: deque(maxlen=BATCHES_REMEMBERED))
    last_timestamp: int = -1
    coordinator_epoch: int = NO_COORDINATOR_EPOCH

    @property
    def last_sequence(self) -> int:
        """The sequence number that the next batch continues; -1 when nothing was appended in this epoch."""
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE


class ProducerState:
    """All producers of one partition. Timestamps are in milliseconds since 1970."""

    def __init__(self) -> None:
        self._entries: dict[int, ProducerEntry] = {}
        self._open: dict[int, int] = {}  # where each producer's transaction began that is open

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def greatest_id(self) -> int:
        """The greatest producer id that is known, or -1."""
        return max(self._entries, default=-1)

    def find_duplicate(self, header: BatchHeader) -> BatchMetadata | None:
        """The remembered batch with the same epoch and exactly the same sequence numbers, if there is one."""
        entry = self._entries.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            return None
        for batch in entry.batches:
            if batch.last_sequence == header.last_sequence and batch.first_sequence == header.base_sequence:
                return batch
        return None

    def check(self, header: BatchHeader) -> None:
        """Raise what a client's batch deserves: INVALID_PRODUCER_EPOCH or OUT_OF_ORDER_SEQUENCE_NUMBER.

        A producer that is not known may begin with any sequence number (KIP-360).
        """
        entry = self._entries.get(header.producer_id)
        if entry is None:
            return
        if header.producer_epoch < entry.epoch:
            raise BrokerError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {header.producer_id} is {header.producer_epoch}, smaller than {entry.epoch}",
            )
        expected = 0 if header.producer_epoch > entry.epoch else (entry.last_sequence + 1) % (SEQUENCE_MAX + 1)
        if header.base_sequence != expected:
            raise BrokerError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for producer {header.producer_id}: {header.base_sequence} "
                f"(incoming seq. number), {expected} (expected)",
            )

    def record(self, header: BatchHeader, last_timestamp: int) -> None:
        """Remember an appended batch. A new epoch forgets the batches of the one before."""
        entry = self._in_epoch(header)
        if header.is_transactional:
            self._open.setdefault(header.producer_id, header.base_offset)
        delta = header.last_offset_delta
        entry.batches.append(BatchMetadata(header.last_sequence, header.last_offset, delta, last_timestamp))
        entry.last_timestamp = last_timestamp

    def _in_epoch(self, header: BatchHeader) -> ProducerEntry:
        """A batch's producer in the batch's epoch; a new one forgets batches, but no open transaction."""
        entry = self._entries.get(header.producer_id)
        if entry is None:
            entry = self._entries[header.producer_id] = ProducerEntry(header.producer_epoch)
        if entry.epoch != header.producer_epoch:
            entry.epoch = header.producer_epoch
            entry.batches.clear()
        return entry

    def end_transaction(self, header: BatchHeader, marker: Marker) -> AbortedTransaction | None:
        """Remember the end of a producer's transaction; answers it if it was aborted (`appendEndTxnMarker`).

        A marker without a transaction ends none.
        """
        entry = self._in_epoch(header)
        first = self._open.pop(header.producer_id, None)
        entry.coordinator_epoch = marker.coordinator_epoch
        entry.last_timestamp = header.max_timestamp
        if first is None or not marker.is_abort:
            return None
        last, still_open = header.last_offset, self.first_open_offset
        return AbortedTransaction(header.producer_id, first, last, last + 1 if still_open is None else still_open)

    @property
    def first_open_offset(self) -> int | None:
        """Where the first transaction began that is open; None when there is none (`firstUnstableOffset`)."""
        return min(self._open.values(), default=None)

    def last_offsets(self) -> dict[int, int]:
        """Of each producer that is remembered, the offset of its last record (`lastRecordsOfActiveProducers`)."""
        return {producer: entry.batches[-1].last_offset for producer, entry in self._entries.items() if entry.batches}

    def epochs_of_markers(self) -> dict[int, int]:
        """The epochs of producers of whom nothing but markers has them (`lastRecordsOfActiveProducers`)."""
        return {producer: entry.epoch for producer, entry in self._entries.items() if not entry.batches}

    def note(self, header: BatchHeader) -> None:
        """Remember a batch that is read from the log, if a producer sent it; markers are for `end_transaction`."""
        if header.has_producer_id and not header.is_control:
            self.record(header, header.max_timestamp)

    def expire(self, now_ms: int, age_ms_max: int) -> None:
        """Forget producers that have not appended for `producer.id.expiration.ms`, and have no open transaction."""
        for producer_id, entry in tuple(self._entries.items()):
            if now_ms - entry.last_timestamp >= age_ms_max and producer_id not in self._open:
                del self._entries[producer_id]

    def clear(self) -> None:
        """Forget all producers."""
        self._entries.clear()
        self._open.clear()

    def snapshot(self) -> bytes:
        """The state in the format of Kafka's `.snapshot` files."""
        body = bytearray(SNAPSHOT_HEADER.size)
        for producer_id, entry in self._entries.items():
            last = entry.batches[-1] if entry.batches else BatchMetadata(NO_SEQUENCE, -1, 0, -1)
            body += SNAPSHOT_ENTRY.pack(
                producer_id, entry.epoch, last.last_sequence, last.last_offset, last.offset_delta, entry.last_timestamp,
                entry.coordinator_epoch, self._open.get(producer_id, NO_TRANSACTION),
            )  # fmt: skip
        SNAPSHOT_HEADER.pack_into(body, 0, SNAPSHOT_VERSION, 0, len(self._entries))
        checksum = crc32c(memoryview(body)[CRC_FROM:])
        SNAPSHOT_HEADER.pack_into(body, 0, SNAPSHOT_VERSION, checksum, len(self._entries))
        return bytes(body)

    def load(self, snapshot: bytes) -> None:
        """Take the state from a snapshot. Raises SnapshotError when it is damaged or of another version."""
        if len(snapshot) < SNAPSHOT_HEADER.size:
            raise SnapshotError("too short")
        version, checksum, count = SNAPSHOT_HEADER.unpack_from(snapshot)
        if version != SNAPSHOT_VERSION or len(snapshot) != SNAPSHOT_HEADER.size + count * SNAPSHOT_ENTRY.size:
            raise SnapshotError("unknown version or wrong size")
        if crc32c(memoryview(snapshot)[CRC_FROM:]) != checksum:
            raise SnapshotError("wrong checksum")
        self.clear()
        for fields in SNAPSHOT_ENTRY.iter_unpack(snapshot[SNAPSHOT_HEADER.size :]):
            producer_id, epoch, last_sequence, last_offset, delta, timestamp, coordinator_epoch, first = fields
            entry = self._entries[producer_id] = ProducerEntry(epoch, last_timestamp=timestamp)
            entry.coordinator_epoch = coordinator_epoch
            if first != NO_TRANSACTION:
                self._open[producer_id] = first
            if last_sequence != NO_SEQUENCE:
                entry.batches.append(BatchMetadata(last_sequence, last_offset, delta, timestamp))
