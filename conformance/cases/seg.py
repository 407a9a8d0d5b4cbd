"""SEG: when a new segment begins, what lies in which, and what its indexes hold."""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, case
from conformance.disk import DAY, NEEDS, NO_TIMESTAMP, ONE_BYTES, TIME, append, one, play, segments_of, some
from model.reference.disk_steps import Restart
from model.reference.segments import OFFSET_ENTRY_BYTES, RELATIVE_OFFSET_MAX, TIME_ENTRY_BYTES, Limits

HOUR = 3_600_000


@case("SEG-01", "SEG-10", needs=NEEDS)
def segments_roll_by_size(run: Run) -> None:
    """Append until segments of two batches are full, and a batch that leaves no room for another."""
    large = append((b"k", b"v" * (ONE_BYTES // 2)))
    play(run, *some(5), large, *some(3), limits=segments_of(2))


@case("SEG-02", needs=NEEDS)
def a_batch_that_fits_exactly(run: Run) -> None:
    """Append batches that fill a segment to its last byte; then a segment that is one byte too small."""
    play(run, *some(4), limits=segments_of(2))
    play(run, *some(3), limits=Limits(segment_bytes=2 * ONE_BYTES - 1))


@case("SEG-03", needs=NEEDS)
def no_limit_is_reached(run: Run) -> None:
    """Append batches of all kinds below every limit: they lie in one segment."""
    play(run, *some(5), append(*((b"k", b"x" * 100),) * 7), one(at=HOUR), one(at=5))


@case("SEG-04", needs=NEEDS)
def segments_roll_by_the_records_time(run: Run) -> None:
    """Append records just as old as segment.ms allows, then a millisecond more, whatever the clock says."""
    steps = (one(), one(at=DAY, now_ms=TIME, timestamp=TIME + DAY), one(now_ms=TIME + 9 * DAY, timestamp=TIME + DAY))
    later = (one(now_ms=TIME, timestamp=TIME + DAY + 1), one(now_ms=TIME, timestamp=TIME + 2 * DAY + 2))
    play(run, *steps, *later, limits=Limits(segment_ms=DAY))


@case("SEG-05", needs=NEEDS)
def segments_roll_by_the_clock(run: Run) -> None:
    """Append records without a time, at the limit of segment.ms by the clock, and after it."""
    untimed = [one(now_ms=now, timestamp=NO_TIMESTAMP) for now in (0, DAY, DAY + 1, DAY + 2)]
    play(run, *untimed, limits=Limits(segment_ms=DAY))


@case("SEG-06", needs=NEEDS)
def offsets_span_31_bits(run: Run) -> None:
    """Append a batch with a last offset of almost 2^31, as compaction leaves them, and then records up to it."""
    first = one()
    wide = evolve(first, batch=evolve(first.batch, claimed_last_offset_delta=RELATIVE_OFFSET_MAX - 2))
    play(run, wide, *some(5, at=1000))


@case("SEG-03", "SEG-05", needs=NEEDS)
def an_empty_segment_is_not_too_old(run: Run) -> None:
    """Append the first record long after the log was made."""
    play(run, one(at=9 * DAY), one(at=9 * DAY), limits=Limits(segment_ms=DAY))
    untimed = [one(now_ms=9 * DAY + late, timestamp=NO_TIMESTAMP) for late in (0, DAY + 1)]
    play(run, *untimed, limits=Limits(segment_ms=DAY))


@case("SEG-07", "SEG-12", needs=NEEDS)
def segments_roll_when_the_offset_index_is_full(run: Run) -> None:
    """Append with an index entry for every batch, all of one time, until five entries fill the index."""
    same_time = [one() for _ in range(12)]
    play(run, *same_time, limits=Limits(segment_index_bytes=5 * OFFSET_ENTRY_BYTES, index_interval_bytes=0))


@case("SEG-08", "SEG-13", needs=NEEDS)
def segments_roll_when_the_time_index_is_full(run: Run) -> None:
    """Append with a time index entry for every batch, until there is room for one more only."""
    play(run, *some(12), limits=Limits(segment_index_bytes=4 * TIME_ENTRY_BYTES, index_interval_bytes=0))


@case("SEG-09", "SEG-11", needs=NEEDS)
def closed_segments_stay_as_they_are(run: Run) -> None:
    """Fill several segments, restart, fill more: none that is closed is written again, and all can be read."""
    play(run, *some(7), Restart(clean=True), *some(4, at=9000), limits=segments_of(2, index_interval_bytes=0))


@case("SEG-12", "SEG-13", needs=NEEDS)
def what_indexes_hold(run: Run) -> None:
    """Fill segments with batches whose times rise, fall, and stay; compare the indexes of closed ones."""
    times = (5, 9, 3, 9, 12, 1, 12, 30, 2, 31, 31, 40, 1, 50)
    batches = [one(at=each) for each in times]
    play(run, *batches, limits=segments_of(5, index_interval_bytes=ONE_BYTES))
    play(run, *batches, limits=segments_of(6, index_interval_bytes=0))


@case("SEG-14", needs=NEEDS)
def segments_roll_earlier_by_less_than_the_jitter(run: Run) -> None:
    """Fill segments, each with a batch when none may begin yet whatever was drawn, and one when one must.

    Once more with a jitter that is more than segment.ms.
    """
    latest = DAY + 1
    for jitter_ms, earliest in ((HOUR, DAY - (HOUR - 1)), (2 * DAY, 1)):
        times = [first * latest + later for first in range(12) for later in (0, earliest)]
        play(run, *(one(at=each) for each in times), limits=Limits(segment_ms=DAY, segment_jitter_ms=jitter_ms))
