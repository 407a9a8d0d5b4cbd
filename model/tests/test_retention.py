"""Retention: which segments go. Examples are those of Kafka's own tests."""

from __future__ import annotations

import pytest

from model.reference.retention import Breach, Policy, is_removed, retained
from model.reference.segments import NO_TIMESTAMP, DiskBatch, Segment

SIZE = 100
KEEP = Policy(retention_ms=-1)


def log(*timestamps: int, active: bool = True) -> tuple[Segment, ...]:
    """Segments of one record each, and an empty active one."""
    full = [
        Segment(
            base_offset=n,
            batches=(DiskBatch(base_offset=n, last_offset=n, size=SIZE, max_timestamp=timestamp),),
            modified_ms=50,
        )
        for n, timestamp in enumerate(timestamps)
    ]
    return (*full, *((Segment(base_offset=len(full)),) if active else ()))


def gone(segments: tuple[Segment, ...], policy: Policy, start: int = 0, high: int = 99, now: int = 0) -> list[int]:
    return [each.base_offset for each, _ in retained(segments, start, high, policy, now).gone]


@pytest.mark.parametrize(("limit", "first"), [(401, []), (400, []), (301, []), (300, [0]), (100, [0, 1, 2]), (-1, [])])
def test_size(limit: int, first: list[int]) -> None:
    """The log keeps at least retention.bytes: a segment goes if what is left is as large (UnifiedLogTest)."""
    assert gone(log(1, 1, 1, 1), Policy(retention_ms=-1, retention_bytes=limit)) == first


@pytest.mark.parametrize(("now", "first"), [(110, []), (111, [0]), (121, [0, 1])])
def test_time_is_strict_and_stops_at_the_first_that_stays(now: int, first: list[int]) -> None:
    assert gone(log(10, 20, 90, 15), Policy(retention_ms=100), now=now) == first


def test_a_segment_without_times_is_as_old_as_its_file() -> None:
    segments = log(NO_TIMESTAMP)
    assert gone(segments, Policy(retention_ms=100), now=150) == []
    assert gone(segments, Policy(retention_ms=100), now=151) == [0]


def test_nothing_goes_that_is_not_committed() -> None:
    assert gone(log(1, 1, 1), Policy(retention_ms=0), high=2, now=500) == [0, 1]


def test_the_start_deletes_whole_segments_whatever_the_policy() -> None:
    assert gone(log(1, 1, 1), Policy(deletes=False, retention_ms=0), start=2, now=500) == [0, 1]


def test_compaction_alone_deletes_nothing_by_age_or_size() -> None:
    assert gone(log(1, 1), Policy(deletes=False, retention_ms=0, retention_bytes=0), now=500) == []


def test_an_active_segment_goes_too_and_a_new_one_is_begun() -> None:
    kept = retained(log(1, 1, active=False), 0, 2, Policy(retention_ms=10), 500)
    assert [each.base_offset for each in kept.segments] == [2]
    assert (kept.log_start_offset, [why for _, why in kept.gone]) == (2, [Breach.TIME, Breach.TIME])


def test_an_empty_log_stays() -> None:
    assert retained(log(), 0, 0, Policy(retention_ms=0), 500).gone == ()


def test_the_log_start_never_falls() -> None:
    assert retained(log(1, 1, 1), 2, 99, KEEP, 0).log_start_offset == 2


def test_files_are_removed_later() -> None:
    assert [is_removed(1000, now, 60_000) for now in (60_999, 61_000)] == [False, True]
