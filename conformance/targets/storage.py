"""The in-process tier for storage: an implementation's log, driven by itself in a process that we start and may kill.

A target that has one says how its storage process is started (`Target.storage_process`). The process reads commands
from its standard input and answers on its standard output, each a JSON object on one line:

    {"do": "open", "directory": PATH, "limits": {...}, "flush_messages": N, "log_start": N, "recovery_point": N,
     "was_clean": BOOL, "may_have_gaps": BOOL, "now_ms": N}
    {"do": "append", "batch": BASE64, "max_timestamp": N, "last_offset": N, "now_ms": N}     offsets are in the batch
    {"do": "flush"}    {"do": "raise_start", "offset": N}    {"do": "close"}                 a clean stop
    {"do": "retain", "retention_ms": N, "retention_bytes": N, "deletes": BOOL, "high_watermark": N, "now_ms": N}
    {"do": "clean", "min_cleanable_dirty_ratio": X, "min_compaction_lag_ms": N, "delete_retention_ms": N,
     "stable_offset": N, "now_ms": N}
    {"do": "read", "offset": N}                                             answers {"batch": BASE64}: the one that
                                                                            holds the offset, or the next; "": none

Every other answer is {"log_start": N, "log_end": N, "recovery_point": N}, or {"error": TEXT}. Limits are named
`segment_bytes`, `segment_ms`, `segment_index_bytes` and `index_interval_bytes`. Files are Kafka's, by name and format:
the suite looks at them, and damages them, by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.targets.process_target import Launch

ENDING_S = 10.0


class StorageFailedError(Exception):
    """The storage process ended, or could not do what it was asked for."""


class StorageProcess:
    """A running storage process."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        """Start it. `folder` is where its error output goes."""
        self._errors = folder / "storage.log"
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603  the target says what is run
                list(launch.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env={**os.environ, **launch.environment},
                text=True,
            )

    def ask(self, do: str, **arguments: Any) -> Mapping[str, Any]:
        """Give a command and await the answer.

        Raises:
            StorageFailedError: the process ended, or can't do it; the message ends with its last output.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: Mapping[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            tail = self._errors.read_text(encoding="utf-8", errors="replace")[-500:]
            raise StorageFailedError(f"the storage process failed to {do}: {answer['error']}\n{tail}")
        return answer

    def kill(self) -> None:
        """End it at once, with nothing written that is not yet."""
        self._process.kill()
        self._process.wait(ENDING_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
