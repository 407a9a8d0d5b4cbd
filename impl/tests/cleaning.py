"""Histories on a simulated disk with retention as a broker has it, and with compaction; what must hold then.

Retention deletes in two steps, so that power is lost between them as well. Of a compacted log not all that was appended
is found: but nothing else is, the newest record of each key is, and whatever is missing was below where a pass had got
to, and has a newer one there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from impl.storage.batch import HEADER_SIZE, BatchHeader, parse_header
from impl.storage.cleaner import CompactionConfig, clean, cleanable
from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.log_directory import LogDirectory
from impl.storage.records import Record, read_records
from impl.storage.retention import RetentionLimits, delete_old_segments
from impl.storage.segment import Segment
from impl.tests.durability import ACTS, DATA, SETTINGS, Append, Trial, hold_offset, must, stored
from impl.tests.support import NOW

KEYS: Final = 3
KEYS_AT_ONCE: Final = 2  # so that a pass may end before all dirty segments
NEVER: Final = 1 << 60
COMPACTION: Final = CompactionConfig(0.0, 0, NEVER, delete_retention_ms=NEVER)
RETENTION_ACTS: Final = (*ACTS, "retain", "retain", "remove_given_up")
COMPACTION_ACTS: Final = (*ACTS, "retain", "remove_given_up", *["compact"] * 8, "begin_compaction")

Content = dict[int, tuple[bytes | None, bytes | None]]  # keys and values by offset


class RetainedTrial(Trial):
    """A history in which old segments are renamed, and removed later or by a start."""

    def _open(self, files: FileSystem) -> LogDirectory:
        self._given_up: list[Segment] = []
        return super()._open(files)

    def retain(self) -> None:
        """Let the log keep half of its bytes, as `retention.bytes` does."""
        segments = self.log.segments
        least = sum(segment.size for segment in segments) // 2
        starts = [each.base_offset for n, each in enumerate(segments) if sum(s.size for s in segments[n:]) >= least]
        self.promises.start_max = max(self.promises.start_max, starts[-1])
        limits = RetentionLimits(least, -1, deletes=True)
        gone = delete_old_segments(self.log, limits, self.log.log_end_offset, NOW)
        self._given_up += gone
        self.seen["retained"] += bool(gone)
        self.promises.start_min = max(self.promises.start_min, self.log.segments[0].base_offset)

    def remove_given_up(self) -> None:
        """Remove the files of what was deleted, or replaced."""
        while self._given_up:
            self._given_up.pop().remove()


class CompactedTrial(RetainedTrial):
    """A history of records with a few keys, some of them tombstones, in a topic that is compacted."""

    settings = attrs.evolve(SETTINGS, may_have_gaps=True)

    def __init__(self, files: FileSystem, home: Path = DATA, seed: int = 0, page_size: int = 64) -> None:
        self._compacted_to = 0
        self._clean_to: int | None = None
        super().__init__(files, home, seed=seed, page_size=page_size)

    def _open(self, files: FileSystem) -> LogDirectory:
        self._clean_to = None  # its checkpoint is not part of the history: a pass may begin anew
        return super()._open(files)

    def content(self, step: Append, number: int) -> list[Record]:
        """See `Trial`."""
        value = f"{number}".encode().ljust(step.size, b".")
        return [
            Record(0, 0, place, b"k%d" % ((number + place) % KEYS), None if number % 5 == 0 else value, b"\x00")
            for place in range(step.count)
        ]

    def compact(self) -> None:
        """Compact all that may be, after it was made durable, as a broker does (`LogCleaner`)."""
        self._run_pass(None)

    def begin_compaction(self) -> None:
        """Begin a pass, and give it up."""
        self._run_pass(3)

    def _run_pass(self, steps: int | None) -> None:
        log = self.log
        part = cleanable(log, self._clean_to, COMPACTION, log.log_end_offset, NOW)
        if part.end <= part.first_dirty:
            return
        log.flush_job(part.end)()
        self._directory.checkpoint_recovery_points()
        self.promises.flushed = max(self.promises.flushed, part.end)
        self._compacted_to = max(self._compacted_to, part.end)
        before = len(contents(stored(log)))
        run = clean(log, part, COMPACTION, KEYS_AT_ONCE, NOW, self._given_up.append)
        while steps is None or steps > 0:
            try:
                next(run)
            except StopIteration as done:
                self._clean_to = done.value
                break
            steps = None if steps is None else steps - 1
        run.close()
        self.seen["compacted"] += len(contents(stored(log))) < before

    def hold(self, log: Log, *, lost: bool) -> None:
        """See `Trial`; of what was compacted the newest of each key must be found."""
        promises, start, end = self.promises, log.log_start_offset, log.log_end_offset
        batches = stored(log)
        headers = [parse_header(batch) for batch in batches]
        must_reach = promises.flushed if lost else promises.appended_to
        must(end >= must_reach, f"the log ends at {end}, but everything before {must_reach} must be found")
        must(promises.start_min <= start <= promises.start_max, f"the log begins at {start}")
        must(not headers or headers[-1].next_offset <= end, f"there is a batch behind the end {end}")
        self._hold_content(contents(batches), start, end)
        _hold_lookups(log, headers)
        for header in headers:
            epoch = log.epochs.epoch_for_offset(max(start, header.base_offset))
            must(epoch == header.partition_leader_epoch, f"offset {header.base_offset} is taken to be of epoch {epoch}")
        must(
            max(log.last_epoch or -1, log.epochs.latest or -1) >= promises.last_epoch, "an epoch was used, and is lost"
        )

    def _hold_content(self, found: Content, start: int, end: int) -> None:
        wanted = contents(self.promises.batches)
        for offset, pair in found.items():
            must(wanted.get(offset) == pair, f"offset {offset} holds what was not appended there")
        last = {key: offset for offset, (key, _) in found.items() if offset < self._compacted_to}
        for offset, (key, _) in wanted.items():
            if max(start, self._compacted_to) <= offset < end:
                must(offset in found, f"offset {offset} is missing, and was not compacted")
            elif start <= offset < end and offset not in found:
                must(offset < last.get(key, -1), f"offset {offset} is missing, and the newest of its key")


def contents(batches: Sequence[bytes]) -> Content:
    """All records of batches that are not compressed."""
    found: Content = {}
    for batch in batches:
        header = parse_header(batch)
        for record in read_records(batch[HEADER_SIZE:], header.record_count):
            found[header.base_offset + record.offset_delta] = record.key, record.value
    return found


def _hold_lookups(log: Log, headers: Sequence[BatchHeader]) -> None:
    """Every batch is found by its offset and by its time; each producer's last one is known, or a later one was."""
    for header in headers:
        if header.base_offset < log.log_start_offset:
            continue
        hold_offset(log, header)
        if header.record_count:
            at = log.find_timestamp(header.max_timestamp)
            is_there = at is not None and header.base_offset <= at.offset <= header.last_offset
            must(is_there, f"the time of {header.base_offset} leads to {at}")
    known = log.producers.last_offsets()
    for header in headers:
        if header.has_producer_id:
            offset = known.get(header.producer_id, -1)
            must(
                offset >= header.last_offset,
                f"the last offset of producer {header.producer_id} is taken to be {offset}",
            )
