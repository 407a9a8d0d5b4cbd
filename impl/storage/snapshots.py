"""The producer snapshots beside a log's segments: one where each segment begins, and one at the end after a clean stop.

A snapshot spares reading the log up to its offset. It carries a checksum and is not flushed when it is written
(`UnifiedLog.roll`, `ProducerStateManager`); one that is damaged is removed, and the log is read from an older one.
"""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from impl.storage.batch import CorruptBatchError
from impl.storage.filesystem import FileSystem
from impl.storage.producer_state import ProducerState, SnapshotError
from impl.storage.segment import BatchAt, Segment, file_name
from impl.storage.transactions import AbortedTransaction, read_marker

logger = logging.getLogger(__name__)

SUFFIX: Final = ".snapshot"


def follow(producers: ProducerState, segment: Segment, batch: BatchAt) -> AbortedTransaction | None:
    """Remember what a batch of a segment says about its producer; answers a transaction that it aborts.

    Raises InvalidRecordError.
    """
    header = batch.header
    if not header.is_control:
        producers.note(header)
        return None
    marker = read_marker(segment.read(batch.position, header.size), header)
    return producers.end_transaction(header, marker) if marker is not None else None


class Snapshots:
    """The snapshots of one log. `directory` follows the log's when that is renamed."""

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self.directory = directory

    def write(self, offset: int, producers: ProducerState) -> None:
        """Keep what is known of producers before an offset."""
        self._files.replace_file(self._path(offset), producers.snapshot(), durable=False)

    def remove(self, offset: int) -> None:
        """Remove the snapshot of an offset, if there is one."""
        self._files.remove(self._path(offset))

    def remove_after(self, offset: int) -> bool:
        """Remove what is beyond the log's end; answers whether there was any."""
        return self._remove([each for each in self._offsets() if each > offset])

    def remove_strays(self, bases: Collection[int], end: int) -> None:
        """Keep the newest and those at the base offset of a segment (`removeStraySnapshots`)."""
        offsets = [each for each in self._offsets() if each <= end]
        self._remove([each for each in offsets[:-1] if each not in bases])

    def rebuild(self, producers: ProducerState, segments: Sequence[Segment], log_start_offset: int, end: int) -> None:
        """Know the producers before `end`: from the newest usable snapshot, and from the batches after it.

        Where a segment is damaged, what its later batches say about producers is not known.
        """
        producers.clear()
        known_to = self._load_newest(log_start_offset, end, producers)
        read_from = log_start_offset if known_to is None else known_to
        ends = [*(segment.base_offset for segment in segments[1:]), end]
        for segment, segment_end in zip(segments, ends, strict=True):
            if segment.base_offset < end and segment_end > read_from:
                try:
                    for batch in segment.batches_from(0):
                        if read_from <= batch.header.last_offset < end:
                            follow(producers, segment, batch)
                except CorruptBatchError as error:
                    logger.warning("duplicates of what was sent after this may be taken for new: %s", error)

    def _load_newest(self, from_offset: int, up_to: int, producers: ProducerState) -> int | None:
        """Load the newest usable snapshot of a range of offsets; answers its offset, None when there is none.

        One from before the log's start counts for nothing: what followed may be gone, and a transaction that is open in
        it would never end (`ProducerStateManager.truncateAndReload`).
        """
        for offset in reversed(self._offsets()):
            if not from_offset <= offset <= up_to:
                continue
            path = self._path(offset)
            try:
                producers.load(self._files.read_file(path))
            except SnapshotError as error:
                logger.warning("removing %s: %s; producers are found again in the log", path, error)
                self._files.remove(path)
                continue
            return offset
        return None

    def _remove(self, offsets: list[int]) -> bool:
        for offset in offsets:
            self.remove(offset)
        return bool(offsets)

    def _path(self, offset: int) -> Path:
        return self.directory / file_name(offset, SUFFIX)

    def _offsets(self) -> list[int]:
        """The offsets of all snapshots, ascending."""
        names = [name.removesuffix(SUFFIX) for name in self._files.list_names(self.directory) if name.endswith(SUFFIX)]
        return [int(name) for name in names if name.isdecimal()]
