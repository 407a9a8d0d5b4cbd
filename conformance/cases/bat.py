"""BAT: batches that must be refused for what their header or their payload says.

After each refusal a good batch is produced and the log is read: a refused batch must have used no offset.
"""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, batch_of, case, part_of
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record
from model.reference.operations import Produce

GOOD = batch_of(b"one", b"two", b"three")
CODECS = (Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD)
CODECS_OF_ALL_VERSIONS = (Compression.GZIP, Compression.SNAPPY, Compression.LZ4)
GARBAGE = b"no codec and no broker can make records of this"


def refused(run: Run, *batches: Batch, **config: str) -> None:
    """Produce each batch to a topic that holds a good one, then another good one, and read it all."""
    topic = run.topic(config={name.replace("_", "."): value for name, value in config.items()})
    run.produce(topic, GOOD)
    for batch in batches:
        run.produce(topic, batch)
    run.fetch(topic, GOOD.next_offset)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("BAT-01")
def wrong_checksum(run: Run) -> None:
    """A batch with a wrong checksum, plain and compressed."""
    refused(run, *(evolve(GOOD, crc_is_right=False, compression=codec) for codec in (0, *CODECS_OF_ALL_VERSIONS)))


@case("BAT-01", versions={Api.PRODUCE: (7, None)})
def wrong_checksum_under_zstd(run: Run) -> None:
    """A batch with a wrong checksum, compressed with zstd."""
    refused(run, evolve(GOOD, crc_is_right=False, compression=Compression.ZSTD))


@case("BAT-02")
def older_formats(run: Run) -> None:
    """Batches that say that they are of message format v0 or v1."""
    refused(run, evolve(GOOD, magic=0), evolve(GOOD, magic=1))


@case("BAT-02")
def older_formats_as_they_were(run: Run) -> None:
    """Real message sets of format v0 and v1, of one message and of three, plain and wrapped; and beside a batch."""
    one = batch_of(b"one", is_message_set=True)
    three = evolve(GOOD, is_message_set=True)
    refused(
        run,
        *(evolve(each, magic=magic) for magic in (0, 1) for each in (one, three)),
        *(evolve(three, magic=magic, compression=Compression.GZIP) for magic in (0, 1)),
        evolve(three, magic=1, compression=Compression.SNAPPY),
        evolve(three, magic=1, compression=Compression.LZ4),
    )
    topic = run.topic()
    run.produce(topic, evolve(one, magic=1), GOOD)
    run.produce(topic, evolve(one, magic=1), acks=1)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("BAT-03")
def formats_that_do_not_exist(run: Run) -> None:
    """Batches that say that they are of message format v3, v127 or v-1."""
    refused(run, *(evolve(GOOD, magic=magic) for magic in (3, 127, -1)))


@case("BAT-04")
def last_offset_delta_and_count_differ(run: Run) -> None:
    """The last offset delta is too large, too small, or the count is."""
    refused(
        run,
        evolve(GOOD, claimed_last_offset_delta=3),
        evolve(GOOD, claimed_last_offset_delta=1),
        evolve(GOOD, claimed_last_offset_delta=2**31 - 1),
        evolve(GOOD, claimed_count=4),
        evolve(GOOD, claimed_count=2),
        evolve(GOOD, claimed_count=4, compression=Compression.GZIP),
    )


@case("BAT-05")
def no_records(run: Run) -> None:
    """A batch of no records, one that denies those it has, and negative counts."""
    refused(
        run,
        Batch(records=()),
        evolve(GOOD, claimed_count=0),
        evolve(GOOD, claimed_count=0, claimed_last_offset_delta=-1),
        evolve(GOOD, claimed_count=-1),
        evolve(GOOD, claimed_count=-1, claimed_last_offset_delta=-2),
        evolve(GOOD, claimed_last_offset_delta=-1),
        evolve(GOOD, claimed_count=0, compression=Compression.GZIP),
    )


@case("BAT-06")
def records_missing(run: Run) -> None:
    """Header and last offset delta agree on more records than there are, plain and in every codec."""
    claims = evolve(GOOD, claimed_count=4, claimed_last_offset_delta=3)
    refused(run, *(evolve(claims, compression=codec) for codec in (0, *CODECS_OF_ALL_VERSIONS)))


@case("BAT-06")
def records_left_over(run: Run) -> None:
    """Header and last offset delta agree on fewer records than there are, plain and in every codec."""
    claims = evolve(GOOD, claimed_count=2, claimed_last_offset_delta=1)
    refused(run, *(evolve(claims, compression=codec) for codec in (0, *CODECS_OF_ALL_VERSIONS)))


@case("BAT-07")
def payload_is_no_records(run: Run) -> None:
    """The checksum is right, but what follows the header is garbage, nothing, or a record that claims to be longer."""
    refused(
        run,
        evolve(GOOD, payload=GARBAGE),
        evolve(GOOD, payload=b""),
        # A record of length 0, and one of length 63 of which 3 bytes are there.
        evolve(batch_of(b"one"), payload=b"\x00"),
        evolve(batch_of(b"one"), payload=b"\x7e\x00\x00\x00"),
    )


@case("BAT-08")
def control_batch(run: Run) -> None:
    """A client sends a control batch: a plain one, one that looks like a commit marker, and one of a producer."""
    marker = Record(value=b"\x00\x00\x00\x00\x00\x00", key=b"\x00\x00\x00\x01", timestamp=1_700_000_000_000)
    refused(
        run,
        evolve(GOOD, is_control=True),
        Batch(records=(marker,), is_control=True),
        evolve(GOOD, is_control=True, producer_id=10**12, producer_epoch=0, base_sequence=0),
        evolve(GOOD, is_control=True, compression=Compression.GZIP),
    )


