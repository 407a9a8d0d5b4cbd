"""The page for implementers: its tables say what is asked of a storage process and of faults, and its examples run."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from conformance.client import Client
from conformance.disk import one
from conformance.engine import Bench, cases_for, load_cases, run_case
from conformance.names import Names
from conformance.results import Verdict, is_bad, rows
from conformance.targets import storage
from conformance.targets.base import Target, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.mock import Mock
from conformance.targets.process_target import Launch, ProcessFaults
from conformance.targets.witness import WitnessedFaults
from conformance.translate import disk as histories
from conformance.translate.disk import Disk
from model.catalogue import requirements
from model.profiles import profile_named
from model.reference.compaction import CleaningPolicy
from model.reference.disk_steps import Clean, DiskHistory, Flush, FlushOverdue, RaiseStart, Remove, Restart, Retain
from model.reference.retention import Policy
from model.reference.segments import Limits

PAGE = (Path(__file__).parents[1] / "implementers.md").read_text(encoding="utf-8")
SAID = PAGE.partition("#### What is said")[2].partition("#### A minimal")[0]
*EXAMPLES, PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HISTORY = DiskHistory(
    steps=(
        one(),
        Flush(),
        FlushOverdue(now_ms=1),
        RaiseStart(1),
        Retain(policy=Policy(), now_ms=1),
        Remove(now_ms=1),
        Clean(policy=CleaningPolicy(), now_ms=1),
        Restart(clean=True),
    )
)


def table(heading: str) -> Mapping[str, Sequence[str]]:
    """The rows of a table, by the first cell."""
    lines = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name.strip("`"): cells for row in rows for name, cells in ((each, row[1:]) for each in row[0].split(", "))}


def named(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


class Recorder(storage.StorageProcess):
    """A storage process that keeps what it was asked."""

    asked: dict[str, set[str]]

    def ask(self, do: str, **arguments: Any) -> Mapping[str, Any]:
        type(self).asked.setdefault(do, set()).update(arguments)
        return super().ask(do, **arguments)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, set[str]]]:
    """The fields of every command that a history with every step gives."""
    Recorder.asked = {}
    monkeypatch.setattr(histories, "StorageProcess", Recorder)
    disk = Disk(Bundled().storage_process(), tmp_path, HISTORY)
    for step in HISTORY.steps:
        disk.take(step)
    yield Recorder.asked
    disk.close()


def test_every_command_is_told_with_its_fields(asked: Mapping[str, set[str]]) -> None:
    assert {do: named(cells[0]) for do, cells in table("`do`").items()} == asked
    assert set(table("field")) == set.union(*asked.values())
    assert {f"`{each.name}`" for each in fields(Limits)} <= set(re.findall(r"`\w+`", table("field")["limits"][1]))


def test_answers_and_their_ceiling_are_told() -> None:
    assert "{" + ", ".join(f'"{name}": N' for name in storage.OFFSETS) + "}" in SAID
    assert f"within {storage.ANSWER_CEILING_S:g} s" in SAID


def test_every_fault_is_told() -> None:
    assert set(table("action")) == ProcessFaults.actions | WitnessedFaults.actions


class Least(Mock):
    """A target whose storage process is that of the page."""

    def __init__(self, program: Path) -> None:
        super().__init__()
        self._program = program

    def storage_process(self) -> Launch:
        return Launch([sys.executable, str(self._program)])


def test_the_minimal_process_passes_what_the_page_says(tmp_path: Path) -> None:
    program = tmp_path / "storage.py"
    program.write_text(PROGRAM, encoding="utf-8")
    load_cases()
    passed = re.findall(r"[A-Z]{3}-\d\d", PAGE.partition("#### A minimal")[2].partition("most else")[0])
    with Least(program) as target:
        bench = Bench(target, Client(target), profile_named("3.9-kraft"), Names("t"))
        results = [run_case(case, bench, "highest") for case in cases_for(passed)]
        bench.client.close()
    assert [row.id for row in rows([requirements()[each] for each in passed], results, {}) if is_bad(row)] == []
    assert all(each.verdict is Verdict.PASS or (each.missed and not each.missed & set(passed)) for each in results)
    assert passed


def test_the_adapter_and_its_faults_are_what_the_suite_takes() -> None:
    class Server:
        """Can restart, and nothing else."""

        def do(self, action: str) -> bool:
            return action == "restart"

    there: dict[str, Any] = {"MyServer": Server, "Launch": Launch}
    for example in EXAMPLES:
        exec(compile(textwrap.dedent(example), "implementers.md", "exec"), there)
    assert issubclass(there["MyBroker"], Target)
    faults = there["MyFaults"](Server())
    faults.do("restart", 1)
    with pytest.raises(TargetError):
        faults.do("kill", 1)
    assert isinstance(there["storage_process"](None), Launch)
