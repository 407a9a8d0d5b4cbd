"""What a broker does unasked, each at its time: retention, and the second step of deletions.

`run` does what is due by the broker's clock and says when to come back; whoever has the event loop calls it
(`LogManager.startup`).
"""

import logging

from impl.server.broker import Broker

logger = logging.getLogger(__name__)


class Housekeeping:
    """The periodic tasks of one broker. Times are in milliseconds since 1970."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        config = broker.config
        self._retention_interval_ms = config.number("log.retention.check.interval.ms")
        self._retention_due_ms = broker.now_ms() + config.number("log.initial.task.delay.ms")

    def run(self) -> int:
        """Do what is due; answers the milliseconds until there is something to do again."""
        now_ms = self._broker.now_ms()
        if now_ms >= self._retention_due_ms:
            self._retention_due_ms = now_ms + self._retention_interval_ms
            self._delete_old_segments(now_ms)
        self._broker.deletions.run(now_ms)
        due_ms = self._broker.deletions.next_due_ms
        next_ms = self._retention_due_ms if due_ms is None else min(self._retention_due_ms, due_ms)
        return max(0, next_ms - now_ms)

    def _delete_old_segments(self, now_ms: int) -> None:
        """Apply the retention of all topics; a log that can't be changed does not keep the others from it."""
        for partition in tuple(self._broker.partitions.values()):
            try:
                gone = partition.delete_old_segments(now_ms)
            except OSError:
                logger.exception("retention of %s failed", partition.name)
                continue
            for segment in gone:
                self._broker.deletions.add_segment(segment, now_ms + partition.config.file_delete_delay_ms)
