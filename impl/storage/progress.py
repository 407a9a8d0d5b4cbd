"""Tells whoever waits for a broker how far the recovery of a log directory has come, every few seconds."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 5.0
GIB: Final = 1 << 30


class Progress:
    """Counts what all threads have done; `clock` is in seconds. Short recoveries say nothing."""

    def __init__(self, directory: Path, log_count: int, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._log_count = log_count
        self._clock = clock
        self._lock = threading.Lock()
        self._began = self._told = clock()
        self._opened = self._bytes = 0

    def scanned(self, size: int) -> None:
        """So many more bytes were checked."""
        with self._lock:
            self._bytes += size
        self._tell()

    def opened(self) -> None:
        """One more log is open."""
        with self._lock:
            self._opened += 1
        self._tell()

    def finish(self) -> None:
        """Say how long it took, in about Kafka's words (`LogManager.loadLogs`)."""
        elapsed_ms = (self._clock() - self._began) * 1000
        logger.info("Loaded %d logs of %s in %dms", self._log_count, self._directory, elapsed_ms)

    def _tell(self) -> None:
        now = self._clock()
        with self._lock:
            if now - self._told < INTERVAL_S:
                return
            self._told = now
        logger.warning(
            "recovering %s: %d of %d logs are open, %.2f GiB were checked at %.2f GiB/s",
            self._directory, self._opened, self._log_count, self._bytes / GIB, self._bytes / GIB / (now - self._began),
        )  # fmt: skip
