"""Segments: when a log rolls, what indexes hold, what a recovery yields. Examples are those of Kafka's own tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.reference.segments import (
    NO_TIMESTAMP,
    DiskBatch,
    Limits,
    RollReason,
    Segment,
    is_flush_due,
    is_flush_overdue,
    jitters_ms,
    life_ms,
    may_have_full_index,
    offset_index,
    recovered,
    recovery_point,
    roll_reason,
    time_index,
    waited_ms,
)

MINUTES_5 = 300_000
LIMITS = Limits(segment_bytes=2**31 - 1, segment_ms=MINUTES_5)


def batch(offset: int, size: int = 100, timestamp: int = NO_TIMESTAMP, *, is_valid: bool = True) -> DiskBatch:
    return DiskBatch(base_offset=offset, last_offset=offset, size=size, max_timestamp=timestamp, is_valid=is_valid)


def segment(*batches: DiskBatch, base: int = 0) -> Segment:
    return Segment(base_offset=base, batches=batches, modified_ms=7)


def test_an_empty_segment_is_never_too_old() -> None:
    """LogSegmentTest.testTruncateEmptySegment."""
    empty, late = segment(), MINUTES_5 + 1
    assert waited_ms(empty, NO_TIMESTAMP, late) == late
    assert roll_reason(empty, batch(100, 1024), LIMITS, late, 0) is None
    assert roll_reason(empty, batch(2**31 - 1 + 200, 1024), LIMITS, late, 0) is RollReason.OFFSETS


@pytest.mark.parametrize(("size", "reason"), [(100, None), (101, RollReason.SIZE)])
def test_a_batch_that_fits_exactly_stays(size: int, reason: RollReason | None) -> None:
    assert roll_reason(segment(batch(0, 900)), batch(1, size), Limits(segment_bytes=1000), 0, 0) is reason


@pytest.mark.parametrize(("waited", "jitter", "reason"), [(0, 0, None), (1, 0, RollReason.AGE), (0, 1, RollReason.AGE)])
def test_age_is_told_by_the_records_times(waited: int, jitter: int, reason: RollReason | None) -> None:
    old = segment(batch(0, timestamp=1000), batch(1, timestamp=5))
    new = batch(2, timestamp=1000 + MINUTES_5 + waited)
    assert roll_reason(old, new, LIMITS, now_ms=0, jitter_ms=jitter) is reason


@pytest.mark.parametrize(
    ("jitter", "life", "most"), [(0, 1000, 0), (1, 1000, 0), (200, 1000, 199), (2000, 1000, 999)], ids=str
)
def test_a_life_is_shortened_by_less_than_the_jitter_and_than_itself(jitter: int, life: int, most: int) -> None:
    assert jitters_ms(Limits(segment_ms=life, segment_jitter_ms=jitter)) == (0, most)


def test_age_is_told_by_the_clock_if_the_first_batch_has_no_time() -> None:
    old = segment(batch(0), batch(1, timestamp=1000))
    assert roll_reason(old, batch(2), LIMITS, now_ms=MINUTES_5, jitter_ms=0) is None
    assert roll_reason(old, batch(2), LIMITS, now_ms=MINUTES_5 + 1, jitter_ms=0) is RollReason.AGE


def test_an_older_batch_rolls_nothing() -> None:
    assert roll_reason(segment(batch(0, timestamp=10 * MINUTES_5)), batch(1, timestamp=1), LIMITS, 0, 0) is None


def test_offsets_span_31_bits() -> None:
    first = segment(batch(5), base=5)
    assert roll_reason(first, batch(5 + 2**31 - 1), LIMITS, 0, 0) is None
    assert roll_reason(first, batch(5 + 2**31), LIMITS, 0, 0) is RollReason.OFFSETS


def test_full_indexes_roll() -> None:
    three = segment(*(batch(each, timestamp=1) for each in range(4)))  # entries for batches 2 and 3 (interval: 0 bytes)
    dense = Limits(index_interval_bytes=0, segment_index_bytes=24)
    assert len(offset_index(three, dense)) == 3
    assert roll_reason(three, batch(4, timestamp=1), dense, 0, 0) is RollReason.OFFSET_INDEX
    one = segment(batch(0, timestamp=1), batch(1, timestamp=2))
    assert roll_reason(one, batch(2, timestamp=3), dense, 0, 0) is RollReason.TIME_INDEX


def test_how_full_the_indexes_of_a_segment_may_be_after_a_start() -> None:
    """Starts may give the time index an entry for each batch, and there must be room for one more."""
    four = segment(*(batch(each, timestamp=1) for each in range(4)))
    assert not may_have_full_index(four, Limits(segment_index_bytes=6 * 12))
    assert may_have_full_index(four, Limits(segment_index_bytes=5 * 12))


@pytest.mark.parametrize(
    ("lag_ms", "compacts", "life"), [(5, True, 5), (20, True, 10), (0, True, 10), (5, False, 10)], ids=str
)
def test_what_must_be_compacted_soon_ends_a_segment(lag_ms: int, compacts: bool, life: int) -> None:
    """LogConfigTest: maxSegmentMs."""
    assert life_ms(10, lag_ms, compacts=compacts) == life


def test_index_entries_are_more_than_the_interval_apart() -> None:
    batches = segment(*(batch(each, 50, timestamp=10 - each) for each in range(6)))
    limits = Limits(index_interval_bytes=100)
    assert offset_index(batches, limits) == [(3, 150)]
    assert time_index(batches, limits) == [(10, 0)]


def test_the_largest_timestamp_of_records_without_any_is_the_files() -> None:
    assert segment(batch(0)).largest_timestamp == 7
    assert segment(batch(0), batch(1, timestamp=3)).largest_timestamp == 3


def test_flushes() -> None:
    assert [is_flush_due(count, 3) for count in (2, 3)] == [False, True]
    assert [is_flush_overdue(1000, now, 50) for now in (1049, 1050)] == [False, True]
    assert recovery_point(10, 7) == 10


BROKEN = (
    segment(batch(0), batch(1)),
    segment(batch(2), batch(3, is_valid=False), batch(4), base=2),
    segment(batch(5), base=5),
)


@pytest.mark.parametrize(("point", "end", "bases"), [(0, 3, [0, 2]), (4, 3, [0, 2]), (5, 6, [0, 2, 5])])
def test_recovery_begins_with_the_segment_of_the_recovery_point(point: int, end: int, bases: list[int]) -> None:
    made = recovered(BROKEN, point, 0, was_clean=False)
    assert (made.log_end_offset, [each.base_offset for each in made.segments]) == (end, bases)
    assert made.recovery_point == min(point, end)


HOLED = (
    segment(batch(0), batch(1)),
    segment(batch(3), base=3),
    segment(batch(4), base=4),
)


@pytest.mark.parametrize(("point", "bases"), [(0, [0]), (2, [0]), (3, [0, 3, 4])])
def test_a_hole_ends_a_log_that_has_no_gaps(point: int, bases: list[int]) -> None:
    made = recovered(HOLED, point, 0, was_clean=False, may_have_gaps=False)
    assert [each.base_offset for each in made.segments] == bases
    assert (*made.segments, *made.dropped) == HOLED
    assert recovered(HOLED, point, 0, was_clean=False).segments == HOLED
    assert recovered(HOLED, point, 0, was_clean=True, may_have_gaps=False).segments == HOLED


def test_a_clean_stop_is_believed() -> None:
    made = recovered(BROKEN, 0, 0, was_clean=True)
    assert (made.segments, made.log_end_offset, made.recovery_point, made.dropped) == (BROKEN, 6, 6, ())


def test_a_log_that_ends_before_its_start_begins_anew() -> None:
    made = recovered(BROKEN, 0, 4, was_clean=False)
    assert (made.log_end_offset, [each.base_offset for each in made.segments]) == (4, [4])
    assert len(made.dropped) == 3


@pytest.mark.parametrize(("found", "point", "made"), [(BROKEN, 6, 6), (BROKEN, 9, 9), (BROKEN, 2, 2), ((), 0, 0)])
def test_a_clean_stop_raises_no_recovery_point_of_a_log_that_begins_anew(
    found: tuple[Segment, ...], point: int, made: int
) -> None:
    assert recovered(found, point, 9, was_clean=True).recovery_point == made


def test_nothing_is_found() -> None:
    assert recovered((), 0, 9, was_clean=False).log_end_offset == 9


@given(st.lists(st.booleans(), max_size=8), st.integers(0, 8))
def test_recovery_yields_a_valid_prefix_that_has_all_below_the_first_bad_batch(valid: list[bool], point: int) -> None:
    whole = [segment(batch(2 * n, is_valid=good), batch(2 * n + 1), base=2 * n) for n, good in enumerate(valid)]
    made = recovered(whole, point, 0, was_clean=False)
    everything = [each for one in whole for each in one.batches]
    kept = [each for one in made.segments for each in one.batches]
    assert kept == everything[: len(kept)]
    assert all(each.is_valid for each in kept if each.base_offset >= point)
    assert len(kept) == len(everything) or not everything[len(kept)].is_valid
