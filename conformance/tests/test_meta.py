"""The catalogue, the model and the cases belong together: nothing is stated, cited or checked by itself."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conformance.case import CASES, Case
from conformance.deviations import default_deviations
from conformance.engine import cases_for, load_cases
from model.catalogue import Requirement, Tier, requirements

ROOT = Path(__file__).resolve().parents[2]
ID = re.compile(r"[A-Z]{3}-\d{2,3}")
FAULT_NEEDS = {"stop", "start", "kill", "restart", "pause", "resume", "durable", "storage"}

load_cases()
ids = pytest.mark.parametrize("requirement", requirements().values(), ids=lambda each: each.id)
cases = pytest.mark.parametrize("case", CASES.values(), ids=lambda each: each.id)


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts)


@cache
def cited(*folders: str) -> dict[str, str]:
    """Ids that stand as strings of their own in code (not in docstrings, which have more words), and where."""
    found: dict[str, str] = {}
    for path in python_files(*folders):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value):
                found.setdefault(node.value, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


@ids
def test_requirement_has_a_case(requirement: Requirement) -> None:
    assert cases_for([requirement.id])


@ids
def test_requirement_is_cited_by_the_model(requirement: Requirement) -> None:
    assert requirement.id in cited("model")


@ids
def test_what_states_a_requirement_exists(requirement: Requirement) -> None:
    module, _, name = requirement.stated_by.partition(":")
    assert module.startswith("model.")
    assert hasattr(importlib.import_module(module), name)


@ids
def test_tier_agrees_with_what_the_cases_need(requirement: Requirement) -> None:
    needs = [bool(case.needs) for case in cases_for([requirement.id])]
    if requirement.tier is Tier.WIRE:
        assert not all(needs), "a requirement of the wire tier needs a case that does nothing to a broker"
    else:
        assert any(needs), "a requirement of the cluster tier needs a case that does something to a broker"


@cases
def test_case_names_requirements_of_the_catalogue(case: Case) -> None:
    assert set(case.requirements) <= requirements().keys()


@cases
def test_case_needs_what_there_is(case: Case) -> None:
    assert case.needs <= FAULT_NEEDS


@cases
def test_case_that_starts_a_broker_anew_asks_for_one_that_keeps_data(case: Case) -> None:
    if case.needs & {"restart", "start"}:
        assert "durable" in case.needs


def test_no_id_is_cited_that_the_catalogue_lacks() -> None:
    found = cited("model", "conformance")
    assert {id_: place for id_, place in found.items() if id_ not in requirements()} == {}


def test_deviations_files_are_well_formed() -> None:
    for path in (ROOT / "conformance" / "deviations").glob("*.toml"):
        assert default_deviations(path.stem), path
