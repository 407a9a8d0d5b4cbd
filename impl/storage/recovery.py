"""What is believed of a log when the broker starts (`LogLoader.load`, `LogLoader.recoverLog`, `LogSegment.recover`).

After a clean stop everything is, but for the few batches after the last index entry of the last segment, which are
read. What is believed is never cut, unless it is in the last segment (`LogSegment.sanityCheck`). After any other stop
everything before the recovery point is; from the segment that holds it on, every batch is checked (length, magic, CRC,
ascending offsets), and the log is cut at the first byte that is not part of a good batch. Unlike Kafka's, a log is also
cut where the next segment does not begin with the next offset, and what was cut is made durable, so that a second loss
of power can't bring it back under what is appended meanwhile. Producers and leader epochs are learned again from what
is read. Nothing is repaired beyond that, and nothing is fetched from elsewhere.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from impl.storage.batch import MAGIC, BatchHeader, CorruptBatchError, DamagedBatchError, parse_header
from impl.storage.checkpoints import LeaderEpochs
from impl.storage.filesystem import FileSystem
from impl.storage.producer_state import ProducerState
from impl.storage.scan import Walked, good_batches
from impl.storage.segment import TRANSACTION_INDEX, BatchAt, Segment
from impl.storage.snapshots import Snapshots, follow

logger = logging.getLogger(__name__)

NO_LIMIT: Final = 2**63 - 1
NOBODY: Final[Callable[[int], None]] = lambda _: None  # noqa: E731


@attrs.frozen(slots=True)
class LogStart:
    """How a log was left: what the checkpoints of its log directory say, and the marker of a clean stop."""

    log_start_offset: int = 0
    was_clean: bool = False
    producer_age_ms_max: int = 86_400_000  # producer.id.expiration.ms
    recovery_point: int = 0
    high_watermark: int = 0
    may_have_gaps: bool = False  # a compacted log: offsets may be missing between segments
    on_progress: Callable[[int], None] = NOBODY  # told the bytes that were scanned


@attrs.define(slots=True)
class LogRecovery:
    """Brings one log's segments, producers and epochs in order. `segments` is changed in place."""

    files: FileSystem
    directory: Path
    segments: list[Segment]
    start: LogStart
    epochs: LeaderEpochs
    producers: ProducerState
    snapshots: Snapshots
    flushed_to: int = attrs.field(default=0, init=False)  # the recovery point to begin with

    def run(self) -> int:
        """Recover; answers the log end offset. `segments` may be left empty if nothing of the log is usable."""
        trusts = self.start.was_clean and not self.epochs.was_damaged
        first = len(self.segments) - 1 if trusts else self._first_unflushed()
        for number in range(first):
            self._trust(number)
        end = self._trust_last() if trusts else self._check_from(first)
        if end < self.start.log_start_offset:
            logger.warning(
                "%s ends at %d, before its start %d in the checkpoint; all its segments are removed",
                self.directory, end, self.start.log_start_offset,
            )  # fmt: skip
            self._remove_from(0)
            self.producers.clear()
            end = self.start.log_start_offset
            self.flushed_to = min(self.flushed_to, end)
        if self.snapshots.remove_after(end):
            self.files.sync_directory(self.directory)
        self.snapshots.remove_strays({segment.base_offset for segment in self.segments}, end)
        if end < self.start.high_watermark:
            logger.error(
                "%s ends at %d, but offsets before %d were committed: records are lost",
                self.directory, end, self.start.high_watermark,
            )  # fmt: skip
        return end

    def _trust(self, number: int) -> None:
        """Look at a segment that others follow: nothing of it is cut, whatever has become of it."""
        segment, end = self.segments[number], self.segments[number + 1].base_offset
        segment.furthest = end - 1
        if not self._indexes_fit(segment):
            logger.warning("the indexes of %s do not fit it; they are made again", segment.path(".log"))
            rebuild_indexes(segment)
            segment.sync()
        if not segment.aborted_fit(end):
            self._find_aborted(number)
        if not self.start.may_have_gaps:
            tell_what_is_missing(segment, end)

    @staticmethod
    def _indexes_fit(segment: Segment) -> bool:
        """Whether the indexes of a trusted segment are used as they are.

        That a batch is damaged says nothing against them: whoever reads it is told, and nothing is cut of what can
        still be read. But it may be an index that points between batches.
        """
        try:
            return segment.indexes_fit()
        except CorruptBatchError:
            pass
        try:
            deque(segment.batches_from(0), maxlen=0)
        except CorruptBatchError as error:
            logger.warning("%s", error)
            return True
        return False

    def _first_unflushed(self) -> int:
        """The number of the segment that holds the recovery point."""
        if self.epochs.was_damaged:
            return 0
        before = [n for n, segment in enumerate(self.segments) if segment.base_offset <= self.start.recovery_point]
        return before[-1] if before else 0

    def _note(self, segment: Segment, header: BatchHeader) -> None:
        """Learn from a batch that was checked."""
        if header.last_offset >= self.start.log_start_offset:
            if header.is_control:
                self._follow(self.producers, segment, segment.find(header.last_offset))
            else:
                self.producers.note(header)
        if header.partition_leader_epoch >= 0:
            self.epochs.note(header.partition_leader_epoch, header.base_offset)

    @staticmethod
    def _follow(producers: ProducerState, segment: Segment, batch: BatchAt | None) -> None:
        """Follow a producer, and index the transaction that it aborts."""
        aborted = follow(producers, segment, batch) if batch is not None else None
        if aborted is not None:
            segment.note_aborted((aborted,))

    def _find_aborted(self, number: int) -> None:
        """Index the aborted transactions of a segment anew, by what is known of producers where it begins."""
        segment = self.segments[number]
        logger.warning("%s does not fit its segment; it is made again", segment.path(TRANSACTION_INDEX))
        producers = ProducerState()
        self.snapshots.rebuild(producers, self.segments[: number + 1], self._log_start, segment.base_offset)
        segment.forget_aborted()
        try:
            for batch in segment.batches_from(0):
                self._follow(producers, segment, batch)
        except CorruptBatchError as error:
            logger.warning("transactions are not known that were aborted after this: %s", error)
        segment.sync()

    def _trust_last(self) -> int:
        """The end of a log that was closed cleanly, and is durable up to there."""
        last = self.segments[-1]
        try:
            if not last.indexes_fit() or not last.aborted_fit(NO_LIMIT):
                logger.warning("the indexes of %s do not fit it; they are made again", last.path(".log"))
                return self._check_from(len(self.segments) - 1)
            tail = last.catch_up()
        except CorruptBatchError as error:
            what = f"{error.where} ({error.why})" if isinstance(error, DamagedBatchError) else error
            logger.warning(
                "the last segment of a log that was closed cleanly is damaged: %s; it is checked, and cut at the first "
                "batch that is not valid", what,
            )  # fmt: skip
            return self._check_from(len(self.segments) - 1)
        if tail is None and last.size == 0:
            return self._trusted(last.base_offset)
        if tail is None or tail.position + tail.header.size != last.size or tail.header.magic != MAGIC:
            return self._check_from(len(self.segments) - 1)
        return self._trusted(tail.header.next_offset)

    def _trusted(self, end: int) -> int:
        self.flushed_to = end
        self._learn_producers(self.segments, end)
        return end

    def _learn_producers(self, segments: Sequence[Segment], end: int) -> None:
        self.snapshots.rebuild(self.producers, segments, self._log_start, end)

    @property
    def _log_start(self) -> int:
        """Where the log begins: the checkpoint of it may be older than the deletion of a segment."""
        return max(self.start.log_start_offset, self.segments[0].base_offset)

    def _check_from(self, first: int) -> int:
        """Check all batches from a segment on; what is after a bad one goes."""
        end = self.segments[first].base_offset
        # Not the recovery point that was found: the indexes of the segment that holds it are made anew.
        self.flushed_to = min(self.start.recovery_point, end)
        self._learn_producers(self.segments[: first + 1], end)
        for number in range(first, len(self.segments)):
            segment = self.segments[number]
            is_hole = segment.base_offset != end and segment.base_offset > self.start.recovery_point
            if number > first and is_hole and not self.start.may_have_gaps:
                logger.warning("%s should begin at offset %d: it is cut off", segment.path(".log"), end)
                self._remove_from(number)
                break
            segment.forget_aborted()
            note = partial(self._note, segment)
            end, whole = recover_segment(segment, note, self.start.on_progress, self.epochs.latest)
            if not whole:
                self._remove_from(number + 1)
                break
        return end

    def _remove_from(self, number: int) -> None:
        """Remove segments, the newest first, durably."""
        for segment in reversed(self.segments[number:]):
            logger.warning("removing %s (%d bytes)", segment.path(".log"), segment.size)
            segment.remove()
        if self.segments[number:]:
            self.files.sync_directory(self.directory)
        del self.segments[number:]


