"""Histories of a log on a disk: what is expected after each step, and which requirement says so."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.catalogue import requirements
from model.profiles import profile_named
from model.reference.batch import Batch, Record
from model.reference.compaction import CleaningPolicy
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
from model.reference.segments import Limits
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
    assert all(found.allowed.admits((first, any_, third)) for any_ in (second, (), ((3, 7),)))
    assert not any(found.allowed.admits(seen) for seen in ((first, second, ()), ((), second, third), (first, second)))


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
