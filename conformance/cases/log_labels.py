"""LOG: what a batch says of itself when it is read: its header, and the numbers and times of its records."""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, case
from conformance.producer import fresh_id
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record
from model.reference.operations import Isolation

MOMENT = 1_700_000_000_000
RECORDS = (
    Record(b"value " * 40, key=b"key", headers=(("h", b"1"), ("é", b"")), timestamp=MOMENT + 40),
    Record(None, key=b"", timestamp=MOMENT + 95),
    Record(b"", key=None, headers=(("", b"\x00"),), timestamp=MOMENT),
    Record(b"value " * 40, key=b"key", timestamp=MOMENT + 7),
)
"""The greatest timestamp is neither the first nor the last, and the least is not the first."""
SENT = (Compression.NONE, Compression.GZIP, Compression.SNAPPY, Compression.LZ4)
LABELS = ("LOG-44", "LOG-45", "LOG-47")


def topic_of(run: Run, **config: str) -> str:
    """A topic with these settings, where topics take settings; otherwise every batch is kept as it came."""
    wanted = {name.replace("_", "."): value for name, value in config.items()}
    return run.topic(config=wanted if Api.CREATE_TOPICS in run.client.ranges else {})


def read_back(run: Run, codecs: tuple[Compression, ...], **config: str) -> None:
    """Produce the records under each codec, by nobody and by an idempotent producer, and read each of them."""
    topic = topic_of(run, **config)
    for codec in codecs:
        run.produce(topic, Batch(records=RECORDS, compression=codec))
    run.read_through(topic, 0)
    run.read_through(topic, 0, isolation=Isolation.READ_COMMITTED)
    producer_id = fresh_id(run)
    for number, codec in enumerate(codecs):
        sequence = number * len(RECORDS)
        batch = Batch(records=RECORDS, compression=codec, producer_id=producer_id, producer_epoch=0)
        run.produce(topic, evolve(batch, base_sequence=sequence))
        run.fetch(topic, (len(codecs) + number) * len(RECORDS))


@case(*LABELS)
def batches_as_they_came(run: Run) -> None:
    """Batches of four records, plain and compressed, on a topic that keeps the codec; then one of a single record."""
    read_back(run, SENT)
    topic = run.topic()
    run.produce(topic, Batch(records=RECORDS[:1]))
    run.read_through(topic, 0)


@case(*LABELS)
def batches_that_are_recompressed(run: Run) -> None:
    """The same on topics whose compression.type is gzip, lz4, snappy or uncompressed."""
    for wanted in ("gzip", "uncompressed", "lz4", "snappy"):
        read_back(run, SENT, compression_type=wanted)


@case(*LABELS)
def batches_that_are_stamped(run: Run) -> None:
    """The same on topics of LogAppendTime, one of which keeps the codec."""
    for wanted in ("producer", "gzip", "uncompressed"):
        read_back(run, SENT, compression_type=wanted, message_timestamp_type="LogAppendTime")


@case(*LABELS, versions={Api.PRODUCE: (7, None), Api.FETCH: (10, None)})
def batches_under_zstd(run: Run) -> None:
    """The same under zstd, which newer versions carry: kept, made from others, and undone."""
    read_back(run, (Compression.ZSTD,))
    read_back(run, (Compression.ZSTD, Compression.GZIP, Compression.NONE), compression_type="zstd")
    read_back(run, (Compression.ZSTD,), compression_type="lz4")


def rebuild(run: Run) -> None:
    """Read back from topics that make the broker build batches anew, and from one that stamps what it keeps."""
    for wanted in ("gzip", "uncompressed"):
        read_back(run, SENT, compression_type=wanted)
    read_back(run, SENT[:2], compression_type="gzip", message_timestamp_type="LogAppendTime")
    read_back(run, SENT[:2], message_timestamp_type="LogAppendTime")


@case("LOG-01")
def numbers_of_rebuilt_batches(run: Run) -> None:
    """Batches that are recompressed, or stamped by the broker: their records have offsets one after the other."""
    rebuild(run)


@case("LOG-02")
def contents_of_rebuilt_batches(run: Run) -> None:
    """Batches that are recompressed, or stamped by the broker, with a header's name twice and one without a value."""
    rebuild(run)
    record = Record(b"v", key=b"k", headers=(("h", b"1"), ("h", None), ("h", b"1"), ("a", b"")), timestamp=MOMENT)
    for config in ({"compression_type": "gzip"}, {"message_timestamp_type": "LogAppendTime"}):
        topic = topic_of(run, **config)
        for codec in SENT:
            run.produce(topic, Batch(records=(record, record), compression=codec))
        run.read_through(topic, 0)


@case("LOG-30")
def producers_of_rebuilt_batches(run: Run) -> None:
    """Batches that are recompressed, or stamped by the broker, of an idempotent producer and of nobody."""
    rebuild(run)


@case("BAT-27")
def greatest_timestamps_of_rebuilt_batches(run: Run) -> None:
    """Batches that are recompressed, or stamped, whose greatest timestamp is neither the first nor the last."""
    rebuild(run)


@case("LOG-46")
def timestamps_below_the_stamp(run: Run) -> None:
    """Batches as they came, recompressed, and stamped by the broker: the base timestamp and the records' own."""
    read_back(run, SENT)
    rebuild(run)


@case("LOG-46")
def base_timestamps_of_a_producer(run: Run) -> None:
    """Batches whose base timestamp is before their first record's, and whose greatest is a lie; kept, and rebuilt."""
    odd_timestamps(run)


@case("BAT-21")
def timestamps_below_another_base(run: Run) -> None:
    """The same batches: whatever the base, the records have the producer's timestamps."""
    odd_timestamps(run)


def odd_timestamps(run: Run) -> None:
    """Produce and read batches whose header says other times than the first record's and the greatest."""
    for wanted in ("producer", "gzip"):
        topic = topic_of(run, compression_type=wanted)
        for codec in (Compression.NONE, Compression.GZIP):
            odd = Batch(records=RECORDS, compression=codec, claimed_base_timestamp=MOMENT - 1000)
            run.produce(topic, odd)
            run.produce(topic, evolve(odd, claimed_max_timestamp=MOMENT + 10**6))
        run.read_through(topic, 0)


@case("LOG-45", "LOG-44")
def batches_that_no_client_sends(run: Run) -> None:
    """Batches with a delete horizon, or whose records are numbered wrongly; if they are taken, the log stays whole."""
    for wanted in ("producer", "gzip", "uncompressed"):
        topic = topic_of(run, compression_type=wanted)
        for codec in (Compression.NONE, Compression.LZ4):
            run.produce(topic, Batch(records=RECORDS, compression=codec, has_delete_horizon=True))
            numbered = tuple(evolve(record, offset_delta=0) for record in RECORDS)
            run.produce(topic, Batch(records=numbered, compression=codec))
            run.produce(topic, Batch(records=RECORDS, compression=codec))
        run.read_through(topic, 0)
