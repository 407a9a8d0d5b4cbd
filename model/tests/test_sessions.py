"""Fetch sessions: what the model lets a broker leave out."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from model.profiles import profile_named
from model.reference.errors import ErrorCode
from model.reference.operations import FetchInSession, FetchPart
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.sessions import ABSENT_PART, FetchSession
from model.reference.state import Cluster, Partition, Topic

CONTEXT = Context(profile_named("3.9-kraft"), version=12)
LEFT_OUT = {"error": ABSENT_PART}
CLUSTER = Cluster(topics={"t": Topic("t", (Partition(), Partition()))})
PARTS = (FetchPart(topic="t"), FetchPart(topic="t", partition=1))


def opened() -> Cluster:
    """A cluster with session 5, which holds both partitions."""
    sections = allowed(CLUSTER, FetchInSession(parts=PARTS), CONTEXT)
    return judge(sections[0], {"error": ErrorCode.NONE, "session_id": 5}).outcome.then(CLUSTER, {"session_id": 5})


def broken(cluster: Cluster, operation: FetchInSession, *answers: Mapping[str, object]) -> set[str]:
    sections = allowed(cluster, operation, CONTEXT)
    found = [judge(section, values) for section, values in zip(sections, answers, strict=True)]
    return {mismatch.requirement for finding in found for mismatch in finding.mismatches}


def test_a_full_fetch_opens_a_session() -> None:
    session = opened().sessions[5]
    assert isinstance(session, FetchSession)
    assert session.next_epoch == 1
    assert set(session.partitions) == {("t", 0), ("t", 1)}


def test_unchanged_partitions_are_left_out() -> None:
    following = FetchInSession(parts=(), session_id=5, session_epoch=1)
    whole = {"error": ErrorCode.NONE, "session_id": 5}
    assert broken(opened(), following, whole, LEFT_OUT, LEFT_OUT) == set()
    assert broken(opened(), following, whole, {"error": ErrorCode.NONE}, LEFT_OUT) == {"MET-57"}


def test_changed_partitions_are_told() -> None:
    cluster = opened()
    cluster = cluster.with_partition("t", 1, evolve(cluster.topics["t"].partitions[1], log_end_offset=3))
    following = FetchInSession(parts=(), session_id=5, session_epoch=1)
    whole = {"error": ErrorCode.NONE, "session_id": 5}
    assert "MET-58" in broken(cluster, following, whole, LEFT_OUT, LEFT_OUT)


def test_wrong_epochs_and_unknown_sessions_are_refused_whole() -> None:
    repeated = FetchInSession(parts=(), session_id=5, session_epoch=2)
    refused = {"error": ErrorCode.INVALID_FETCH_SESSION_EPOCH}
    assert broken(opened(), repeated, refused, LEFT_OUT, LEFT_OUT) == set()
    unknown = FetchInSession(parts=(), session_id=6, session_epoch=1)
    assert broken(opened(), unknown, {"error": ErrorCode.FETCH_SESSION_ID_NOT_FOUND}) == set()
    assert broken(opened(), unknown, {"error": ErrorCode.NONE}) == {"MET-59"}


def test_what_is_forgotten_is_not_told() -> None:
    forgetting = FetchInSession(parts=(), session_id=5, session_epoch=1, forgotten=(("t", 0),))
    sections = allowed(opened(), forgetting, CONTEXT)
    after = judge(sections[0], {"error": ErrorCode.NONE, "session_id": 5}).outcome.then(opened(), {})
    session = after.sessions[5]
    assert isinstance(session, FetchSession)
    assert set(session.partitions) == {("t", 1)}
    assert session.next_epoch == 2
