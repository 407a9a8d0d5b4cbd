"""`.txnindex` of Apache Kafka 3.9 and of this broker are the same files, and used in the same way.

Kafka's DumpLogSegments prints ours; those that Kafka wrote are read, and made again byte for byte by our recovery; of
one log both answer the same to readers of committed records.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import attrs
import pytest
from confluent_kafka import Producer
from kafka.protocol.consumer import FetchRequest, FetchResponse

from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition, ReadRequest
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.tests.logs import COMPACTION, compact, contents
from impl.tests.real.kafka_tools import Kafka, alter, cleaned_batches, consume, create, data_directory, dump
from impl.tests.support import LIMITS, NOW
from impl.tests.transactions import EXPECTED, aborted, filled
from impl.tests.wire import Wire

pytestmark = pytest.mark.real("kafka-3.9")

SEGMENT_BYTES = 1_000
FETCH_VERSION = 11


def test_dump_log_segments_reads_ours(kafka_program: Callable[..., Any], tmp_path: Path) -> None:
    filled(RealFileSystem(), tmp_path).close()
    text, complaints = dump(kafka_program, sorted(tmp_path.glob("*.txnindex")))
    assert complaints == []
    lines = [line.split() for line in text.splitlines() if line.startswith("version:")]
    found = [tuple(int(word) for word in line[3::2]) for line in lines]
    assert found == [
        (each.producer_id, each.first_offset, each.last_offset, each.last_stable_offset) for each in EXPECTED
    ]
    text, complaints = dump(kafka_program, sorted(tmp_path.glob("*.snapshot")))
    assert complaints == []
    open_ones = [line.split() for line in text.splitlines() if "currentTxnFirstOffset: OptionalLong[" in line]
    assert [line[line.index("producerId:") + 1] for line in open_ones] == ["1", "2", "2", "4"]


def write(address: str, topic: str, *, goes_on: bool = False) -> None:
    """Let two producers take turns; every third transaction is aborted, and one is open when the other ends.

    If it `goes_on`, one is left open at the end, with records of no transaction behind it.
    """
    config = {"bootstrap.servers": address, "transaction.timeout.ms": 600_000}
    producers = [Producer({**config, "transactional.id": f"{topic}-{n}"}) for n in range(2)]
    for producer in producers:
        producer.init_transactions(60)
        producer.begin_transaction()
    for number in range(12):
        producer = producers[number % 2]
        for _ in range(2):
            producer.produce(topic, b"v" * 100, b"k")
            assert producer.flush(60) == 0
        if number % 3 == 0:
            producer.abort_transaction(60)
        else:
            producer.commit_transaction(60)
        producer.begin_transaction()
    if goes_on:
        for producer in (producers[0], Producer(config)):
            for _ in range(10):
                producer.produce(topic, b"v" * 100, b"k")
                assert producer.flush(60) == 0


@pytest.mark.parametrize("fault", ["stop", "kill"])
def test_we_read_and_make_again_what_kafka_wrote(apache_kafka: Kafka, tmp_path: Path, fault: str) -> None:
    topic = f"transactions-{fault}"
    create(str(apache_kafka.bootstrap[0]), topic, segment_bytes=str(SEGMENT_BYTES), retention_ms="-1")
    write(str(apache_kafka.bootstrap[0]), topic)
    apache_kafka.faults.do(fault, 1)
    source = data_directory(apache_kafka) / f"{topic}-0"
    wanted = {path.name: path.read_bytes() for path in source.glob("*.txnindex") if path.stat().st_size}
    assert len(wanted) > 1
    for was_clean in (True, False):
        copy = tmp_path / f"t-{was_clean}"
        shutil.copytree(source, copy)
        log = Log(RealFileSystem(), copy, LIMITS, NOW, LogStart(was_clean=was_clean, producer_age_ms_max=1 << 60))
        assert len(aborted(log)) == 4
        log.close()
        assert {path.name: path.read_bytes() for path in copy.glob("*.txnindex") if path.stat().st_size} == wanted
    apache_kafka.faults.do("start", 1)


Answer = tuple[int, list[tuple[int, int]] | None, int]


def told(wire: Wire, topic: str, offset: int, bytes_max: int) -> Answer:
    """What Kafka answers a reader of committed records: last stable offset, aborted transactions, size of records."""
    of_topic = FetchRequest.FetchTopic
    part = of_topic.FetchPartition(
        partition=0, current_leader_epoch=-1, fetch_offset=offset, log_start_offset=-1, partition_max_bytes=bytes_max
    )
    request = FetchRequest(
        replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, isolation_level=1, session_id=0,
        session_epoch=-1, topics=[of_topic(topic=topic, partitions=[part])], forgotten_topics_data=[], rack_id="",
    )  # fmt: skip
    wire.send(request, FETCH_VERSION)
    (found,) = FetchResponse.decode(wire.receive()[1], version=FETCH_VERSION).responses[0].partitions
    assert found.error_code == 0
    aborted = None
    if found.aborted_transactions is not None:
        aborted = [(each.producer_id, each.first_offset) for each in found.aborted_transactions]
    return found.last_stable_offset, aborted, len(found.records or b"")


def ours(partition: Partition, offset: int, bytes_max: int) -> tuple[Answer, int]:
    """What we answer, and the offset after the last batch of which there is anything."""
    found = partition.read(ReadRequest(offset, bytes_max, read_committed=True), at_least_one=True)
    aborted = None if found.aborted is None else [(each.producer_id, each.first_offset) for each in found.aborted]
    records = found.records
    if records is None:
        return (found.last_stable_offset, aborted, 0), offset
    batches = partition.log.batches(records.base_offset)
    end = records.position + records.size
    begun = [header for header, segment, at in batches if segment.file is records.file and at < end]
    return (found.last_stable_offset, aborted, records.size), begun[-1].next_offset


def test_readers_of_committed_records_are_answered_as_by_kafka(apache_kafka: Kafka, tmp_path: Path) -> None:
    address, topic = str(apache_kafka.bootstrap[0]), "committed"
    create(address, topic, segment_bytes=str(SEGMENT_BYTES), index_interval_bytes="200", retention_ms="-1")
    write(address, topic, goes_on=True)
    apache_kafka.faults.do("stop", 1)
    shutil.copytree(data_directory(apache_kafka) / f"{topic}-0", tmp_path / "t")
    apache_kafka.faults.do("start", 1)
    log = Log(RealFileSystem(), tmp_path / "t", LIMITS, NOW, LogStart(was_clean=True, producer_age_ms_max=1 << 60))
    partition = Partition(topic, 0, UUID(int=1), log, BrokerConfig().partition_config({}))
    assert partition.last_stable_offset < partition.high_watermark - 10
    consume(address, topic)  # waits until the broker leads again
    wire = Wire(int(address.rpartition(":")[2]))
    for offset in range(log.log_end_offset + 1):
        for bytes_max in (1, 400, 700, 1 << 20):
            (stable, aborted, size), end = ours(partition, offset, bytes_max)
            found = told(wire, topic, offset, bytes_max)
            assert (found[0], found[2]) == (stable, size)
            # Kafka's search may overlook the entry that is exactly where the reading ends, and name some more.
            more = [each for each in found[1] or () if each not in (aborted or ()) and each[1] >= end]
            named = None if found[1] is None else [each for each in found[1] if each not in more]
            assert named == aborted, (offset, bytes_max)
    wire.socket.close()


def write_keys(address: str, topic: str, seed: int) -> None:
    """Producers that take turns with transactions of few keys, some of which are aborted, and records of no one's."""
    random = Random(seed)
    config = {"bootstrap.servers": address, "linger.ms": 0}
    producers = [Producer({**config, "transactional.id": f"{topic}-{number}"}) for number in range(3)]
    for producer in producers:
        producer.init_transactions(60)
        producer.begin_transaction()
    plain = Producer({**config, "enable.idempotence": True})
    for _ in range(60):
        producer = random.choice((*producers, plain))
        for _ in range(random.randrange(1, 4)):
            value = random.randbytes(random.randrange(60)) if random.random() < 0.9 else None
            producer.produce(topic, value, b"k%d" % random.randrange(12))
        assert producer.flush(60) == 0
        if producer is not plain and random.random() < 0.4:
            (producer.abort_transaction if random.random() < 0.5 else producer.commit_transaction)(60)
            producer.begin_transaction()
    for producer in producers:
        producer.commit_transaction(60)


