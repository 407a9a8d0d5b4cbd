"""DUR: what a log is after a stop, a kill, and a loss of power; what a flush is worth. At the wire: a kill."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.disk import NEEDS, TIME, append, one, play, segments_of, some
from model.reference.batch import Compression
from model.reference.disk_steps import Damage, DiskStep, Flush, FlushOverdue, Restart

MINUTE, HOUR = 60_000, 3_600_000
PAIR = segments_of(2, index_interval_bytes=0)
"""Segments of two batches, each of which has an index entry."""


@case("DUR-01", "DUR-13", needs=NEEDS)
def after_a_clean_stop(run: Run) -> None:
    """Stop and start, with nothing in the log, with a few records, and with several segments."""
    stop = Restart(clean=True)
    play(run, stop, *some(1), stop, *some(5, at=5000), stop, *some(2, at=20_000), limits=PAIR)


@case("DUR-02", needs=NEEDS)
def after_a_kill(run: Run) -> None:
    """Kill the process after some appends, again and again: the operating system has all of it."""
    play(run, Restart(), *some(1), Restart(), *some(5, at=5000), Restart(), *some(2, at=20_000), limits=PAIR)


@case("DUR-03", needs=NEEDS)
def the_last_batch_is_torn(run: Run) -> None:
    """The last batch lacks a byte: it goes, and all before it stays."""
    play(run, *some(3), Restart(damage=Damage.TORN), *some(2, at=9000), limits=PAIR)
    play(run, *some(1), Restart(damage=Damage.TORN), *some(1), limits=PAIR)


@case("DUR-04", "DUR-07", needs=NEEDS)
def a_bit_is_wrong(run: Run) -> None:
    """A bit of a batch has flipped: the log ends before it, and later segments go."""
    for place in (0, 2, 3, -1):
        play(run, *some(7), Restart(damage=Damage.FLIPPED, place=place), *some(1, at=9000), limits=PAIR)


@case("DUR-05", "DUR-06", needs=NEEDS)
def there_is_more_than_batches(run: Run) -> None:
    """There are zeros, or too few bytes, after the last batch: they go, and the next batch takes their place."""
    for damage in (Damage.ZEROS, Damage.NO_BATCH):
        play(run, *some(3), Restart(damage=damage), *some(2, at=9000), Restart(), limits=PAIR)


@case("DUR-08", needs=NEEDS)
def indexes_hold_anything(run: Run) -> None:
    """The index files of what was not flushed hold garbage after a kill: they are rebuilt."""
    play(run, *some(9), Restart(damage=Damage.INDEXES), *some(2, at=20_000), limits=PAIR)


@case("DUR-09", needs=NEEDS)
def there_are_no_indexes(run: Run) -> None:
    """There are no index files, after a kill and after a clean stop: they are rebuilt."""
    for clean in (False, True):
        play(run, *some(9), Restart(clean=clean, damage=Damage.NO_INDEXES), *some(2, at=20_000), limits=PAIR)


@case("DUR-10", "DUR-12", needs=NEEDS)
def a_flush_raises_the_recovery_point(run: Run) -> None:
    """Flush after some appends, kill, flush again; without a flush the recovery point stays below the log's end."""
    play(run, *some(3), Flush(), *some(2, at=9000), Restart(), Flush(), Restart(), Flush(), limits=PAIR)


@case("DUR-11", needs=NEEDS)
def appends_flush_by_themselves(run: Run) -> None:
    """Every third record flushes the log (flush.messages); a batch of many does at once."""
    many = append(*((b"k", b"v"),) * 5, at=20_000)
    play(run, *some(7), many, one(at=30_000), flush_messages=3)
    play(run, *some(2), flush_messages=1)


@case("DUR-11", needs=NEEDS)
def appends_that_begin_a_segment_flush_too(run: Run) -> None:
    """Come to flush.messages with the first batch of a segment, with its last, and with each.

    Whether the log has flushed the segment before makes no difference here.
    """
    three = append(*((b"k", b"v"),) * 3, at=20_000)
    play(run, *some(2), three, *some(2, at=30_000), three, flush_messages=3, limits=segments_of(2))
    play(run, *some(7), flush_messages=2, limits=segments_of(2))
    play(run, *some(5), flush_messages=1, limits=segments_of(2))


@case("DUR-16", needs=NEEDS)
def logs_are_flushed_after_a_while(run: Run) -> None:
    """Let the flush scheduler run a millisecond before the log is due, and when it is; twice, and after a start."""
    history: list[DiskStep] = []
    for start in (0, MINUTE):
        visits = [FlushOverdue(now_ms=TIME + start + each) for each in (MINUTE - 1, MINUTE)]
        history += [one(at=start), *visits]
    again = [FlushOverdue(now_ms=TIME + HOUR + each) for each in (MINUTE - 1, MINUTE)]
    opened = FlushOverdue(now_ms=TIME)  # the log was made long before
    play(run, one(), opened, *history, Restart(now_ms=TIME + HOUR), one(at=HOUR), *again, flush_ms=MINUTE)


@case("DUR-16", needs=NEEDS)
def other_flushes_count(run: Run) -> None:
    """A log is flushed for flush.messages; it is flushed for its age when that was flush.ms ago, not before."""
    late = MINUTE // 2
    visits = [FlushOverdue(now_ms=TIME + each) for each in (MINUTE, late + MINUTE - 1, late + MINUTE)]
    play(run, one(), one(at=late), one(at=late), *visits, flush_messages=2, flush_ms=MINUTE)


@case("DUR-14", needs=NEEDS)
def what_was_flushed_stays(run: Run) -> None:
    """Flush some records, append others, damage the first of these: all that was flushed is there."""
    for damage in (Damage.FLIPPED, Damage.TORN, Damage.ZEROS, Damage.INDEXES):
        play(run, *some(5), Flush(), one(at=9000), Restart(damage=damage), *some(1, at=20_000), limits=PAIR)


@case("DUR-15", needs=NEEDS)
def the_log_ends_before_its_start(run: Run) -> None:
    """By its checkpoint the log starts beyond all that is found: it begins anew there."""
    play(run, *some(3), Restart(log_start_offset=10), *some(2, at=9000), limits=PAIR)


# -- at the wire -----------------------------------------------------------------------------------------------------


@case("DUR-17", needs=("kill", "start", "durable"))
def a_broker_is_killed(run: Run) -> None:
    """Produce with each number of acks that is answered, kill the broker, start it, read and produce; and once more."""
    topic, untouched = run.topic(), run.topic()
    for acks in (1, -1):
        run.produce(topic, batch_of(b"a", b"b"), acks=acks)
        run.produce(untouched, batch_of(b"c", compression=Compression.GZIP), acks=acks)
    for value in (b"d", b"e"):
        run.do("kill")
        run.do("start")
        for name in (topic, untouched):
            run.settle(name)
            run.read_through(name, 0)
        run.produce(topic, batch_of(value))
        run.read_through(topic, 0)
