"""When a log is flushed because its last flush was long ago."""

from collections.abc import Callable

from impl.storage.log import Log


def overdue_flush(log: Log, now_ms: int) -> Callable[[], None] | None:
    """What flushes a log whose last flush, whatever it was for, was `flush.ms` ago (`LogManager.flushDirtyLogs`).

    None if that is not so; an idle log has nothing to flush.
    """
    if log.recovery_point == log.log_end_offset or now_ms - log.flushed_ms < log.flush_ms_max:
        return None
    log.flushed_ms = now_ms  # set before the flush runs, so that it is scheduled only once
    return log.flush_job(log.log_end_offset)
