"""Which log is compacted next, and how far each was (`LogCleaner`, `LogCleanerManager`).

One log at a time, the dirtiest first, in steps that are short enough to serve clients in between. How far logs are
clean is kept in `cleaner-offset-checkpoint`. A log that can't be compacted is left as it is until the next start.
"""

import logging
from typing import Final
from uuid import UUID

import attrs

from impl.errors import StorageError
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.storage.batch import CorruptBatchError
from impl.storage.cleaner import Cleanable, Pass, clean, cleanable
from impl.storage.segment import Segment

logger = logging.getLogger(__name__)

# Clients wait no longer than for one step.
STEP_BYTES: Final = 256 << 10
# What a key takes in memory while a log is compacted, roughly; Kafka's own map takes 24 bytes.
BYTES_PER_KEY: Final = 200
FAILURES: Final = (CorruptBatchError, StorageError)

Key = tuple[str, int]


@attrs.frozen(slots=True)
class Running:
    """A compaction that has begun."""

    key: Key
    partition: Partition
    compaction: Pass


def _identity(partition: Partition) -> tuple[UUID, int]:
    """What no other partition has, also of a later topic with the same name."""
    return partition.topic_id, partition.index


def _go_on(compaction: Pass) -> int | None:
    """Work on a compaction for a while; answers how far the log is clean, None if there is more to do."""
    worked = 0
    while worked < STEP_BYTES:
        try:
            worked += next(compaction)
        except StopIteration as done:
            return int(done.value)
    return None


class LogCleaner:
    """Compacts the broker's logs. Times are in milliseconds since 1970."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._keys_max = max(1, broker.config.number("log.cleaner.dedupe.buffer.size") // BYTES_PER_KEY)
        self._given_up: set[tuple[UUID, int]] = set()
        self._running: Running | None = None

    @property
    def partition(self) -> Partition | None:
        """The partition whose log is being compacted."""
        return self._running.partition if self._running is not None else None

    def has_given_up(self, partition: Partition) -> bool:
        """Whether compacting a partition's log has failed since the start (`isUncleanablePartition`)."""
        return _identity(partition) in self._given_up

    def step(self, now_ms: int) -> bool:
        """Begin a compaction, or go on with it for a while; answers whether there was anything to do."""
        if self._running is not None and not self._is_there(self._running.key, self._running.partition):
            self.close()  # deleted or offline meanwhile
        if self._running is None:
            self._running = self._begin(now_ms)
        running = self._running
        if running is None:
            return False
        try:
            clean_to = _go_on(running.compaction)
            if clean_to is not None:
                self._running = None
                self._broker.clean_offsets.put(*running.key, clean_to)
        except FAILURES as error:
            self._give_up(running.partition, error)
        return True

    def close(self) -> None:
        """End the compaction that is running; it leaves nothing behind, unless the disk fails, which goes offline."""
        if self._running is None:
            return
        compaction, self._running = self._running.compaction, None
        try:
            compaction.close()
        except StorageError as error:
            self._broker.directories.fail(error)

    def _begin(self, now_ms: int) -> Running | None:
        """The compaction of the dirtiest log that is dirty enough."""
        dirtiest: tuple[float, Key, Partition, Cleanable] | None = None
        for key, partition in self._broker.partitions.items():
            is_candidate = partition.config.cleanup_compact and not self.has_given_up(partition)
            if not is_candidate or not self._is_there(key, partition):
                continue
            config = partition.config.compaction
            try:
                part = cleanable(
                    partition.log, self._broker.clean_offsets.get(*key), config, partition.last_stable_offset, now_ms
                )
            except FAILURES as error:
                self._give_up(partition, error)
                continue
            if part.is_due(config) and (dirtiest is None or part.ratio > dirtiest[0]):
                dirtiest = part.ratio, key, partition, part
        if dirtiest is None:
            return None
        _, key, partition, part = dirtiest
        delay_ms = partition.config.file_delete_delay_ms

        def discard(segment: Segment) -> None:
            self._broker.deletions.add_segment(segment, self._broker.now_ms() + delay_ms)

        try:
            self._note_gaps(key, partition, part)
        except StorageError as error:
            self._give_up(partition, error)
            return None
        compaction = clean(partition.log, part, partition.config.compaction, self._keys_max, now_ms, discard)
        return Running(key, partition, compaction)

    def _note_gaps(self, key: Key, partition: Partition, part: Cleanable) -> None:
        """Make durable, before there is one, that offsets may be missing between the log's segments.

        Recovery would take them for a hole that a loss of power has left, and cut the log there, if the topic was no
        longer compacted by then. It believes what is before the recovery point.
        """
        partition.log.flush_job(part.end)()
        self._broker.directories.checkpoint_recovery_points(key)
        if self._broker.clean_offsets.get(*key) is None:
            self._broker.clean_offsets.put(*key, part.first_dirty)

    def _is_there(self, key: Key, partition: Partition) -> bool:
        """Whether a partition is still the broker's, and its log can be used."""
        return self._broker.partitions.get(key) is partition and partition.log.failure is None

    def _give_up(self, partition: Partition, error: Exception) -> None:
        """Leave a log alone (`LogCleanerManager.markPartitionUncleanable`); a disk that fails takes it offline."""
        if isinstance(error, StorageError):
            self._broker.directories.fail(error)
        logger.error(
            "%s is not compacted any more until the next start, and its retention is not applied: %s",
            partition.name, error,
        )  # fmt: skip
        self._given_up.add(_identity(partition))
        self._running = None
