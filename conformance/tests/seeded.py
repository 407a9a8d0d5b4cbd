"""Seeded bugs: edits of the bundled broker that the suite must catch, each by the requirement that it breaks.

    python -m conformance.tests.seeded LOG-01-gap      try one by hand (the start of an id will do)

The bugs are in `conformance/tests/bugs/*.toml`; `docs/build.py` makes a page of them. A bug is an exact piece of text
that occurs once in one file of `impl/`, and what stands there instead. The edit is made in a copy; the copy is started
through the bundled target.
"""

from __future__ import annotations

import ast
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from conformance.client import Client
from conformance.engine import Bench, cases_for, ends_of, load_cases, run_case
from conformance.results import CaseResult, Row, Verdict, rows
from conformance.targets.base import BRISK, Target, TargetError
from conformance.targets.bundled import Bundled
from model.catalogue import Level, requirements
from model.profiles import profile_named

ROOT = Path(__file__).resolve().parents[2]
BUGS = Path(__file__).parent / "bugs"
ANSWER_TIMEOUT_S = 5.0
SETTLING_S = 3.0
PATIENCE_S = 5.0
"""The bundled broker leads at once, also after a restart; one that a bug keeps from it need not be waited for long."""


class PatchError(Exception):
    """A bug can't be seeded: its file is malformed, or its text is no longer (once) in the file that it edits."""


@frozen
class Bug:
    """An edit of the bundled broker, and the requirement whose cases must catch it."""

    id: str
    requirement: str
    file: str
    before: str
    after: str
    about: str
    inspired_by: str | None = None
    """A real bug of a real broker, where this one is like it."""
    settings: Mapping[str, str] = field(factory=dict)
    """What the broker is started with, where it takes more than the defaults to show the bug."""

    @property
    def expected(self) -> Verdict:
        """What the requirement's row must turn into."""
        return Verdict.FAIL if requirements()[self.requirement].level is Level.MUST else Verdict.NON_STRICT


@frozen
class Trial:
    """What the suite made of a seeded bug."""

    bug: Bug
    row: Row
    seconds: float

    @property
    def is_caught(self) -> bool:
        """Whether the requirement's own cases caught it."""
        return self.row.verdict is self.bug.expected and not self.row.beside

    def __str__(self) -> str:
        word = "caught" if self.is_caught else f"NOT caught ({self.row.verdict.value})"
        return f"{self.bug.id}: {word} in {self.seconds:.1f} s\n  {self.bug.about}\n  {self.row.detail}"


@cache
def bugs() -> Mapping[str, Bug]:
    """Every bug by id.

    Raises:
        PatchError: an entry is malformed or occurs twice.
    """
    found: dict[str, Bug] = {}
    for path in sorted(BUGS.glob("*.toml")):
        for id_, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if id_ in found:
                raise PatchError(f"{path.name}: {id_} occurs twice")
            found[id_] = _bug(path.name, id_, entry)
    return found


def load_bugs() -> list[Bug]:
    """Every bug, in the order of the files.

    Raises:
        PatchError: an entry is malformed or occurs twice.
    """
    return list(bugs().values())


def _bug(file: str, id_: str, entry: Mapping[str, Any]) -> Bug:
    known = {each.name for each in fields(Bug)} - {"id"}
    lacking, unknown = known - {"inspired_by", "settings"} - entry.keys(), entry.keys() - known
    if lacking or unknown:
        raise PatchError(f"{file}: {id_}: lacks {sorted(lacking)}, has unknown {sorted(unknown)}")
    if entry["requirement"] not in requirements() or not id_.startswith(f"{entry['requirement']}-"):
        raise PatchError(f"{file}: {id_}: an id is a requirement of the catalogue, a dash and a word")
    if entry["before"] == entry["after"]:
        raise PatchError(f"{file}: {id_}: changes nothing")
    return Bug(id=id_, **entry)


def patched_text(bug: Bug) -> str:
    """The file with the bug in it.

    Raises:
        PatchError: the text isn't there exactly once, or what comes out is no Python.
    """
    path = ROOT / bug.file
    if not bug.file.startswith("impl/") or not path.is_file():
        raise PatchError(f"{bug.id}: there is no file {bug.file} of impl/")
    text = path.read_text(encoding="utf-8")
    if text.count(bug.before) != 1:
        raise PatchError(f"{bug.id}: its text occurs {text.count(bug.before)} times in {bug.file}, not once")
    made = text.replace(bug.before, bug.after)
    try:
        ast.parse(made)
    except SyntaxError as error:
        raise PatchError(f"{bug.id}: {bug.file} is no Python any more: {error}") from error
    return made


@contextmanager
def seeded(bug: Bug) -> Iterator[Path]:
    """A folder with a copy of `impl/` that has the bug."""
    text = patched_text(bug)
    with tempfile.TemporaryDirectory(prefix="tidegauge-bug-") as folder:
        # Compiled files come along: what is not edited need not be compiled again.
        shutil.copytree(ROOT / "impl", Path(folder, "impl"), ignore=shutil.ignore_patterns("tests"))
        Path(folder, bug.file).write_text(text, encoding="utf-8")
        yield Path(folder)


def try_bug(bug: Bug) -> Trial:
    """Start the broker with the bug and run the requirement's cases, until one of them fails.

    Raises:
        PatchError: the bug can't be seeded, or the broker with it can't be started.
    """
    started = time.monotonic()
    with seeded(bug) as source:
        target = Bundled(source=source, settings={**BRISK, **bug.settings})
        try:
            with target:
                results = run_cases(bug.requirement, target)
        except TargetError as error:
            raise PatchError(f"{bug.id}: the broker with the bug does not start: {error}") from error
    requirement = requirements()[bug.requirement]
    (row,) = rows([requirement], results, {})
    return Trial(bug, row, time.monotonic() - started)


def run_cases(requirement: str, target: Target) -> list[CaseResult]:
    """Run a requirement's cases, until one of them fails."""
    load_cases()
    client = Client(target, ANSWER_TIMEOUT_S, SETTLING_S, PATIENCE_S)
    bench = Bench.on(target, profile_named(target.default_profile), client)
    results = []
    try:
        for case in cases_for([requirement]):
            for versions in reversed(ends_of(case, bench)):
                result = run_case(case, bench, versions)
                results.append(result)
                if result.verdict_for(requirement) is Verdict.FAIL:
                    return [result]
    finally:
        bench.client.close()
    return results


def main(arguments: list[str]) -> int:
    """The command line; exit code 1 if a bug is not caught."""
    chosen = [bug for bug in bugs().values() if arguments and bug.id.startswith(tuple(arguments))]
    if not chosen:
        sys.stderr.write(f"name a bug, or the start of its id; there are {', '.join(bugs())}\n")
        return 2
    caught = True
    for bug in chosen:
        try:
            trial = try_bug(bug)
        except PatchError as error:
            sys.stdout.write(f"{error}\n")
            caught = False
        else:
            sys.stdout.write(f"{trial}\n")
            caught &= trial.is_caught
        sys.stdout.flush()
    return 0 if caught else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
