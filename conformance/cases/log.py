"""LOG: appending to a partition."""

from __future__ import annotations

from conformance.case import Run, batch_of, case, part_of
from conformance.producer import fresh_id
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record
from model.reference.operations import DeleteRecords, DeleteRecordsPart, Fetch, FetchPart, Produce


@case("LOG-01")
def offsets_are_dense_from_zero(run: Run) -> None:
    """Produce batches of one, three and two records; each answer names the next offset, and a fetch shows them all."""
    topic = run.topic()
    for values in ((b"a",), (b"b", b"c", b"d"), (b"e", b"f")):
        run.produce(topic, batch_of(*values))
    run.fetch(topic, 0)


@case("LOG-01")
def every_partition_counts_for_itself(run: Run) -> None:
    """Produce to three partitions in turn, from two connections; each has offsets of its own, from 0."""
    topic = run.topic(partitions=3)
    for number in range(9):
        values = [b"%d" % number] * (1 + number % 2)
        run.produce(topic, batch_of(*values), partition=number % 3, connection=("main", "other")[number % 2])
    for partition in range(3):
        run.fetch(topic, 0, partition=partition)


@case("LOG-01", "LOG-02")
def records_stay_in_the_order_of_their_producing(run: Run) -> None:
    """Produce thirty batches one after the other and read them back; nothing is skipped, nothing changes places."""
    topic = run.topic()
    for number in range(30):
        run.produce(topic, batch_of(*(b"%d.%d" % (number, each) for each in range(1 + number % 4))))
    run.fetch(topic, 0)
    run.read_through(topic, 0, max_bytes=300)


@case("LOG-10")
def producing_to_what_does_not_exist(run: Run) -> None:
    """Produce to a topic that nobody made, and to partitions that a topic does not have; nothing is appended."""
    topic = run.topic()
    run.produce(run.names.new("missing"), batch_of(b"a"))
    for partition in (1, 17, -1):
        run.produce(topic, batch_of(b"a"), partition=partition)
    run.fetch(topic, 0)
    run.produce(topic, batch_of(b"b"))


@case("LOG-16", "LOG-17")
def one_bad_partition_leaves_the_others_alone(run: Run) -> None:
    """Produce to five partitions at once, of which one has a wrong checksum and one does not exist."""
    topic, other = run.topic(partitions=3), run.topic()
    run.perform(
        Produce(
            parts=(
                part_of(topic, batch_of(b"a"), partition=0),
                part_of(topic, batch_of(b"b", crc_is_right=False), partition=1),
                part_of(topic, batch_of(b"c", b"d"), partition=2),
                part_of(topic, batch_of(b"e"), partition=9),
                part_of(other, batch_of(b"f")),
            )
        )
    )
    for partition in range(3):
        run.fetch(topic, 0, partition=partition)
        run.produce(topic, batch_of(b"g"), partition=partition)
    run.fetch(other, 0)


@case("LOG-17")
def every_partition_is_answered_once(run: Run) -> None:
    """Produce to, then fetch, twelve partitions of two topics in no order; each is answered once."""
    topics = (run.topic(partitions=6), run.topic(partitions=6))
    places = [(topics[number % 2], (number * 5) % 6) for number in range(12)]
    places = list(dict.fromkeys(places)) + [(topics[1], number) for number in range(0, 6, 2)]
    places = list(dict.fromkeys(places))
    run.perform(Produce(parts=tuple(part_of(topic, batch_of(b"x"), partition=index) for topic, index in places)))
    run.perform(Fetch(parts=tuple(FetchPart(topic=topic, partition=index) for topic, index in reversed(places))))


@case("LOG-30")
def a_producer_can_be_told_by_its_batches(run: Run) -> None:
    """Produce batches with and without a producer id; they are read back with the ids, epochs and sequences sent."""
    topic = run.topic()
    first, second = fresh_id(run), fresh_id(run)
    run.produce(topic, batch_of(b"a", b"b", producer_id=first, producer_epoch=0, base_sequence=0))
    run.fetch(topic, 0)
    run.produce(topic, batch_of(b"c"))
    run.produce(topic, batch_of(b"d", producer_id=first, producer_epoch=0, base_sequence=2))
    run.produce(topic, batch_of(b"e", producer_id=second, producer_epoch=0, base_sequence=0))
    run.produce(topic, batch_of(b"f", producer_id=second, producer_epoch=3, base_sequence=0))
    run.fetch(topic, 0)


@case("LOG-31")
def requests_on_one_connection_keep_their_order(run: Run) -> None:
    """Send forty produces on one connection before the first answer is read; they get offsets in that order."""
    topic = run.topic()
    sent = [
        run.send(Produce(parts=(part_of(topic, batch_of(*([b"%d" % number] * (1 + number % 3)))),)), "pipeline")
        for number in range(40)
    ]
    for each in sent:
        run.finish(each)
    run.fetch(topic, 0)


