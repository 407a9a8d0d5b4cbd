"""What `tidegauge fuzz` prints: what was not tried, where the steps are that break a rule, how to run them again."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from conformance.commands import fuzz as command
from conformance.machines.fuzz import FuzzReport
from conformance.machines.script import Script, read_script
from conformance.machines.steps import Step

STEPS = ((Step("delete_nothing_of_the_brokers", {"group": 0}),),)
GOOD = FuzzReport(3, 1, 2.0, frozenset({"produce.appended"}), ("Fetch has sessions from v7",), None)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(report: FuzzReport, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """The exit code, and what is printed of a run that ended so."""
    monkeypatch.setattr(command, "run", lambda _bench, **_options: report)
    done = CliRunner().invoke(command.fuzz, ["bundled", "--seed", "1", *arguments])
    return done.exit_code, done.output


def test_what_was_not_tried_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = told(GOOD, monkeypatch)
    assert code == 0
    assert "Never reached, so that their rules were not tried (" in output
    assert "Steps passed over: Fetch has sessions from v7" in output
    assert output.endswith("No rule was broken.\n")
    assert "steps were made of" not in output
    _, output = told(GOOD, monkeypatch, "--only", "IDM,LOG")
    assert "; steps were made of IDM, LOG only): " in output


def test_what_breaks_a_rule_can_be_run_again_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evolve(GOOD, script=Script(STEPS, violation="wrong"))
    code, output = told(found, monkeypatch, "--save", "a file.json", "--profile", "3.9-zk", "--deviations", "none")
    assert code == 1
    again = "tidegauge replay 'a file.json' bundled --profile 3.9-zk --deviations none"
    assert output.endswith(f"The steps are in a file.json. Run them again: {again}\n")
    assert read_script(Path("a file.json")).groups == STEPS


def test_a_fault_that_failed_while_a_sequence_was_shrunk_is_told_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evolve(GOOD, script=Script(STEPS, violation="wrong"), fault_failed="kill of broker 1 failed: no")
    code, output = told(found, monkeypatch)
    assert code == 1
    assert "a fault could not be done: kill of broker 1 failed: no" in output
    assert "The steps are in tidegauge-found.json" in output
