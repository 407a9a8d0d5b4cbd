"""IDM: producer epochs, and where sequence numbers wrap around."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.producer import Producer, pipelined, show_log

LAST = 2**31 - 1
"""The last sequence number; 0 comes after it."""
LAST_EPOCH = 32767


@case("IDM-05")
def older_epoch(run: Run) -> None:
    """Epoch 1 takes over from 0: batches of epoch 0 are refused, be they due, old, or with a gap."""
    topic = run.topic()
    producer = Producer(run)
    old = producer.send_next(topic, 2)
    run.produce(topic, producer.batch(0, 2, epoch=1))
    for batch in (producer.batch(2, epoch=0), producer.batch(0, epoch=0), producer.batch(9, epoch=0), old):
        run.produce(topic, batch)
        show_log(run, topic)


@case("IDM-10")
def newer_epoch_counts_anew(run: Run) -> None:
    """The first batch of epoch 1 has the same numbers as one of epoch 0; it and the next are appended."""
    topic = run.topic()
    producer = Producer(run)
    producer.send_next(topic, 2)
    producer.send_next(topic, 2)
    run.produce(topic, producer.batch(0, 2, epoch=1))
    run.produce(topic, producer.batch(2, 2, epoch=1))
    show_log(run, topic)


@case("IDM-10")
def epochs_are_skipped_up_to_the_last(run: Run) -> None:
    """From epoch 0 to 7, and to 32767, the greatest; in each the batch is known when it comes again."""
    topic = run.topic()
    producer = Producer(run)
    for epoch in (0, 7, LAST_EPOCH):
        batch = producer.batch(0, 2, epoch=epoch)
        for _ in range(2):
            run.produce(topic, batch)
        run.produce(topic, producer.batch(2, epoch=epoch))
    show_log(run, topic)


@case("IDM-11")
def newer_epoch_must_begin_at_zero(run: Run) -> None:
    """Epoch 1 begins with the number that was due in epoch 0, then with 1; epoch 0 goes on as before."""
    topic = run.topic()
    producer = Producer(run)
    old = producer.send_next(topic, 2)
    for first in (2, 1):
        run.produce(topic, producer.batch(first, epoch=1))
        show_log(run, topic)
    run.produce(topic, old)
    producer.send_next(topic)
    show_log(run, topic)


@case("IDM-04")
def gap_after_a_newer_epoch(run: Run) -> None:
    """In epoch 1, the number that would be due in epoch 0 leaves a gap."""
    topic = run.topic()
    producer = Producer(run)
    producer.send_next(topic, 5)
    run.produce(topic, producer.batch(0, epoch=1))
    run.produce(topic, producer.batch(5, epoch=1))
    show_log(run, topic)


@case("IDM-12")
def zero_after_the_last_number(run: Run) -> None:
    """A batch ends with 2147483647, the next begins with 0, and so does none other."""
    topic = run.topic()
    producer = Producer(run)
    before = producer.batch(LAST - 1, 2)
    after = producer.batch(0, 2)
    run.produce(topic, before)
    run.produce(topic, producer.batch(1))
    for batch in (after, before, after, producer.batch(2)):
        run.produce(topic, batch)
    show_log(run, topic)


@case("IDM-12")
def numbers_wrap_within_a_batch(run: Run) -> None:
    """A batch of four begins with 2147483646, so that its last record has number 1; the next begins with 2."""
    topic = run.topic()
    producer = Producer(run)
    run.produce(topic, producer.batch(LAST - 3, 2))
    run.produce(topic, producer.batch(LAST - 1, 4))
    run.produce(topic, producer.batch(2, 2))
    show_log(run, topic)


@case("IDM-12")
def numbers_wrap_in_flight(run: Run) -> None:
    """Five batches over the wrap are under way at once."""
    topic = run.topic()
    producer = Producer(run)
    run.produce(topic, producer.batch(LAST - 3))
    pipelined(run, topic, [producer.batch(first % 2**31) for first in range(LAST - 2, LAST + 3)])
    show_log(run, topic)


@case("IDM-13")
def wrapped_batch_again(run: Run) -> None:
    """A batch with numbers 2147483646, 2147483647, 0 and 1 is sent again, at once and after others."""
    topic = run.topic()
    producer = Producer(run)
    run.produce(topic, producer.batch(LAST - 3, 2))
    wrapped = producer.batch(LAST - 1, 4)
    run.produce(topic, wrapped)
    run.produce(topic, wrapped)
    for first in (2, 3, 4):
        run.produce(topic, producer.batch(first))
    run.produce(topic, wrapped)
    show_log(run, topic)


@case("IDM-08")
def overlaps_at_the_wrap(run: Run) -> None:
    """Batches that share some numbers with one that wraps around."""
    topic = run.topic()
    producer = Producer(run)
    run.produce(topic, producer.batch(LAST - 1, 4))
    for first, count in ((0, 2), (LAST, 2), (LAST - 1, 2), (1, 2), (LAST - 2, 4)):
        run.produce(topic, producer.batch(first, count))
    show_log(run, topic)


@case("IDM-07")
def sixth_last_batch_across_the_wrap(run: Run) -> None:
    """Seven batches over the wrap: the first two are refused when they come again, the other five are known."""
    topic = run.topic()
    producer = Producer(run)
    batches = [producer.batch(first % 2**31) for first in range(LAST - 3, LAST + 4)]
    for batch in (*batches, *batches):
        run.produce(topic, batch)
    show_log(run, topic)
