"""`.txnindex` of Apache Kafka 3.9 and of this broker are the same files, and used in the same way.

Kafka's DumpLogSegments prints ours; those that Kafka wrote are read, and made again byte for byte by our recovery; of
one log both answer the same to readers of committed records.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Producer
from kafka.protocol.consumer import FetchRequest, FetchResponse

from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition, ReadRequest
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.tests.real.kafka_tools import Kafka, consume, create, data_directory, dump
from impl.tests.support import LIMITS, NOW
from impl.tests.transactions import EXPECTED, aborted, filled
from impl.tests.wire import Wire

pytestmark = pytest.mark.real

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
