"""Lookups by time, held to a search through all records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.profiles import profile_named
from model.reference.batch import Batch, Record
from model.reference.errors import ErrorCode
from model.reference.operations import EARLIEST, LATEST, LATEST_TIERED, MAX_TIMESTAMP, ListOffsets, ListOffsetsPart
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.state import Cluster, Partition, Stored, Topic

TIMES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=5)


def context(version: int = 9) -> Context:
    return Context(profile_named("3.9-kraft"), version=version)


def log_of(batches: list[list[int]], start: int = 0) -> Cluster:
    entries, end = [], 0
    for times in batches:
        records = tuple(Record(b"x", timestamp=time) for time in times)
        entries.append(Stored(Batch(records=records, base_offset=end), size=70))
        end += len(times)
    kept = tuple(entry for entry in entries if entry.next_offset > start)
    return Cluster().with_topic(Topic("t", (Partition(log_start_offset=start, log_end_offset=end, entries=kept),)))


def broken(cluster: Cluster, timestamp: int, offset: int, time: int, *, version: int = 9) -> set[str]:
    """The requirements that an answer breaks."""
    operation = ListOffsets(parts=(ListOffsetsPart(topic="t", timestamp=timestamp),))
    _, section = allowed(cluster, operation, context(version))
    answer = {"error": ErrorCode.NONE, "offset": offset, "timestamp": time}
    return {mismatch.requirement for mismatch in judge(section, answer).mismatches}


@given(TIMES, st.integers(0, 10))
def test_the_first_record_that_is_late_enough(batches: list[list[int]], wanted: int) -> None:
    times = [time for batch in batches for time in batch]
    found = next(((offset, time) for offset, time in enumerate(times) if time >= wanted), (-1, -1))
    assert not broken(log_of(batches), wanted, *found)
    assert broken(log_of(batches), wanted, found[0] + 1, found[1])


@given(TIMES.filter(bool), st.data())
def test_deleted_records_are_not_found(batches: list[list[int]], data: st.DataObject) -> None:
    times = [time for batch in batches for time in batch]
    start = data.draw(st.integers(1, len(times)))
    wanted = data.draw(st.integers(0, 10))
    found = next(((offset, time) for offset, time in enumerate(times) if time >= wanted and offset >= start), (-1, -1))
    assert not broken(log_of(batches, start), wanted, *found)
    assert broken(log_of(batches, start), wanted, start - 1, 0) >= {"LST-18"}


def test_records_that_lie_far_apart_are_in_several_segments() -> None:
    week = 7 * 24 * 60 * 60 * 1000
    assert broken(log_of([[5], [week], [3], [6]], start=1), 4, -1, -1) == {"LST-18", "LST-04"}
    assert not broken(log_of([[5], [week + 6], [3], [6]], start=1), 4, -1, -1)


@given(TIMES)
def test_the_greatest_timestamp(batches: list[list[int]]) -> None:
    times = [time for batch in batches for time in batch]
    greatest = max(times, default=-1)
    offset = times.index(greatest) if times else -1
    assert not broken(log_of(batches), MAX_TIMESTAMP, offset, greatest)
    assert broken(log_of(batches), MAX_TIMESTAMP, offset + 1, greatest)


def test_the_ends_of_the_log() -> None:
    cluster = log_of([[5], [6, 7]], start=1)
    assert not broken(cluster, EARLIEST, 1, -1)
    assert not broken(cluster, LATEST, 3, -1)
    assert not broken(cluster, LATEST_TIERED, -1, -1)
    assert broken(cluster, EARLIEST, 0, -1) == {"LST-01"}
    assert broken(cluster, LATEST, 2, -1) == {"LST-02"}


def test_special_timestamps_have_their_first_versions() -> None:
    cluster = log_of([[5]])
    assert broken(cluster, MAX_TIMESTAMP, 0, 5, version=6) == {"LST-11"}
    assert not broken(cluster, MAX_TIMESTAMP, 0, 5, version=7)
    assert broken(cluster, -100, 0, 5) == {"LST-11"}


def test_a_partition_named_twice_is_refused() -> None:
    part = ListOffsetsPart(topic="t")
    _, first, second = allowed(log_of([]), ListOffsets(parts=(part, part)), context())
    refusal = {"error": ErrorCode.INVALID_REQUEST, "offset": -1}
    assert not judge(first, refusal).mismatches
    assert not judge(second, refusal).mismatches
