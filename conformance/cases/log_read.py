"""LOG: reading a partition."""

from __future__ import annotations

import uuid

from conformance.case import Isolation, Run, batch_of, case, part_of
from conformance.wire.apis import Api
from model.reference.batch import Compression
from model.reference.operations import Fetch, FetchPart, Produce

SEGMENT_BYTES = 1 << 20
"""The least that every release allows (KIP-1030)."""


@case("LOG-03", "LOG-12", "LOG-13")
def reading_at_the_end(run: Run) -> None:
    """Fetch from a log with nothing in it, and at the end of one with records, also as a reader of committed ones."""
    topic = run.topic()
    for _ in range(2):
        end = run.cluster.topics[topic].partitions[0].log_end_offset
        for isolation in Isolation:
            run.fetch(topic, end, isolation=isolation)
        run.produce(topic, batch_of(b"a", b"b"))
    run.fetch(topic, 4)


@case("LOG-05")
def reading_past_the_ends(run: Run) -> None:
    """Fetch one past the end, far past it, and before 0, from a log with nothing in it and from one with records."""
    topic = run.topic()
    for _ in range(2):
        end = run.cluster.topics[topic].partitions[0].log_end_offset
        for offset in (end + 1, end + 1000, 2**63 - 1, -1, -2, -(2**63)):
            run.fetch(topic, offset)
        run.produce(topic, batch_of(b"a", b"b"))
    run.fetch(topic, 0)


@case("LOG-06")
def a_refused_partition_names_no_offsets(run: Run) -> None:
    """Fetch past the end, and from a partition that does not exist."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    run.fetch(topic, 2)
    run.fetch(topic, 0, partition=1)


@case("LOG-04")
def a_batch_is_returned_whole(run: Run) -> None:
    """Fetch from every offset of batches of one, four and three records, compressed and not."""
    topic = run.topic()
    for count, codec in ((1, Compression.NONE), (4, Compression.NONE), (3, Compression.GZIP)):
        run.produce(topic, batch_of(*(b"%d" % number for number in range(count)), compression=codec))
    for offset in range(8):
        run.fetch(topic, offset)
        run.fetch(topic, offset, max_bytes=100, partition_max_bytes=100)


@case("LOG-12")
def the_high_watermark_is_named(run: Run) -> None:
    """Produce and fetch in turn, from the start, the middle and the end; each answer names the end of the log."""
    topic = run.topic()
    for number in range(4):
        run.produce(topic, batch_of(*([b"x"] * (number + 1))))
        end = run.cluster.topics[topic].partitions[0].log_end_offset
        for offset in (0, end // 2, end):
            run.fetch(topic, offset, max_bytes=1)


@case("LOG-13", "LOG-40")
def committed_is_all_there_is_without_transactions(run: Run) -> None:
    """Read a log as a reader of committed records and as one of all records, both from every offset."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    run.produce(topic, batch_of(b"c"))
    for isolation in Isolation:
        for offset in range(4):
            run.fetch(topic, offset, isolation=isolation)


@case("LOG-41", versions={Api.FETCH: (11, None)})
def no_other_replica_is_preferred(run: Run) -> None:
    """Fetch records, and at the end, as a client that says nothing of racks."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    run.fetch(topic, 0)
    run.fetch(topic, 1)


@case("LOG-42")
def nobody_is_held_back(run: Run) -> None:
    """Produce and fetch; the broker does not ask the client to wait."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    run.fetch(topic, 0)


@case("LOG-14")
def reading_a_partition_that_does_not_exist(run: Run) -> None:
    """Fetch from partitions that a topic does not have."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    for partition in (1, 17, -1):
        run.fetch(topic, 0, partition=partition)


@case("LOG-14", versions={Api.FETCH: (4, 12)})
def reading_a_topic_that_does_not_exist(run: Run) -> None:
    """Fetch by name from a topic that nobody made, and from one that was deleted."""
    run.fetch(run.names.new("missing"), 0)
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    run.delete(topic)
    run.eventually(Fetch(parts=(FetchPart(topic=topic),)))


@case("LOG-15", versions={Api.FETCH: (13, None), Api.METADATA: (10, None)})
def reading_a_topic_id_that_does_not_exist(run: Run) -> None:
    """Fetch by an id that nobody has, and by that of a topic that was deleted and then created again."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    former = run.cluster.topics[topic].topic_id
    run.fetch(topic, 0, topic_id=uuid.uuid4())
    run.fetch(topic, 0, topic_id=former)
    run.delete(topic)
    run.eventually(Fetch(parts=(FetchPart(topic=topic, topic_id=former),)))
    run.create_again(topic)
    run.fetch(topic, 0, topic_id=former)
    run.fetch(topic, 0)


@case("LOG-16", "LOG-17")
def one_unreadable_partition_leaves_the_others_alone(run: Run) -> None:
    """Fetch six partitions, of which one is asked past its end and one does not exist; the others are read."""
    topic, other = run.topic(partitions=4), run.topic()
    for partition in (0, 1, 3):
        run.produce(topic, batch_of(b"a", b"b"), partition=partition)
    run.produce(other, batch_of(b"c"))
    run.perform(
        Fetch(
            parts=(
                FetchPart(topic=topic, partition=0, offset=9),
                FetchPart(topic=topic, partition=1, offset=0),
                FetchPart(topic=topic, partition=2, offset=0),
                FetchPart(topic=topic, partition=3, offset=1),
                FetchPart(topic=topic, partition=7, offset=0),
                FetchPart(topic=other, offset=0),
            )
        )
    )


@case("LOG-26")
def segments_are_read_like_one_log(run: Run) -> None:
    """Fill five segments and read through them: in large bites, in small ones, and from places within."""
    topic = run.topic(config={"segment.bytes": str(SEGMENT_BYTES)})
    for number in range(20):
        run.produce(topic, batch_of(b"%d" % number, b"x" * 260_000))
    run.read_through(topic, 0)
    run.read_through(topic, 1, partition_max_bytes=300_000)
    for offset in range(0, 40, 7):
        run.fetch(topic, offset)


@case("LOG-26")
def tiny_segments_are_read_like_one_log(run: Run) -> None:
    """Fill segments of a few batches each, where the release allows it, and read from every offset."""
    size = max(200, run.profile.leasts["segment.bytes"])
    topic = run.topic(config={"segment.bytes": str(size)})
    values = [b"x" * (size // 10)] * 2
    for _ in range(12):
        run.perform(Produce(parts=(part_of(topic, batch_of(*values)),)))
    run.read_through(topic, 0)
    for offset in range(25):
        run.fetch(topic, offset)
