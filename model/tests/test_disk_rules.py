"""Histories of a log on a disk: what is expected after each step, and which requirement says so."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.catalogue import requirements
from model.profiles import profile_named
from model.reference.batch import Batch, Record
from model.reference.compaction import CleaningPolicy
from model.reference.disk_indexes import may_be_offset_index
from model.reference.disk_log import DiskLog, UndecidedError, taken
from model.reference.disk_steps import (
    Append,
    Clean,
    Damage,
    DiskHistory,
    DiskStep,
    Flush,
    FlushOverdue,
    RaiseStart,
    Remove,
    Restart,
    Retain,
)
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.retention import Policy
from model.reference.segments import DiskBatch, Limits, Segment
from model.reference.state import Cluster

CONTEXT = Context(profile_named("3.9-kraft"), 0)
PAIR = Limits(segment_bytes=200, index_interval_bytes=0)


def append(*keys: str, timestamp: int = 0) -> Append:
    records = tuple(Record(b"v", key=key.encode(), timestamp=timestamp) for key in keys or ("k",))
    return Append(batch=Batch(records=records), size=100, now_ms=timestamp)


def after(*steps: DiskStep, limits: Limits = PAIR) -> DiskLog:
    log = DiskLog(limits=limits)
    for step in steps:
        log = taken(log, step)
    return log


def bases(log: DiskLog) -> list[int]:
    return [each.base_offset for each in log.segments]


def rules(*steps: DiskStep) -> set[str]:
    """The requirements that the last step is held to."""
    (*_, last) = allowed(Cluster(), DiskHistory(steps=steps, limits=PAIR), CONTEXT)
    return {expect.requirement for choice in last.choices for expect in choice.expects}


THREE = (append(), append(), append())


@pytest.mark.parametrize(
    ("damage", "place", "end"),
    [
        (Damage.NONE, -1, 5),
        (Damage.TORN, -1, 4),
        (Damage.FLIPPED, 0, 0),
        (Damage.FLIPPED, 1, 1),
        (Damage.FLIPPED, -2, 3),
        (Damage.ZEROS, -1, 5),
        (Damage.INDEXES, -1, 5),
    ],
)
def test_damage_costs_what_is_after_it(damage: Damage, place: int, end: int) -> None:
    assert after(*THREE, append(), append(), Restart(damage=damage, place=place)).log_end_offset == end


def test_a_batch_that_may_roll_or_not_is_refused() -> None:
    limits = Limits(segment_ms=1000, segment_jitter_ms=200)
    assert bases(after(append(timestamp=0), append(timestamp=801), limits=limits)) == [0]
    assert bases(after(append(timestamp=0), append(timestamp=1001), limits=limits)) == [0, 1]
    for each in (802, 1000):
        with pytest.raises(UndecidedError, match=r"by segment\.jitter\.ms"):
            after(append(timestamp=0), append(timestamp=each), limits=limits)


def test_what_was_flushed_is_believed() -> None:
    log = after(append(), append(), Flush(), append(), Restart(damage=Damage.TORN))
    assert (log.log_end_offset, log.recovery_point) == (2, 2)


def test_the_index_of_a_segment_that_was_active_at_a_start_is_not_judged() -> None:
    """Its last entry may be missing: what was appended before a start need not count for it."""
    steps = (*THREE, Restart(clean=True), append(), append(), append(), append())
    (*_, last) = allowed(Cluster(), DiskHistory(steps=steps, limits=PAIR), CONTEXT)
    (found,) = (each for each in last.choices[0].expects if each.field == "offset_indexes")
    first, second, third = ((1, 100),), ((3, 100),), ((5, 100),)
    assert all(found.allowed.admits((first, any_, third)) for any_ in (second, ()))
    wrong = ((3, 7),), ((2, 100),), ((2, 0),), ((3, 100), (3, 100))
    assert not any(found.allowed.admits((first, each, third)) for each in wrong)
    assert not any(found.allowed.admits(seen) for seen in ((first, second, ()), ((), second, third), (first, second)))


def test_the_time_index_of_such_a_segment_ends_with_its_largest_time() -> None:
    one, *more = (append(timestamp=each) for each in (5, 4, 5))
    steps: tuple[DiskStep, ...] = (append(timestamp=1), append(timestamp=2), one, Restart(clean=True), *more)
    (*_, last) = allowed(Cluster(), DiskHistory(steps=steps, limits=PAIR), CONTEXT)
    (found,) = (each for each in last.choices[0].expects if each.field == "time_indexes")
    first = ((2, 1),)
    assert found.allowed.admits((first, ((5, 2),)))
    for wrong in ((), ((4, 3),), ((5, 2), (5, 3)), ((5, 4),)):
        assert not found.allowed.admits((first, wrong))


def test_without_a_closed_segment_no_index_is_judged() -> None:
    assert not {"SEG-12", "SEG-13"} & rules(append())
    assert {"SEG-12", "SEG-13"} <= rules(*THREE)


def test_entries_of_an_index_are_an_interval_apart() -> None:
    batches = tuple(DiskBatch(base_offset=each, last_offset=each, size=100) for each in range(6))
    found, limits = Segment(base_offset=0, batches=batches), Limits(index_interval_bytes=150)
    entries = tuple((each, 100 * each) for each in range(6))
    assert [may_be_offset_index(found, tuple(entries[at] for at in places), limits) for places in (
        (2, 4), (4,), (3, 5), (1, 3), (2, 3), (4, 2),
    )] == [True, True, True, False, False, False]  # fmt: skip


def test_a_log_is_flushed_when_its_last_flush_is_long_ago() -> None:
    log = evolve(after(append(), Restart(now_ms=1000)), flush_ms=50)
    assert [taken(log, FlushOverdue(now_ms=now)).recovery_point for now in (1049, 1050)] == [0, 1]
    again = taken(taken(log, FlushOverdue(now_ms=1060)), append())
    assert [taken(again, FlushOverdue(now_ms=now)).recovery_point for now in (1109, 1110)] == [1, 2]
    idle = taken(taken(log, FlushOverdue(now_ms=1060)), FlushOverdue(now_ms=1200))
    assert taken(taken(idle, append()), FlushOverdue(now_ms=1201)).recovery_point == 2
    assert taken(log, Flush()).recovery_point == 1
    with pytest.raises(UndecidedError, match="not known when the log was flushed"):
        taken(taken(taken(log, Flush()), append()), FlushOverdue(now_ms=1201))


MANY = append("a", "b", "c")


@pytest.mark.parametrize(
    ("steps", "flush_messages", "point"),
    [
        ((append(), append(), MANY), 3, 5),
        ((append(), append(), append()), 4, 0),
        ((append(), append(), append()), 2, 2),
        ((append(), append(), append(), append()), 2, 4),
        ((append(), append(), append()), 3, None),
        ((append(), append(), append(), append()), 3, None),
    ],
)
def test_a_roll_may_have_flushed_what_is_before_it(
    steps: tuple[DiskStep, ...], flush_messages: int, point: int | None
) -> None:
    """Kafka flushes a segment that is full, and counts from there; who does not flush it counts from before."""
    log = evolve(after(), flush_messages=flush_messages)
    if point is None:
        with pytest.raises(UndecidedError, match=r"flush\.messages"):
            _after(log, *steps)
    else:
        assert _after(log, *steps).recovery_point == point


def _after(log: DiskLog, *steps: DiskStep) -> DiskLog:
    for step in steps:
        log = taken(log, step)
    return log


ALL_GO = Retain(policy=Policy(retention_ms=0), now_ms=200)


def at(now_ms: int, *keys: str) -> Append:
    return evolve(append(*keys), now_ms=now_ms)


def test_a_roll_may_count_as_the_last_flush() -> None:
    steps = (at(100), at(100), at(200))
    log = evolve(after(Restart(now_ms=100)), flush_ms=1000)
    for now_ms, ends in ((1099, 0), (1200, 3)):
        assert _after(log, *steps, FlushOverdue(now_ms=now_ms)).recovery_point == ends
    for now_ms in (1100, 1199):
        with pytest.raises(UndecidedError, match="whether a roll has flushed the log"):
            _after(log, *steps, FlushOverdue(now_ms=now_ms))
        with pytest.raises(UndecidedError, match="whether a roll has flushed the log"):
            _after(log, at(100), ALL_GO, at(200), FlushOverdue(now_ms=now_ms))


@pytest.mark.parametrize("flush", [FlushOverdue(now_ms=1200), Restart(now_ms=1200)])
def test_a_later_flush_makes_that_of_a_roll_forgotten(flush: DiskStep) -> None:
    log = _after(evolve(after(), flush_ms=1000), at(100), at(100), at(200), flush, at(1200))
    assert _after(log, FlushOverdue(now_ms=2200)).recovery_point == 4
    assert _after(log, FlushOverdue(now_ms=2199)).recovery_point < 4


def test_the_recovery_point_that_a_roll_has_raised_is_none_of_the_schedulers() -> None:
    history = DiskHistory(steps=(*THREE, FlushOverdue(now_ms=1)), limits=PAIR, flush_ms=1000)
    (*_, last) = allowed(Cluster(), history, CONTEXT)
    (point,) = (each.allowed for each in last.choices[0].expects if each.field == "recovery_point")
    assert [point.admits(each) for each in (0, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("clean", [True, False])
def test_an_index_that_a_start_has_changed_may_be_full(clean: bool) -> None:
    limits = Limits(index_interval_bytes=0, segment_index_bytes=4 * 12)
    two = (append(timestamp=1), append(timestamp=1))
    assert bases(after(*two, append(), Restart(clean=clean), limits=limits)) == [0]
    with pytest.raises(UndecidedError, match="an index of the segment is full or not"):
        after(*two, append(), Restart(clean=clean), append(), limits=limits)
    assert bases(after(*two, Restart(clean=clean), append(), limits=limits)) == [0]
    full = evolve(limits, segment_bytes=300)
    assert bases(after(*two, append(), Restart(clean=clean), append(), limits=full)) == [0, 3]


def test_a_clean_stop_before_the_log_begins_anew_makes_no_recovery_point() -> None:
    steps = (*THREE, Restart(clean=True, log_start_offset=9))
    assert "DUR-13" not in rules(*steps)
    assert after(*steps).recovery_point == 0


def test_no_damage_to_the_end_excuses_a_closed_segment() -> None:
    for damage in Damage:
        assert "SEG-09" in rules(*THREE, Restart(damage=damage))


def test_deleted_segments_are_given_up_until_a_start() -> None:
    everything = Retain(policy=Policy(retention_ms=0), now_ms=1)
    log = after(*THREE, everything)
    assert (bases(log), log.log_start_offset, log.given_up) == ([3], 3, ((0, 1), (2, 1)))
    assert after(*THREE, everything, Restart()).given_up == ()


def test_the_files_of_deleted_segments_go_when_their_time_is_over() -> None:
    first, second = (Retain(policy=Policy(retention_ms=0), now_ms=each) for each in (1, 11))
    steps = (*THREE, first, append(timestamp=2), second)
    assert after(*steps, Remove(now_ms=60_000)).given_up == ((0, 1), (2, 1), (3, 11))
    assert after(*steps, Remove(now_ms=60_001)).given_up == ((3, 11),)
    assert after(*steps, Remove(now_ms=60_011)).given_up == ()
    assert rules(*steps, Remove(now_ms=1)) == {"RET-11"}


def test_records_below_the_start_are_not_read() -> None:
    assert [each.offset for each in after(*THREE, RaiseStart(1)).records] == [1, 2]


def test_a_cleaning_is_of_whole_segments() -> None:
    clean = Clean(policy=CleaningPolicy(min_cleanable_dirty_ratio=0), now_ms=0, stable_offset=3)
    log = after(append("a"), append("a"), append("a"), append("a"), append("a"), clean)
    assert [each.offset for each in log.records] == [1, 2, 3, 4]
    assert log.clean_to == 2


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ((append(),), "SEG-03"),
        ((append(), append()), "SEG-02"),
        (THREE, "SEG-01"),
        ((*THREE, Restart(clean=True)), "DUR-01"),
        ((*THREE, Restart(clean=True, damage=Damage.NO_INDEXES)), "DUR-09"),
        ((*THREE, Restart()), "DUR-02"),
        ((*THREE, Retain(policy=Policy(retention_ms=0), now_ms=1, high_watermark=2)), "RET-13"),
        ((*THREE, Retain(policy=Policy(retention_ms=0), now_ms=1)), "RET-07"),
    ],
)
def test_the_rule_that_a_step_is_held_to(steps: tuple[DiskStep, ...], rule: str) -> None:
    assert rule in rules(*steps)
    assert rules(*steps) <= requirements().keys()


def test_a_step_that_failed_is_laid_at_its_rules_door() -> None:
    (*_, last) = allowed(Cluster(), DiskHistory(steps=THREE, limits=PAIR), CONTEXT)
    (mismatch,) = judge(last, {"error": "no space"}).mismatches
    assert (mismatch.requirement, mismatch.seen) == ("SEG-01", "no space")
