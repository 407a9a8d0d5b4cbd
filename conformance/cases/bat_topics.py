"""BAT: batches that a topic's settings allow or forbid: sizes, keys, codecs."""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, batch_of, case, part_of
from conformance.cases.bat import GOOD
from conformance.client import Unsupported
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record

MEBIBYTE = 1 << 20
TIME = 1_700_000_000_000


def batch_of_size(size: int) -> Batch:
    """A batch of one record that takes this many bytes on the wire."""
    value = size - 80
    while True:
        batch = batch_of(b"x" * value)
        excess = part_of("", batch).sizes[0] - size
        if excess == 0:
            return batch
        value -= excess


def keyed(*keys: bytes | None) -> Batch:
    """A batch of records with these keys."""
    return Batch(records=tuple(Record(b"value", key=key, timestamp=TIME) for key in keys))


@case("BAT-18")
def at_and_above_max_message_bytes(run: Run) -> None:
    """On a topic of max.message.bytes=1000: batches of 999, 1000 and 1001 bytes, and of far more."""
    topic = run.topic(config={"max.message.bytes": "1000"})
    for size in (999, 1000, 1001, 5000, 1000):
        run.produce(topic, batch_of_size(size))
    run.read_through(topic)


@case("BAT-18")
def at_and_above_the_default_limit(run: Run) -> None:
    """On a topic with no setting of its own: a batch of the broker's default limit, and one byte more."""
    limit = int(run.profile.value("max.message.bytes"))
    if limit > 16 * MEBIBYTE:
        raise Unsupported(f"the broker's own limit, {limit} bytes (message.max.bytes), is too large to be tried")
    topic = run.topic()
    for size in (limit, limit + 1, limit):
        run.produce(topic, batch_of_size(size))
    run.read_through(topic)


@case("BAT-18")
def compressed_and_still_too_large(run: Run) -> None:
    """A batch that stays above max.message.bytes when compressed, its header counted."""
    limit = part_of("", evolve(GOOD, compression=Compression.GZIP)).sizes[0]
    topic = run.topic(config={"max.message.bytes": str(limit - 1)})
    run.produce(topic, evolve(GOOD, compression=Compression.GZIP))
    run.produce(topic, batch_of(b"1"))
    run.read_through(topic)


@case("BAT-19")
def at_and_above_segment_bytes(run: Run) -> None:
    """On a topic whose segments are smaller than its largest batch: a batch of a segment's size, and one byte more."""
    topic = run.topic(config={"segment.bytes": str(MEBIBYTE), "max.message.bytes": str(4 * MEBIBYTE)})
    for size in (MEBIBYTE, MEBIBYTE + 1, 2 * MEBIBYTE, MEBIBYTE):
        run.produce(topic, batch_of_size(size))
    run.read_through(topic)


@case("BAT-26")
def compressed_below_the_limit(run: Run) -> None:
    """On a topic of max.message.bytes=1000: 20 KB that compress to less, in three codecs."""
    topic = run.topic(config={"max.message.bytes": "1000"})
    for codec in (Compression.GZIP, Compression.SNAPPY, Compression.LZ4):
        run.produce(topic, evolve(batch_of(b"x" * 10_000, b"x" * 10_000), compression=codec))
    run.read_through(topic)


@case("BAT-26", versions={Api.PRODUCE: (7, None), Api.FETCH: (10, None)})
def compressed_with_zstd_below_the_limit(run: Run) -> None:
    """On a topic of max.message.bytes=1000: 20 KB that zstd compresses to less."""
    topic = run.topic(config={"max.message.bytes": "1000"})
    run.produce(topic, evolve(batch_of(b"x" * 20_000), compression=Compression.ZSTD))
    run.read_through(topic)


@case("BAT-32")
def too_large_when_recompressed(run: Run) -> None:
    """A batch that fits compressed, on a topic whose compression.type=uncompressed makes it too large."""
    topic = run.topic(config={"max.message.bytes": "1000", "compression.type": "uncompressed"})
    run.produce(topic, GOOD)
    run.produce(topic, evolve(batch_of(b"x" * 5_000), compression=Compression.GZIP))
    for size in (1000, 1001):
        run.produce(topic, evolve(batch_of_size(size), compression=Compression.GZIP))
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("BAT-25")
def compacted_topics_need_keys(run: Run) -> None:
    """On a compacted topic: records with keys, empty ones and tombstones among them, and batches that lack some."""
    topic = run.topic(config={"cleanup.policy": "compact"})
    run.produce(topic, keyed(b"a", b"", b"b"))
    run.produce(topic, Batch(records=(Record(None, key=b"a", timestamp=TIME),)))
    for keys in ((None,), (b"a", None), (None, b"a"), (b"a", None, b"b", None)):
        run.produce(topic, keyed(*keys))
        run.produce(topic, evolve(keyed(*keys), compression=Compression.GZIP))
    run.produce(topic, keyed(b"c"))
    run.read_through(topic)


@case("BAT-25")
def topics_compacted_and_deleted_need_keys(run: Run) -> None:
    """The same with cleanup.policy=compact,delete; and with delete alone nothing is needed."""
    topic = run.topic(config={"cleanup.policy": "compact,delete"})
    run.produce(topic, keyed(b"a", None))
    run.produce(topic, keyed(b"a"))
    free = run.topic(config={"cleanup.policy": "delete"})
    run.produce(free, keyed(None, b"a"))
    for each in (topic, free):
        run.read_through(each)


@case("BAT-23", versions={Api.PRODUCE: (8, None)})
def records_without_keys_are_named(run: Run) -> None:
    """On a compacted topic: which records lacked a key, more than three of them, too; and no names for other faults."""
    topic = run.topic(config={"cleanup.policy": "compact"})
    for keys in ((None,), (b"a", None), (None, b"a", None), (None,) * 7):
        run.produce(topic, keyed(*keys))
        run.produce(topic, evolve(keyed(*keys), compression=Compression.LZ4))
    run.produce(topic, evolve(keyed(b"a"), crc_is_right=False))
    run.produce(topic, evolve(keyed(b"a"), is_control=True))


@case("BAT-35", versions={Api.PRODUCE: (8, None)})
def a_missing_key_is_explained(run: Run) -> None:
    """On a compacted topic: a record without a key."""
    topic = run.topic(config={"cleanup.policy": "compact"})
    run.produce(topic, keyed(None))
    run.produce(topic, keyed(b"a", None))


@case("BAT-25")
def recompressed_and_compacted(run: Run) -> None:
    """On a compacted topic of compression.type=gzip: records without a key are refused whatever codec they come in."""
    topic = run.topic(config={"cleanup.policy": "compact", "compression.type": "gzip"})
    for codec in (Compression.NONE, Compression.GZIP, Compression.LZ4):
        run.produce(topic, evolve(keyed(b"a", None), compression=codec))
        run.produce(topic, evolve(keyed(b"a", b"b"), compression=codec))
    run.read_through(topic)
