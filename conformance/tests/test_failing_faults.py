"""Faults that are offered and fail: no run with one of them looks green, and none takes it for a finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.commands.fuzz import fuzz
from conformance.machines import machine
from conformance.targets.bundled import Bundled
from conformance.tests.commands import tidegauge


def test_a_fault_command_that_fails_fails_the_run(tmp_path: Path) -> None:
    with Bundled() as target:
        at = str(target.bootstrap[0])
        choice = ("--only", "OFF-13", "--examples", "0", "--fault-command", "false {action}", "--junit", "j.xml")
        done = tidegauge("conform", at, *choice, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "OFF-13 was not run: OFF-13/" in done.stdout
    assert 'failure type="not_run"' in (tmp_path / "j.xml").read_text()


RESTART = '{"tidegauge": 1, "steps": [[{"do": "fault", "action": "restart", "connection": 0}]]}'
FAULTY = """
from conformance.targets.base import Faults, TargetError
from conformance.targets.bundled import Bundled

class NoRestart(Faults):
    actions = frozenset({"restart"})

    def do(self, action, broker):
        with open("asked", "a") as asked:
            asked.write(action + " ")
        raise TargetError("its log is full")

class Faulty(Bundled):
    def __init__(self):
        super().__init__()
        self.faults = NoRestart()

class Faultless(Bundled):
    def __init__(self):
        super().__init__()
        self.faults = None
"""
WHY = "restart of broker 1 failed: its log is full"


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    """An adapter that offers restarts, and fails to do them."""
    (tmp_path / "adapter.py").write_text(FAULTY)
    return "adapter.py:Faulty"


def test_a_fault_of_an_adapter_that_fails_fails_the_run(faulty: str, tmp_path: Path) -> None:
    done = tidegauge("conform", faulty, "--only", "OFF-13", "--examples", "0", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "OFF-13 was not run: OFF-13/" in done.stdout
    assert WHY in done.stdout


def test_a_fault_that_fails_ends_a_replay(faulty: str, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(RESTART)
    done = tidegauge("replay", "found.json", faulty, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith(f"a fault failed: {WHY}\n")
    assert done.stderr == ""


def test_a_fault_that_is_not_offered_can_not_be_replayed(faulty: str, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(RESTART)
    for target, action in ((faulty.replace("Faulty", "Faultless"), "restart"), (faulty, "kill")):
        (tmp_path / "found.json").write_text(RESTART.replace("restart", action))
        done = tidegauge("replay", "found.json", target, cwd=tmp_path)
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith(f"Error: the target can't {action}")


def test_a_fault_that_fails_ends_the_fuzzing_and_is_no_finding(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "FAULTLESS", 0)
    done = CliRunner().invoke(fuzz, [faulty, "--minutes", "2", "--seed", "1", "--only", "LST"])
    assert done.exit_code == 1, done.output
    assert WHY in done.stdout
    assert "rule was broken" not in done.stdout.replace("\n", " ")
    assert (tmp_path / "asked").read_text() == "restart "
    assert not (tmp_path / "tidegauge-found.json").exists()
