"""IDM: what a leader does with the batches of an idempotent producer."""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, batch_of, case
from conformance.client import poll
from conformance.producer import Producer, delete_records, pipelined, show_log
from conformance.session import now_ms


@case("IDM-02")
def sequence_numbers_that_follow(run: Run) -> None:
    """Batches of one, three and two records, numbered without a gap, are appended; one with acks=1 too."""
    topic = run.topic()
    producer = Producer(run)
    for count in (1, 3, 2):
        producer.send_next(topic, count)
    run.produce(topic, producer.next(topic, 2), acks=1)
    producer.send_next(topic)
    show_log(run, topic)


@case("IDM-03")
def newest_batch_again(run: Run) -> None:
    """The only batch of a producer is sent twice more: the first answer again, and one copy in the log."""
    topic = run.topic()
    producer = Producer(run)
    batch = producer.send_next(topic, 3)
    for _ in range(2):
        run.produce(topic, batch)
        show_log(run, topic)
    producer.send_next(topic)
    show_log(run, topic)


@case("IDM-03")
def each_of_the_last_five_again(run: Run) -> None:
    """Seven batches of various sizes; each of the last five is sent again, oldest first, then newest first."""
    topic = run.topic()
    producer = Producer(run)
    batches = [producer.send_next(topic, count) for count in (1, 2, 3, 1, 4, 2, 1)]
    for batch in (*batches[-5:], *reversed(batches[-5:])):
        run.produce(topic, batch)
    show_log(run, topic)


@case("IDM-03")
def again_over_another_connection(run: Run) -> None:
    """A batch is sent again over a new connection, as a client does that lost the first, and with acks=1."""
    topic = run.topic()
    producer = Producer(run)
    batch = producer.send_next(topic, 2)
    run.produce(topic, batch, connection="second")
    run.produce(topic, batch, acks=1, connection="second")
    show_log(run, topic)


@case("IDM-03")
def again_after_others_wrote(run: Run) -> None:
    """A batch is sent again after a producer without id and another idempotent one have written many batches."""
    topic = run.topic()
    producer, other = Producer(run), Producer(run)
    batch = producer.send_next(topic, 2)
    for _ in range(6):
        other.send_next(topic)
    run.produce(topic, batch_of(b"plain"))
    run.produce(topic, batch)
    show_log(run, topic)


@case("IDM-03")
def same_batch_twice_in_flight(run: Run) -> None:
    """A batch is sent twice before the first answer is read."""
    topic = run.topic()
    batch = Producer(run).next(topic, 2)
    pipelined(run, topic, [batch, batch])
    show_log(run, topic)


@case("IDM-07")
def sixth_last_batch_again(run: Run) -> None:
    """Six batches, then the first one again: it is refused, and the five after it are still known."""
    topic = run.topic()
    producer = Producer(run)
    batches = [producer.send_next(topic, 2) for _ in range(6)]
    run.produce(topic, batches[0])
    show_log(run, topic)
    run.produce(topic, batches[1])
    producer.send_next(topic)
    for batch in (batches[1], batches[0]):
        run.produce(topic, batch)
    show_log(run, topic)


@case("IDM-04")
def gaps(run: Run) -> None:
    """Batches that leave a gap of one, of many, and of nearly all sequence numbers are refused."""
    topic = run.topic()
    producer = Producer(run)
    producer.send_next(topic, 2)
    for first in (3, 100, 2**30):
        run.produce(topic, producer.batch(first, 2))
        show_log(run, topic)


@case("IDM-04")
def a_gap_in_flight(run: Run) -> None:
    """Five batches are under way at once, and the first leaves a gap: it and the four after it are refused."""
    topic = run.topic()
    producer = Producer(run)
    producer.send_next(topic)
    pipelined(run, topic, [producer.batch(first) for first in range(2, 7)])
    show_log(run, topic)


@case("IDM-15")
def on_after_refusals(run: Run) -> None:
    """After a gap, a partial overlap and a repeated batch, the batch that was due all the time is appended."""
    topic = run.topic()
    producer = Producer(run)
    first = producer.send_next(topic, 3)
    for refused in (producer.batch(5), producer.batch(2, 2), first):
        run.produce(topic, refused)
        producer.send_next(topic, 1)
    show_log(run, topic)