@case("BAT-09")
def two_batches_for_a_partition(run: Run) -> None:
    """Two good batches, and a good one before a bad one, for one partition in one request."""
    topic = run.topic()
    run.produce(topic, GOOD)
    run.produce(topic, GOOD, GOOD)
    run.produce(topic, GOOD, evolve(GOOD, crc_is_right=False))
    run.fetch(topic, GOOD.next_offset)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("BAT-10")
def empty_records(run: Run) -> None:
    """Records of no bytes for a partition."""
    topic = run.topic()
    run.produce(topic, GOOD)
    run.produce(topic)
    run.fetch(topic, GOOD.next_offset)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("BAT-11")
def batch_cut_off(run: Run) -> None:
    """A batch that lacks its last byte, its payload, half its header; and one whose length field claims more."""
    refused(
        run,
        evolve(GOOD, missing_bytes=1),
        evolve(GOOD, missing_bytes=40),
        evolve(GOOD, missing_bytes=70),
        evolve(GOOD, claimed_length_excess=1),
        evolve(GOOD, claimed_length_excess=10_000),
        evolve(GOOD, claimed_length_excess=2**31 - 1 - 200),
    )


@case("BAT-12")
def length_too_short(run: Run) -> None:
    """The length field claims a few bytes less than there are, less than any batch has, nothing, and less than that."""
    body = part_of("", GOOD).sizes[0] - 12
    refused(
        run,
        evolve(GOOD, claimed_length_excess=-1),
        evolve(GOOD, claimed_length_excess=-11),
        evolve(GOOD, claimed_length_excess=13 - body),
        evolve(GOOD, claimed_length_excess=-body),
        evolve(GOOD, claimed_length_excess=-body - 1),
        evolve(GOOD, claimed_length_excess=-body - 2**31),
    )


@case("BAT-13")
def unknown_codec(run: Run) -> None:
    """Codecs 5, 6 and 7."""
    refused(run, *(evolve(GOOD, compression=codec) for codec in (5, 6, 7)))


@case("BAT-14", versions={Api.PRODUCE: (3, 6)})
def zstd_in_an_old_version(run: Run) -> None:
    """A good batch compressed with zstd in a Produce version that does not know it."""
    refused(run, evolve(GOOD, compression=Compression.ZSTD))


@case("BAT-15")
def payload_that_does_not_decompress(run: Run) -> None:
    """Garbage where compressed records should be, in every codec; and nothing at all."""
    refused(run, *(evolve(GOOD, payload=GARBAGE, compression=codec) for codec in CODECS_OF_ALL_VERSIONS))


@case("BAT-15", versions={Api.PRODUCE: (7, None)})
def payload_that_is_no_zstd(run: Run) -> None:
    """Garbage where records compressed with zstd should be."""
    refused(run, evolve(GOOD, payload=GARBAGE, compression=Compression.ZSTD))


@case("BAT-16")
def base_offset_of_a_client(run: Run) -> None:
    """A producer names offsets: the next one of the log, one further on, and a negative one."""
    refused(run, *(evolve(GOOD, base_offset=offset) for offset in (GOOD.next_offset, 1, 10**6, -1)))


@case("BAT-17")
def leader_epoch_of_a_client(run: Run) -> None:
    """A producer names a leader epoch: 0, one far ahead, and negative ones."""
    topic = run.topic()
    for epoch in (0, 42, 2**31 - 1, -2, -(2**31)):
        run.produce(topic, evolve(GOOD, partition_leader_epoch=epoch))
    run.read_through(topic)


@case("BAT-28")
def negative_sequence(run: Run) -> None:
    """A producer id with the base sequences -1, -2 and the least there is."""
    by_producer = evolve(GOOD, producer_id=10**12, producer_epoch=0)
    refused(run, *(evolve(by_producer, base_sequence=sequence) for sequence in (-1, -2, -(2**31))))


@case("BAT-29")
def transactional_batch_without_transactional_id(run: Run) -> None:
    """A transactional batch, alone and beside a good one for another partition; the request names no transaction."""
    topic = run.topic(partitions=2)
    transactional = evolve(GOOD, is_transactional=True, producer_id=10**12, producer_epoch=0, base_sequence=0)
    run.produce(topic, transactional)
    run.perform(Produce(parts=(part_of(topic, transactional), part_of(topic, GOOD, partition=1))))
    for partition in (0, 1):
        run.produce(topic, GOOD, partition=partition)
        run.read_through(topic, partition=partition)


@case("BAT-30")
def transactional_batch_outside_a_transaction(run: Run) -> None:
    """A transactional batch of a producer whose transactional id nobody ever initialised."""
    topic = run.topic()
    transactional = evolve(GOOD, is_transactional=True, producer_id=10**12 + 1, producer_epoch=0, base_sequence=0)
    run.perform(Produce(parts=(part_of(topic, transactional),), transactional_id=run.names.new("transaction")))
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("LOG-16")
def a_refusal_beside_good_batches(run: Run) -> None:
    """Requests for three partitions, of which one has a batch with a wrong checksum; each is refused once."""
    topic = run.topic(partitions=3)
    for refused_one in range(3):
        batches = [evolve(GOOD, crc_is_right=index != refused_one) for index in range(3)]
        parts = tuple(part_of(topic, batch, partition=index) for index, batch in enumerate(batches))
        run.perform(Produce(parts=parts))
    for partition in range(3):
        run.produce(topic, GOOD, partition=partition)
        run.read_through(topic, partition=partition)
