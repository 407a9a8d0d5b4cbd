"""A broker that was started with settings of its own conforms, and what topics inherit is held to those settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.results import Verdict
from conformance.targets.bundled import Bundled
from conformance.tests.seeded import run_cases

SETTINGS = {
    "log.segment.bytes": "2097152",
    "log.roll.hours": "5",
    "log.retention.minutes": "90",
    "log.cleanup.policy": "compact,delete",
    "log.cleaner.min.cleanable.ratio": "0.25",
    "min.insync.replicas": "1",
}


@pytest.fixture(scope="module")
def broker() -> Iterator[Bundled]:
    with Bundled(settings=SETTINGS) as target:
        yield target


@pytest.mark.parametrize(
    "requirement", ["MET-40", "MET-41", "MET-42", "MET-43", "MET-44", "MET-45", "MET-47", "MET-48", "MET-50"]
)
def test_its_topics_inherit_from_it(requirement: str, broker: Bundled) -> None:
    results = run_cases(requirement, broker)
    assert [(each.case, each.detail) for each in results if each.verdict is not Verdict.PASS] == []
    assert [mismatch for result in results for mismatch in result.beside] == []
    assert results
