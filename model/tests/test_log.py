"""The rules of appending, reading, waiting and deleting, held against answers that are right and answers that lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as some

from model.profiles import profile_named
from model.reference.batch import Batch, Compression, Record
from model.reference.deletion import starting_at
from model.reference.errors import ErrorCode
from model.reference.operations import (
    HIGH_WATERMARK,
    DeleteRecords,
    DeleteRecordsPart,
    Fetch,
    FetchPart,
    Produce,
    ProducePart,
)
from model.reference.oracle import Context, allowed
from model.reference.outcomes import Finding, Values, judge
from model.reference.restart import restarted
from model.reference.state import Cluster, Partition, Stored, Topic
from model.reference.waiting import Waited

CONTEXT = Context(profile_named("3.9-kraft"), version=12)
SIZE = 100
NOTHING: Values = {"partitions": (("t", 0),), "throttle_time_ms": 0}


def batch(count: int, **claims: Any) -> Batch:
    return Batch(records=tuple(Record(b"%d" % number, timestamp=7) for number in range(count)), **claims)


def image(stored: Stored) -> bytes:
    return b"%d" % stored.base_offset + b"." * (stored.size - len(b"%d" % stored.base_offset))


def log_of(*counts: int, start: int = 0) -> Cluster:
    """A topic `t` with a partition that holds batches of so many records, starting at `start`."""
    entries: list[Stored] = []
    end = 0
    for count in counts:
        entries.append(Stored(batch(count).at(end, 0), SIZE))
        end += count
    partition = starting_at(Partition(log_end_offset=end, entries=tuple(entries)), start)
    return Cluster(topics={"t": Topic("t", (partition,))})


def produce(*batches: Batch, partition: int = 0) -> Produce:
    return Produce(
        parts=tuple(ProducePart(topic="t", partition=partition, batches=(b,), sizes=(SIZE,)) for b in batches)
    )


def fetch(offset: int, **other: Any) -> Fetch:
    part = FetchPart(topic="t", offset=offset, max_bytes=other.pop("partition_max_bytes", 1 << 20))
    return Fetch(parts=(part,), **other)


def answer_of(partition: Partition, returned: tuple[Stored, ...], **lies: object) -> Values:
    """What a right broker says of a partition with these batches returned."""
    return {
        "error": ErrorCode.NONE,
        "high_watermark": partition.log_end_offset,
        "last_stable_offset": partition.log_end_offset,
        "log_start_offset": partition.log_start_offset,
        "aborted_transactions": None,
        "preferred_read_replica": -1,
        "diverging_epoch": None,
        "records": tuple(stored.batch for stored in returned),
        "records_bytes": sum(stored.size for stored in returned),
        "images": tuple(image(stored) for stored in returned),
        **lies,
    }


def judged(
    cluster: Cluster, operation: Any, *parts: Values, whole: Mapping[str, object] | None = None
) -> list[Finding]:
    sections = allowed(cluster, operation, CONTEXT)
    first = {**NOTHING, "error": ErrorCode.NONE, **(whole or {})}
    return [judge(section, values) for section, values in zip(sections, (first, *parts), strict=True)]


def broken(findings: list[Finding]) -> set[str]:
    return {mismatch.requirement for finding in findings for mismatch in finding.mismatches}


def after(cluster: Cluster, findings: list[Finding], *answers: Values) -> Cluster:
    for finding, values in zip(findings, ({}, *answers), strict=True):
        cluster = finding.outcome.then(cluster, values)
    return cluster


counts = some.lists(some.integers(1, 5), min_size=1, max_size=8)


@given(counts, some.data())
def test_whole_batches_from_the_one_that_holds_the_offset_are_right(sizes: list[int], data: some.DataObject) -> None:
    cluster = log_of(*sizes, start=data.draw(some.integers(0, sum(sizes))))
    partition = cluster.topics["t"].partitions[0]
    offset = data.draw(some.integers(partition.log_start_offset, partition.log_end_offset))
    readable = partition.from_offset(offset)
    count = data.draw(some.integers(min(1, len(readable)), len(readable)))
    findings = judged(cluster, fetch(offset), answer_of(partition, readable[:count]))
    assert broken(findings) == set()


@given(counts, some.integers(-3, 50))
def test_offsets_outside_the_log_are_refused(sizes: list[int], offset: int) -> None:
    start = sum(sizes) // 2
    cluster = log_of(*sizes, start=start)
    refused: Values = {"error": ErrorCode.OFFSET_OUT_OF_RANGE, "records": (), "high_watermark": -1}
    findings = judged(cluster, fetch(offset), refused)
    assert (broken(findings) == set()) == (not start <= offset <= sum(sizes))
    if 0 <= offset < start:
        assert findings[1].judged == {"LOG-37", "LOG-06"}


@pytest.mark.parametrize(
    ("offset", "lies", "requirement"),
    [
        (0, {"high_watermark": 5}, "LOG-12"),
        (0, {"last_stable_offset": 0}, "LOG-13"),
        (0, {"log_start_offset": 1}, "LOG-11"),
        (0, {"records": ()}, "LOG-04"),
        (0, {"aborted_transactions": ((1, 0),)}, "LOG-40"),
        (0, {"preferred_read_replica": 2}, "LOG-41"),
        (0, {"records": (batch(3),)}, "LOG-01"),
        (0, {"records": (batch(2, compression=Compression.GZIP),)}, "LOG-27"),
        (0, {"records": (batch(2, crc_is_right=False),)}, "LOG-28"),
        (0, {"records": (batch(2, producer_id=5),)}, "LOG-30"),
        (0, {"records": (Batch(records=(Record(b"1"), Record(b"0"))),)}, "LOG-02"),
        (0, {"images": (b"",)}, "LOG-29"),
        (0, {"error": ErrorCode.UNKNOWN_SERVER_ERROR}, "LOG-04"),
        (3, {"records": (batch(2).at(3, 0),)}, "LOG-04"),
        (6, {"records": (batch(2),)}, "LOG-03"),
        (6, {"error": ErrorCode.OFFSET_OUT_OF_RANGE}, "LOG-03"),
    ],
)
def test_a_lie_is_laid_at_its_own_door(offset: int, lies: Values, requirement: str) -> None:
    cluster = log_of(2, 3, 1)
    partition = cluster.topics["t"].partitions[0]
    findings = judged(cluster, fetch(offset), answer_of(partition, partition.from_offset(offset), **lies))
    assert requirement in broken(findings)


def test_bytes_that_change_between_two_readers_are_noticed() -> None:
    cluster = log_of(2)
    partition = cluster.topics["t"].partitions[0]
    right = answer_of(partition, partition.entries)
    findings = judged(cluster, fetch(0), right)
    cluster = after(cluster, findings, right)
    assert broken(judged(cluster, fetch(0), right)) == set()
    assert broken(judged(cluster, fetch(0), {**right, "images": (b"x" * SIZE,)})) == {"LOG-07"}


def test_offsets_are_dense_and_go_on_after_everything_was_deleted() -> None:
    cluster = log_of(2, 3)
    right: Values = {"error": ErrorCode.NONE, "base_offset": 5, "log_start_offset": 0}
    assert broken(judged(cluster, produce(batch(1)), right)) == set()
    assert broken(judged(cluster, produce(batch(1)), {**right, "base_offset": 6})) == {"LOG-01"}
    emptied = log_of(2, 3, start=5)
    again: Values = {"error": ErrorCode.NONE, "base_offset": 0, "log_start_offset": 5}
    assert broken(judged(emptied, produce(batch(1)), again)) == {"LOG-39"}


def test_after_a_restart_old_logs_are_held_to_what_survives() -> None:
    cluster = evolve(log_of(2, start=1), restarts=1)
    partition = cluster.topics["t"].partitions[0]
    lost = answer_of(partition, (), high_watermark=0, log_start_offset=0)
    assert broken(judged(cluster, fetch(1), lost)) >= {"LOG-08", "LOG-09"}
    assert broken(judged(cluster, produce(batch(1)), {"error": ErrorCode.NONE, "base_offset": 0})) == {"LOG-08"}


def test_after_a_kill_old_logs_are_held_to_what_survives_it_and_newer_ones_are_not() -> None:
    lost: Values = {"error": ErrorCode.NONE, "base_offset": 0}
    killed = restarted(log_of(2), [("t", 0)], is_killed=True)
    restarted_again = restarted(killed, [("t", 0)])
    for cluster in (killed, restarted_again):
        partition = cluster.topics["t"].partitions[0]
        assert "DUR-17" in broken(judged(cluster, fetch(1), answer_of(partition, ())))
        assert broken(judged(cluster, produce(batch(1)), lost)) == {"DUR-17"}
    kept: Values = {"error": ErrorCode.NONE, "base_offset": 2, "log_start_offset": 0}
    written = after(killed, judged(killed, produce(batch(1)), kept), kept)
    assert broken(judged(written, produce(batch(1)), lost)) == {"LOG-01"}
    assert broken(judged(restarted(written, [("t", 0)]), produce(batch(1)), lost)) == {"LOG-08"}


def test_only_a_raised_log_start_is_one_that_survives_a_restart() -> None:
    for start, requirement in ((0, "LOG-11"), (1, "LOG-09")):
        cluster = evolve(log_of(2, start=start), restarts=1)
        partition = cluster.topics["t"].partitions[0]
        lie = answer_of(partition, partition.from_offset(start), log_start_offset=-1)
        assert broken(judged(cluster, fetch(start), lie)) == {requirement}
        appended: Values = {"error": ErrorCode.NONE, "base_offset": 2, "log_start_offset": -1}
        assert broken(judged(cluster, produce(batch(1)), appended)) == {requirement}


def test_the_order_of_one_connection_is_held_to_its_own_requirement() -> None:
    sections = allowed(log_of(2), produce(batch(1)), evolve(CONTEXT, pipelined=True))
    finding = judge(sections[1], {"error": ErrorCode.NONE, "base_offset": 3})
    assert broken([finding]) == {"LOG-31"}


@pytest.mark.parametrize(
    ("operation", "waited", "returned", "expected"),
    [
        (fetch(2, min_bytes=1, max_wait_ms=400), 401, 0, set()),
        (fetch(2, min_bytes=1, max_wait_ms=400), 5, 0, {"LOG-22"}),
        (fetch(2, min_bytes=1, max_wait_ms=400), 9_000, 0, {"LOG-23"}),
        (fetch(2, min_bytes=0, max_wait_ms=9_000), 8_000, 0, {"LOG-24"}),
        (fetch(0, min_bytes=1, max_wait_ms=9_000), 8_000, 1, {"LOG-24"}),
        (fetch(0, min_bytes=1, max_wait_ms=9_000), 5, 1, set()),
        (fetch(0, min_bytes=101, max_wait_ms=400), 5, 1, {"LOG-22"}),
        (fetch(0, min_bytes=101, max_bytes=100, max_wait_ms=9_000), 8_000, 1, {"LOG-24"}),
        (fetch(7, min_bytes=1, max_wait_ms=9_000), 8_000, None, {"LOG-25"}),
    ],
)
def test_waiting(operation: Fetch, waited: int, returned: int | None, expected: set[str]) -> None:
    cluster = log_of(2)
    partition = cluster.topics["t"].partitions[0]
    part: Values = (
        {"error": ErrorCode.OFFSET_OUT_OF_RANGE, "records": ()}
        if returned is None
        else answer_of(partition, partition.entries[:returned])
    )
    size = SIZE * (returned or 0)
    whole = {"waited_ms": waited, "wait": Waited(waited, size), "total_bytes": size}
    assert broken(judged(cluster, operation, part, whole=whole)) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"LOG-22"}),
        ({"segment.bytes": "500"}, {"LOG-22"}),
        ({"segment.bytes": "150"}, set()),
        ({"segment.ms": "1"}, set()),
    ],
)
def test_an_early_answer_may_stop_where_a_segment_may_end(config: dict[str, str], expected: set[str]) -> None:
    topic = log_of(1, 1, 1).topics["t"]
    partition = topic.partitions[0]
    part = answer_of(partition, partition.entries[:1])
    whole = {"waited_ms": 5, "wait": Waited(5, SIZE), "total_bytes": SIZE}
    operation = fetch(0, min_bytes=2 * SIZE + 1, max_wait_ms=400)
    cluster = Cluster(topics={"t": evolve(topic, config=config)})
    assert broken(judged(cluster, operation, part, whole=whole)) == expected


@pytest.mark.parametrize(
    ("limits", "returned", "expected"),
    [
        ({"partition_max_bytes": 0}, 1, set()),
        ({"partition_max_bytes": 0}, 0, {"LOG-18"}),
        ({"partition_max_bytes": 150}, 1, set()),
        ({"partition_max_bytes": 150}, 2, {"LOG-19"}),
        ({"max_bytes": 99}, 2, {"LOG-19"}),
        ({"max_bytes": 99}, 0, {"LOG-18"}),
    ],
)
def test_limits_of_the_first_partition(limits: dict[str, int], returned: int, expected: set[str]) -> None:
    cluster = log_of(1, 1, 1)
    partition = cluster.topics["t"].partitions[0]
    part = answer_of(partition, partition.entries[:returned])
    whole = {"total_bytes": SIZE * returned}
    assert broken(judged(cluster, fetch(0, **limits), part, whole=whole)) == expected


@pytest.mark.parametrize(
    ("limit", "returned", "expected"),
    [(50, 0, set()), (50, 1, {"LOG-20"}), (150, 1, set()), (150, 0, {"LOG-21"})],
)
def test_limits_of_the_second_partition(limit: int, returned: int, expected: set[str]) -> None:
    one = log_of(1).topics["t"].partitions[0]
    cluster = Cluster(topics={"t": Topic("t", (one, one))})
    operation = Fetch(parts=tuple(FetchPart(topic="t", partition=index, max_bytes=limit) for index in range(2)))
    first, second = answer_of(one, one.entries), answer_of(one, one.entries[:returned])
    whole = {"partitions": (("t", 0), ("t", 1)), "total_bytes": SIZE * (1 + returned)}
    assert broken(judged(cluster, operation, first, second, whole=whole)) == expected


@given(counts, some.integers(-3, 45))
def test_deletion(sizes: list[int], offset: int) -> None:
    cluster = log_of(*sizes, start=1)
    end = sum(sizes)
    operation = DeleteRecords(parts=(DeleteRecordsPart(topic="t", offset=offset),))
    target = end if offset == HIGH_WATERMARK else offset
    if 0 <= target <= end:
        right: Values = {"error": ErrorCode.NONE, "low_watermark": max(1, target)}
    else:
        right = {"error": ErrorCode.OFFSET_OUT_OF_RANGE, "low_watermark": -1}
    findings = judged(cluster, operation, right)
    assert broken(findings) == set()
    partition = after(cluster, findings, right).topics["t"].partitions[0]
    assert partition.log_start_offset == (max(1, target) if 0 <= target <= end else 1)
    assert partition.log_end_offset == end
    assert partition.from_offset(partition.log_start_offset) == partition.entries
    assert not partition.entries or partition.entries[0].next_offset > partition.log_start_offset


@given(
    some.lists(
        some.tuples(some.integers(-1, 2), some.integers(-2, 30), some.integers(-1, 300)), min_size=1, max_size=5
    ),
    some.integers(-1, 500),
    some.integers(-1, 400),
    some.sampled_from([4, 12, 13, 17]),
)
def test_every_fetch_can_be_judged(
    asked: list[tuple[int, int, int]], max_bytes: int, min_bytes: int, version: int
) -> None:
    partitions = (log_of(2, 3, start=1).topics["t"].partitions[0], Partition())
    cluster = Cluster(topics={"t": Topic("t", partitions)})
    parts = tuple(FetchPart(topic="t", partition=index, offset=at, max_bytes=most) for index, at, most in asked)
    operation = Fetch(parts=parts, max_bytes=max_bytes, min_bytes=min_bytes)
    sections = allowed(cluster, operation, evolve(CONTEXT, version=version))
    assert len(sections) == len(parts) + 1
    assert all(section.choices for section in sections)
