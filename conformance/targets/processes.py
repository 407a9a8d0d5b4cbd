"""Child processes: started in a process group of their own, never left behind.

A child's output goes to a file, whose end goes into the message when something fails. The whole group gets every
signal, so that a broker's helpers share its fate. `guard.py` ends the groups when the suite is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from conformance.targets import guard
from conformance.targets.base import TargetError

_TAIL_LINES = 25
_TAIL_BYTES = 16_384
_KILL_CEILING_S = 10.0


class Child:
    """One command that can be started, stopped, killed, paused and resumed, and started again."""

    def __init__(
        self,
        what: str,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        talks: bool = False,
    ) -> None:
        """`environment` is added to ours. With `talks`, standard input and output are pipes for the caller."""
        self.what = what
        self.log = log
        self.paused = False
        self._command = list(command)
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._talks = talks
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_code = 0

    @property
    def alive(self) -> bool:
        """Whether it runs (a paused one does)."""
        if self._process is None:
            return False
        if self._process.poll() is None:
            return True
        self._buried()
        return False

    @property
    def pid(self) -> int | None:
        """Its process id, which is its group's too, while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Its standard input and output, of one that talks and has been started."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def start(self) -> None:
        """Start it, unless it runs; returns at once.

        Raises:
            TargetError: the command can't be run.
        """
        if self.alive:
            return
        pipe_or = subprocess.PIPE if self._talks else None
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603  our targets' own commands
                    self._command,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=pipe_or or subprocess.DEVNULL,
                    stdout=pipe_or or output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            raise TargetError(f"{self.what}: can't run {self._command[0]}: {error}") from error
        self.paused = False
        try:
            guard.watch(self._process.pid)
        except BaseException:
            self.kill()
            raise

    def wait(self, ceiling_s: float) -> int:
        """Wait until it ends and return its exit code, or the last one if it ended already.

        Raises:
            TargetError: it still runs.
        """
        if self._process is not None:
            try:
                self._process.wait(ceiling_s)
            except subprocess.TimeoutExpired:
                raise TargetError(f"{self.what} did not end within {ceiling_s:g} s") from None
            self._buried()
        return self._exit_code

    def stop(self, ceiling_s: float) -> bool:
        """Ask it to end (SIGTERM), then kill it. Returns whether it ended when it was asked."""
        if not self.alive:
            return True
        self._signal(signal.SIGTERM)
        self.resume()  # a stopped process would only see SIGTERM when it continues
        try:
            self.wait(ceiling_s)
        except TargetError:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """End it at once (SIGKILL) and wait until it is gone.

        Raises:
            TargetError: the system did not let it go.
        """
        if self.alive:
            self._signal(signal.SIGKILL)
            self.wait(_KILL_CEILING_S)

    @contextlib.contextmanager
    def killed_after(self, ceiling_s: float) -> Iterator[threading.Event]:
        """Kill it if what is done meanwhile takes longer: pipes that nobody serves would be waited for for ever.

        Gives an event that says whether it was killed for that. It must run.
        """
        was_killed = threading.Event()
        pid = self.pid
        assert pid is not None

        def kill() -> None:
            was_killed.set()
            with contextlib.suppress(ProcessLookupError, PermissionError):  # as in `_buried`
                os.killpg(pid, signal.SIGKILL)

        watch = threading.Timer(ceiling_s, kill)
        watch.start()
        try:
            yield was_killed
        finally:
            watch.cancel()
            watch.join()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)
        self.paused = False

    def tail(self) -> str:
        """The end of its output, for a message."""
        try:
            with self.log.open("rb") as output:
                output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = output.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-_TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(pid, number)

    def _buried(self) -> None:
        """It has ended: end what is left of its group, and let the guard forget it."""
        process, self._process = self._process, None
        self.paused = False
        if process is None:
            return
        self._exit_code = process.returncode
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was not sent is for nobody now
                    pipe.close()
        # Mostly nobody is left; macOS says PermissionError while the last one is being taken down.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        guard.forget(process.pid)


def run(child: Child, ceiling_s: float) -> None:
    """Run a command that ends by itself.

    Raises:
        TargetError: it failed or took too long; the message ends with its last output.
    """
    started = time.monotonic()
    child.start()
    try:
        code = child.wait(ceiling_s)
    finally:
        child.kill()
    if code != 0:
        took_s = time.monotonic() - started
        raise TargetError(f"{child.what} failed after {took_s:.0f} s with exit code {code}:\n{child.tail()}")