@case("LOG-27", "LOG-28", "LOG-29")
def codecs_are_kept_end_to_end(run: Run) -> None:
    """Produce batches under gzip, snappy, lz4 and none; each is read back so, and in as many bytes."""
    topic = run.topic()
    for codec in (Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.NONE):
        run.produce(topic, batch_of(*([b"again and " * 20] * 30), compression=codec))
    run.read_through(topic, 0)


@case("LOG-27", "LOG-28", "LOG-29", versions={Api.PRODUCE: (7, None), Api.FETCH: (10, None)})
def zstd_is_kept_end_to_end(run: Run) -> None:
    """Produce batches under zstd, which newer versions carry; they are read back under it."""
    topic = run.topic()
    for _ in range(2):
        run.produce(topic, batch_of(*([b"again and " * 20] * 30), compression=Compression.ZSTD))
    run.read_through(topic, 0)


@case("LOG-27", "LOG-28")
def a_topic_may_ask_for_a_codec(run: Run) -> None:
    """Produce under several codecs to topics whose compression.type is gzip, or uncompressed."""
    for wanted in ("gzip", "uncompressed"):
        topic = run.topic(config={"compression.type": wanted})
        for codec in (Compression.NONE, Compression.LZ4, Compression.GZIP):
            run.produce(topic, batch_of(*([b"again and " * 20] * 10), compression=codec))
        run.read_through(topic, 0)


@case("LOG-07")
def what_was_read_stays_as_it_was(run: Run) -> None:
    """Read a log, read it again, append, and read again from several places; every batch has the same bytes."""
    topic = run.topic()
    for number in range(4):
        run.produce(topic, batch_of(b"%d" % number, b"x" * 50, compression=Compression(number)))
    run.fetch(topic, 0)
    run.fetch(topic, 0)
    for number in range(4):
        run.produce(topic, batch_of(b"later %d" % number))
        for offset in (0, 3, 6):
            run.fetch(topic, offset)


@case("LOG-07")
def readers_do_not_disturb_each_other(run: Run) -> None:
    """Five readers on connections of their own, each at another place of the log, while it grows."""
    topic = run.topic()
    places = [0] * 5
    for number in range(10):
        run.produce(topic, batch_of(*(b"%d.%d" % (number, each) for each in range(3))))
        for reader in range(number % 5 + 1):
            step = run.fetch(topic, places[reader], connection=f"reader {reader}", partition_max_bytes=150)
            batches = step.values().get("records")
            if isinstance(batches, tuple) and batches:
                places[reader] = batches[-1].next_offset
    for reader in range(5):
        run.read_through(topic, places[reader], connection=f"reader {reader}")


@case("LOG-08", needs=("restart", "durable"))
def logs_survive_a_restart(run: Run) -> None:
    """Produce, restart the broker, read everything, produce again: nothing is lost, and offsets go on."""
    topic, untouched, empty = run.topic(), run.topic(), run.topic()
    for values in ((b"a",), (b"b", b"c"), (b"d", b"e", b"f")):
        run.produce(topic, Batch(records=tuple(Record(value, key=b"k", timestamp=1) for value in values)))
        run.produce(untouched, batch_of(*values, compression=Compression.GZIP))
    run.fetch(topic, 0)
    run.do("restart")
    for name in (topic, untouched, empty):
        run.settle(name)
    run.read_through(topic, 0)
    run.read_through(untouched, 0)
    run.produce(topic, batch_of(b"g", b"h"))
    run.produce(topic, batch_of(b"i"))
    run.produce(empty, batch_of(b"a"))
    run.read_through(topic, 0)
    run.produce(untouched, batch_of(b"g"))


@case("LOG-09", needs=("restart", "durable"), versions={Api.PRODUCE: (5, None), Api.FETCH: (5, None)})
def the_log_start_survives_a_restart(run: Run) -> None:
    """Delete records, in one partition all of them, and restart: the logs start where they did."""
    topic = run.topic(partitions=2)
    for partition in range(2):
        for _ in range(3):
            run.produce(topic, batch_of(b"a", b"b"), partition=partition)
    run.perform(
        DeleteRecords(
            parts=(
                DeleteRecordsPart(topic=topic, partition=0, offset=3),
                DeleteRecordsPart(topic=topic, partition=1),
            )
        )
    )
    run.do("restart")
    run.settle(topic, 2)
    run.fetch(topic, 3, partition=0)
    run.fetch(topic, 2, partition=0)
    run.fetch(topic, 6, partition=1)
    for partition in range(2):
        run.produce(topic, batch_of(b"c"), partition=partition)
        run.fetch(topic, 6, partition=partition)
