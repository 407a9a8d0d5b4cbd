"""The log of one partition: its segments, its producers' state and its leader epochs, on disk and recovered.

Append, read, roll, raise the start, look up by timestamp (`UnifiedLog`, `LocalLog`). Batches come in checked and
stamped; the high watermark and every decision of a leader belong to `impl.replica`. Segments are taken away and
replaced here; which ones is for `retention` and `cleaner` to decide. Offsets are record offsets, sizes bytes, times
milliseconds since 1970. An append is in the page cache when it returns; what is before the recovery point is durable,
which `flush` moves, and which is the log's end after `close`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from impl.errors import BrokerError, ErrorCode, StorageError
from impl.storage.batch import BatchHeader
from impl.storage.buffers import Buffer
from impl.storage.checkpoints import LEADER_EPOCHS, OFFSET_MAX, LeaderEpochs
from impl.storage.filesystem import File, FileSystem
from impl.storage.leftovers import CLEANED, SWAP, base_offset_of, finish_interrupted
from impl.storage.limits import SegmentLimits
from impl.storage.producer_state import ProducerState
from impl.storage.recovery import NO_LIMIT, LogRecovery, LogStart
from impl.storage.segment import DELETED, Segment
from impl.storage.snapshots import Snapshots
from impl.storage.timestamps import TimestampAndOffset, find_max_timestamp, find_timestamp
from impl.storage.transactions import AbortedTransaction, collect_aborted, read_marker


@attrs.frozen(slots=True)
class LogSlice:
    """A range of a segment's file that answers a read: whole batches, but for the last one, which may be cut."""

    base_offset: int  # the segment's
    file: File
    position: int
    size: int
    fail: Callable[[StorageError], None]  # told if the disk fails while it is read


