"""The bundled broker's storage process: a log of `impl.storage`, driven by commands (`conformance.targets.storage`).

Run as a program, with `impl` on its path; the suite itself never imports it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from impl.storage.batch import parse_header
from impl.storage.cleaner import CompactionConfig, clean, cleanable
from impl.storage.deletion import Deletions
from impl.storage.filesystem import RealFileSystem
from impl.storage.flushing import overdue_flush
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.retention import RetentionLimits, delete_old_segments
from impl.storage.segment import Segment

KEYS_MAX = 10_000


def leave(_segment: Segment) -> None:
    """The files of a segment that was given up stay where they are."""


def flush_full_segments(log: Log) -> None:
    """Flush all but the active segment: the broker does so soon after it has begun a new one."""
    log.flush_job(log.active.base_offset)()


class Driver:
    """One log, and up to where it was compacted."""

    def __init__(self) -> None:
        self.files = RealFileSystem()
        self.deletions = Deletions(self.files)
        self.delete_delay_ms = 0
        self.now_ms = 0
        self.clean_to: int | None = None
        self.log: Log | None = None

    def take(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a command says, and answer."""
        self.now_ms = command.get("now_ms", self.now_ms)
        if command["do"] == "open":
            self.open(command)
        log = self.log
        assert log is not None
        if command["do"] == "read":
            return {"batch": base64.b64encode(read(log, command["offset"])).decode()}
        if command["do"] == "append":
            append(log, command)
        elif command["do"] == "raise_start":
            log.raise_start(command["offset"])
        elif command["do"] in ("flush", "close"):
            getattr(log, command["do"])()
        elif command["do"] in ("flush_overdue", "retain", "remove", "clean"):
            getattr(self, command["do"])(log, command)
        return {
            "log_start": log.log_start_offset,
            "log_end": log.log_end_offset,
            "recovery_point": log.recovery_point,
        }

    def open(self, command: Mapping[str, Any]) -> None:
        """Open the log that is in a directory, or begin one."""
        named = command["limits"]
        limits = SegmentLimits(
            bytes_max=named["segment_bytes"],
            age_ms_max=named["segment_ms"],
            index_bytes_max=named["segment_index_bytes"],
            index_interval_bytes=named["index_interval_bytes"],
            jitter_ms_max=named["segment_jitter_ms"],
        )
        start = LogStart(
            log_start_offset=command["log_start"],
            was_clean=command["was_clean"],
            recovery_point=command["recovery_point"],
            may_have_gaps=command["may_have_gaps"],
        )
        log = Log(self.files, Path(command["directory"]), limits, command["now_ms"], start)
        log.flush_messages_max = command["flush_messages"]
        log.flush_ms_max = command["flush_ms"]
        log.clock = lambda: self.now_ms
        log.on_roll = partial(flush_full_segments, log)
        self.log = log
        self.delete_delay_ms = command["delete_delay_ms"]

    def flush_overdue(self, log: Log, command: Mapping[str, Any]) -> None:
        """Flush the log, if its last flush was long ago."""
        job = overdue_flush(log, command["now_ms"])
        if job is not None:
            job()

    def retain(self, log: Log, command: Mapping[str, Any]) -> None:
        """Delete what need not be kept."""
        limits = RetentionLimits(command["retention_bytes"], command["retention_ms"], command["deletes"])
        for gone in delete_old_segments(log, limits, command["high_watermark"], command["now_ms"]):
            self.deletions.add_segment(gone, command["now_ms"] + self.delete_delay_ms)

    def remove(self, _log: Log, command: Mapping[str, Any]) -> None:
        """Remove the files of deleted segments whose wait is over."""
        self.deletions.run(command["now_ms"])

    def clean(self, log: Log, command: Mapping[str, Any]) -> None:
        """Compact the log, if it is worth it."""
        config = CompactionConfig(
            dirty_ratio_min=command["min_cleanable_dirty_ratio"],
            lag_ms_min=command["min_compaction_lag_ms"],
            lag_ms_max=command["max_compaction_lag_ms"],
            delete_retention_ms=command["delete_retention_ms"],
        )
        part = cleanable(log, self.clean_to, config, command["stable_offset"], command["now_ms"])
        if not part.is_due(config):
            return
        work = clean(log, part, config, KEYS_MAX, command["now_ms"], leave)
        while True:
            try:
                next(work)
            except StopIteration as done:
                self.clean_to = done.value
                return


def append(log: Log, command: Mapping[str, Any]) -> None:
    """Append a batch, to a new segment if need be."""
    batch = base64.b64decode(command["batch"])
    log.roll_for(len(batch), command["max_timestamp"], command["last_offset"], command["now_ms"])
    log.append(batch, parse_header(batch), command["max_timestamp"])


def read(log: Log, offset: int) -> bytes:
    """The batch that holds an offset, or the next; nothing at the log's end."""
    found = log.read(offset, 1, log.log_end_offset, at_least_one=True)
    return b"" if found is None else found.file.read_at(found.position, found.size)


def main() -> None:
    """Read commands, a line each, until there are no more."""
    driver = Driver()
    for line in sys.stdin:
        try:
            answer = driver.take(json.loads(line))
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
