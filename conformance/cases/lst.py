"""LST: where a log starts and ends, and where a point in time lies in it."""

from __future__ import annotations

import random

from conformance.case import Isolation, Run, batch_of, case
from conformance.client import poll
from conformance.producer import Producer, delete_records, list_offsets
from conformance.session import now_ms
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record
from model.reference.operations import (
    EARLIEST,
    EARLIEST_LOCAL,
    LATEST,
    LATEST_TIERED,
    MAX_TIMESTAMP,
    ListOffsets,
    ListOffsetsPart,
)

T = 1_700_000_000_000
"""The time from which these cases count, in milliseconds."""
LONG_PAST, FAR_FUTURE = 0, 2**62
SEGMENT_BYTES = 14_000
"""The size of small segments, unless the release wants larger ones (KIP-1030)."""


def timed(*times: int, compression: Compression = Compression.NONE) -> Batch:
    """A batch of records with these timestamps, counted from `T`."""
    records = tuple(Record(f"at {time}".encode(), timestamp=T + time) for time in times)
    return Batch(records=records, compression=compression)


def segmented(run: Run) -> tuple[str, bytes]:
    """A topic of small segments, and a value that makes two records fill one, also compressed."""
    size = max(SEGMENT_BYTES, run.profile.leasts["segment.bytes"])
    return run.topic(config={"segment.bytes": str(size)}), random.Random(size).randbytes(size * 3 // 7)  # noqa: S311


def wait_a_millisecond() -> None:
    """Wait until the clock shows a later millisecond."""
    since = now_ms()
    poll("a later millisecond", lambda: now_ms() > since + 1)


def look_around(run: Run, topic: str, times: range, partition: int = 0) -> None:
    """Look up every time of the range, counted from `T`, and times before and after all."""
    list_offsets(run, topic, *(T + time for time in times), LONG_PAST, FAR_FUTURE, partition=partition)


@case("LST-01", "LST-02")
def ends_of_a_log(run: Run) -> None:
    """The ends of a partition without records, with some, and after the first batch was cut by a deletion."""
    topic = run.topic()
    list_offsets(run, topic, EARLIEST, LATEST)
    run.produce(topic, batch_of(b"a", b"b", b"c"))
    run.produce(topic, batch_of(b"d"))
    list_offsets(run, topic, EARLIEST, LATEST)
    delete_records(run, topic, 2)
    list_offsets(run, topic, EARLIEST, LATEST)
    delete_records(run, topic, 4)
    list_offsets(run, topic, EARLIEST, LATEST)


@case("LST-20")
def ends_have_no_time(run: Run) -> None:
    """The ends of a partition without records, and with some."""
    topic = run.topic()
    list_offsets(run, topic, EARLIEST, LATEST)
    run.produce(topic, batch_of(b"a"))
    list_offsets(run, topic, EARLIEST, LATEST)


@case("LST-02")
def end_after_refused_and_repeated_batches(run: Run) -> None:
    """The log's end is asked for after each of some appends."""
    topic = run.topic()
    producer = Producer(run)
    for count in (1, 4, 2):
        producer.send_next(topic, count)
        list_offsets(run, topic, LATEST)


@case("LST-03", "LST-04")
def first_record_at_or_after(run: Run) -> None:
    """Batches of records 10 ms apart: every time is looked up, within batches, between them, and before all."""
    topic = run.topic()
    run.produce(topic, timed(0, 10, 20))
    run.produce(topic, timed(30))
    run.produce(topic, timed(50, 60))
    look_around(run, topic, range(-1, 61, 1 if run.highest else 5))


@case("LST-03", "LST-04")
def times_out_of_order(run: Run) -> None:
    """Timestamps go up and down, within batches and between them; the log's order decides, not time's."""
    topic = run.topic()
    for times in ((30, 10, 20), (5,), (50, 40), (45, 60, 55), (60,)):
        run.produce(topic, timed(*times))
    look_around(run, topic, range(0, 61, 5))


@case("LST-03", "LST-04")
def equal_times(run: Run) -> None:
    """Several records have one timestamp, in one batch and in two."""
    topic = run.topic()
    for times in ((10, 10), (10,), (20, 20, 20)):
        run.produce(topic, timed(*times))
    look_around(run, topic, range(9, 21))


@case("LST-03", "LST-04")
def times_in_compressed_batches(run: Run) -> None:
    """As above, with each codec: the record is looked for inside the compressed batch."""
    topic = run.topic()
    for index, codec in enumerate((Compression.GZIP, Compression.SNAPPY, Compression.LZ4)):
        run.produce(topic, timed(30 * index, 30 * index + 10, 30 * index + 20, compression=codec))
    look_around(run, topic, range(0, 81, 5))


@case("LST-03", "LST-04")
def times_in_several_segments(run: Run) -> None:
    """Small segments, so that batches lie in many of them; times go up, with one batch out of order."""
    topic, padding = segmented(run)
    for times in ((0, 10), (20, 30), (15,), (40, 50), (60, 70), (45, 80)):
        run.produce(topic, Batch(records=tuple(Record(padding, timestamp=T + time) for time in times)))
    look_around(run, topic, range(0, 81, 5))


@case("LST-05")
def no_record_so_late(run: Run) -> None:
    """A time after all records, by a millisecond and by ages; and any time in a partition without records."""
    topic, empty = run.topic(), run.topic()
    run.produce(topic, timed(0, 10))
    list_offsets(run, topic, T + 11, FAR_FUTURE)
    list_offsets(run, empty, LONG_PAST, T, FAR_FUTURE)


@case("LST-06", versions={Api.LIST_OFFSETS: (2, None)})
def end_for_readers_of_committed_records(run: Run) -> None:
    """The latest offset at isolation level read_committed, in an empty partition and after some records."""
    topic = run.topic()
    list_offsets(run, topic, LATEST, isolation=Isolation.READ_COMMITTED)
    run.produce(topic, batch_of(b"a", b"b"))
    list_offsets(run, topic, LATEST, isolation=Isolation.READ_COMMITTED)


@case("LST-12")
def unknown_partitions(run: Run) -> None:
    """A topic that does not exist, a partition past the last, and partition -1."""
    topic = run.topic()
    list_offsets(run, run.names.new("missing"), LATEST, EARLIEST, T)
    for partition in (1, -1):
        list_offsets(run, topic, LATEST, partition=partition)


@case("LST-13")
def partition_named_twice(run: Run) -> None:
    """A request asks for the start and the end of one partition, and for the end of another."""
    topic = run.topic(partitions=2)
    parts = tuple(
        ListOffsetsPart(topic=topic, partition=partition, timestamp=timestamp)
        for partition, timestamp in ((0, EARLIEST), (0, LATEST), (1, LATEST))
    )
    run.perform(ListOffsets(parts=parts))


@case("LST-14")
def many_partitions_at_once(run: Run) -> None:
    """One request for partitions of two topics, one that does not exist, each with a time of its own."""
    topic, other = run.topic(partitions=3), run.topic()
    for partition in range(3):
        run.produce(topic, timed(*range(partition + 1)), partition=partition)
    run.produce(other, timed(7))
    wanted = ((topic, 0, EARLIEST), (topic, 1, LATEST), (topic, 9, LATEST), (topic, 2, T + 1), (other, 0, T + 8))
    parts = tuple(
        ListOffsetsPart(topic=name, partition=partition, timestamp=timestamp) for name, partition, timestamp in wanted
    )
    run.perform(ListOffsets(parts=parts))


@case("LST-17")
def times_stamped_by_the_broker(run: Run) -> None:
    """In a topic stamped by the broker, records claim to be of 2023; times before, at and after their appends."""
    topic = run.topic(config={"message.timestamp.type": "LogAppendTime"})
    for _ in range(2):
        run.produce(topic, timed(0, 10, 20))
        wait_a_millisecond()
    times = sorted({entry.append_time or 0 for entry in run.cluster.topics[topic].partitions[0].entries})
    around = (time + step for time in times for step in (-1, 0, 1))
    list_offsets(run, topic, LONG_PAST, T, T + 15, *around, FAR_FUTURE)


@case("LST-18")
def times_of_deleted_records(run: Run) -> None:
    """The log's start is raised into a batch and past it; the times of the deleted records are looked up."""
    topic = run.topic()
    for times in ((0, 10, 20), (5, 30)):
        run.produce(topic, timed(*times))
    for start in (1, 2, 4):
        delete_records(run, topic, start)
        look_around(run, topic, range(0, 36, 5))
    delete_records(run, topic, 5)
    list_offsets(run, topic, T, FAR_FUTURE)


# -- special times ---------------------------------------------------------------------------------------------------

KNOWS_MAX_TIMESTAMP = {Api.LIST_OFFSETS: (7, None)}


@case("LST-07", versions=KNOWS_MAX_TIMESTAMP)
def greatest_time(run: Run) -> None:
    """The greatest timestamp after each of some batches: in the middle of a batch, in an old one, and twice."""
    topic = run.topic()
    for times in ((10, 30, 20), (25,), (30, 5), (40,), (40, 40), (39,)):
        run.produce(topic, timed(*times))
        list_offsets(run, topic, MAX_TIMESTAMP)


@case("LST-07", versions=KNOWS_MAX_TIMESTAMP)
def greatest_time_in_compressed_batches(run: Run) -> None:
    """As above, compressed, and over several segments."""
    topic, padding = segmented(run)
    for times in ((10, 30), (35, 25), (34, 15), (20, 35)):
        records = tuple(Record(padding, timestamp=T + time) for time in times)
        run.produce(topic, Batch(records=records, compression=Compression.LZ4))
        list_offsets(run, topic, MAX_TIMESTAMP)


@case("LST-07", versions=KNOWS_MAX_TIMESTAMP)
def greatest_time_in_an_old_segment(run: Run) -> None:
    """Small segments: the greatest timestamp is in an older one, then in the newest, then in both."""
    topic, padding = segmented(run)
    for times in ((10, 20), (60, 30), (35, 40), (70, 50), (70, 65)):
        run.produce(topic, Batch(records=tuple(Record(padding, timestamp=T + time) for time in times)))
        list_offsets(run, topic, MAX_TIMESTAMP)


@case("LST-07", versions=KNOWS_MAX_TIMESTAMP)
def greatest_time_stamped_by_the_broker(run: Run) -> None:
    """In a topic stamped by the broker, all records of a batch have one timestamp: the first of them is meant."""
    topic = run.topic(config={"message.timestamp.type": "LogAppendTime"})
    for _ in range(2):
        run.produce(topic, timed(20, 10, 30))
        list_offsets(run, topic, MAX_TIMESTAMP)


@case("LST-08", versions=KNOWS_MAX_TIMESTAMP)
def greatest_time_of_nothing(run: Run) -> None:
    """The greatest timestamp of a partition that never had a record."""
    list_offsets(run, run.topic(), MAX_TIMESTAMP)


@case("LST-09", versions={Api.LIST_OFFSETS: (8, None)})
def earliest_local_offset(run: Run) -> None:
    """The earliest local offset of an empty partition, of one with records, and after a deletion."""
    topic = run.topic()
    list_offsets(run, topic, EARLIEST_LOCAL)
    run.produce(topic, batch_of(b"a", b"b", b"c"))
    list_offsets(run, topic, EARLIEST_LOCAL)
    delete_records(run, topic, 2)
    list_offsets(run, topic, EARLIEST_LOCAL)


@case("LST-10", versions={Api.LIST_OFFSETS: (9, None)})
def latest_tiered_offset(run: Run) -> None:
    """The latest tiered offset of a topic that is not tiered."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    list_offsets(run, topic, LATEST_TIERED)


@case("LST-11")
def times_without_meaning(run: Run) -> None:
    """Negative timestamps that stand for nothing, in a partition with records."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    list_offsets(run, topic, -100, -(2**31), -(2**63))


@case("LST-11", versions={Api.LIST_OFFSETS: (1, 8)})
def times_of_later_versions(run: Run) -> None:
    """Special timestamps in API versions that do not have them yet: -3 before v7, -4 before v8, -5 before v9."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    version = run.version_of(Api.LIST_OFFSETS)
    for timestamp, since in ((MAX_TIMESTAMP, 7), (EARLIEST_LOCAL, 8), (LATEST_TIERED, 9)):
        if version < since:
            list_offsets(run, topic, timestamp)
