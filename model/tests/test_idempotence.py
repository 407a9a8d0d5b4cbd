"""Which requirement asks for what becomes of a producer's batch, and what a restart leaves open."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.profiles import profile_named
from model.reference.batch import Batch, Record
from model.reference.errors import ErrorCode
from model.reference.idempotence import Judged, Treatment, judged
from model.reference.operations import InitProducerId, Produce, ProducePart
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.restart import restarted
from model.reference.state import Cluster, Partition, Topic

NOW = 1_800_000_000_000
CONTEXT = Context(profile_named("3.9-kraft"), version=9, sent_ms=NOW, answered_ms=NOW)
LAST = 2**31 - 1


def batch(first: int, count: int = 1, *, epoch: int = 0, producer_id: int = 7, timestamp: int = NOW) -> Batch:
    return Batch(
        records=tuple(Record(b"x", timestamp=timestamp) for _ in range(count)),
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=first,
    )


def empty(partitions: int = 2) -> Cluster:
    return Cluster().with_topic(Topic("t", tuple(Partition() for _ in range(partitions))))


def after(cluster: Cluster, *batches: Batch, partition: int = 0) -> Cluster:
    """The cluster after batches were produced that have a single outcome each."""
    for each in batches:
        part = ProducePart(topic="t", partition=partition, batches=(each,), sizes=(70,), plain_sizes=(70,))
        _, section = allowed(cluster, Produce(parts=(part,)), CONTEXT)
        (outcome,) = section.choices
        cluster = outcome.then(cluster, {})
    return cluster


def ways(cluster: Cluster, one: Batch, partition: int = 0) -> tuple[Judged, ...]:
    return judged(cluster, cluster.topics["t"], partition, one, CONTEXT)


def only(cluster: Cluster, one: Batch, partition: int = 0) -> tuple[Treatment, str]:
    (way,) = ways(cluster, one, partition)
    return way.treatment, way.requirement


def test_appends_are_cited_by_what_is_special_about_them() -> None:
    known = after(empty(), batch(0, 2))
    assert only(empty(), batch(0)) == (Treatment.APPENDED, "IDM-02")
    assert only(empty(), batch(5)) == (Treatment.APPENDED, "IDM-09")
    assert only(known, batch(2)) == (Treatment.APPENDED, "IDM-02")
    assert only(known, batch(0, epoch=1)) == (Treatment.APPENDED, "IDM-10")
    assert only(known, batch(0), partition=1) == (Treatment.APPENDED, "IDM-14")
    assert only(known, batch(0, producer_id=8)) == (Treatment.APPENDED, "IDM-14")
    assert only(after(known, batch(0, 2)), batch(2)) == (Treatment.APPENDED, "IDM-15")
    assert only(after(empty(), batch(LAST)), batch(0)) == (Treatment.APPENDED, "IDM-12")


def test_refusals_are_cited_by_what_was_wrong() -> None:
    known = after(empty(), *(batch(2 * number, 2) for number in range(7)))
    assert only(known, batch(99)) == (Treatment.OUT_OF_ORDER, "IDM-04")
    assert only(known, batch(0, 2)) == (Treatment.OUT_OF_ORDER, "IDM-07")
    assert only(known, batch(12, 1)) == (Treatment.OUT_OF_ORDER, "IDM-08")
    assert only(known, batch(11, 2)) == (Treatment.OUT_OF_ORDER, "IDM-08")
    assert only(known, batch(3, epoch=1)) == (Treatment.OUT_OF_ORDER, "IDM-11")
    assert only(after(known, batch(0, epoch=1)), batch(14)) == (Treatment.OLD_EPOCH, "IDM-05")
    wrapped = after(empty(), batch(LAST - 1, 4))
    assert only(wrapped, batch(0, 1)) == (Treatment.OUT_OF_ORDER, "IDM-08")
    assert only(wrapped, batch(3)) == (Treatment.OUT_OF_ORDER, "IDM-04")


def test_duplicates_are_cited_by_where_they_lie() -> None:
    known = after(empty(), batch(LAST - 2), batch(LAST - 1, 4), batch(2, 2))
    assert only(known, batch(2, 2)) == (Treatment.DUPLICATE, "IDM-03")
    assert only(known, batch(LAST - 1, 4)) == (Treatment.DUPLICATE, "IDM-13")
    partition = evolve(known.topics["t"].partitions[0], log_start_offset=6)
    assert only(known.with_partition("t", 0, partition), batch(2, 2)) == (Treatment.DUPLICATE, "IDM-19")


def test_after_a_restart_an_answer_shows_how_much_is_remembered() -> None:
    known = restarted(after(empty(), *(batch(number) for number in range(5))), [("t", 0)])
    assert only(known, batch(4)) == (Treatment.DUPLICATE, "IDM-17")
    assert only(known, batch(5)) == (Treatment.APPENDED, "IDM-17")
    by_treatment = {way.treatment: way for way in ways(known, batch(2))}
    assert by_treatment.keys() == {Treatment.DUPLICATE, Treatment.OUT_OF_ORDER}
    assert {state.remembered for state in by_treatment[Treatment.DUPLICATE].memories} == {3, 4, 5}
    assert {state.remembered for state in by_treatment[Treatment.OUT_OF_ORDER].memories} == {1, 2}


def test_what_was_answered_rules_out_the_other_memories() -> None:
    known = restarted(after(empty(), *(batch(number) for number in range(5))), [("t", 0)])
    part = ProducePart(topic="t", batches=(batch(2),), sizes=(70,), plain_sizes=(70,))
    _, section = allowed(known, Produce(parts=(part,)), CONTEXT)
    refusal = {"error": ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "base_offset": -1}
    known = judge(section, refusal).outcome.then(known, refusal)
    assert [way.treatment for way in ways(known, batch(1))] == [Treatment.OUT_OF_ORDER]


def test_a_producer_whose_records_are_old_may_be_forgotten() -> None:
    old = after(empty(), batch(0, 2, timestamp=NOW - 90_000_000))
    assert {way.treatment for way in ways(old, batch(9))} == {Treatment.APPENDED, Treatment.OUT_OF_ORDER}
    assert only(after(empty(), batch(0, 2)), batch(9)) == (Treatment.OUT_OF_ORDER, "IDM-04")


@pytest.mark.parametrize("again", [batch(0, 2), batch(9)])
def test_a_producer_whose_records_are_old_is_forgotten_by_a_restart_in_order(again: Batch) -> None:
    old = after(empty(), batch(0, 2, timestamp=NOW - 90_000_000))
    assert only(restarted(old, [("t", 0)]), again) == (Treatment.APPENDED, "IDM-23")
    assert len(ways(restarted(old, [("t", 0)], is_killed=True), again)) == 2
    young = after(empty(), batch(0, 2, timestamp=NOW - 80_000_000))
    assert only(restarted(young, [("t", 0)]), again) != (Treatment.APPENDED, "IDM-23")


def test_a_producer_id_must_be_new_and_a_repeated_one_is_laid_at_the_right_door() -> None:
    cluster = Cluster(producer_ids=frozenset({5, 6}), former_producer_ids=frozenset({5}))
    (section,) = allowed(cluster, InitProducerId(), Context(CONTEXT.profile, version=4))

    def broken(producer_id: int, epoch: int = 0) -> set[str]:
        answer = {"error": ErrorCode.NONE, "producer_id": producer_id, "producer_epoch": epoch}
        return {mismatch.requirement for mismatch in judge(section, answer).mismatches}

    assert broken(7) == set()
    assert broken(6) == {"IDM-01"}
    assert broken(5) == {"IDM-18"}
    assert broken(-1) == {"IDM-01"}
    assert broken(7, 1) == {"IDM-06"}
