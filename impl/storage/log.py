"""The log of one partition: its segments, its producers' state and its leader epochs, on disk and recovered.

Append, read, roll, raise the start, look up by timestamp (`UnifiedLog`, `LocalLog`). Batches come in checked and
stamped; the high watermark and every decision of a leader belong to `impl.replica`. Segments are taken away and
replaced here; which ones is for `retention` and `cleaner` to decide. Offsets are record offsets, sizes bytes, times
milliseconds since 1970. An append is in the page cache when it returns, and durable after `close`.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from impl.errors import BrokerError, ErrorCode
from impl.storage.batch import HEADER_SIZE, BatchHeader
from impl.storage.checkpoints import LEADER_EPOCHS, LeaderEpochs
from impl.storage.compression import decompress
from impl.storage.filesystem import Buffer, File, FileSystem
from impl.storage.leftovers import finish_interrupted
from impl.storage.producer_state import ProducerState, SnapshotError
from impl.storage.records import read_records
from impl.storage.recovery import recover_segment, trust_segment
from impl.storage.segment import DELETED, BatchAt, Segment, SegmentLimits, file_name

logger = logging.getLogger(__name__)

SNAPSHOT_SUFFIX: Final = ".snapshot"
SNAPSHOTS_KEPT: Final = 2


@attrs.frozen(slots=True)
class LogSlice:
    """A range of a segment's file that answers a read: whole batches, but for the last one, which may be cut."""

    file: File
    position: int
    size: int


@attrs.frozen(slots=True)
class TimestampAndOffset:
    """The answer to a lookup by timestamp; the epoch is the one that the batch carries."""

    timestamp: int
    offset: int
    leader_epoch: int


@attrs.frozen(slots=True)
class LogStart:
    """How a log was left: from `log-start-offset-checkpoint` and the clean shutdown marker."""

    log_start_offset: int = 0
    was_clean: bool = False
    producer_age_ms_max: int = 86_400_000  # producer.id.expiration.ms


