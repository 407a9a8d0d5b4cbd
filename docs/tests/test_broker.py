"""The page of the bundled broker: what is to be typed there works, and says what stands below it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "broker.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
BYTES_LEFT = b"half a batch"
TIME = re.compile(r"^\d{4}-\S+ \S+|in \d+ms$", re.MULTILINE)
CEILING_S = 60.0


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def serving(data: Path, port: int, log: Path) -> Iterator[subprocess.Popen[str]]:
    """The broker of the page's first command, on another port and directory; `log` gets what it says."""
    options = ["--data", str(data), "--port", str(port), "--log-level", "info"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "conformance.cli", "serve", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as broker,
    ):
        try:
            assert broker.stdout is not None
            assert broker.stdout.readline() == f"listening on 127.0.0.1:{port}\n"
            yield broker
        finally:
            broker.kill()


def hello(port: int) -> list[str]:
    """What the page's program prints."""
    program = PROGRAM.replace("9092", str(port))
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=CEILING_S, check=True).stdout.splitlines()


def as_told(text: str, data: Path, port: int) -> str:
    """Lines as on the page: its directory, its port, and no time."""
    return TIME.sub("", text.replace(str(data), "/tmp/tide").replace(str(port), "9092")).strip()


def refused(data: Path, port: int) -> str:
    command = [sys.executable, "-m", "conformance.cli", "serve", "--data", str(data), "--port", str(port)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CEILING_S, check=False)
    assert done.returncode == 1
    return done.stderr


def test_what_is_to_be_typed_says_what_the_page_says(tmp_path: Path, port: int) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    page = TIME.sub("", PAGE)
    with serving(data, port, log) as broker:
        printed = hello(port)
        broker.send_signal(signal.SIGINT)
        assert broker.wait(CEILING_S) == 0
    assert printed == [f"{number} record {number}" for number in range(10)]
    assert {printed[0], printed[1], printed[-1]} <= set(PAGE.splitlines())
    assert as_told(log.read_text().splitlines()[0], data, port) in page
    with serving(data, port, log) as broker:
        broker.kill()
        assert 128 - broker.wait(CEILING_S) == 128 + signal.SIGKILL
    assert "Loaded 3 logs" in log.read_text()
    with (data / "hello-0" / "00000000000000000000.log").open("ab") as written:
        written.write(BYTES_LEFT)
    assert f"'{BYTES_LEFT.decode()}' >> " in PAGE
    with serving(data, port, log):
        assert as_told(log.read_text(), data, port) in page
        assert as_told(refused(tmp_path / "other", port), data, port) in PAGE
        assert as_told(refused(data, 0), data, port) in PAGE
        assert len(hello(port)) == 20
