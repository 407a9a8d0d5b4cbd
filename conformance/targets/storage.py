"""The in-process tier for storage: an implementation's log, driven by itself in a process that we start and may kill.

A target that has one says how its storage process is started (`Target.storage_process`). The process reads commands
from its standard input and answers on its standard output, each a JSON object on one line:

    {"do": "open", "directory": PATH, "limits": {...}, "flush_messages": N, "flush_ms": N, "delete_delay_ms": N,
     "log_start": N, "recovery_point": N, "was_clean": BOOL, "may_have_gaps": BOOL, "now_ms": N}
    {"do": "append", "batch": BASE64, "max_timestamp": N, "last_offset": N, "now_ms": N}     offsets are in the batch
    {"do": "flush"}    {"do": "raise_start", "offset": N}    {"do": "close"}                 a clean stop
    {"do": "retain", "retention_ms": N, "retention_bytes": N, "deletes": BOOL, "high_watermark": N, "now_ms": N}
    {"do": "clean", "min_cleanable_dirty_ratio": X, "min_compaction_lag_ms": N, "max_compaction_lag_ms": N,
     "delete_retention_ms": N, "stable_offset": N, "now_ms": N}
    {"do": "flush_overdue", "now_ms": N}                                    if its last flush is `flush_ms` ago, or
                                                                            longer, by then
    {"do": "remove", "now_ms": N}                                           files that were renamed `delete_delay_ms`
                                                                            ago, or longer, by then
    {"do": "read", "offset": N}                                             answers {"batch": BASE64}: the one that
                                                                            holds the offset, or the next; "": none

Every other answer is {"log_start": N, "log_end": N, "recovery_point": N}, or {"error": TEXT}. Limits are named
`segment_bytes`, `segment_ms`, `segment_jitter_ms`, `segment_index_bytes` and `index_interval_bytes`. Files are Kafka's,
by name and format: the suite looks at them, and damages them, by itself. `recovery_point`, `was_clean` and `log_start`
are what checkpoints and the marker of a clean stop would say; `may_have_gaps` says that the topic is compacted, for an
implementation that takes missing offsets between segments for what a loss of power has left. A process that ends,
answers anything else, or does not answer within a minute is killed, and the step has failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.targets.base import TargetError
from conformance.targets.process_target import Launch
from conformance.targets.processes import Child

ANSWER_CEILING_S = 60.0
"""How long a command may take, the first one with the start of the process."""
OFFSETS = ("log_start", "log_end", "recovery_point")
"""What every answer but that to `read` says of the log."""


class StorageFailedError(Exception):
    """The storage process ended, gave no answer that can be used, or could not do what it was asked for."""


class StorageProcess:
    """A storage process, which can be killed and started again."""

    def __init__(self, launch: Launch, folder: Path, answer_ceiling_s: float = ANSWER_CEILING_S) -> None:
        """`folder` is where it runs, and where its error output goes."""
        self._answer_ceiling_s = answer_ceiling_s
        self._child = Child(
            "the storage process",
            launch.command,
            folder=folder,
            log=folder / "storage.log",
            environment=launch.environment,
            talks=True,
        )

    def start(self) -> None:
        """Start it, unless it runs.

        Raises:
            StorageFailedError: its command can't be run.
        """
        try:
            self._child.start()
        except TargetError as error:
            raise StorageFailedError(str(error)) from error

    def ask(self, do: str, **arguments: Any) -> Mapping[str, Any]:
        """Give a command and await the answer; one that gives none in time is killed.

        Raises:
            StorageFailedError: the process ended, gave no answer that can be used, or can't do it; the message ends
                with its last output.
        """
        try:
            return _checked(do, self._answer(json.dumps({"do": do, **arguments}).encode() + b"\n"))
        except StorageFailedError as error:
            raise StorageFailedError(f"the storage process failed to {do}: {error}\n{self._child.tail()}") from None

    def _answer(self, command: bytes) -> bytes:
        """The line that it answers."""
        if not self._child.alive:
            raise StorageFailedError("it ended")
        commands, answers = self._child.pipes
        with self._child.killed_after(self._answer_ceiling_s) as was_killed:
            try:
                commands.write(command)
                commands.flush()
                line = answers.readline()
            except BrokenPipeError:
                line = b""
        if was_killed.is_set():
            raise StorageFailedError(f"no answer within {self._answer_ceiling_s:g} s")
        if not line:
            raise StorageFailedError("it ended")
        return line

    def kill(self) -> None:
        """End it at once, with nothing written that is not yet."""
        self._child.kill()


def _checked(do: str, line: bytes) -> Mapping[str, Any]:
    """An answer, if it is as it should be.

    Raises:
        StorageFailedError: it isn't, or it says that the command failed.
    """
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise StorageFailedError(f"its answer is no JSON object: {line[:100]!r}")
    if "error" in answer:
        raise StorageFailedError(str(answer["error"]))
    if do == "read":
        if not isinstance(answer.get("batch"), str):
            raise StorageFailedError(f"its answer has no text 'batch': {line[:100]!r}")
        return answer
    for name in OFFSETS:
        value = answer.get(name)
        if type(value) is not int or value < 0:
            raise StorageFailedError(f"its answer has no offset {name!r}: {line[:100]!r}")
    return answer
