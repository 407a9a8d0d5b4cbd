"""The suite catches a broker that lies about what its log holds: every lie, by the cases of its requirement."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.results import Verdict, rows
from conformance.tests.lying import LIES, Lie, LyingBroker
from conformance.tests.seeded import run_cases
from model.catalogue import Level, requirements


@pytest.fixture(scope="module")
def broker() -> Iterator[LyingBroker]:
    with LyingBroker() as target:
        yield target


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.id)
def test_lie_is_caught(lie: Lie, broker: LyingBroker) -> None:
    broker.lie = lie
    requirement = requirements()[lie.requirement]
    (row,) = rows([requirement], run_cases(lie.requirement, broker), {})
    expected = Verdict.FAIL if requirement.level is Level.MUST else Verdict.NON_STRICT
    assert (row.verdict, row.beside) == (expected, ()), f"{lie.about}\n{row.detail}"


@pytest.mark.parametrize("requirement", ["LOG-12", "LOG-44"])
def test_the_truth_passes(requirement: str, broker: LyingBroker) -> None:
    broker.lie = None
    found = run_cases(requirement, broker)
    assert [(each.case, each.detail) for each in found if each.verdict is not Verdict.PASS] == []


def test_ids_are_unique() -> None:
    assert len({lie.id for lie in LIES}) == len(LIES)
