"""Ends the suite's children when the suite itself is gone, even if it was killed with SIGKILL.

One guard process per suite process holds the other end of a pipe. The suite tells it each process group that it
starts ("+1234") and each that has ended ("-1234"); when the pipe closes, for whatever reason, the guard kills the
groups that are left and exits.

Why not PR_SET_PDEATHSIG: it exists on Linux only, fires when the *thread* that started the child ends, needs a
`preexec_fn` (unsafe beside threads), and doesn't reach grandchildren.

Not covered: the instant between a child's start and the word to the guard; and files, which stay where they are.

Run as a script this file is the guard itself, so it imports nothing but the standard library.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from typing import IO


class _Guard:
    """The suite's end of the pipe."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        # A session of its own: Ctrl-C in the terminal reaches the suite, not the guard.
        self.process = subprocess.Popen(  # noqa: S603  this very file
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class _Keeper:
    """Has the guard of this process, once there is something to guard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guard: _Guard | None = None

    def tell(self, word: str) -> None:
        with self._lock:
            # A forked copy of the suite inherits the object but must not speak for its parent's children.
            if self._guard is None or self._guard.owner != os.getpid():
                self._guard = _Guard()
                atexit.register(self._close, self._guard)
            self._guard.tell(word)

    @staticmethod
    def _close(guard: _Guard) -> None:
        if guard.owner == os.getpid():
            guard.close()


_keeper = _Keeper()


def watch(group: int) -> None:
    """From now on, kill this process group when the suite is gone."""
    _keeper.tell(f"+{group}")


def forget(group: int) -> None:
    """This process group has ended: its number may come to mean something else."""
    _keeper.tell(f"-{group}")


def serve(words: IO[bytes]) -> None:
    """Be the guard: follow the suite's words until it is gone, then kill the groups that are left."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    groups: set[int] = set()
    for word in words:
        group = int(word[1:])
        if word.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended by itself in the meantime


if __name__ == "__main__":
    serve(sys.stdin.buffer)
