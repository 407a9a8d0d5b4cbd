"""One segment of a log: a file of batches with its indexes.

The segment knows positions, offsets and timestamps of its batches, and when it is full (`LogSegment.shouldRoll`,
KIP-33, KIP-32). It does not check batches, assign offsets or decide what is deleted. Times are passed in, in
milliseconds since 1970.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from impl.errors import StorageError
from impl.storage.batch import HEADER_SIZE, MAGIC, NO_TIMESTAMP, BatchHeader, DamagedBatchError, parse_header
from impl.storage.buffers import Buffer
from impl.storage.filesystem import File, FileSystem
from impl.storage.indexes import OFFSET_ENTRY, TIME_ENTRY, OffsetIndex, TimeIndex
from impl.storage.lengths import check_length, read_written
from impl.storage.limits import SegmentLimits
from impl.storage.lookups import batches_at_time, batches_to, fits_last, from_first_with, offset_after
from impl.storage.transactions import AbortedTransaction, TransactionIndex
from impl.storage.windows import Windows

LOG: Final = ".log"
INDEX: Final = ".index"
TIME_INDEX: Final = ".timeindex"
TRANSACTION_INDEX: Final = ".txnindex"
DELETED: Final = ".deleted"  # after the suffix of a file that is to be removed
RELATIVE_OFFSET_MAX: Final = 2**31 - 1
SCAN_SIZE: Final = 64 * 1024


@attrs.frozen(slots=True)
class BatchAt:
    """A batch's header and where it begins in its segment."""

    position: int
    header: BatchHeader


def file_name(base_offset: int, suffix: str) -> str:
    """The name that Kafka gives a segment's file: the base offset in twenty digits."""
    return f"{base_offset:020d}{suffix}"


