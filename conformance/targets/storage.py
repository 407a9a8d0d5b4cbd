"""The in-process tier for storage: an implementation's log, driven by itself in a process that we start and may kill.

A target that has one says how its storage process is started (`Target.storage_process`). The process reads commands
from its standard input and answers on its standard output, each a JSON object on one line; which there are, with their
fields and answers, is said in `docs/implementers.md`, and a test holds that page to what is asked. A process that ends,
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


class StorageRefusedError(StorageFailedError):
    """The storage process answered as it should, that it could not do what it was asked for."""


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
            raise type(error)(f"the storage process failed to {do}: {error}\n{self._child.tail()}") from None

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
        raise StorageRefusedError(str(answer["error"]))
    if do == "read":
        if not isinstance(answer.get("batch"), str):
            raise StorageFailedError(f"its answer has no text 'batch': {line[:100]!r}")
        return answer
    for name in OFFSETS:
        value = answer.get(name)
        if type(value) is not int or value < 0:
            raise StorageFailedError(f"its answer has no offset {name!r}: {line[:100]!r}")
    return answer
