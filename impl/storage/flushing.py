"""When a log is flushed because its last flush was long ago."""

from collections.abc import Callable

from impl.storage.log import NO_LIMIT, Log


class FlushTimer:
    """When a log was flushed for its age, or opened, and how long ago that may be: `flush.ms`.

    In Kafka other flushes count as well; here the log is flushed sooner after one than it need be.
    """

    def __init__(self, now_ms: int, flush_ms_max: int = NO_LIMIT) -> None:
        self.flush_ms_max = flush_ms_max
        self._flushed_ms = now_ms

    def job(self, log: Log, now_ms: int) -> Callable[[], None] | None:
        """What flushes the log, if it is overdue (`LogManager.flushDirtyLogs`); an idle one has nothing to flush."""
        if log.recovery_point == log.log_end_offset or now_ms - self._flushed_ms < self.flush_ms_max:
            return None
        self._flushed_ms = now_ms
        return log.flush_job(log.log_end_offset)
