"""RET: which segments are deleted by size, age and the log's start, and how."""

from __future__ import annotations

import time

from conformance.case import Run, case
from conformance.disk import DAY, NEEDS, NO_TIMESTAMP, ONE_BYTES, TIME, one, play, segments_of, some
from model.reference.disk_steps import RaiseStart, Remove, Restart, Retain
from model.reference.retention import NO_LIMIT, Policy

SINGLE = segments_of(1)
"""A segment for each record."""
MINUTE = 60_000


def by_size(batches: float, at: int = 0) -> Retain:
    """Keep the bytes of so many batches of one record."""
    return Retain(policy=Policy(retention_ms=NO_LIMIT, retention_bytes=int(batches * ONE_BYTES)), now_ms=TIME + at)


def by_time(age_ms: int, at: int, high_watermark: int | None = None) -> Retain:
    """Keep what is so old."""
    return Retain(policy=Policy(retention_ms=age_ms), now_ms=TIME + at, high_watermark=high_watermark)


@case("RET-01", needs=NEEDS)
def by_size_the_oldest_go(run: Run) -> None:
    """Keep the bytes of three segments of five, then of one and a half, then of none."""
    play(run, *some(5), by_size(3), by_size(1.5), *some(1, at=9000), limits=SINGLE)


@case("RET-02", needs=NEEDS)
def by_size_enough_stays(run: Run) -> None:
    """Keep just what there is, a byte less, and a byte more: nothing goes that is needed."""
    limits = (3 * ONE_BYTES, 3 * ONE_BYTES - 1, 3 * ONE_BYTES + 1)
    sizes = [Retain(policy=Policy(retention_ms=NO_LIMIT, retention_bytes=each), now_ms=TIME) for each in limits]
    play(run, *some(3), *sizes, limits=SINGLE)


@case("RET-03", needs=NEEDS)
def by_time_the_oldest_go(run: Run) -> None:
    """Keep a day: at a day nothing goes, a millisecond later one segment does; its newest record decides."""
    play(run, *some(4), by_time(DAY, DAY), by_time(DAY, DAY + 1), by_time(DAY, DAY + 1001), limits=SINGLE)
    play(run, *some(4), by_time(DAY, DAY + 1), by_time(DAY, DAY + 1001), limits=segments_of(2))


@case("RET-04", needs=NEEDS)
def a_younger_segment_protects_those_after_it(run: Run) -> None:
    """A segment of old records lies after one of young records: it stays."""
    steps = (one(), one(at=10), one(at=5 * DAY), one(at=20), one(at=5 * DAY))
    play(run, *steps, by_time(DAY, 2 * DAY), limits=SINGLE)


@case("RET-05", needs=NEEDS)
def without_limits_nothing_goes(run: Run) -> None:
    """Neither retention.ms nor retention.bytes is limited: years later all is there."""
    unlimited = Policy(retention_ms=NO_LIMIT, retention_bytes=NO_LIMIT)
    play(run, *some(4), Retain(policy=unlimited, now_ms=TIME + 9999 * DAY), limits=SINGLE)


@case("RET-06", needs=NEEDS)
def compaction_alone_deletes_nothing(run: Run) -> None:
    """The cleanup policy is compact alone: nothing goes by age or size."""
    compact = Policy(retention_ms=0, retention_bytes=0, deletes=False)
    play(run, *some(4), Retain(policy=compact, now_ms=TIME + DAY), limits=SINGLE)


@case("RET-07", "RET-08", needs=NEEDS)
def the_active_segment_goes_too(run: Run) -> None:
    """All records are too old: all go, a new segment begins, and offsets go on."""
    play(run, *some(3), by_time(DAY, 9 * DAY), *some(2, at=9 * DAY), by_time(DAY, 9 * DAY), limits=segments_of(2))


@case("RET-09", "RET-08", needs=NEEDS)
def what_is_before_the_start_goes(run: Run) -> None:
    """Raise the log's start into a segment: those before it go, whatever the policy."""
    keep = Policy(retention_ms=NO_LIMIT, deletes=False)
    steps = (RaiseStart(3), Retain(policy=keep, now_ms=TIME), RaiseStart(6), Retain(policy=keep, now_ms=TIME))
    play(run, *some(8), *steps, limits=segments_of(2))


@case("RET-10", needs=NEEDS)
def records_without_a_time_are_as_old_as_their_file(run: Run) -> None:
    """Records have no time: they stay as long as their file was written lately, and go ten days later."""
    now = int(time.time() * 1000)
    untimed = [one(now_ms=now, timestamp=NO_TIMESTAMP) for _ in range(3)]
    young, old = (Retain(policy=Policy(retention_ms=DAY), now_ms=now + late) for late in (0, 10 * DAY))
    play(run, *untimed, young, limits=SINGLE)
    first = (Retain(policy=Policy(retention_ms=DAY), now_ms=now + 10 * DAY, high_watermark=2),)
    play(run, *untimed, young, *first, limits=SINGLE)
    play(run, *untimed, one(now_ms=now + 20 * DAY), old, limits=SINGLE)


@case("RET-11", "RET-12", needs=NEEDS)
def files_go_in_two_steps(run: Run) -> None:
    """Delete segments: their files are renamed and stay; after a start they are gone, and nothing comes back."""
    play(run, *some(5), by_size(2), Restart(now_ms=TIME), *some(1, at=9000), by_size(1), limits=SINGLE)


@case("RET-11", needs=NEEDS)
def files_stay_for_their_delay(run: Run) -> None:
    """Delete three segments, and half a minute later another: each stays for a minute, and not a millisecond longer."""
    half = MINUTE // 2
    times = (MINUTE - 1, MINUTE, MINUTE + half - 1, MINUTE + half)
    early, late = Remove(now_ms=TIME), [Remove(now_ms=TIME + each) for each in times]
    play(run, *some(5), by_size(2), early, by_size(1, at=half), *late, limits=SINGLE, delete_delay_ms=MINUTE)


@case("RET-13", needs=NEEDS)
def what_is_not_committed_stays(run: Run) -> None:
    """All is too old, and the high watermark lies before the end: no segment goes that it has not passed."""
    watermarks = [by_time(DAY, 9 * DAY, high_watermark=each) for each in (0, 1, 3)]
    play(run, *some(8), *watermarks, limits=segments_of(2))