class Segment:
    """A segment, open for reading; the last one of its log is also appended to."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        base_offset: int,
        limits: SegmentLimits,
        now_ms: int,
        ending: str = "",
    ) -> None:
        """Open the segment's files, which are made if they are missing; `ending` follows the suffix of each."""
        self.base_offset = base_offset
        self.furthest = base_offset + RELATIVE_OFFSET_MAX  # no batch here can have an offset after it
        self.limits = limits
        self._directory = directory
        self._ending = ending
        self._files = files
        self._opened = {suffix: files.open(self.path(suffix), create=True) for suffix in (LOG, INDEX, TIME_INDEX)}
        if files.exists(self.path(TRANSACTION_INDEX)):
            self._opened[TRANSACTION_INDEX] = files.open(self.path(TRANSACTION_INDEX))
        self._log = self._opened[LOG]
        index_size = limits.index_bytes_max
        self._offsets = OffsetIndex(self._opened[INDEX], base_offset, index_size)
        self._times = TimeIndex(self._opened[TIME_INDEX], base_offset, index_size)
        self.size = self._log.size()
        self._created_ms = now_ms
        self.jitter_ms = limits.draw_jitter_ms(self.path(LOG))  # once: a later change is for later segments
        self._is_going = False
        self.bytes_since_index_entry = 0
        self._first_batch_timestamp: int | None = None
        self.max_timestamp, self.offset_of_max_timestamp = self._times.last()

    def path(self, suffix: str) -> Path:
        """The path of one of the segment's files."""
        return self._directory / file_name(self.base_offset, suffix + self._ending)

    @property
    def file(self) -> File:
        """The file of batches, for zero-copy reading."""
        return self._log

    def append(self, batch: Buffer, header: BatchHeader, max_timestamp: int) -> None:
        """Write one batch, whose header already carries its final offsets, at the end (`LogSegment.append`)."""
        position = self.size
        check_length(self._log, position)
        self._log.write_at(position, (batch,))
        self.size = position + len(batch)
        self.note_batch(position, len(batch), header.last_offset, max_timestamp)

    def note_batch(self, position: int, size: int, last_offset: int, max_timestamp: int) -> None:
        """Keep the indexes and the largest timestamp, for a batch just written or kept."""
        if max_timestamp > self.max_timestamp:
            self.max_timestamp, self.offset_of_max_timestamp = max_timestamp, last_offset
        if self.bytes_since_index_entry > self.limits.index_interval_bytes:
            self._offsets.append(last_offset, position)
            self._times.append(self.max_timestamp, self.offset_of_max_timestamp)
            self.bytes_since_index_entry = 0
        self.bytes_since_index_entry += size

    def note_indexed(self, offsets: Buffer, times: Buffer) -> None:
        """Keep index entries as they are in the files, for many batches that were found by recovery."""
        self._offsets.append_packed(offsets)
        self._times.append_packed(times)

    def should_roll(self, batch_size: int, batch_max_timestamp: int, last_offset: int, now_ms: int) -> bool:
        """Whether a batch must go to a new segment: size, age, full indexes, or an offset too far from the base."""
        limits = self.limits
        if self.size > limits.bytes_max - batch_size:
            return True
        if self.size > 0 and self._waited_ms(now_ms, batch_max_timestamp) > limits.life_ms_max - self.jitter_ms:
            return True
        if self._offsets.is_full or self._times.is_full:
            return True
        return not 0 <= last_offset - self.base_offset <= RELATIVE_OFFSET_MAX

    def _waited_ms(self, now_ms: int, batch_max_timestamp: int) -> int:
        """The segment's age by its records' times if its first batch has one, else by the clock."""
        first = self.first_batch_timestamp()
        return batch_max_timestamp - first if first >= 0 else now_ms - self._created_ms

    def first_batch_timestamp(self) -> int:
        """The largest timestamp of the first batch; -1 when there is none (`LogSegment.loadFirstBatchTimestamp`)."""
        if self._first_batch_timestamp is None:
            if self.size < HEADER_SIZE:
                return NO_TIMESTAMP
            self._first_batch_timestamp = self.header_at(0).max_timestamp
        return self._first_batch_timestamp

    def header_at(self, position: int) -> BatchHeader:
        """The header of the batch that begins at `position`. Raises CorruptBatchError at the end."""
        return parse_header(self.read(position, HEADER_SIZE))

    def batches_from(self, position: int) -> Iterator[BatchAt]:
        """The batches from `position` on.

        Raises DamagedBatchError where none can begin. Unlike in Kafka, one that reaches beyond the segment is not
        taken for its end, and offsets must ascend (`FileLogInputStream.nextBatch`).
        """
        end, window, window_from = self.size, b"", position
        next_offset = self.base_offset
        if not 0 <= position <= end:
            raise DamagedBatchError(self.path(LOG), position, f"the index points there, of {end} bytes")
        while end - position >= HEADER_SIZE:
            if position + HEADER_SIZE > window_from + len(window):
                window, window_from = self.read(position, SCAN_SIZE), position
            header = parse_header(window, position - window_from)
            size, last_offset = header.size, header.last_offset
            if header.magic != MAGIC or not HEADER_SIZE <= size <= end - position:
                raise DamagedBatchError(self.path(LOG), position, f"magic {header.magic}, a size of {size} bytes")
            if not next_offset <= header.base_offset <= last_offset <= self.furthest:
                why = f"offsets {header.base_offset} to {last_offset}, where {next_offset} is next"
                raise DamagedBatchError(self.path(LOG), position, why)
            yield BatchAt(position, header)
            position, next_offset = position + size, last_offset + 1

    def find(self, offset: int) -> BatchAt | None:
        """The first batch whose last offset is at least `offset`; None when all are before it."""
        for batch in self.batches_to(offset):
            if batch.header.last_offset >= offset:
                return batch
        return None

    def batches_to(self, offset: int) -> Iterator[BatchAt]:
        """The batches from one on that is not after `offset`."""
        return batches_to(self, self._offsets, offset)

    def offset_after(self, position: int) -> int | None:
        """An offset that no batch before `position` reaches, as far as the index knows one."""
        return offset_after(self, self._offsets, position)

    def find_timestamp(self, timestamp: int, from_offset: int) -> Iterator[BatchAt]:
        """Batches that may hold the first record at or after `timestamp` and `from_offset`, in order."""
        for batch in batches_at_time(self, self._times, timestamp, from_offset):
            if batch.header.max_timestamp >= timestamp and batch.header.last_offset >= from_offset:
                yield batch

    def find_max_timestamp(self) -> BatchAt | None:
        """The batch that holds the largest timestamp; None in an empty segment."""
        for batch in self.batches_to(self.offset_of_max_timestamp):
            if batch.header.max_timestamp == self.max_timestamp:
                return batch
        return None

    def windows(self) -> Windows:
        """The segment's bytes, to be read in order."""
        return Windows(self._log)

    def read(self, position: int, size: int) -> bytes:
        """Bytes of the segment, fewer only at its end. Raises CutFileError if the file ends before."""
        return read_written(self._log, position, size, self.size)

    def modified_ms(self) -> int:
        """The file's time."""
        return self._log.modified_ms()

    @property
    def index_bytes(self) -> tuple[int, int]:
        """The sizes of the two indexes."""
        return self._offsets.count * OFFSET_ENTRY.size, self._times.count * TIME_ENTRY.size

    def largest_timestamp(self) -> int:
        """The largest timestamp, or the file's time when no batch has one (`LogSegment.largestTimestamp`)."""
        return self.max_timestamp if self.max_timestamp != NO_TIMESTAMP else self.modified_ms()

    def forget_indexes(self) -> None:
        """Empty the indexes, so that they can be rebuilt."""
        self._offsets.clear()
        self._times.clear()
        self.bytes_since_index_entry = 0
        self.max_timestamp, self.offset_of_max_timestamp = NO_TIMESTAMP, self.base_offset

    @property
    def _transactions(self) -> TransactionIndex | None:
        """The index of aborted transactions; None as long as there is none."""
        file = self._opened.get(TRANSACTION_INDEX)
        return None if file is None else TransactionIndex(file)

    @property
    def aborted(self) -> list[AbortedTransaction]:
        """The aborted transactions whose markers are here, oldest first."""
        index = self._transactions
        return [] if index is None else index.entries()

    def note_aborted(self, aborted: Sequence[AbortedTransaction]) -> None:
        """Index transactions whose abort markers are here, after those that are known (`updateTxnIndex`).

        The file is made for the first of them, durably: its segment's name may be durable long since.
        """
        if not aborted:
            return
        self.make_transaction_index()
        TransactionIndex(self._opened[TRANSACTION_INDEX]).append(aborted)

    def make_transaction_index(self) -> None:
        """Make the file of aborted transactions, empty, if there is none."""
        if TRANSACTION_INDEX not in self._opened:
            self._opened[TRANSACTION_INDEX] = self._files.open(self.path(TRANSACTION_INDEX), create=True)
            self._files.sync_directory(self._directory)

    def forget_aborted(self, from_offset: int = -(2**63)) -> None:
        """Forget aborted transactions whose markers are at an offset or after it; all of them without one."""
        index = self._transactions
        if index is not None:
            index.truncate_before(from_offset)

    def aborted_fit(self, end_offset: int) -> bool:
        """Whether the index of aborted transactions can be about this segment, which ends at an offset."""
        index = self._transactions
        return index is None or index.fits(self.base_offset, end_offset)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes, durably. The indexes must hold nothing beyond that."""
        self._log.truncate(size)
        self.size = size
        if not size:
            self._first_batch_timestamp = None
        self._log.sync()

    def truncate_before(self, offset: int, now_ms: int) -> int:
        """Cut the batch that holds `offset` and all after it, durably; answers the offset that is next then.

        Of a segment that is empty then, the age counts from now (`LogSegment.truncateTo`).
        """
        batches = list(self.batches_from(0))
        self.furthest = self.base_offset + RELATIVE_OFFSET_MAX  # no segment follows any more
        kept = [batch for batch in batches if batch.header.last_offset < offset]
        if len(kept) < len(batches):
            self.forget_indexes()
            self.forget_aborted(offset)
            for batch in kept:
                header = batch.header
                self.note_batch(batch.position, header.size, header.last_offset, header.max_timestamp)
            self.truncate(batches[len(kept)].position)
            if not kept:
                self._created_ms = now_ms
            self.flush_indexes()
            self.sync()
        return kept[-1].header.next_offset if kept else self.base_offset

    def indexes_fit(self) -> bool:
        """Whether the last entries of the indexes are about batches of this segment (`LogSegment.sanityCheck`)."""
        if not self._offsets.is_whole or not self._times.is_whole:
            return False
        if not self._times.count and self.size and self.first_batch_timestamp() != NO_TIMESTAMP:
            return False
        if not fits_last(self, self._offsets):
            return False
        if not self._times.count:
            return True
        timestamp, offset = self._times.last()
        batch = self.find(offset) if offset >= self.base_offset else None
        if batch is None or batch.header.max_timestamp != timestamp:
            return False
        return from_first_with(self, timestamp, offset) is not None

    def catch_up(self) -> BatchAt | None:
        """Learn of the batches after the last index entry; answers the last batch.

        For a segment whose indexes are trusted (a clean stop): only the tail that they don't cover is read.
        """
        start = self._offsets.entry(self._offsets.count - 1)[1] if self._offsets.count else 0
        last = None
        for last in self.batches_from(start):
            if last.position > start or not self._offsets.count:
                self.bytes_since_index_entry += last.header.size
            if last.header.max_timestamp > self.max_timestamp:
                self.max_timestamp = last.header.max_timestamp
                self.offset_of_max_timestamp = last.header.last_offset
        return last

    def seal(self) -> None:
        """Add the last time index entry, as Kafka does when a segment becomes inactive or is closed."""
        if self.size:
            self._times.append(self.max_timestamp, self.offset_of_max_timestamp)
        self.flush_indexes()

    def flush_indexes(self) -> None:
        """Write the index entries that were kept back, before a flush: what is cut can't count. Raises CutFileError."""
        check_length(self._log, self.size)
        self._offsets.flush()
        self._times.flush()

    def sync(self) -> None:
        """Make the batches durable, and the index entries that are written; any thread may, also during a deletion."""
        for file in tuple(self._opened.values()):
            try:
                file.sync()
            except StorageError as error:
                if not (self._is_going and error.is_missing):
                    raise

    def begin_deletion(self) -> None:
        """Take note that the files will be renamed and removed: a flush by another thread does not need them."""
        self._is_going = True

    def close(self) -> None:
        """Close all files; the indexes are then complete."""
        self._log.close()
        self._offsets.close()
        self._times.close()
        if TRANSACTION_INDEX in self._opened:
            self._opened[TRANSACTION_INDEX].close()

    def abandon(self) -> None:
        """Close all files as they are, before they are removed."""
        self._log.close()
        self._offsets.abandon()
        self._times.abandon()
        if TRANSACTION_INDEX in self._opened:
            self._opened[TRANSACTION_INDEX].close()

    def rename(self, ending: str) -> None:
        """Give all files another ending; they stay open for those who read them (`changeFileSuffixes`).

        Whenever this is interrupted, no batches are found without their indexes: one of aborted transactions is not
        missed. Where files are let go the batches are therefore first, and elsewhere last; their name is durable on
        return. An index without batches is removed by the next start.
        """
        if ending == DELETED:
            self.begin_deletion()
        indexes = (INDEX, TIME_INDEX, TRANSACTION_INDEX)
        for suffix in (LOG, *indexes) if ending == DELETED else (*indexes, LOG):
            if suffix == LOG and not ending:
                self._files.sync_directory(self._directory)
            old = self.path(suffix)
            new = self._directory / file_name(self.base_offset, suffix + ending)
            if suffix in self._opened or self._files.exists(old):
                self._files.move(old, new)
            if suffix in self._opened:
                self._opened[suffix].moved_to(new)
            if suffix == LOG:
                self._files.sync_directory(self._directory)
        self._ending = ending

    def set_modified_ms(self, time_ms: int) -> None:
        """Set the file's time, which stands for the records' where they have none."""
        self._log.set_modified_ms(time_ms)

    def moved_to(self, directory: Path) -> None:
        """Take note of the directory's new name."""
        self._directory = directory
        for suffix, file in self._opened.items():
            file.moved_to(self.path(suffix))

    def remove(self) -> None:
        """Close and delete the segment's files."""
        self.begin_deletion()
        self.abandon()
        for suffix in (LOG, INDEX, TIME_INDEX, TRANSACTION_INDEX):
            self._files.remove(self.path(suffix))
