"""What a broker does unasked, each at its time: retention, compaction, deletions, checkpoints, forgotten producers.

`run` does what is due by the broker's clock and says when to come back; whoever has the event loop calls it
(`LogManager.startup`).
"""

from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.log_cleaner import LogCleaner


class Housekeeping:
    """The periodic tasks of one broker. Times are in milliseconds since 1970."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        config = broker.config
        self._retention_interval_ms = config.number("log.retention.check.interval.ms")
        self._retention_due_ms = broker.now_ms() + config.number("log.initial.task.delay.ms")
        # Kafka takes 0 and less for these, but nobody could do anything else then.
        self._committed_interval_ms = max(1, config.number("replica.high.watermark.checkpoint.interval.ms"))
        self._committed_due_ms = broker.now_ms() + self._committed_interval_ms
        self._checkpoint_interval_ms = max(1, config.number("log.flush.offset.checkpoint.interval.ms"))
        self._checkpoint_due_ms = broker.now_ms() + self._checkpoint_interval_ms
        self._expiry_interval_ms = config.number("producer.id.expiration.check.interval.ms")
        self._expiry_due_ms = broker.now_ms() + self._expiry_interval_ms
        self._cleaner = LogCleaner(broker) if config.flag("log.cleaner.enable") else None
        self._cleaner_pause_ms = max(1, config.number("log.cleaner.backoff.ms"))
        self._cleaner_due_ms = broker.now_ms()

    def run(self) -> int:
        """Do what is due, compaction one step at a time; answers the milliseconds until there is more to do."""
        broker = self._broker
        now_ms = broker.now_ms()
        if now_ms >= self._retention_due_ms:
            self._retention_due_ms = now_ms + self._retention_interval_ms
            self._delete_old_segments(compacted=False, now_ms=now_ms)
        self._checkpoint(now_ms)
        broker.directories.flush_overdue(now_ms)
        if now_ms >= self._expiry_due_ms:
            self._expiry_due_ms = now_ms + self._expiry_interval_ms
            self._expire_producers(now_ms)
        due = [self._retention_due_ms, self._expiry_due_ms, self._committed_due_ms, self._checkpoint_due_ms]
        if self._cleaner is not None:
            if now_ms >= self._cleaner_due_ms:
                self._compact(self._cleaner, now_ms)
            due.append(self._cleaner_due_ms)
        broker.deletions.run(now_ms)
        if broker.deletions.next_due_ms is not None:
            due.append(broker.deletions.next_due_ms)
        return max(0, min(due) - now_ms)

    def _expire_producers(self, now_ms: int) -> None:
        """Have each log forget producers that have not appended for long (`UnifiedLog.removeExpiredProducers`)."""
        age_ms_max = self._broker.config.number("producer.id.expiration.ms")
        for partition in self._broker.partitions.values():
            if partition.log.failure is None:
                partition.log.producers.expire(now_ms, age_ms_max)

    def _checkpoint(self, now_ms: int) -> None:
        """Have the checkpoints written that are due (`ReplicaManager.startHighWatermarkCheckPointThread`)."""
        everything = now_ms >= self._checkpoint_due_ms
        if everything:
            self._checkpoint_due_ms = now_ms + self._checkpoint_interval_ms
        if everything or now_ms >= self._committed_due_ms:
            self._committed_due_ms = now_ms + self._committed_interval_ms
            self._broker.directories.checkpoint_later(high_watermarks_only=not everything)

    def can_go_on(self) -> bool:
        """Tell those who wait for a disk that failed; answers whether the broker can do without it."""
        return self._broker.look_at_failures()

    def close(self) -> None:
        """End what has begun, before the broker is closed."""
        if self._cleaner is not None:
            self._cleaner.close()

    def _compact(self, cleaner: LogCleaner, now_ms: int) -> None:
        """Do one step of compaction, and apply the retention of compacted topics whenever no pass is under way.

        That is after each pass, as in Kafka: there may always be another log that is to be compacted.
        """
        if not cleaner.step(now_ms):
            self._cleaner_due_ms = now_ms + self._cleaner_pause_ms
        if cleaner.partition is None:
            self._delete_old_segments(compacted=True, now_ms=now_ms)

    def _delete_old_segments(self, *, compacted: bool, now_ms: int) -> None:
        """Apply the retention of compacted topics, or of the others (`LogCleaner.cleanFilthiestLog`, `cleanupLogs`).

        A compacted log that the cleaner has given up keeps all it has, as in Kafka (`LogCleanerManager.deletableLogs`).
        A disk that fails takes its logs offline, and does not keep the others from it.
        """
        for partition in tuple(self._broker.partitions.values()):
            is_usable = partition.log.failure is None and not self._is_left_alone(partition)
            if is_usable and partition.config.cleanup_compact is compacted:
                for segment in partition.delete_old_segments(now_ms):
                    self._broker.deletions.add_segment(segment, now_ms + partition.config.file_delete_delay_ms)

    def _is_left_alone(self, partition: Partition) -> bool:
        """Whether a log is being compacted, or should be and can't."""
        if self._cleaner is None:
            return False
        has_given_up = partition.config.cleanup_compact and self._cleaner.has_given_up(partition)
        return self._cleaner.partition is partition or has_given_up
