"""`.txnindex` of Apache Kafka 3.9 and of this broker are the same files.

Kafka's DumpLogSegments prints ours; those that Kafka wrote are read, and made again byte for byte by our recovery.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.tests.real.kafka_tools import Kafka, create, data_directory, dump
from impl.tests.support import LIMITS, NOW
from impl.tests.transactions import EXPECTED, aborted, filled

pytestmark = pytest.mark.real

SEGMENT_BYTES = 1_000


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


def write(address: str, topic: str) -> None:
    """Let two producers take turns; every third transaction is aborted, and one is open when the other ends."""
    producers = [Producer({"bootstrap.servers": address, "transactional.id": f"{topic}-{n}"}) for n in range(2)]
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
