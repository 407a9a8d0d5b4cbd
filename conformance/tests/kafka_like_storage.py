"""A storage process whose log does less than the bundled one's, as Kafka's does: no case may ask for more.

All cases that need a storage process are run on it (`conformance/targets/tests/test_storage.py`).
Run as a program. What is undone is named with its source in Kafka 3.9.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.targets import storage_bundled
from impl.storage.filesystem import FileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.segment import Segment

open_log, append = Log.__init__, storage_bundled.append


def has_indexes(segment: Segment) -> bool:
    """Whether index files of a segment that is not recovered are believed: if they are there (LogSegment.sanityCheck).

    The bundled log has made those that were missing before it asks; they are empty.
    """
    return not segment.size or segment._offsets.count > 0 or segment._times.count > 0


def opened(
    log: Log, files: FileSystem, directory: Path, limits: SegmentLimits, now_ms: int, start: LogStart | None = None
) -> None:
    """Open a log.

    What was appended since the last index entry is not known again (LogSegment.bytesSinceLastIndexEntry), and the
    recovery point does not fall to where a recovery begins (LogLoader.recoverLog).
    """
    start = LogStart() if start is None else start
    open_log(log, files, directory, limits, now_ms, start)
    log.active.bytes_since_index_entry = 0
    if not start.was_clean:
        log.recovery_point = min(start.recovery_point, log.log_end_offset)


def appended(log: Log, command: Mapping[str, Any]) -> None:
    """Append a batch, unless it is larger than a segment may be (UnifiedLog.append)."""
    size = len(base64.b64decode(command["batch"]))
    if size > log.limits.bytes_max:
        raise ValueError(f"RecordBatchTooLargeException: {size} bytes")
    append(log, command)


if __name__ == "__main__":
    Segment.indexes_fit = has_indexes  # type: ignore[assignment, method-assign]
    Log.__init__ = opened  # type: ignore[assignment, method-assign]
    storage_bundled.append = appended
    storage_bundled.main()