def tell_what_is_missing(segment: Segment, end: int) -> None:
    """Say so if offsets are missing before `end`, where the next segment begins: a file was emptied, cut or removed."""
    if segment.size and segment.offset_of_max_timestamp == end - 1:
        return  # as in most segments; it spares reading the last batches
    try:
        if segment.find(end - 1) is None:
            found = max((batch.header.next_offset for batch in segment.batches_from(0)), default=segment.base_offset)
            logger.error("%s: offsets %d to %d are missing at its end", segment.path(".log"), found, end - 1)
    except CorruptBatchError as error:
        logger.debug("what is missing can't be told: %s", error)


def rebuild_indexes(segment: Segment) -> None:
    """Make the indexes of a segment again whose batches are trusted: no checksum is looked at, and nothing is cut.

    They end where a batch is damaged, or has an offset that is not its segment's.
    """
    segment.forget_indexes()
    try:
        for batch in segment.batches_from(0):
            header = batch.header
            segment.note_batch(batch.position, header.size, header.last_offset, header.max_timestamp)
    except CorruptBatchError as error:
        logger.warning("%s", error)
    segment.seal()


def recover_segment(
    segment: Segment,
    note: Callable[[BatchHeader], None] | None = None,
    on_progress: Callable[[int], None] = NOBODY,
    latest_epoch: int | None = None,
) -> tuple[int, bool]:
    """Check all batches, rebuild the indexes and cut what is bad.

    Answers the offset after the last good batch, and whether the whole file was good. `note` is given the headers of
    the batches that change producer state, or begin a leader epoch later than `latest_epoch`.
    """
    base, size = segment.base_offset, segment.size
    segment.forget_indexes()
    epoch = -1 if latest_epoch is None else latest_epoch
    walked = Walked(base, segment.limits.index_interval_bytes, epoch, base, base)
    for window, found in good_batches(segment, walked):
        segment.note_indexed(found.offset_entries, found.time_entries)
        if note is not None:
            for begin in found.relevant:
                note(parse_header(window, begin))
        on_progress(found.size)
    segment.bytes_since_index_entry = walked.bytes_since_index_entry
    segment.max_timestamp, segment.offset_of_max_timestamp = walked.max_timestamp, walked.offset_of_max_timestamp
    segment.seal()
    position, next_offset = walked.position, walked.next_offset
    if position < size:
        logger.warning(
            "cutting %s at byte %d (offset %d): no valid batch there, %d bytes are lost",
            segment.path(".log"), position, next_offset, size - position,
        )  # fmt: skip
        segment.truncate(position)
    return next_offset, position == size
