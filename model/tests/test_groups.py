"""Committed offsets: what the model lets a simple consumer do."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from model.profiles import profile_named
from model.reference.errors import ErrorCode
from model.reference.groups import NOTHING_COMMITTED, committed, lag
from model.reference.operations import CommitPart, GroupOffsets, OffsetCommit, OffsetFetch, Operation
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.state import Cluster, Committed, Partition, Topic

CONTEXT = Context(profile_named("3.9-kraft"), version=8)
CLUSTER = Cluster(topics={"t": Topic("t", (Partition(log_end_offset=10), Partition()))})


def after(cluster: Cluster, operation: Operation, *answers: Mapping[str, object]) -> tuple[Cluster, set[str]]:
    """The cluster after answers to the parts of an operation, and the requirements that they broke."""
    broken = set()
    sections = allowed(cluster, operation, CONTEXT)
    for section, values in zip(sections, ({}, *answers), strict=True):
        finding = judge(section, values)
        broken |= {mismatch.requirement for mismatch in finding.mismatches}
        cluster = finding.outcome.then(cluster, values)
    return cluster, broken


def commit(group: str, offset: int, partition: int = 0, metadata: str = "") -> OffsetCommit:
    return OffsetCommit(
        group=group, parts=(CommitPart(topic="t", partition=partition, offset=offset, metadata=metadata),)
    )


NONE = {"error": ErrorCode.NONE}


def read(cluster: Cluster, group: str, offset: int, partition: int = 0) -> set[str]:
    """The requirements broken by an answer with this offset."""
    fetch = OffsetFetch(groups=(GroupOffsets(group=group, partitions=(("t", partition),)),))
    whole = {"error": ErrorCode.NONE, "partitions": frozenset({("t", partition)})}
    seen = {"error": ErrorCode.NONE, "offset": offset, "metadata": "", "leader_epoch": -1}
    return after(cluster, fetch, whole, seen)[1]


def test_the_offset_committed_last_is_read_back_also_when_it_is_lower() -> None:
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    cluster, _ = after(cluster, commit("g", 3), NONE)
    assert read(cluster, "g", 3) == set()
    assert read(cluster, "g", 7) == {"OFF-01"}


def test_a_wrong_offset_after_another_groups_commit_is_laid_at_that_door() -> None:
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    cluster, _ = after(cluster, commit("h", 2), NONE)
    assert read(cluster, "g", 2) == {"OFF-08"}


def test_a_refused_commit_changes_nothing_and_is_held_against_what_is_read() -> None:
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    too_long = commit("g", 9, metadata="x" * 4097)
    cluster, broken = after(cluster, too_long, {"error": ErrorCode.OFFSET_METADATA_TOO_LARGE})
    assert not broken
    assert committed(cluster, "g", "t", 0).offset == 7
    assert read(cluster, "g", 9) == {"OFF-03"}


def test_metadata_is_counted_in_utf16_units() -> None:
    assert after(CLUSTER, commit("g", 1, metadata="é" * 4096), NONE)[1] == set()
    assert after(CLUSTER, commit("g", 1, metadata="🦆" * 2049), NONE)[1] == {"OFF-03"}


def test_generations_are_refused_without_members() -> None:
    claim = evolve(commit("g", 1), generation=0)
    assert after(CLUSTER, claim, {"error": ErrorCode.ILLEGAL_GENERATION})[1] == set()
    assert "OFF-12" in after(CLUSTER, claim, NONE)[1]
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    assert after(cluster, claim, {"error": ErrorCode.UNKNOWN_MEMBER_ID})[1] == set()
    assert after(cluster, claim, {"error": ErrorCode.ILLEGAL_GENERATION})[1] == {"OFF-22"}


def test_offsets_go_with_their_topic() -> None:
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    cluster = cluster.without_topic("t")
    assert committed(cluster, "g", "t", 0) is NOTHING_COMMITTED
    assert read(cluster, "g", 7) == {"OFF-14"}


def test_after_a_restart_a_lost_offset_is_a_lost_promise() -> None:
    cluster, _ = after(CLUSTER, commit("g", 7), NONE)
    assert read(evolve(cluster, restarts=1), "g", -1) == {"OFF-13"}


def test_lag_is_the_distance_to_the_end_and_undefined_without_a_commit() -> None:
    partition = CLUSTER.topics["t"].partitions[0]
    assert lag(partition, Committed(4)) == 6
    assert lag(partition, Committed(12)) == -2
    assert lag(partition, NOTHING_COMMITTED) is None
