"""CMP: what compaction keeps, what it drops, and when it runs."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.disk import DAY, NEEDS, ONE_BYTES, TIME, Pair, append, end_transaction, play
from model.reference.compaction import CleaningPolicy
from model.reference.disk_steps import Append, Clean, RaiseStart, Restart
from model.reference.segments import Limits

TINY = Limits(segment_bytes=3 * ONE_BYTES // 2)
"""A segment for each batch: smaller than any two, and as large as the largest, as a log refuses what is larger."""
ALWAYS = CleaningPolicy(min_cleanable_dirty_ratio=0.0)


def batches(*all_pairs: tuple[Pair, ...]) -> tuple[Append, ...]:
    """Append batches of keys and values, a second apart."""
    return tuple(append(*pairs, at=1000 * place) for place, pairs in enumerate(all_pairs))


def clean(at: int = 0, **given: float) -> Clean:
    """Compact, so late."""
    stable = given.pop("stable_offset", None)
    policy = CleaningPolicy(**{"min_cleanable_dirty_ratio": 0.0, **given})  # type: ignore[arg-type]  # by name
    return Clean(policy=policy, now_ms=TIME + at, stable_offset=None if stable is None else int(stable))


def keyed(*pairs: tuple[str, str | None]) -> tuple[Pair, ...]:
    """Keys and values in words; no value: a tombstone."""
    return tuple((key.encode(), None if value is None else value.encode()) for key, value in pairs)


MIXED = batches(
    keyed(("a", "1"), ("b", "1"), ("a", "2")),
    keyed(("h", "1"), ("c", "1")),
    keyed(("b", "2"), ("d", "1"), ("c", "2"), ("d", "2")),
    keyed(("e", "1")),
    keyed(("a", "3"), ("f", "1")),
    keyed(("z", "active")),
)


OUTDATED = batches(keyed(("a", "1")), keyed(("a", "2")), keyed(("z", "1")))


@case("CMP-01", "CMP-02", "CMP-03", "CMP-04", "CMP-12", needs=NEEDS)
def the_newest_of_each_key(run: Run) -> None:
    """Compact a log with many records of few keys; append more of them, and compact again."""
    more = batches(keyed(("a", "4"), ("g", "1")), keyed(("z", "active")))
    play(run, *MIXED, clean(), *more, clean(at=9000), limits=TINY)


@case("CMP-05", needs=NEEDS)
def a_tombstone_stays_for_a_while(run: Run) -> None:
    """Compact a log with a tombstone, and again just before delete.retention.ms have passed."""
    steps = batches(keyed(("a", "1"), ("b", "1")), keyed(("a", None)), keyed(("z", "active")))
    again = append((b"z", b"again"), at=5000)
    play(run, *steps, clean(at=9000), again, clean(at=9000 + DAY - 1), limits=TINY)


@case("CMP-06", needs=NEEDS)
def a_tombstone_goes_in_the_end(run: Run) -> None:
    """Compact a log with a tombstone, and again when delete.retention.ms have passed since."""
    steps = batches(keyed(("a", "1"), ("b", "1")), keyed(("a", None)), keyed(("z", "active")))
    again = append((b"z", b"again"), at=5000)
    play(run, *steps, clean(at=9000), again, clean(at=9000 + DAY), limits=TINY)


@case("CMP-02", needs=NEEDS)
def a_tombstone_that_is_outdated(run: Run) -> None:
    """A key is deleted and has a value again: the tombstone goes at once, like any older record."""
    steps = batches(keyed(("a", "1")), keyed(("a", None)), keyed(("a", "2")), keyed(("z", "1")))
    play(run, *steps, clean(), limits=TINY)


@case("CMP-07", "CMP-08", needs=NEEDS)
def the_active_segment_is_spared(run: Run) -> None:
    """The active segment has older and newer records of keys: it stays, and deletes nothing elsewhere."""
    steps = batches(keyed(("a", "1"), ("b", "1")), keyed(("b", "2")), keyed(("a", "2"), ("a", "3")))
    play(run, *steps, clean(), limits=TINY)


@case("CMP-09", needs=NEEDS)
def a_log_that_is_clean_enough(run: Run) -> None:
    """A part of a log as large as min.cleanable.dirty.ratio allows is dirty, and not a byte more: it stays."""
    play(run, *OUTDATED, clean(min_cleanable_dirty_ratio=1.0), limits=TINY)


@case("CMP-09", "CMP-02", needs=NEEDS)
def the_start_is_in_the_midst_of_a_segment(run: Run) -> None:
    """Raise the start into the only full segment: it is clean and dirty at once, and so half of the log is dirty."""
    steps = batches(keyed(("a", "1"), ("a", "2"), ("a", "3")), keyed(("z", "1")))
    cleanings = (clean(min_cleanable_dirty_ratio=ratio) for ratio in (0.5, 0.49))
    play(run, *steps, RaiseStart(1), *cleanings, limits=TINY)


@case("CMP-10", needs=NEEDS)
def records_that_are_too_young(run: Run) -> None:
    """Records are younger than min.compaction.lag.ms: they stay, until they are not."""
    play(
        run,
        *OUTDATED,
        clean(at=3000, min_compaction_lag_ms=DAY),
        clean(at=2 * DAY, min_compaction_lag_ms=DAY),
        limits=TINY,
    )


@case("CMP-27", needs=NEEDS)
def records_that_waited_for_long(run: Run) -> None:
    """No log is dirty enough: it is compacted when its first record is older than max.compaction.lag.ms, no sooner."""
    waiting = {"min_cleanable_dirty_ratio": 1.0, "max_compaction_lag_ms": DAY}
    play(run, *OUTDATED, clean(at=DAY, **waiting), clean(at=DAY + 1, **waiting), limits=TINY)


@case("CMP-11", needs=NEEDS)
def what_is_not_stable(run: Run) -> None:
    """The last stable offset is the log's start: nothing is compacted."""
    play(run, *OUTDATED, clean(stable_offset=0), limits=TINY)


