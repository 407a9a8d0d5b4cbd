"""Who may know whom, of the five trees: a room that imports another against the plan is told by file and line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("model", "impl", "conformance", "properties", "docs")
MAY_KNOW: Mapping[str, frozenset[str]] = {
    "model": frozenset(),
    "impl": frozenset(),  # a mistake that it shared with the model would hide itself
    "properties": frozenset({"model"}),
    "conformance": frozenset({"model"}),
    "docs": frozenset({"model", "properties", "conformance"}),
}
BESIDES: Mapping[str, frozenset[str]] = {
    "conformance/commands": frozenset({"properties"}),
    "conformance/targets": frozenset({"impl"}),  # the target that starts it
    # The broker's log, held to the model without a wire between them, and to what is proved of it.
    "conformance/tests": frozenset({"impl", "properties"}),
}
"""What single folders and files may know besides."""


def imported(text: str) -> Iterator[tuple[int, str]]:
    """The line and the top-level package of every import, also of those in functions."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name.partition(".")[0]) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def against_the_plan(path: str, text: str) -> list[str]:
    """The imports of a file that the plan does not allow."""
    tree = path.partition("/")[0]
    besides = (known for place, known in BESIDES.items() if path == place or path.startswith(f"{place}/"))
    allowed = MAY_KNOW[tree].union({tree}, *besides)
    return [f"{path}:{line} imports {name}" for line, name in imported(text) if name in TREES and name not in allowed]


@pytest.mark.parametrize("tree", TREES)
def test_rooms_know_only_whom_they_may(tree: str) -> None:
    files = sorted((ROOT / tree).rglob("*.py"))
    assert files
    found = (against_the_plan(str(each.relative_to(ROOT)), each.read_text(encoding="utf-8")) for each in files)
    assert [line for lines in found for line in lines] == []


def test_contributors_are_told_the_same() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    told = {line.split("`")[1].strip("/"): line.split("|")[3] for line in lines if line.startswith("| `")}
    for tree, known in MAY_KNOW.items():
        first, _, besides = told[tree].partition(";")
        assert frozenset(re.findall(r"`(\w+)`", first)) == known
        for place, more in BESIDES.items():
            if place.startswith(f"{tree}/"):
                assert f"`{place.partition('/')[2]}/`" in besides
                assert more <= frozenset(re.findall(r"`(\w+)`", besides))
    assert told.keys() == MAY_KNOW.keys()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("model/x.py", "import conformance.case"),
        ("impl/tests/real/x.py", "def f():\n    from model.reference.batch import Batch"),
        ("properties/x.py", "from impl.storage.log import Log"),
        ("conformance/cases/x.py", "from properties.claims import Claims"),
    ],
)
def test_what_is_against_the_plan_is_told(path: str, text: str) -> None:
    assert len(against_the_plan(path, text)) == 1