def compacted_by_both(kafka: Kafka, topic: str, copy: Path, checkpoint: int | None) -> int:
    """Let both compact a log once; what they leave must be the same. Answers how far it is clean."""
    address, source = str(kafka.bootstrap[0]), data_directory(kafka) / f"{topic}-0"
    kafka.faults.do("stop", 1)
    shutil.copytree(source, copy)
    kafka.faults.do("start", 1)
    start = LogStart(was_clean=True, producer_age_ms_max=1 << 60, may_have_gaps=True)
    log = Log(RealFileSystem(), copy, attrs.evolve(LIMITS, bytes_max=SEGMENT_BYTES), NOW, start)
    config = attrs.evolve(COMPACTION, delete_retention_ms=0)
    clean_to, _ = compact(log, checkpoint, config, now_ms=int(time.time() * 1000))
    expected = contents(log)
    log.close()
    consume(address, topic)  # waits until the broker leads again
    alter(address, topic, cleanup_policy="compact")
    deadline = time.monotonic() + 60
    while consume(address, topic) != expected:
        assert time.monotonic() < deadline
    alter(address, topic, cleanup_policy="delete")
    kafka.faults.do("stop", 1)
    ours, theirs = cleaned_batches(copy), cleaned_batches(source)
    assert ours == theirs
    assert indexed(copy) == indexed(source)
    kafka.faults.do("start", 1)
    consume(address, topic)  # waits until the broker leads again
    return clean_to


def indexed(directory: Path) -> dict[str, bytes]:
    """What is in the indexes of aborted transactions."""
    return {path.name: content for path in directory.glob("*.txnindex") if (content := path.read_bytes())}


def test_compaction_leaves_what_kafkas_leaves_of_transactions(apache_kafka: Kafka, tmp_path: Path) -> None:
    """Three times: aborted records go, then markers get a time to go at, then they go."""
    address, topic = str(apache_kafka.bootstrap[0]), "table"
    create(
        address, topic, segment_bytes=str(SEGMENT_BYTES), retention_ms="-1", min_cleanable_dirty_ratio="0.0",
        delete_retention_ms="0",
    )  # fmt: skip
    clean_to: int | None = None
    spent: list[set[int]] = []
    for round_ in range(3):
        write_keys(address, topic, round_)
        clean_to = compacted_by_both(apache_kafka, topic, tmp_path / f"copy-{round_}", clean_to)
        left = {header.base_offset: header for header, _ in cleaned_batches(tmp_path / f"copy-{round_}")}
        markers = {offset: header.delete_horizon_ms for offset, header in left.items() if header.is_control}
        assert not (spent[-1] if spent else set()) & markers.keys()
        spent.append({offset for offset, horizon_ms in markers.items() if horizon_ms is not None})
    assert [bool(each) for each in spent] == [False, True, True]