class Log:
    """A partition's log. Opening it recovers what the last stop left."""

    def __init__(
        self, files: FileSystem, directory: Path, limits: SegmentLimits, now_ms: int, start: LogStart | None = None
    ) -> None:
        start = start or LogStart()
        files.make_directory(directory)
        self.directory = directory
        self.limits = limits
        self.flush_messages_max = NO_LIMIT  # flush.messages
        self.flush_ms_max = NO_LIMIT  # flush.ms
        self.flushed_ms = now_ms  # when the last flush ended, or the log was opened
        self.clock: Callable[[], int] = lambda: now_ms  # what time it is then
        self.may_have_gaps = start.may_have_gaps
        self.on_roll: Callable[[], None] | None = None
        self.on_failure: Callable[[StorageError], None] | None = None
        self.failure: StorageError | None = None  # why nothing of this log is believed any more
        self.producers = ProducerState()
        self.epochs = LeaderEpochs(files, directory / LEADER_EPOCHS)
        self._files = files
        self._snapshots = Snapshots(files, directory)
        self._names_durable_to = -1  # the base offset of the newest segment whose name is known to be durable
        self._truncations = 0
        self._is_going = False
        self._moving = threading.Lock()  # held to move a point forward, or to begin a truncation
        self._segments = self._open_segments(now_ms)
        self._cut_may_be_volatile = not start.was_clean and bool(self._segments)
        if not self._segments:
            self._begin_at(start.log_start_offset, now_ms)
        recovery = LogRecovery(files, directory, self._segments, start, self.epochs, self.producers, self._snapshots)
        self.log_end_offset = recovery.run()
        if not self._segments:
            self._begin_at(self.log_end_offset, now_ms)
        self.log_start_offset = max(start.log_start_offset, self._segments[0].base_offset)
        # The epoch to go on from, also when recovery has cut the batches that were written in it. The checkpoint keeps
        # it until a leader begins another one, before it appends.
        self.last_epoch = self.epochs.latest
        self.epochs.truncate_from_end(self.log_end_offset)
        self.epochs.truncate_from_start(self.log_start_offset)
        self.producers.expire(now_ms, start.producer_age_ms_max)
        self.recovery_point = recovery.flushed_to

    @property
    def active(self) -> Segment:
        """The segment that is appended to."""
        return self._segments[-1]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, oldest first."""
        return tuple(self._segments)

    def append(self, batch: Buffer, header: BatchHeader, max_timestamp: int) -> None:
        """Write one batch at the end; its header must carry `log_end_offset` as base offset.

        The caller has rolled before (`roll_for`). Raises StorageError; the batch may then be in the file, also with
        its offsets counted, and nothing of the log is believed any more (`fail`).
        """
        self.active.append(batch, header, max_timestamp)
        self.log_end_offset = header.next_offset
        if header.is_control:
            self._end_transaction(batch, header)
        elif header.has_producer_id:
            self.producers.record(header, max_timestamp)
        if self.log_end_offset - self.recovery_point >= self.flush_messages_max:
            self.flush()

    def _end_transaction(self, batch: Buffer, header: BatchHeader) -> None:
        """Take note of a marker that was appended, and index the transaction if it is aborted (`updateTxnIndex`)."""
        marker = read_marker(bytes(batch), header)
        aborted = self.producers.end_transaction(header, marker) if marker is not None else None
        if aborted is not None:
            self.active.note_aborted((aborted,))

    def fail(self, error: StorageError) -> None:
        """Say that the disk failed; whoever has the log's directory takes it offline."""
        self.failure = self.failure or error
        if self.on_failure is not None:
            self.on_failure(error)

    def roll_for(self, batch_size: int, max_timestamp: int, last_offset: int, now_ms: int) -> None:
        """Begin a new segment if the batch to be appended does not belong in the active one. Raises BrokerError."""
        if last_offset >= OFFSET_MAX:  # the log's end would be beyond 64 bits
            raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, f"{self.directory.name} has no offsets left")
        active = self.active
        active.limits = self.limits
        if self._cut_may_be_volatile:
            self._make_cut_durable()
        if not active.should_roll(batch_size, max_timestamp, last_offset, now_ms):
            return
        if active.base_offset == self.log_end_offset:
            return  # an empty segment is as good as a new one
        self.roll(now_ms)

    def _make_cut_durable(self) -> None:
        """Make durable, before the first append after a stop that was not clean, what the process before may have cut.

        It may have been killed between a cut and its flush: a loss of power would then bring back what was cut, beside
        what is appended in its place.
        """
        self.active.sync()
        self._sync_names()
        self._cut_may_be_volatile = False

    def roll(self, now_ms: int) -> None:
        """Begin a new segment; the active one must not be empty.

        The name of a segment is durable before the next one is made, so that a loss of power leaves no hole. The
        segment itself is flushed later, by whoever listens (`on_roll`); or now, where holes can't be told from gaps.
        """
        self.active.seal()
        self._snapshots.write(self.log_end_offset, self.producers)
        if self.recovery_point == self.log_end_offset:
            self.active.sync()  # no flush to come would make the last index entry durable
        if self.may_have_gaps:
            self.flush()
        if self._names_durable_to < self.active.base_offset:
            self._sync_names()
        self._segments.append(Segment(self._files, self.directory, self.log_end_offset, self.limits, now_ms))
        if self.on_roll is not None:
            self.on_roll()

    def flush(self) -> None:
        """Make everything durable; the recovery point is the log's end then."""
        self.flush_job(self.log_end_offset)()

    def flush_job(self, up_to: int) -> Callable[[], None]:
        """What makes everything before an offset durable and moves the recovery point there (`LocalLog.flush`).

        It may be run by another thread while this one goes on to append. Raises StorageError.
        """
        bases = [segment.base_offset for segment in self._segments[1:]]
        ends = [*bases, self.log_end_offset]
        pairs = zip(self._segments, ends, strict=True)
        segments = [each for each, end in pairs if end > self.recovery_point and each.base_offset < up_to]
        truncations = self._truncations
        for segment in segments:
            segment.flush_indexes()

        def run() -> None:
            for segment in segments:
                segment.sync()
            if segments and self._names_durable_to < segments[-1].base_offset:
                self._sync_names()
            with self._moving:
                if truncations == self._truncations:
                    if up_to > self.recovery_point:
                        self.flushed_ms = max(self.flushed_ms, self.clock())
                    self.recovery_point = max(self.recovery_point, up_to)

        return run

    def _sync_names(self) -> None:
        """Make the names of all segments durable, and that of the log's directory; any thread may."""
        truncations, newest = self._truncations, self.active.base_offset
        try:
            self._files.sync_directory(self.directory)
        except StorageError as error:
            if not (self._is_going and error.is_missing):
                raise
        if self._names_durable_to < 0:
            self._files.sync_directory(self.directory.parent)
        with self._moving:
            if truncations == self._truncations:
                self._names_durable_to = newest

    def begin_truncation(self, offset: int) -> int:
        """Let nothing that is flushed from now on count for offsets that are to go; answers where the log will end.

        That is where the batch begins that holds `offset`, or the log's end if nothing is to go. Whoever goes on with
        `truncate_to` first sees to it that no checkpoint has a later recovery point.
        """
        end = self.log_end_offset
        if offset < end:
            found = next(self.batches(offset), None)
            end = offset if found is None else min(offset, found[0].base_offset)
        with self._moving:
            self._truncations += 1
            self.recovery_point = min(self.recovery_point, end)
            self._names_durable_to = min(self._names_durable_to, end)
        return end

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Forget the batches from the one that holds `offset` on, durably (`UnifiedLog.truncateTo`).

        Unlike Kafka's, what is cut stays cut after a loss of power, also when other batches were appended in its
        place; see `begin_truncation` for what comes before.
        """
        if offset >= self.log_end_offset:
            return
        self.begin_truncation(offset)
        while len(self._segments) > 1 and self.active.base_offset >= offset:
            self._segments.pop().remove()
        if self.active.base_offset > offset:
            self._segments.pop().remove()
            self._begin_at(offset, now_ms)
        self.log_end_offset = self.active.truncate_before(offset, now_ms)
        self.recovery_point = min(self.recovery_point, self.log_end_offset)
        self.epochs.truncate_from_end(self.log_end_offset)
        self.epochs.save()
        self._snapshots.remove_after(self.log_end_offset)
        self._sync_names()
        self._snapshots.rebuild(self.producers, self._segments, self.log_start_offset, self.log_end_offset)

    def delete_oldest(self, count: int, now_ms: int) -> list[Segment]:
        """Take the oldest segments away and raise the start; answers them, with their files renamed.

        The caller has seen that the high watermark is not in them. Should none be left, a new one begins
        (`UnifiedLog.deleteSegments`); an empty last segment is never among them.
        """
        if count == len(self._segments) and count:
            self.roll(now_ms)
        gone = self._segments[:count]
        if gone:
            self.raise_start(self._segments[count].base_offset)
            if self._names_durable_to < self._segments[count].base_offset:
                self._sync_names()
        for segment in gone:
            self._retire(segment)
            self._segments.remove(segment)
            self._snapshots.remove(segment.base_offset)
        return gone

    def new_cleaned(self, base_offset: int, now_ms: int) -> Segment:
        """An empty segment for what compaction leaves of others; it is not part of the log until `replace`."""
        Segment(self._files, self.directory, base_offset, self.limits, now_ms, CLEANED).remove()
        return Segment(self._files, self.directory, base_offset, self.limits, now_ms, CLEANED)

    def replace(self, replaced: Sequence[Segment], cleaned: Segment) -> None:
        """Put a durable segment in the place of neighbours, whose files are renamed (`LocalLog.replaceSegments`).

        Whenever this is interrupted, the next start finds either all of the old segments or the new one.
        """
        cleaned.rename(SWAP)
        first = self._segments.index(replaced[0])
        self._segments[first : first + len(replaced)] = [cleaned]
        for segment in replaced:
            self._retire(segment)
            if segment.base_offset != cleaned.base_offset:
                self._snapshots.remove(segment.base_offset)
        cleaned.rename("")

    def _retire(self, segment: Segment) -> None:
        """The first step of a segment's deletion."""
        segment.rename(DELETED)

    def begin_deletion(self) -> None:
        """Take note that the directory will be renamed and removed: a flush by another thread does not need it."""
        self._is_going = True
        for segment in self._segments:
            segment.begin_deletion()

    def moved_to(self, directory: Path) -> None:
        """Take note of the directory's new name; nothing is appended any more."""
        self.directory = self._snapshots.directory = directory
        for segment in self._segments:
            segment.moved_to(directory)

    def read(self, offset: int, bytes_max: int, upper_offset: int, *, at_least_one: bool) -> LogSlice | None:
        """Bytes from the batch that holds `offset`, up to `upper_offset`, out of one segment.

        None when there is nothing to read, or when the first batch is larger than `bytes_max` and
        `at_least_one` is not set (LocalLog.read). Raises OFFSET_OUT_OF_RANGE outside of the log.
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise BrokerError(ErrorCode.OFFSET_OUT_OF_RANGE)
        if offset >= upper_offset:
            return None
        if bytes_max < 0:
            raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, f"Invalid max size {bytes_max} for log read")
        for segment in self._segments[self._segment_number(offset) :]:
            found = segment.find(offset)
            if found is None:
                continue
            if at_least_one:
                bytes_max = max(bytes_max, found.header.size)
            if bytes_max < found.header.size:
                return None
            end = segment.size
            if upper_offset < self.log_end_offset and (upper := segment.find(upper_offset)):
                end = upper.position
            if end <= found.position:
                return None
            size = min(bytes_max, end - found.position)
            return LogSlice(segment.base_offset, segment.file, found.position, size, self.fail)
        return None

    def aborted_among(self, records: LogSlice, offset: int) -> list[AbortedTransaction]:
        """The aborted transactions that what was read from `offset` on may have records of.

        Their markers may be in later segments (`LocalLog.addAbortedTransactions`).
        """
        number = self._segment_number(records.base_offset)
        end = self._segments[number].offset_after(records.position + records.size)
        if end is None:
            end = self._segments[number + 1].base_offset if number + 1 < len(self._segments) else self.log_end_offset
        return self.aborted_between(offset, end)

    def batches(self, from_offset: int) -> Iterator[tuple[BatchHeader, Segment, int]]:
        """Headers of all batches that end at or after `from_offset`, with their segment and position."""
        for segment in self._segments[self._segment_number(from_offset) :]:
            found = segment.find(from_offset)
            if found is not None:
                for batch in segment.batches_from(found.position):
                    yield batch.header, segment, batch.position

    def find_timestamp(self, timestamp: int) -> TimestampAndOffset | None:
        """The first record at or after `timestamp` in the first segment that reaches it (ListOffsets)."""
        return find_timestamp(self._segments, timestamp, self.log_start_offset)

    def find_max_timestamp(self) -> TimestampAndOffset | None:
        """The first record with the largest timestamp (KIP-734)."""
        return find_max_timestamp(self._segments)

    def aborted_between(self, offset: int, end: int) -> list[AbortedTransaction]:
        """Aborted transactions that overlap [offset, end), from the transaction indexes."""
        segments = self._segments[self._segment_number(offset) :]
        return collect_aborted((segment.aborted for segment in segments), offset, end)

    def raise_start(self, log_start_offset: int) -> None:
        """Forget what is before an offset; the caller has checked that it is not beyond the high watermark."""
        if log_start_offset > self.log_start_offset:
            self.log_start_offset = log_start_offset
            self.epochs.truncate_from_start(log_start_offset)

    def close(self) -> None:
        """Make everything durable, with a producer snapshot at the end, and close all files."""
        self.active.seal()
        self._snapshots.write(self.log_end_offset, self.producers)
        self.active.sync()
        self.flush()
        self._sync_names()
        for segment in self._segments:
            segment.close()

    def abandon(self) -> None:
        """Close all files without making anything durable, before the directory is removed."""
        for segment in self._segments:
            segment.abandon()

    def _segment_number(self, offset: int) -> int:
        """The number of the segment that `offset` belongs to."""
        number = len(self._segments) - 1
        while number > 0 and self._segments[number].base_offset > offset:
            number -= 1
        return number

    def _begin_at(self, offset: int, now_ms: int) -> None:
        """Make the first segment. Once checkpoints no longer say where the log begins, the name of the segment does."""
        self._segments.append(Segment(self._files, self.directory, offset, self.limits, now_ms))
        if offset > 0:
            self._sync_names()

    def _open_segments(self, now_ms: int) -> list[Segment]:
        finish_interrupted(self._files, self.directory, self.limits)
        names = self._files.list_names(self.directory)
        bases = [base for name in names if name.endswith(".log") and (base := base_offset_of(name)) >= 0]
        return [Segment(self._files, self.directory, base, self.limits, now_ms) for base in bases]
