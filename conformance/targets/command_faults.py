"""Faults of brokers that run already, by a command of the user's: `--fault-command 'CMD {action} {broker}'`.

The command is split as a shell would split it, `{action}` and `{broker}` (the node id) are put into each argument,
and it is run without a shell. It returns when the thing has been done; exit code 0 means that it was. After a
start, a restart or a resume we also wait until the broker answers.

What the command starts is not ours: it is never ended by us, unless the command itself takes too long.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable

from conformance.targets import probe
from conformance.targets.base import Faults, TargetError

COMMAND_CEILING_S = 120.0
ANSWER_CEILING_S = 120.0
_ANSWERS_AFTER = frozenset({"start", "restart", "resume"})


class CommandFaults(Faults):
    """Runs the user's command. It is taken to know every action; what it doesn't know it refuses by its exit code."""

    actions = frozenset({"stop", "start", "kill", "restart", "pause", "resume"})

    def __init__(
        self,
        template: str,
        answers: Callable[[int], bool],
        *,
        command_ceiling_s: float = COMMAND_CEILING_S,
        answer_ceiling_s: float = ANSWER_CEILING_S,
    ) -> None:
        """`answers` asks a broker once, by its node id, whether it is there.

        Raises:
            TargetError: the template can't be split, lacks `{action}`, or names a program that is not there.
        """
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise TargetError(f"--fault-command {template!r} can't be split into words: {error}") from error
        if not any("{action}" in word for word in self._words[1:]):
            raise TargetError(
                f"--fault-command {template!r} doesn't say where the action goes:"
                " write it as 'CMD {action} {broker}'"
            )
        program = self._words[0]
        if "{" not in program and shutil.which(program) is None:
            raise TargetError(f"--fault-command: there is no program {program} that can be run")
        self._answers = answers
        self._command_ceiling_s = command_ceiling_s
        self._answer_ceiling_s = answer_ceiling_s

    def do(self, action: str, broker: int) -> None:
        """Run the command, then wait for the broker if it should be there now.

        Raises:
            TargetError: it failed, or left no broker that answers, or `action` is not one of `actions`.
        """
        if action not in self.actions:
            raise TargetError(f"no action {action!r}; there are {', '.join(sorted(self.actions))}")
        self._run(self.command(action, broker))
        if action in _ANSWERS_AFTER:
            try:
                probe.wait_until(
                    lambda: self._answers(broker), f"broker {broker} after {action}", self._answer_ceiling_s
                )
            except TargetError as error:
                raise TargetError(f"{error}; --fault-command must leave it running") from error

    def command(self, action: str, broker: int) -> list[str]:
        """The words of the command for this action. Only our two names are replaced; other braces stay."""
        return [word.replace("{action}", action).replace("{broker}", str(broker)) for word in self._words]

    def _run(self, command: list[str]) -> None:
        shown = shlex.join(command)
        # Output goes to a file: a broker that the command leaves running could hold a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(  # noqa: S603  the user's own command
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise TargetError(f"--fault-command can't be run: {shown}: {error}") from error
            try:
                code = process.wait(self._command_ceiling_s)
            except subprocess.TimeoutExpired:
                raise TargetError(
                    f"--fault-command did not return within {self._command_ceiling_s:g} s and was killed: {shown}"
                ) from None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if code != 0:
                output.seek(0)
                said = output.read().decode(errors="replace").strip() or "nothing on standard error"
                raise TargetError(f"--fault-command failed with exit code {code}: {shown}\n{said}")
