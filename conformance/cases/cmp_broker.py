"""CMP: what clients see of compaction, on a broker that runs it."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.housekeeping import COMPACT, DAY_MS, TIME, Pair, change, log_of_segments, look, write, write_segments
from conformance.session import now_ms

LATER = TIME + DAY_MS


def _pairs(*words: str) -> list[Pair]:
    """Keys and values from words like `a=1`; without a value: a tombstone."""
    parts = [word.partition("=") for word in words]
    return [(f"key-{key}".encode(), value.encode() if sign else None) for key, sign, value in parts]


MIXED = [_pairs(*words.split()) for words in ("a=1 b=1 a=2", "h=1 c=1", "b=2 d=1 c=2 d=2", "e=1", "a=3 f=1", "z=1")]


@case("CMP-15", "CMP-16", "CMP-22")
def the_newest_of_each_key(run: Run) -> None:
    """Write many records of few keys, and wait for compaction; write more of them, and wait again."""
    topic = log_of_segments(run, COMPACT)
    write_segments(run, topic, MIXED)
    look(run, topic)
    write_segments(run, topic, [_pairs("a=4", "g=1"), _pairs("c=3"), _pairs("z=2")], at=LATER)
    look(run, topic)


@case("CMP-17", "CMP-18")
def reading_where_nothing_is_left(run: Run) -> None:
    """Compact so that batches, also the first, keep their middle, their end, or nothing; read from all that is gone."""
    topic = log_of_segments(run, COMPACT)
    batches = ("d=1", "a=1 b=1 a=2 c=1", "a=3", "c=2 d=2", "a=4", "z=1")
    write_segments(run, topic, [_pairs(*words.split()) for words in batches])
    look(run, topic)


@case("CMP-19")
def the_active_segment_is_spared(run: Run) -> None:
    """The active segment has older and newer records of keys: all of it can be read, and deletes nothing elsewhere."""
    topic = log_of_segments(run, COMPACT)
    write_segments(run, topic, [_pairs("a=1"), _pairs("a=2", "b=1")])
    write(run, topic, *_pairs("b=2", "b=3"), at=LATER)
    write(run, topic, *_pairs("a=3", "b=4"), at=LATER)
    look(run, topic)


@case("CMP-20")
def a_tombstone_can_be_read_for_a_while(run: Run) -> None:
    """Delete a key, and wait for compaction; write more, and wait again: the tombstone is there, its values are not."""
    topic = log_of_segments(run, {**COMPACT, "delete.retention.ms": str(DAY_MS)})
    write_segments(run, topic, [_pairs("a=1", "b=1"), _pairs("a"), _pairs("z=1")])
    look(run, topic)
    write_segments(run, topic, [_pairs("b=2"), _pairs("z=2")], at=LATER)
    look(run, topic)


@case("CMP-21")
def a_tombstone_goes_in_the_end(run: Run) -> None:
    """Delete a key where tombstones need not stay, and wait for compaction; write more, and wait until it is gone."""
    topic = log_of_segments(run, {**COMPACT, "delete.retention.ms": "0"})
    write_segments(run, topic, [_pairs("a=1", "b=1"), _pairs("a"), _pairs("z=1")])
    look(run, topic)
    write_segments(run, topic, [_pairs("b=2"), _pairs("z=2")], at=LATER)
    look(run, topic)


def _some_are_young(run: Run) -> str:
    """A log whose records must be two days old to be compacted: of its full segments two are, and two are not."""
    topic = log_of_segments(run, {**COMPACT, "min.compaction.lag.ms": str(2 * DAY_MS)})
    write_segments(run, topic, [_pairs("a=1", "b=1"), _pairs("b=2", "c=1")])
    write_segments(run, topic, [_pairs("a=2"), _pairs("a=3", "c=2"), _pairs("z=1")], at=now_ms() - DAY_MS)
    return topic


@case("CMP-24", "CMP-25")
def young_records_are_spared(run: Run) -> None:
    """Some full segments are older than min.compaction.lag.ms, and some are not: only the former are compacted."""
    look(run, _some_are_young(run))


@case("CMP-25", "CMP-24")
def young_records_are_compacted_in_the_end(run: Run) -> None:
    """Wait until the old part of a log is compacted; then let the lag be an hour, so that the rest is old, too."""
    topic = _some_are_young(run)
    look(run, topic)
    change(run, topic, {"min.compaction.lag.ms": str(DAY_MS // 24)})
    look(run, topic)


@case("CMP-26")
def whoever_waited_for_long_is_compacted(run: Run) -> None:
    """No log is dirty enough for a topic, but its records have waited for longer than max.compaction.lag.ms."""
    topic = log_of_segments(run, {**COMPACT, "min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": str(DAY_MS)})
    write_segments(run, topic, MIXED)
    look(run, topic)
