"""RET: what clients see of retention, on a broker that runs it."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.housekeeping import BOTH, COMPACT, DAY_MS, change, log_of_segments, look, write, write_segments
from conformance.producer import delete_records
from conformance.session import now_ms

ONE = [(b"k", b"v" * 100)]


def _let_retention_run_twice(run: Run, topic: str) -> None:
    """Partition 1 has a record too much, twice: once both have gone, partition 0 was looked at in between."""
    look(run, topic, 0, 1)
    for _ in range(2):
        write(run, topic, *ONE, at=now_ms(), partition=1)
        look(run, topic, 0, 1)


def _keep(run: Run, topic: str, sizes: list[int], batches: float) -> None:
    """Let a topic keep the bytes of so many of its newest batches."""
    change(run, topic, {"retention.bytes": str(int(sum(sizes[-int(batches) :]) + batches % 1 * sizes[0]))})


@case("RET-14", "RET-16")
def the_oldest_go_by_size(run: Run) -> None:
    """Let a log of five segments keep the bytes of three and a half, then of one; read what stays, and below it."""
    topic = log_of_segments(run)
    sizes = write_segments(run, topic, [ONE] * 5)
    for batches in (3.5, 1):
        _keep(run, topic, sizes, batches)
        look(run, topic)


@case("RET-15", "RET-16")
def the_oldest_go_by_time(run: Run) -> None:
    """Let a log with records of four days keep two and a half; read what stays, and below it."""
    topic = log_of_segments(run)
    for days in (4, 3, 2, 1):
        write(run, topic, *ONE, *ONE, at=now_ms() - days * DAY_MS)
    change(run, topic, {"retention.ms": str(5 * DAY_MS // 2)})
    look(run, topic)


@case("RET-17", "RET-16")
def all_go(run: Run) -> None:
    """All records are too old: wait until none is left, append, and read on."""
    topic = log_of_segments(run)
    write_segments(run, topic, [ONE] * 3)
    change(run, topic, {"retention.ms": str(DAY_MS)})
    look(run, topic)
    write(run, topic, *ONE, at=now_ms())
    look(run, topic)


@case("RET-18", "RET-14")
def what_is_not_too_much_stays(run: Run) -> None:
    """A partition has just a byte less than would let a segment go; another has too much, time and again."""
    topic = log_of_segments(run, partitions=2)
    sizes = write_segments(run, topic, [ONE] * 3)
    write_segments(run, topic, [ONE] * 3, partition=1)
    change(run, topic, {"retention.bytes": str(sum(sizes[1:]) + 1)})
    _let_retention_run_twice(run, topic)


@case("RET-18", "RET-15")
def what_is_not_too_old_stays(run: Run) -> None:
    """A partition has records of a day; another has older ones, which go, some first and some later."""
    topic = log_of_segments(run, partitions=2)
    now = now_ms()
    for partition, days in ((0, (1, 1)), (1, (6, 4, 1))):
        for each in days:
            write(run, topic, *ONE, at=now - each * DAY_MS, partition=partition)
    for days_kept in (5, 3):
        change(run, topic, {"retention.ms": str(days_kept * DAY_MS)})
        look(run, topic, 0, 1)


@case("RET-19")
def a_compacted_topic_keeps_all_keys(run: Run) -> None:
    """A compacted topic is set to keep nothing, by size and by time: wait for compaction, twice; every key is there."""
    topic = log_of_segments(run, {**COMPACT, "retention.ms": "1", "retention.bytes": "0"})
    for value in (b"1", b"2"):
        write_segments(run, topic, [[(b"a", value)], [(b"a", value)], [(b"b", value)], [(b"c", value)]])
        look(run, topic)


@case("RET-20")
def a_raised_start_stays(run: Run) -> None:
    """Delete records into a batch of the second segment; the start stays there when retention runs."""
    topic = log_of_segments(run, partitions=2)
    sizes = write_segments(run, topic, [ONE * 3] * 4)
    write_segments(run, topic, [ONE * 3] * 4, partition=1)
    delete_records(run, topic, 4)
    look(run, topic)
    change(run, topic, {"retention.bytes": str(sum(sizes[1:]))})
    _let_retention_run_twice(run, topic)


TABLE = [[(b"a", b"1"), (b"b", b"1")], [(b"a", b"2")], [(b"c", b"1")]]


@case("RET-21", "CMP-23", "RET-16")
def a_table_loses_what_is_old(run: Run) -> None:
    """Let a topic that is compacted and deleted from keep a day: of older segments nothing stays, not even a key."""
    topic = log_of_segments(run, BOTH)
    write_segments(run, topic, TABLE)
    write(run, topic, (b"a", b"3"), at=now_ms())
    look(run, topic)
    change(run, topic, {"retention.ms": str(DAY_MS)})
    look(run, topic)


@case("RET-22", "CMP-23", "RET-16")
def a_table_loses_what_is_too_much(run: Run) -> None:
    """Let a topic that is compacted and deleted from keep as much as its active segment has: the others go."""
    topic = log_of_segments(run, BOTH)
    *_, active = write_segments(run, topic, [*TABLE, [(b"a", b"3")]])
    look(run, topic)
    change(run, topic, {"retention.bytes": str(active)})
    look(run, topic)


@case("RET-23", "CMP-23")
def a_table_keeps_what_is_neither_old_nor_too_much(run: Run) -> None:
    """A topic is compacted and deleted from; one partition is neither too old nor too large, another is both."""
    topic = log_of_segments(run, BOTH, partitions=2)
    now = now_ms()
    for days in (3, 2, 1):
        write(run, topic, (b"a", b"1"), (f"{days}".encode(), b"1"), at=now - days * DAY_MS)
    sizes = write_segments(run, topic, [*TABLE, [(b"a", b"3")]], partition=1)
    change(run, topic, {"retention.ms": str(4 * DAY_MS), "retention.bytes": str(sum(sizes))})
    look(run, topic, 0, 1)
