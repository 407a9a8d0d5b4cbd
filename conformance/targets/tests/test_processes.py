"""Children end when they should, and never outlive the suite."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from conformance.client import NotReady, poll
from conformance.targets.base import TargetError
from conformance.targets.processes import Child, run

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True);"
SLEEP = "import time; time.sleep(60)"
WITH_GRANDCHILD = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(p.pid, flush=True);"
)


def child(folder: Path, code: str) -> Child:
    return Child("sample", [sys.executable, "-c", code], folder=folder, log=folder / "log")


def is_gone(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(holds: Callable[[], bool], ceiling_s: float = 10.0) -> bool:
    with suppress(NotReady):
        return bool(poll("it", holds, ceiling_s))
    return False


def said(sample: Child) -> str:
    assert eventually(lambda: "\n" in sample.log.read_text())
    return sample.log.read_text()


def test_stop_asks_first(tmp_path: Path) -> None:
    # It waits for the signal itself: one that came just before a sleep would be handled only after it.
    sample = child(
        tmp_path,
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15}); print('up', flush=True);"
        "signal.sigwait({15}); print('bye')",
    )
    sample.start()
    said(sample)
    pid = sample.pid
    assert pid is not None
    assert sample.stop(10)
    assert sample.log.read_text() == "up\nbye\n"
    assert is_gone(pid)
    assert not sample.alive
    assert sample.stop(10)


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    sample = child(tmp_path, STUBBORN + SLEEP)
    sample.start()
    said(sample)
    assert not sample.stop(0.3)
    assert not sample.alive


def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    sample = child(tmp_path, SLEEP)
    sample.start()
    sample.pause()
    assert sample.paused
    assert sample.stop(10)


def test_pause_freezes_and_resume_lets_go(tmp_path: Path) -> None:
    sample = child(tmp_path, SLEEP)
    sample.start()
    assert sample.pid is not None
    process = psutil.Process(sample.pid)
    sample.pause()
    assert eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    sample.resume()
    assert eventually(lambda: process.status() != psutil.STATUS_STOPPED)
    sample.kill()


@pytest.mark.parametrize("end", ["stop", "kill", "by itself"])
def test_grandchildren_go_too(tmp_path: Path, end: str) -> None:
    sample = child(tmp_path, WITH_GRANDCHILD + ("" if end == "by itself" else SLEEP))
    sample.start()
    grandchild = int(said(sample))
    if end == "stop":
        sample.stop(10)
    elif end == "kill":
        sample.kill()
    else:
        sample.wait(10)
    assert eventually(lambda: is_gone(grandchild))


def test_a_child_starts_again_and_its_output_goes_on(tmp_path: Path) -> None:
    sample = child(tmp_path, "print('once')")
    run(sample, 10)
    run(sample, 10)
    assert sample.log.read_text() == "once\nonce\n"


def test_a_command_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"exit code 4:\nlast words"):
        run(child(tmp_path, "print('last words', flush=True); import os; os._exit(4)"), 10)


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    sample = child(tmp_path, SLEEP)
    with pytest.raises(TargetError, match="did not end within"):
        run(sample, 0.3)
    assert not sample.alive


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="can't run"):
        Child("none", ["/no/such/thing"], folder=tmp_path, log=tmp_path / "log").start()


@pytest.mark.parametrize("state", ["running", "paused", "stubborn"])
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_does_not_outlive_the_suite(tmp_path: Path, state: str, death: signal.Signals) -> None:
    code = (STUBBORN if state == "stubborn" else "") + WITH_GRANDCHILD + SLEEP
    suite = f"""
import sys, threading, time
from pathlib import Path
from conformance.client import poll
from conformance.targets.processes import Child
folder = Path({str(tmp_path)!r})
sample = Child("sample", [sys.executable, "-c", {code!r}], folder=folder, log=folder / "log")
starter = threading.Thread(target=sample.start)  # a thread that ends is not the suite's end
starter.start()
starter.join()
poll("its words", lambda: (folder / "log").read_text().count("\\n") >= {2 if state == "stubborn" else 1})
if {state == "paused"}:
    sample.pause()
print(sample.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", suite], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        grandchild = int((tmp_path / "log").read_text().split()[-1])
        assert not is_gone(pid)
        assert not is_gone(grandchild)
        parent.send_signal(death)
    assert eventually(lambda: is_gone(pid))
    assert eventually(lambda: is_gone(grandchild))


def test_the_guard_leaves_with_the_suite(tmp_path: Path) -> None:
    suite = """
import os, sys, psutil
from pathlib import Path
from conformance.targets.processes import Child, run
run(Child("sample", [sys.executable, "-c", ""], folder=Path("."), log=Path(os.devnull)), 10)
print(*(p.pid for p in psutil.Process().children()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", suite], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (guard,) = map(int, done.stdout.split())
    assert is_gone(guard)