@case("IDM-15")
def on_after_an_old_epoch(run: Run) -> None:
    """A batch of an older epoch is refused and changes nothing: the producer of the newer one goes on."""
    topic = run.topic()
    producer = Producer(run, epoch=3)
    producer.send_next(topic, 2)
    run.produce(topic, producer.batch(2, epoch=2))
    producer.send_next(topic)
    run.produce(topic, producer.batch(7, epoch=4))
    producer.send_next(topic)
    show_log(run, topic)


@case("IDM-08")
def partial_overlaps(run: Run) -> None:
    """Batches that share some numbers with a remembered one: its head, its tail, its middle, and more than all."""
    topic = run.topic()
    producer = Producer(run)
    producer.send_next(topic, 4)
    producer.send_next(topic, 4)
    for first, count in ((4, 2), (6, 2), (5, 2), (4, 5), (2, 4), (0, 8), (7, 2), (0, 1)):
        run.produce(topic, producer.batch(first, count))
    show_log(run, topic)


@case("IDM-09")
def unknown_producer_begins_anywhere(run: Run) -> None:
    """The first batch on a partition has sequence number 5, and 2147483000 for another producer."""
    topic = run.topic()
    for first in (5, 2_147_483_000):
        producer = Producer(run)
        run.produce(topic, producer.batch(first, 2))
        run.produce(topic, producer.batch(first + 2))
        run.produce(topic, producer.batch(first + 4))
    show_log(run, topic)


@case("IDM-09")
def refused_batch_is_not_remembered(run: Run) -> None:
    """A producer's first batch has a wrong checksum and is refused; the next, from another number, is appended."""
    topic = run.topic()
    producer = Producer(run)
    run.produce(topic, evolve(producer.batch(0, 3), crc_is_right=False))
    run.produce(topic, producer.batch(9))
    run.produce(topic, producer.batch(10))
    show_log(run, topic)


@case("IDM-09")
def topic_made_anew_remembers_nobody(run: Run) -> None:
    """A topic is deleted and created again: the producer goes on with its next number, and none is a duplicate."""
    topic = run.topic()
    producer = Producer(run)
    for _ in range(3):
        old = producer.send_next(topic, 2)
    run.delete(topic)
    run.create_again(topic)
    run.produce(topic, old)
    run.produce(topic, producer.batch(6))
    show_log(run, topic)


@case("IDM-14")
def several_partitions(run: Run) -> None:
    """One producer writes to two partitions and to another topic in turn, numbered from 0 on each of them."""
    topic, other = run.topic(partitions=2), run.topic()
    producer = Producer(run)
    sent = []
    for _ in range(2):
        for name, partition in ((topic, 0), (topic, 1), (other, 0)):
            count = 2 if partition else 1
            sent.append((name, partition, producer.send_next(name, count, partition=partition)))
    for name, partition, batch in sent:
        run.produce(name, batch, partition=partition)
        show_log(run, name, partition)


@case("IDM-14")
def several_producers(run: Run) -> None:
    """Three producers write to one partition in turn; then each sends its first batch again, and goes on."""
    topic = run.topic()
    producers = [Producer(run) for _ in range(3)]
    first = [producer.send_next(topic, 2) for producer in producers]
    for producer in producers:
        producer.send_next(topic)
    for batch in first:
        run.produce(topic, batch)
    for producer in producers:
        producer.send_next(topic)
    show_log(run, topic)


@case("IDM-16")
def time_of_a_duplicate(run: Run) -> None:
    """In a topic stamped by the broker, two batches are sent again, the older one last."""
    topic = run.topic(config={"message.timestamp.type": "LogAppendTime"})
    producer = Producer(run)
    batches = [producer.send_next(topic, 2) for _ in range(2)]
    written = now_ms()
    poll("a later millisecond", lambda: now_ms() > written + 1)
    for batch in reversed(batches):
        run.produce(topic, batch)
    show_log(run, topic)


@case("IDM-19")
def duplicate_of_deleted_records(run: Run) -> None:
    """Two batches are written and their records deleted; each is then sent again, and the producer goes on."""
    topic = run.topic()
    producer = Producer(run)
    batches = [producer.send_next(topic, 2) for _ in range(2)]
    delete_records(run, topic, 4)
    for batch in batches:
        run.produce(topic, batch)
    show_log(run, topic)
    producer.send_next(topic)
    show_log(run, topic)
