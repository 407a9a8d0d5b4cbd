"""What the suite has made is found on the target, removed, or else told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.case import Run
from conformance.client import Client
from conformance.engine import Bench
from conformance.names import Names
from conformance.targets.bundled import Bundled
from conformance.tidying import clear
from conformance.wire.apis import Api
from model.profiles import profile_named
from model.reference.administration import CreateTopics, TopicSpec


@pytest.fixture(scope="module")
def target() -> Iterator[Bundled]:
    with Bundled() as started:
        yield started


@pytest.fixture
def bench(target: Bundled) -> Iterator[Bench]:
    found = Bench.on(target, profile_named("3.9-kraft"))
    yield found
    found.client.close()


def make(bench: Bench, *names: str) -> None:
    run = Run(bench.client, bench.profile, bench.names)
    run.perform(CreateTopics(topics=tuple(TopicSpec(name=each) for each in names)))


def test_topics_of_derived_names_are_removed_and_no_others(bench: Bench) -> None:
    stem = bench.names.new("t")
    make(bench, f"{stem}.a_b", f"{stem}xyz", *(f"{stem}-{each}" for each in range(60)), "somebody-elses")
    assert len(bench.client.topics_named(bench.names.beginning)) == 62
    bench.tidy()
    assert bench.client.topics_named("") == ["somebody-elses"]


def test_a_prefix_is_not_that_of_a_longer_one(bench: Bench) -> None:
    make(bench, "tidegauge-abcd-t-1", "tidegauge-abcde-t-1")
    assert clear(bench.client, Names("tidegauge-abcd").beginning) == ()
    assert bench.client.topics_named("tidegauge") == ["tidegauge-abcde-t-1"]
    bench.client.delete_topic("tidegauge-abcde-t-1")


def test_what_a_target_cannot_delete_is_told(bench: Bench) -> None:
    name = bench.names.new("t")
    make(bench, name)
    lacking = Client(bench.target)
    lacking.ranges = {
        api: found for api, found in lacking.ranges.items() if api not in (Api.DELETE_TOPICS, Api.DELETE_GROUPS)
    }
    groups, topic = clear(lacking, bench.names.beginning)
    assert groups == f"groups that begin with {bench.names.beginning} (the target can't list or delete groups)"
    assert topic == f"topic {name}"
    lacking.close()


def test_a_target_that_is_gone_is_told() -> None:
    with Bundled() as target:
        bench = Bench.on(target, profile_named("3.9-kraft"))
    (left,) = bench.clean_up()
    assert left.startswith(f"whatever begins with {bench.names.beginning}, as the target did not answer")
