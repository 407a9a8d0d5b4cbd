"""What `tidegauge refute --all` and `--table` print, of what was found and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from conformance.commands import refute as command
from conformance.commands import theorems
from docs.counterexamples import refutations
from docs.failures import results
from properties.prove.obligations import claims_in
from properties.refute.cells import ROWS, SETTINGS
from properties.refute.engine import Refutation, Verdict
from properties.variants.redundant import KEPT


@pytest.fixture(autouse=True)
def saved(monkeypatch: pytest.MonkeyPatch) -> None:
    def found_again(names: Sequence[str], **_options: Any) -> list[Refutation]:
        return [refutations()[name] for name in names]

    monkeypatch.setattr(command, "refute_all", found_again)
    monkeypatch.setattr(theorems, "table", lambda **_options: results())


def test_all_are_one_table() -> None:
    done = CliRunner().invoke(command.refute, ["--all", "--no-color"])
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line.split() for line in done.output.splitlines() if line.strip()}
    assert lines["truncate-to-hw"][1:5] == ["refuted", "WeakIsr", "truncate-to-hw", "8"]
    assert lines["n-1/it_never_lags"][1:5] == ["refuted", "N-1", "survivor", "9"]
    assert lines["leader_learns_isr.it_is_newer"][1] == "refuted"
    assert all(text in done.output for text in command.LEGEND)
    assert command.UNEXPECTED not in done.output


def came_out(monkeypatch: pytest.MonkeyPatch, **otherwise: Refutation) -> Any:
    """What `--all` prints if one variant came out otherwise than is saved."""

    def found_again(names: Sequence[str], **_options: Any) -> list[Refutation]:
        return [{**refutations(), **otherwise}[name] for name in names]

    monkeypatch.setattr(command, "refute_all", found_again)
    return CliRunner().invoke(command.refute, ["--all", "--conjuncts", "--no-color"])


def test_what_must_break_and_does_not_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "n-1/it_never_lags"
    stands = evolve(refutations()[name], verdict=Verdict.UNDECIDED, counterexample=None, limited=("Replica 2",))
    done = came_out(monkeypatch, **{name: stands})
    assert done.exit_code == 1
    (line,) = (line for line in done.output.splitlines() if line.startswith(name))
    assert "! undecided (limit of states)" in line
    assert command.UNEXPECTED in done.output


def test_what_is_said_to_be_kept_and_breaks_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "follower_copies.it_follows"
    assert name in KEPT
    broken = evolve(refutations()[name], verdict=Verdict.REFUTED)
    assert came_out(monkeypatch, **{name: broken}).exit_code == 1


def test_all_as_json_are_what_is_saved() -> None:
    done = CliRunner().invoke(command.refute, ["--all", "--json"])
    found = json.loads(done.output)
    assert [each["variant"] for each in found][:2] == ["truncate-to-hw", "kip101-without-kip279"]
    assert all(each == refutations()[each["variant"]].as_data() for each in found)


def test_theorems_by_failure_are_one_table() -> None:
    done = CliRunner().invoke(command.refute, ["--table", "--no-color"])
    assert done.exit_code == 0, done.output
    assert "without KIP-966: breaks" in done.output
    assert "open" not in done.output.partition("“Proved” rests")[0]
    assert all(text in done.output for text in theorems.LEGEND)


def test_what_is_taken_for_proved_is_named_below_the_table() -> None:
    done = CliRunner().invoke(command.refute, ["--table", "--no-color"])
    lines = [line.strip() for line in done.output.partition("`tidegauge prove replication` shows it:")[2].splitlines()]
    assert any(each.startswith("CLEAN proved: CLEAN in setting clean (crash that keeps the log)") for each in lines)
    assert {line.split()[0] for line in lines if " proved: " in line} == {row.theorem for row in ROWS}


def test_a_theorem_is_claimed_in_one_setting_so_that_its_name_says_which() -> None:
    claimed = [name for place in SETTINGS for name in claims_in(place).theorems]
    assert len(claimed) == len(set(claimed))


def test_theorems_by_failure_as_json_are_what_is_saved() -> None:
    done = CliRunner().invoke(command.refute, ["--table", "--json"])
    assert json.loads(done.output) == [each.as_data() for each in results()]
