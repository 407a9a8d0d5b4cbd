"""LOG: how much a fetch returns, and how long it waits."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from model.reference.operations import Fetch, FetchPart, Metadata

BATCH_BYTES = 10_000
A_WHILE_MS = 400
"""Long enough to be told from an answer at once, and no longer."""
LONG_MS = 10_000
"""A wait that nobody sits through if the broker answers in time."""


def _filled(run: Run, partitions: int = 1, batches: int = 4) -> str:
    """A topic whose partitions hold batches of some 10 KB, all of them read once."""
    topic = run.topic(partitions=partitions)
    for partition in range(partitions):
        for _ in range(batches):
            run.produce(topic, batch_of(b"x" * BATCH_BYTES), partition=partition)
        run.read_through(topic, 0, partition=partition)
    return topic


def _parts(topic: str, partitions: int, max_bytes: int = 1 << 20) -> tuple[FetchPart, ...]:
    return tuple(FetchPart(topic=topic, partition=each, max_bytes=max_bytes) for each in range(partitions))


@case("LOG-18")
def a_batch_larger_than_the_limits_is_returned(run: Run) -> None:
    """Fetch with limits below the batch's size, down to 0, by partition and in all; the batch comes nevertheless."""
    topic = _filled(run)
    for limit in (BATCH_BYTES // 2, 100, 1, 0):
        run.fetch(topic, 0, partition_max_bytes=limit)
        run.fetch(topic, 0, max_bytes=limit)
        run.fetch(topic, 1, partition_max_bytes=limit, max_bytes=limit)


@case("LOG-18")
def a_large_batch_is_got_past(run: Run) -> None:
    """Read a log with a large batch in its middle, with limits that hold only the small ones."""
    topic = run.topic()
    for size in (10, 500_000, 10):
        run.produce(topic, batch_of(b"x" * size))
    run.read_through(topic, 0, partition_max_bytes=200)
    run.read_through(topic, 0, max_bytes=200)
    run.fetch(topic, 1, partition_max_bytes=200)


@case("LOG-19")
def no_more_comes_than_the_limits_allow(run: Run) -> None:
    """Fetch with limits that hold one, one and a half, and three batches, by partition and in all."""
    topic = _filled(run, partitions=3)
    for limit in (BATCH_BYTES + 200, BATCH_BYTES * 3 // 2, BATCH_BYTES * 3 + 300):
        run.fetch(topic, 0, partition_max_bytes=limit)
        run.fetch(topic, 0, max_bytes=limit)
        run.perform(Fetch(parts=_parts(topic, 3), max_bytes=limit))
        run.perform(Fetch(parts=_parts(topic, 3, limit)))


@case("LOG-20")
def only_one_partition_goes_past_the_limits(run: Run) -> None:
    """Fetch three partitions with limits below a batch's size; the first with records alone goes past them."""
    topic = _filled(run, partitions=3)
    for limit in (BATCH_BYTES // 2, 1, 0):
        run.perform(Fetch(parts=_parts(topic, 3, limit)))
        run.perform(Fetch(parts=_parts(topic, 3), max_bytes=limit))
        empty_first = (FetchPart(topic=topic, partition=2, offset=4, max_bytes=limit), *_parts(topic, 2, limit))
        run.perform(Fetch(parts=empty_first))


@case("LOG-21")
def every_partition_with_room_is_read(run: Run) -> None:
    """Fetch three partitions with limits that hold all of them, and with a limit that holds a batch of each."""
    topic = _filled(run, partitions=3, batches=1)
    run.perform(Fetch(parts=_parts(topic, 3)))
    run.perform(Fetch(parts=_parts(topic, 3, BATCH_BYTES + 200), max_bytes=4 * BATCH_BYTES))


@case("LOG-22", "LOG-23")
def too_little_is_waited_for(run: Run) -> None:
    """Fetch with nothing there, and with less there than min bytes; the answers come after the wait."""
    topic = run.topic(partitions=2)
    run.fetch(topic, 0, min_bytes=1, max_wait_ms=A_WHILE_MS)
    run.produce(topic, batch_of(b"a"))
    run.fetch(topic, 0, min_bytes=100_000, max_wait_ms=A_WHILE_MS)
    run.perform(Fetch(parts=_parts(topic, 2), min_bytes=100_000, max_wait_ms=A_WHILE_MS))
    run.fetch(topic, 1, min_bytes=1, max_wait_ms=A_WHILE_MS)


@case("LOG-24")
def enough_is_not_waited_for(run: Run) -> None:
    """Fetch with enough there, or with nothing asked for, and a long wait allowed; the answers come at once."""
    topic = run.topic()
    run.fetch(topic, 0, min_bytes=0, max_wait_ms=LONG_MS)
    run.produce(topic, batch_of(b"x" * 1000))
    for least in (0, 1, 1000):
        run.fetch(topic, 0, min_bytes=least, max_wait_ms=LONG_MS)
    run.fetch(topic, 0, min_bytes=5_000, max_bytes=500, partition_max_bytes=500, max_wait_ms=LONG_MS)


@case("LOG-24", "LOG-17")
def a_fetch_that_may_not_wait_is_answered(run: Run) -> None:
    """Fetch with a wait of 0, at the end of a log and where there are records: every partition is answered."""
    topic = run.topic()
    run.fetch(topic, 0, min_bytes=1, max_wait_ms=0)
    run.produce(topic, batch_of(b"a"))
    run.fetch(topic, 0, min_bytes=1, max_wait_ms=0)
    run.fetch(topic, 0, min_bytes=100, max_wait_ms=0)


@case("LOG-24", "LOG-22")
def what_arrives_ends_the_wait(run: Run) -> None:
    """A reader waits at the end of a log, then of two; another connection produces, and the answer comes."""
    topic = run.topic(partitions=2)
    one = (FetchPart(topic=topic, partition=0),)
    both = (FetchPart(topic=topic, partition=0, offset=1), FetchPart(topic=topic, partition=1))
    for partition, parts in enumerate((one, both)):
        waiting = run.send(Fetch(parts=parts, min_bytes=1, max_wait_ms=LONG_MS), "reader")
        run.perform(Metadata(topics=(topic,)))
        run.produce(topic, batch_of(b"a"), partition=partition)
        run.finish(waiting)


@case("LOG-24", "LOG-22")
def the_wait_ends_when_there_is_enough(run: Run) -> None:
    """A reader waits for more bytes than the first batch has; the second one ends the wait, and both are returned."""
    topic = run.topic()
    part = FetchPart(topic=topic)
    waiting = run.send(Fetch(parts=(part,), min_bytes=1_500, max_wait_ms=LONG_MS), "reader")
    for _ in range(2):
        run.perform(Metadata(topics=(topic,)))
        run.produce(topic, batch_of(b"x" * 1000))
    run.finish(waiting)


@case("LOG-25")
def an_unreadable_partition_ends_the_wait(run: Run) -> None:
    """Fetch at the end of one partition and past the end of another, and from one that does not exist alone."""
    topic = run.topic(partitions=2)
    parts = (FetchPart(topic=topic, partition=0), FetchPart(topic=topic, partition=1, offset=5))
    run.perform(Fetch(parts=parts, min_bytes=1, max_wait_ms=LONG_MS))
    run.perform(Fetch(parts=(FetchPart(topic=topic, partition=9),), min_bytes=1, max_wait_ms=LONG_MS))
