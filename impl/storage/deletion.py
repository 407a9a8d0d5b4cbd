"""The second step of a deletion: files and directories that are renamed already are removed after a while.

A deletion renames first, so that nothing finds the files by their names again, and removes them after
`file.delete.delay.ms`, so that whoever reads them can finish (`LocalLog.deleteSegmentFiles`, `LogManager.deleteLogs`).
What a stop leaves over is removed at the next start.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.segment import Segment

logger = logging.getLogger(__name__)


class Deletions:
    """What is waiting to be removed, and when it is due (milliseconds since 1970)."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._waiting: list[tuple[int, Path, Callable[[], None]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_due_ms(self) -> int | None:
        """When there will be something to do; None when nothing waits."""
        return min((due_ms for due_ms, _, _ in self._waiting), default=None)

    def add_segment(self, segment: Segment, due_ms: int) -> None:
        """Remove a segment, whose files are renamed, when it is due."""
        self._waiting.append((due_ms, segment.path(".log"), segment.remove))

    def add_log(self, log: Log, due_ms: int) -> None:
        """Remove the directory of a log, which is renamed, when it is due."""

        def remove() -> None:
            log.abandon()
            self._files.remove_tree(log.directory)

        self._waiting.append((due_ms, log.directory, remove))

    def run(self, now_ms: int) -> None:
        """Remove what is due. What can't be removed is logged and left to the next start."""
        due = [each for each in self._waiting if each[0] <= now_ms]
        self._waiting = [each for each in self._waiting if each[0] > now_ms]
        for _, path, remove in due:
            try:
                remove()
            except OSError:
                logger.exception("removing %s failed; the next start tries again", path)
