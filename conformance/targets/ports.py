"""Ports of 127.0.0.1 for the brokers that the suite starts.

Taken from below the range that the system hands out for outgoing connections: a broker that is down must find its
port free when it comes back, and a client that polls for it must not happen to connect to itself.

A port is kept for the suite by a lock on one byte of a file that all suites of this user share, so that suites
that run side by side stay out of each other's way even while a broker is down. Other programs are only seen when
they listen at the time of the choice: whoever starts a broker tries again with another port when this one turns
out to be taken.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
import threading
from pathlib import Path

from conformance.targets.base import Address, TargetError

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 31_999
"""Linux hands out 32768 and above, macOS 49152 and above."""
_TRIES = 500


class _Held:
    """The ports that this process keeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: set[int] = set()
        self._file: int | None = None

    def take(self, port: int) -> bool:
        """Keep a port, unless it is kept already, here or by another suite."""
        with self._lock:
            # The system's record locks are per process: among our own threads the set decides.
            if port in self._ports:
                return False
            if self._file is None:
                path = Path(tempfile.gettempdir(), f"tidegauge-ports-{os.getuid()}")
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
            self._ports.add(port)
            return True

    def give_back(self, port: int) -> None:
        """Keep it no longer."""
        with self._lock:
            if port in self._ports and self._file is not None:
                self._ports.discard(port)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)


_held = _Held()


def reserve() -> Address:
    """A port on which nobody listens, kept for us until `release`.

    Raises:
        TargetError: none could be found.
    """
    for _ in range(_TRIES):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST + 1)
        if _held.take(port):
            if _nobody_listens(port):
                return Address(LOOPBACK, port)
            _held.give_back(port)
    raise TargetError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}: end what listens there")


def release(address: Address) -> None:
    """Others may have this port; harmless when it wasn't reserved."""
    _held.give_back(address.port)


def _nobody_listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