@case("CMP-13", needs=NEEDS)
def a_producers_last_batch(run: Run) -> None:
    """All records of an active producer's last batch are outdated: its batch stays, without them."""
    steps = (
        append((b"a", b"1"), producer=(7, 0)),
        append((b"a", b"2"), at=1000),
        append((b"z", b"active"), at=2000),
    )
    play(run, *steps, clean(at=9000), limits=TINY)


def in_transaction(producer: int, sequence: int, *pairs: Pair, aborts: bool) -> tuple[Append, ...]:
    """A transaction of one batch."""
    batch = append(*pairs, producer=(producer, sequence), transactional=True)
    return batch, end_transaction(producer, aborts=aborts)


@case("CMP-13", needs=NEEDS)
def a_producer_that_was_fenced(run: Run) -> None:
    """Of two producers whose transactions were aborted one is fenced by its marker's epoch: its batch may go."""
    steps = (
        append((b"a", b"1"), producer=(7, 0), transactional=True),
        end_transaction(7, aborts=True, epoch=1),
        *in_transaction(8, 0, (b"a", b"2"), aborts=True),
        append((b"z", b"active"), at=1000),
    )
    again = (append((b"z", b"again")), clean(at=9000 + DAY), append((b"z", b"once more")), clean(at=9001 + DAY))
    play(run, *steps, clean(at=9000), *again, limits=TINY)


@case("CMP-28", "CMP-13", needs=NEEDS)
def what_was_aborted(run: Run) -> None:
    """Keys have newer values in aborted transactions, some in committed ones too: the former go, and count for none."""
    steps = (
        append((b"a", b"1"), (b"b", b"1")),
        *in_transaction(7, 0, (b"a", b"2"), (b"b", b"2"), aborts=True),
        *in_transaction(7, 1, (b"b", b"3"), (b"c", b"1"), aborts=False),
        *in_transaction(8, 0, (b"c", b"2"), aborts=True),
        append((b"z", b"active"), at=1000),
    )
    play(run, *steps, clean(at=9000), limits=TINY)


@case("CMP-29", "CMP-30", needs=NEEDS)
def markers(run: Run) -> None:
    """Compact until nothing of two transactions is left, of which one is aborted; then before their markers' time."""
    steps = (
        *in_transaction(7, 0, (b"a", b"1"), aborts=False),
        *in_transaction(8, 0, (b"b", b"1"), aborts=True),
        *(append((b"c", b"%d" % each), producer=(each, 1)) for each in (7, 8)),
        append((b"a", b"2")),
        append((b"z", b"active"), at=1000),
    )
    later = (
        step for at in (10_000, 10_000 + DAY - 1, 10_000 + DAY) for step in (append((b"z", b"again")), clean(at=at))
    )
    play(run, *steps, clean(at=9000), *later, limits=TINY)


@case("CMP-14", needs=NEEDS)
def after_a_kill(run: Run) -> None:
    """Compact, kill, start: what compaction left is there, and nothing that it dropped."""
    play(run, *MIXED, clean(), Restart(), append((b"a", b"4"), at=9000), limits=TINY)
