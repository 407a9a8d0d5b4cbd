"""The page about the disk: every requirement, theorem, test and mistake that it cites exists, and none is forgotten."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from model.catalogue import families
from properties.invariants.durability import anything
from properties.variants.durability import DESIGNS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "disk.md").read_text(encoding="utf-8")
PROMISES = PAGE.partition("## What survives which failure")[2].partition("\n## ")[0]
CITED = re.findall(r"\[([A-Z]{3}-\d\d)\]\(spec/([a-z]{3})\.md#([a-z]{3}-\d\d)\)", PROMISES)
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
TESTS = TEST.findall(PROMISES)


def rows() -> list[list[str]]:
    """The promises: failure, what is kept, requirements, theorems, tests, mistakes."""
    lines = [line for line in PROMISES.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@cache
def functions_of(name: str) -> frozenset[str]:
    """The functions of a file of the broker's tests, or the suite's."""
    (path,) = (path for tree in ("impl", "conformance") if (path := ROOT / tree / "tests" / name).exists())
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_requirement_exists_and_its_link_leads_to_it() -> None:
    known = {each.id for family in families() for each in family.requirements}
    assert {said for said, _, _ in CITED} <= known
    assert all(said.lower() == anchor and anchor.startswith(page) for said, page, anchor in CITED)
    assert set(re.findall(r"\b[A-Z]{3}-\d\d\b", PAGE)) == {said for said, _, _ in CITED}


def test_no_requirement_of_durability_and_no_mistake_is_forgotten() -> None:
    (durability,) = (family for family in families() if family.name == "DUR")
    assert {each.id for each in durability.requirements} <= {said for said, _, _ in CITED}
    links = re.findall(r"\[`([a-z-]+)`\]\(machines/counterexamples/([a-z-]+)\.md\)", PROMISES)
    assert all(name == page for name, page in links)
    assert {name for name, _ in links} == {each.name for each in DESIGNS}


@pytest.mark.parametrize(("file", "name"), sorted(set(TESTS)))
def test_every_test_exists(file: str, name: str) -> None:
    assert name in functions_of(file)


def test_every_promise_has_a_check_and_every_theorem_is_claimed() -> None:
    said = rows()
    assert len(said) == PROMISES.count("\n| ") - 1
    assert all(kept and TEST.search(tests) for _, kept, _, _, tests, _ in said)
    named = {each for row in said for each in row[3].split(", ") if each}
    assert named == set(anything.theorems)


def test_what_survives_is_told_in_one_place() -> None:
    others = [path for path in (ROOT / "docs").glob("*.md") if path.name != "disk.md"]
    assert [path.name for path in others if "## What survives" in path.read_text(encoding="utf-8")] == []
