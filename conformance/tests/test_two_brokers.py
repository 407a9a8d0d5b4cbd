"""A conforming cluster of two brokers conforms: Apache Kafka, whose topics and coordinators are spread over both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.case import Run
from conformance.engine import Bench, cases_for, load_cases, run_cases
from conformance.results import Verdict
from conformance.targets.tests.two_brokers import SECOND_ID, TwoBrokers
from model.profiles import profile_named
from model.reference.operations import CommitPart, OffsetCommit

pytestmark = pytest.mark.real("kafka-3.9")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    load_cases()
    with TwoBrokers() as target:
        found = Bench.on(target, profile_named("3.9-kraft"))
        yield found
        found.client.close()


def test_the_run_has_one_home(bench: Bench) -> None:
    run = Run(bench.client, bench.profile, bench.names)
    leaders = {bench.client.leader(run.topic(4), index) for index in range(4)}
    assert leaders == {bench.client.home}
    assert SECOND_ID in bench.client.brokers


@pytest.mark.parametrize(
    "requirement", ["LOG-01", "LOG-16", "LST-14", "EPO-10", "IDM-14", "OFF-07", "MET-01", "MET-29"]
)
def test_it_conforms(bench: Bench, requirement: str) -> None:
    cases = [each for each in cases_for([requirement]) if not each.needs]
    results = list(run_cases(cases, bench))
    assert [(each.case, each.detail) for each in results if each.verdict is not Verdict.PASS] == []
    assert [mismatch for result in results for mismatch in result.beside] == []


def test_what_was_made_is_removed_from_both(bench: Bench) -> None:
    run = Run(bench.client, bench.profile, bench.names)
    topic = run.topic(2)
    groups = [bench.names.new("g") for _ in range(12)]
    for group in groups:
        run.perform(OffsetCommit(group=group, parts=(CommitPart(topic=topic, offset=1),)))
    assert len({bench.client.coordinator(group) for group in groups}) == 2
    assert bench.clean_up() == ()
    assert bench.client.topics_named(bench.names.beginning) == []
