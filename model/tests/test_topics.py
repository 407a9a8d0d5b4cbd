"""Topics: names, creation, deletion and growth, as the model has them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.profiles import profile_named
from model.reference.administration import CreatePartitions, CreateTopics, DeleteTopics, PartitionIncrease, TopicSpec
from model.reference.errors import ErrorCode
from model.reference.operations import Metadata, Operation
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.state import Cluster, Partition, Topic
from model.reference.topics import collides, is_name

CONTEXT = Context(profile_named("3.9-kraft"), version=12)
NONE = {"error": ErrorCode.NONE}
ID = UUID(int=7)


def after(cluster: Cluster, operation: Operation, *answers: Mapping[str, object]) -> tuple[Cluster, set[str]]:
    """The cluster after answers to the parts of an operation, and the requirements that they broke."""
    broken = set()
    for section, values in zip(allowed(cluster, operation, CONTEXT), ({}, *answers), strict=True):
        finding = judge(section, values)
        broken |= {mismatch.requirement for mismatch in finding.mismatches}
        cluster = finding.outcome.then(cluster, values)
    return cluster, broken


def create(*specs: TopicSpec, **other: bool) -> CreateTopics:
    return CreateTopics(topics=specs, **other)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ä", "x" * 250, "a\n"])
def test_impossible_names(name: str) -> None:
    assert not is_name(name)


@given(st.from_regex(r"[a-zA-Z0-9_-]{1,249}", fullmatch=True))
def test_possible_names(name: str) -> None:
    assert is_name(name)


def test_names_collide_by_dots_and_underscores_only() -> None:
    assert collides("a.b", "a_b")
    assert not collides("a.b", "a.b")
    assert not collides("a.b", "a-b")


def test_a_created_topic_has_its_partitions_and_its_id() -> None:
    cluster, broken = after(Cluster(), create(TopicSpec(name="t", partitions=3)), {**NONE, "topic_id": ID})
    assert not broken
    assert len(cluster.topics["t"].partitions) == 3
    assert cluster.named(ID) is cluster.topics["t"]


def test_an_id_used_before_breaks_the_rule_of_ids() -> None:
    cluster = Cluster(topic_ids=frozenset({ID}))
    assert after(cluster, create(TopicSpec(name="t")), {**NONE, "topic_id": ID})[1] == {"MET-16"}


def test_validate_only_creates_nothing_and_a_topic_that_appears_is_laid_at_that_door() -> None:
    cluster, broken = after(Cluster(), create(TopicSpec(name="t"), validate_only=True), NONE)
    assert not broken
    assert not cluster.topics
    assert after(cluster, Metadata(topics=("t",)), {**NONE, "partitions": (0,)})[1] == {"MET-06"}


def test_the_same_name_twice_is_refused_for_both() -> None:
    twice = create(TopicSpec(name="t"), TopicSpec(name="t", partitions=2))
    refused = {"error": ErrorCode.INVALID_REQUEST}
    cluster, broken = after(Cluster(), twice, refused, refused)
    assert not broken
    assert not cluster.topics


def test_of_several_faults_any_may_be_answered() -> None:
    wrong = create(TopicSpec(name="a b", partitions=0))
    for code in (ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.INVALID_PARTITIONS):
        assert after(Cluster(), wrong, {"error": code})[1] == set()
    assert after(Cluster(), wrong, {"error": ErrorCode.INVALID_CONFIG})[1] != set()


def test_a_topic_created_anew_is_empty() -> None:
    full = Topic("t", (Partition(log_end_offset=5),), topic_id=ID)
    cluster, _ = after(Cluster(topics={"t": full}), DeleteTopics(topics=("t",)), NONE)
    assert cluster.gone == {"t"}
    cluster, _ = after(cluster, create(TopicSpec(name="t")), {**NONE, "topic_id": UUID(int=8)})
    assert cluster.topics["t"].is_recreated
    assert cluster.topics["t"].partitions[0].log_end_offset == 0


def test_growth_keeps_what_is_there() -> None:
    before = Cluster(topics={"t": Topic("t", (Partition(log_end_offset=5),))})
    cluster, broken = after(before, CreatePartitions(topics=(PartitionIncrease(topic="t", count=3),)), NONE)
    assert not broken
    assert [each.log_end_offset for each in cluster.topics["t"].partitions] == [5, 0, 0]
    lower = CreatePartitions(topics=(PartitionIncrease(topic="t", count=1),))
    assert after(before, lower, NONE)[1] == {"MET-35"}


def test_asking_with_an_old_version_creates_the_topic() -> None:
    old = Context(profile_named("3.9-kraft"), version=3)
    (_, section) = allowed(Cluster(), Metadata(topics=("t",)), old)
    coming = judge(section, {"error": ErrorCode.LEADER_NOT_AVAILABLE}).outcome
    assert "t" in coming.then(Cluster(), {}).topics
