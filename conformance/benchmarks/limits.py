"""What the machine does by itself: what no broker can be quicker than, measured beside what brokers do.

A copy in memory, `dd`, a file that is read or sent by the operating system, and directories whose files are opened and
read. All on one core, as far as a process decides that. Not measured: memory, of which a partition needs none that the
machine prescribes.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import time
from collections.abc import Iterable
from mmap import mmap
from pathlib import Path
from threading import Thread

import numpy as np

from conformance.benchmarks.broker import DEADLINE_S, MIB

READ_BYTES = 8 * MIB
BEGINNING_BYTES = 4_096
COPIED_MOST = 256 * MIB
"""Of what a copy in memory is measured with; more than any cache of a processor holds."""


def copy_speed(size: int) -> float:
    """GB/s of a copy in memory of `size` bytes, or of as many as it takes to be sure."""
    copied = min(size, COPIED_MOST)
    source, copy = np.ones(copied, np.uint8), np.ones(copied, np.uint8)  # both have memory, unlike zeros
    began = time.perf_counter()
    np.copyto(copy, source)
    return source.size / (time.perf_counter() - began) / 1e9


def dd_speed(folder: Path, size: int, piece: int = MIB, *, is_flushed: bool = False) -> float:
    """MB/s at which `dd` writes a file of about `size` bytes in pieces, which is removed.

    Raises OSError and subprocess.SubprocessError.
    """
    file, pieces = folder / "dd", max(size // piece, 1)
    flush = ["conv=fdatasync"] if is_flushed else []
    command = ["dd", "if=/dev/zero", f"of={file}", f"bs={piece}", f"count={pieces}", *flush]
    began = time.perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)  # noqa: S603  as it is
        return pieces * piece / (time.perf_counter() - began) / 1e6
    finally:
        file.unlink(missing_ok=True)


def forget_pages(path: Path) -> bool:
    """Write a file's pages to disk and have the operating system forget them.

    Returns:
        Whether it did; where files are kept in memory (tmpfs) there is no other place from which to read them.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.preadv(descriptor, [bytearray(1)], os.fstat(descriptor).st_size // 2, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    finally:
        os.close(descriptor)
    return False


def seconds_to_read(*paths: Path) -> float:
    """How long it takes to read files, from wherever they are: no broker can be quicker on one core."""
    buffer = memoryview(mmap(-1, READ_BYTES))  # it begins with a page, and a bytearray does where copies are slow
    began = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.perf_counter() - began


def seconds_to_send(pieces: Iterable[tuple[Path, int, int]]) -> float:
    """How long it takes to send pieces of files to a socket of this machine, which is the least that a fetch is.

    Args:
        pieces: a file, where in it a piece begins, and how many bytes it has, of which there are that many.

    Raises:
        OSError: also where a file ends before its piece.
    """
    buffer = memoryview(mmap(-1, READ_BYTES))
    pieces = list(pieces)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver:
            receiver.settimeout(DEADLINE_S)
            left, sending = sum(size for _, _, size in pieces), Thread(target=_send, args=(sender, pieces))
            began = time.perf_counter()
            sending.start()
            while left:
                if not (came := receiver.recv_into(buffer)):
                    raise ConnectionError(f"{left} bytes of {[str(path) for path, _, _ in pieces]} did not come")
                left -= came
            sending.join()
    return time.perf_counter() - began


def _send(sender: socket.socket, pieces: Iterable[tuple[Path, int, int]]) -> None:
    """Send the pieces, and no more after them, so that a receiver who waits for what is not there finds out."""
    for path, start, size in pieces:
        with path.open("rb") as file:
            sender.sendfile(file, start, size)
    sender.shutdown(socket.SHUT_WR)


def seconds_to_open(directories: Iterable[Path]) -> float:
    """How long it takes to list directories, and to open all files in them and read their first bytes.

    Not the whole files: Kafka makes an index as large as it may become, which nobody reads.
    """
    began = time.perf_counter()
    for directory in directories:
        for path in directory.iterdir():
            with path.open("rb", buffering=0) as file:
                file.read(BEGINNING_BYTES)
    return time.perf_counter() - began
