"""Compaction: what a cleaning keeps. Examples are those of LogCleanerTest and LogCleanerManagerTest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from model.reference.compaction import (
    Cleanable,
    CleaningPolicy,
    cleanable,
    cleaned,
    endings,
    is_due,
    is_overdue,
    last_of_producers,
)
from model.reference.disk_compaction import compaction
from model.reference.disk_log import DiskLog, taken
from model.reference.disk_seen import records_of
from model.reference.disk_steps import Clean
from model.reference.segments import DiskBatch, DiskRecord, Ending, Segment

DAY = 86_400_000
POLICY = CleaningPolicy()


def log(*batches: Sequence[tuple[bytes | None, bytes | None]], producer: int = -1) -> tuple[Segment, ...]:
    """A segment for each batch of keys and values, and an empty active one."""
    made: list[Segment] = []
    at = 0
    for pairs in batches:
        records = tuple(DiskRecord(offset=at + n, key=key, value=value) for n, (key, value) in enumerate(pairs))
        last = at + len(records) - 1
        one = DiskBatch(
            base_offset=at, last_offset=last, size=10, max_timestamp=at, records=records, producer_id=producer
        )
        made.append(Segment(base_offset=at, batches=(one,)))
        at = last + 1
    return (*made, Segment(base_offset=at))


def left(batches: Sequence[DiskBatch]) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(each.offset, each.key, each.value) for batch in batches for each in batch.records]


def all_of(segments: tuple[Segment, ...]) -> Cleanable:
    return cleanable(segments, None, 0, 10**9, POLICY, 0)


def test_the_newest_of_each_key_stays_where_it_was() -> None:
    segments = log([(b"a", b"1"), (b"b", b"1")], [(b"a", b"2")], [(b"c", b"1"), (b"c", b"2")])
    made = cleaned(segments, all_of(segments), POLICY, 0)
    assert left(made) == [(1, b"b", b"1"), (2, b"a", b"2"), (4, b"c", b"2")]
    assert [(each.base_offset, each.last_offset) for each in made] == [(0, 1), (2, 2), (3, 4)]


def test_a_batch_that_is_empty_goes_but_for_an_active_producers_last() -> None:
    segments = log([(b"a", b"1")], [(b"a", b"2")])
    assert [each.base_offset for each in cleaned(segments, all_of(segments), POLICY, 0)] == [1]
    segments = log([(b"a", b"1")], [(None, b"2")], producer=7)
    made = cleaned(segments, all_of(segments), POLICY, 0)
    assert [(each.base_offset, len(each.records)) for each in made] == [(0, 1), (1, 0)]


def test_a_tombstone_goes_a_while_after_a_cleaning_first_saw_it() -> None:
    segments = log([(b"a", b"1")], [(b"a", None)])
    first = cleaned(segments, all_of(segments), POLICY, 1000)
    assert left(first) == [(1, b"a", None)]
    assert first[0].delete_horizon_ms == 1000 + DAY
    again = (Segment(base_offset=0, batches=first), segments[-1])
    for now, there in ((1000 + DAY - 1, True), (1000 + DAY, False)):
        assert bool(left(cleaned(again, Cleanable(2, 2), POLICY, now))) is there


def test_the_active_segment_is_spared_also_as_witness() -> None:
    """A newer record in the active segment deletes no older one: the map is of what is cleaned."""
    segments = log([(b"a", b"1")], [(b"a", b"2")])[:2]
    assert all_of(segments) == Cleanable(0, 1)
    assert left(cleaned(segments, all_of(segments), POLICY, 0)) == [(0, b"a", b"1"), (1, b"a", b"2")]


@pytest.mark.parametrize(("last", "first"), [(None, 1), (0, 1), (2, 2), (99, 1)])
def test_where_a_cleaning_begins(last: int | None, first: int) -> None:
    segments = log([(b"a", b"1")], [(b"b", b"1")], [(b"c", b"1")])
    assert cleanable(segments, last, 1, 3, POLICY, 0).first_dirty_offset == first


def test_nothing_unstable_or_young_is_cleaned() -> None:
    segments = log([(b"a", b"1")], [(b"b", b"1")], [(b"c", b"1")])
    assert cleanable(segments, None, 0, 2, POLICY, 0).end == 2
    assert cleanable(segments, None, 0, 3, CleaningPolicy(min_compaction_lag_ms=9), 10).end == 2


def test_how_dirty_a_log_must_be() -> None:
    segments = log([(b"a", b"1")], [(b"b", b"1")])
    half = Cleanable(1, 2)
    assert not is_due(segments, half, CleaningPolicy(min_cleanable_dirty_ratio=0.5), 0)
    assert is_due(segments, half, CleaningPolicy(min_cleanable_dirty_ratio=0.49), 0)
    assert not is_due(segments, Cleanable(2, 2), CleaningPolicy(min_cleanable_dirty_ratio=0.0), 0)


@pytest.mark.parametrize("start", [1, 2])
def test_a_segment_in_which_the_log_starts_is_clean_and_dirty(start: int) -> None:
    segments = log([(b"a", b"1"), (b"b", b"1"), (b"b", b"2")])
    offsets = cleanable(segments, None, start, 3, POLICY, 0)
    assert offsets == Cleanable(start, 3)
    assert [is_due(segments, offsets, CleaningPolicy(min_cleanable_dirty_ratio=of), 0) for of in (0.49, 0.5)] == [
        True, False,
    ]  # fmt: skip
    lag = CleaningPolicy(max_compaction_lag_ms=9, min_cleanable_dirty_ratio=1.0)
    later = (evolve(segments[0], batches=(evolve(segments[0].batches[0], max_timestamp=1),)), segments[1])
    assert is_due(later, offsets, lag, 11)


def test_a_log_that_starts_in_the_active_segment_has_nothing_dirty() -> None:
    *_, first, active = log([(b"a", b"1")], [(b"a", b"2"), (b"a", b"3")])[:2]
    offsets = cleanable((first, active), None, 2, 3, POLICY, 0)
    assert offsets == Cleanable(2, 2)
    assert not is_due((first, active), offsets, CleaningPolicy(min_cleanable_dirty_ratio=0.0), 0)


def test_records_before_the_start_outdate_none() -> None:
    segments = log([(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", b"2"), (b"b", b"3")])
    made = cleaned(segments, cleanable(segments, None, 3, 5, POLICY, 0), POLICY, 0)
    assert left(made) == [(0, b"a", b"1"), (2, b"a", b"2"), (4, b"b", b"3")]


def test_for_how_long_a_log_may_wait() -> None:
    segments = log([(b"a", b"1")], [(b"b", b"1")], [(b"c", b"1")])
    lag = CleaningPolicy(max_compaction_lag_ms=9, min_cleanable_dirty_ratio=1.0)
    assert [is_overdue(segments, first, lag, 11) for first in (0, 1, 2)] == [True, True, False]
    assert [is_overdue(segments, 1, lag, now_ms) for now_ms in (10, 11)] == [False, True]
    assert is_due(segments, Cleanable(1, 2), lag, 11)
    assert not is_due(segments, Cleanable(1, 1), lag, 11)


def transactions(*words: str) -> tuple[Segment, ...]:
    """A segment for each batch (`7:a=1`, by a producer), or end of a transaction (`7:commit`), and an active one."""
    made = []
    for at, word in enumerate(words):
        who, _, what = word.partition(":")
        producer, _, epoch = who.partition("/")
        key, _, value = what.partition("=")
        ending = None if value else Ending(what)
        record = DiskRecord(offset=at, key=key.encode(), value=value.encode())
        batch = DiskBatch(
            base_offset=at, last_offset=at, size=10, records=(record,), producer_id=int(producer),
            producer_epoch=int(epoch or 0), is_transactional=True, ending=ending,
        )  # fmt: skip
        made.append(Segment(base_offset=at, batches=(batch,)))
    return (*made, Segment(base_offset=len(words)))


def test_what_was_aborted_goes_and_counts_for_no_key() -> None:
    segments = transactions("7:a=1", "7:commit", "7:a=2", "7:abort", "7:b=1", "7:commit", "8:b=2", "8:abort")
    made = cleaned(segments, all_of(segments), POLICY, 0)
    # Of 8 the batch is the last one, and stays without the record; all markers are of this time.
    assert [(each.base_offset, len(each.records)) for each in made] == [
        (0, 1), (1, 1), (3, 1), (4, 1), (5, 1), (6, 0), (7, 1),
    ]  # fmt: skip
    assert [each.delete_horizon_ms for each in made] == [None] * 7


@pytest.mark.parametrize("ending", Ending)
def test_a_marker_goes_a_while_after_its_transaction(ending: Ending) -> None:
    segments = transactions("7:a=1", f"7:{ending}", "7:b=1", "7:commit", "8:a=2", "8:commit")
    for now_ms, horizon_ms in ((5, None), (6, 6 + DAY), (6 + DAY - 1, 6 + DAY)):
        made = cleaned(segments, all_of(segments), POLICY, now_ms)
        assert (made[0].base_offset, made[0].delete_horizon_ms) == (1, horizon_ms)
        segments = (Segment(base_offset=0, batches=made), segments[-1])
    assert [each.base_offset for each in cleaned(segments, all_of(segments), POLICY, 6 + DAY)] == [2, 3, 4, 5]


def test_a_marker_of_a_newer_epoch_is_kept_instead_of_what_its_producer_wrote() -> None:
    """The coordinator fences a producer that it aborts: its sequence number is of no use."""
    segments = transactions("7:a=1", "7/1:abort", "8:b=1", "8:abort", "9:c=1", "9/1:abort", "9/1:c=2", "9/1:commit")
    made = cleaned(segments, all_of(segments), POLICY, 5)
    assert [(each.base_offset, len(each.records)) for each in made] == [
        (1, 1), (2, 0), (3, 1), (5, 1), (6, 1), (7, 1),
    ]  # fmt: skip
    for now_ms in (5, 5 + DAY):
        again = (Segment(base_offset=0, batches=made), segments[-1])
        made = cleaned(again, all_of(segments), POLICY, now_ms)
    assert [(each.base_offset, len(each.records)) for each in made] == [
        (1, 0), (2, 0), (3, 1), (6, 1), (7, 1),
    ]  # fmt: skip
    # The marker of 8 is needed as long as there is a batch of its transaction, though it be empty.
    assert last_of_producers(made) == {7: (1, None), 8: (0, 2), 9: (1, 6)}


def test_the_batch_of_such_a_marker_is_not_asked_for() -> None:
    """It goes once the producer is forgotten, which is not told."""
    segments = transactions("7:a=1", "7/1:abort", "8:b=1", "8:abort")
    before = DiskLog(segments=segments)
    step = Clean(policy=CleaningPolicy(min_cleanable_dirty_ratio=0.0, delete_retention_ms=0), now_ms=DAY)
    log = taken(before, step)
    for each in compaction(before, step, log):
        if each.requirement == "CMP-13":
            assert each.allowed.admits(((2, 2, 0), (3, 3, 1)))
            assert not each.allowed.admits(((1, 1, 1), (3, 3, 1)))
            break
    else:
        pytest.fail("CMP-13 is not judged")


def test_a_transaction_that_is_open_has_no_ending() -> None:
    segments = transactions("7:a=1", "8:a=1", "8:abort", "7:b=1")
    batches = [batch for each in segments for batch in each.batches]
    assert {base: marker.base_offset for base, marker in endings(batches).items()} == {1: 2}


def broken_by(segments: tuple[Segment, ...], kept: set[int]) -> set[str]:
    """The requirements that a cleaning breaks which leaves records at these offsets."""
    before = DiskLog(segments=segments)
    step = Clean(policy=CleaningPolicy(min_cleanable_dirty_ratio=0.0), now_ms=DAY)
    seen = tuple(each for each in records_of(before) if each[0] in kept)
    expects = compaction(before, step, taken(before, step))
    return {each.requirement for each in expects if each.field == "records" and not each.allowed.admits(seen)}


def with_tombstone(segments: tuple[Segment, ...], offset: int, horizon_ms: int | None) -> tuple[Segment, ...]:
    """The segments where the batch at an offset has a tombstone instead, which may go at a time."""
    made = []
    for segment in segments:
        (batch,) = segment.batches or (None,)
        if batch is not None and batch.base_offset == offset:
            records = (evolve(batch.records[0], value=None),)
            batch = evolve(batch, records=records, delete_horizon_ms=horizon_ms)
        made.append(segment if batch is None else evolve(segment, batches=(batch,)))
    return tuple(made)


def test_a_tombstone_that_is_outdated_must_go() -> None:
    segments = log([(b"a", b"1")], [(b"a", None)], [(b"a", b"2")])
    assert broken_by(segments, {2}) == set()
    assert broken_by(segments, {1, 2}) == {"CMP-02"}


def test_what_was_aborted_outdates_no_tombstone() -> None:
    words = ("7:a=1", "7:commit", "7:a=2", "7:commit", "8:a=3", "8:abort")
    segments = with_tombstone(transactions(*words), 2, horizon_ms=1)
    assert broken_by(segments, {1, 3, 5}) == set()
    assert broken_by(segments, {1, 2, 3, 5}) == {"CMP-06"}


def test_a_tombstone_that_was_aborted_goes_as_such() -> None:
    segments = with_tombstone(transactions("7:a=1", "7:commit", "8:a=2", "8:abort"), 2, horizon_ms=None)
    assert broken_by(segments, {0, 1, 3}) == set()
    assert broken_by(segments, {0, 1, 2, 3}) == {"CMP-28"}


PAIRS = st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"1", b"2", None]))


@given(st.lists(st.lists(PAIRS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_a_reader_from_the_start_learns_the_same(batches: list[list[tuple[bytes, bytes | None]]]) -> None:
    segments = log(*batches)
    made = cleaned(segments, all_of(segments), POLICY, 0)
    before = {key: value for _, key, value in left([batch for each in segments for batch in each.batches])}
    after = left(made)
    assert {key: value for _, key, value in after} == before
    assert [offset for offset, _, _ in after] == sorted({offset for offset, _, _ in after})
    once_more = cleaned((Segment(base_offset=0, batches=made), segments[-1]), all_of(segments), POLICY, 0)
    assert left(once_more) == after