class Log:
    """A partition's log. Opening it recovers what the last stop left."""

    def __init__(
        self, files: FileSystem, directory: Path, limits: SegmentLimits, now_ms: int, start: LogStart | None = None
    ) -> None:
        start = start or LogStart()
        files.make_directory(directory)
        self.directory = directory
        self.log_start_offset = start.log_start_offset
        self.producers = ProducerState()
        self.limits = limits
        self._files = files
        self._segments = self._open_segments(now_ms)
        self.log_end_offset = self._recover_segments(now_ms, was_clean=start.was_clean)
        self.epochs = LeaderEpochs(files, directory / LEADER_EPOCHS)
        # The epoch to go on from, also when recovery is about to cut the batches that were written in it.
        self.last_epoch = self.epochs.latest
        self.epochs.truncate_from_end(self.log_end_offset)
        self.epochs.truncate_from_start(self.log_start_offset)
        self._recover_producers()
        self.producers.expire(now_ms, start.producer_age_ms_max)
        self._unsynced = set(self._segments) if not start.was_clean else set()

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

        The caller has rolled before (`roll_for`). Raises OSError, and then nothing is appended.
        """
        self.active.append(batch, header, max_timestamp)
        self._unsynced.add(self.active)
        self.log_end_offset = header.next_offset
        if header.has_producer_id and not header.is_control:
            self.producers.record(header, max_timestamp)

    def roll_for(self, batch_size: int, max_timestamp: int, last_offset: int, now_ms: int) -> None:
        """Begin a new segment if the batch to be appended does not belong in the active one."""
        active = self.active
        active.limits = self.limits
        if not active.should_roll(batch_size, max_timestamp, last_offset, now_ms):
            return
        if active.base_offset == self.log_end_offset:
            return  # an empty segment is as good as a new one
        self.roll(now_ms)

    def roll(self, now_ms: int) -> None:
        """Begin a new segment; the active one must not be empty."""
        self.active.seal()
        self._write_snapshot()
        self._segments.append(Segment(self._files, self.directory, self.log_end_offset, self.limits, now_ms))

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
        for segment in gone:
            segment.rename(DELETED)
            self._segments.remove(segment)
            self._unsynced.discard(segment)
            self._files.remove(self._snapshot_path(segment.base_offset))
        return gone

    def moved_to(self, directory: Path) -> None:
        """Take note of the directory's new name; nothing is appended any more."""
        self.directory = directory
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
            return LogSlice(segment.file, found.position, min(bytes_max, end - found.position))
        return None

    def bytes_from(self, offset: int) -> int:
        """How many bytes of batches there are from `offset` to the end of the log, for a long poll's count."""
        total = 0
        for segment in reversed(self._segments):
            if segment.base_offset <= offset:
                found = segment.find(offset)
                return total + (segment.size - found.position if found else 0)
            total += segment.size
        return total

    def batches(self, from_offset: int) -> Iterator[tuple[BatchHeader, Segment, int]]:
        """Headers of all batches that end at or after `from_offset`, with their segment and position."""
        for segment in self._segments[self._segment_number(from_offset) :]:
            found = segment.find(from_offset)
            if found is not None:
                for batch in segment.batches_from(found.position):
                    yield batch.header, segment, batch.position

    def find_timestamp(self, timestamp: int) -> TimestampAndOffset | None:
        """The first record at or after `timestamp` in the first segment that reaches it (ListOffsets)."""
        for segment in self._segments:
            if segment.largest_timestamp() >= timestamp:
                for batch in segment.find_timestamp(timestamp, self.log_start_offset):
                    found = self._first_record(segment, batch, timestamp, self.log_start_offset)
                    if found is not None:
                        return found
                return None
        return None

    def find_max_timestamp(self) -> TimestampAndOffset | None:
        """The first record with the largest timestamp (KIP-734)."""
        segment = max(self._segments, key=lambda each: each.max_timestamp)
        batch = segment.find_max_timestamp()
        return self._first_record(segment, batch, batch.header.max_timestamp, 0) if batch else None

    def raise_start(self, log_start_offset: int) -> None:
        """Forget what is before an offset; the caller has checked that it is not behind the high watermark."""
        if log_start_offset > self.log_start_offset:
            self.log_start_offset = log_start_offset
            self.epochs.truncate_from_start(log_start_offset)

    def close(self) -> None:
        """Make everything durable, with a producer snapshot at the end, and close all files."""
        self.active.seal()
        for segment in self._unsynced:
            segment.sync()
        self._write_snapshot()
        for segment in self._segments:
            segment.close()

    def abandon(self) -> None:
        """Close all files without making anything durable, before the directory is removed."""
        for segment in self._segments:
            segment.abandon()

    def _first_record(
        self, segment: Segment, batch: BatchAt, timestamp: int, from_offset: int
    ) -> TimestampAndOffset | None:
        """The first record of a batch at or after both."""
        header = batch.header
        if header.has_log_append_time:
            offset = max(header.base_offset, from_offset)
            return TimestampAndOffset(header.max_timestamp, offset, header.partition_leader_epoch)
        body = segment.read(batch.position + HEADER_SIZE, header.size - HEADER_SIZE)
        for record in read_records(decompress(header.compression, body), header.record_count):
            offset = header.base_offset + record.offset_delta
            record_timestamp = header.base_timestamp + record.timestamp_delta
            if record_timestamp >= timestamp and offset >= from_offset:
                return TimestampAndOffset(record_timestamp, offset, header.partition_leader_epoch)
        return None

    def _segment_number(self, offset: int) -> int:
        """The number of the segment that `offset` belongs to."""
        number = len(self._segments) - 1
        while number > 0 and self._segments[number].base_offset > offset:
            number -= 1
        return number

    def _open_segments(self, now_ms: int) -> list[Segment]:
        finish_interrupted(self._files, self.directory, self.limits)
        names = self._files.list_names(self.directory)
        bases = [int(name.removesuffix(".log")) for name in names if name.endswith(".log")]
        bases = bases or [self.log_start_offset]
        return [Segment(self._files, self.directory, base, self.limits, now_ms) for base in bases]

    def _recover_segments(self, now_ms: int, *, was_clean: bool) -> int:
        """Bring all segments in order; answers the log end offset."""
        end = self.log_start_offset
        for number, segment in enumerate(self._segments):
            end, whole = trust_segment(segment) if was_clean else recover_segment(segment)
            if not whole:
                for later in self._segments[number + 1 :]:
                    logger.warning("removing %s: it follows a damaged segment", later.path(".log"))
                    later.remove()
                del self._segments[number + 1 :]
                break
        if end < self.log_start_offset:
            logger.warning("%s ends at %d before its start %d", self.directory, end, self.log_start_offset)
            for segment in self._segments:
                segment.remove()
            end = self.log_start_offset
            self._segments = [Segment(self._files, self.directory, end, self.limits, now_ms)]
        self.log_start_offset = max(self.log_start_offset, self._segments[0].base_offset)
        return end

    def _recover_producers(self) -> None:
        """Load the newest usable snapshot and replay the batches behind it."""
        replay_from = self.log_start_offset
        for offset in sorted(self._snapshot_offsets(), reverse=True):
            path = self._snapshot_path(offset)
            if offset > self.log_end_offset:
                self._files.remove(path)
                continue
            try:
                self.producers.load(self._files.read_file(path))
            except SnapshotError as error:
                logger.warning("ignoring %s: %s", path, error)
                self._files.remove(path)
                continue
            replay_from = max(offset, self.log_start_offset)
            break
        for header, _, _ in self.batches(replay_from):
            if header.has_producer_id and not header.is_control and header.base_offset >= replay_from:
                self.producers.record(header, header.max_timestamp)

    def _write_snapshot(self) -> None:
        path = self._snapshot_path(self.log_end_offset)
        self._files.replace_file(path, self.producers.snapshot(), durable=False)
        for offset in sorted(self._snapshot_offsets())[:-SNAPSHOTS_KEPT]:
            self._files.remove(self._snapshot_path(offset))

    def _snapshot_path(self, offset: int) -> Path:
        return self.directory / file_name(offset, SNAPSHOT_SUFFIX)

    def _snapshot_offsets(self) -> list[int]:
        names = self._files.list_names(self.directory)
        return [int(name.removesuffix(SNAPSHOT_SUFFIX)) for name in names if name.endswith(SNAPSHOT_SUFFIX)]
