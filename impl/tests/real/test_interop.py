"""Directories of Apache Kafka 3.9 and of this broker are the same: each reads what the other wrote.

The files are looked at by Kafka's DumpLogSegments, opened by Kafka after they were put in the place of its own, and
the other way round: what Kafka left, after a clean stop and after it was killed.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
from confluent_kafka import Producer

from impl.replica.partition import Partition
from impl.storage.batch import parse_header
from impl.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_OFFSETS,
    LOG_START_OFFSETS,
    META_PROPERTIES,
    PARTITION_METADATA,
    parse_uuid,
    read_checkpoint,
    read_properties,
    write_checkpoint,
)
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.recovery import LogStart
from impl.storage.retention import RetentionLimits, delete_old_segments
from impl.tests.logs import batches, compact, contents
from impl.tests.real.kafka_tools import Kafka, alter, cleaned_batches, consume, create, data_directory, dump
from impl.tests.support import LIMITS, NOW, make_batch, open_log, open_partition

pytestmark = pytest.mark.real("kafka-3.9")

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SEGMENT_BYTES = 3_000
FILES = ("*.log", "*.index", "*.timeindex", "*.snapshot")
ROUNDS = 40


def value(random: Random) -> bytes | None:
    """A value of some length, or none: a tombstone."""
    return random.randbytes(random.randrange(200)) if random.random() < 0.8 else None


def fill(partition: Partition, rounds: int = ROUNDS) -> None:
    """Append batches of all codecs, with and without producer, in many segments."""
    random = Random(5)
    sequence = 0
    for number in range(rounds):
        content = [
            Record(0, index, index, b"k%d" % random.randrange(50), value(random), b"\x00")
            for index in range(random.randrange(1, 6))
        ]
        fields = {}
        if number % 3 == 0:
            fields = {"producer_id": 7, "producer_epoch": 0, "base_sequence": sequence}
            sequence += len(content)
        batch = make_batch(content, codec=number % 5, time_ms=NOW + 10 * number, **fields)
        partition.append(memoryview(batch), NOW)


def filled(directory: Path, **configs: str) -> Partition:
    partition = open_partition(directory, segment_bytes=str(SEGMENT_BYTES), index_interval_bytes="500", **configs)
    fill(partition)
    assert len(partition.log.segments) > 4
    return partition


def of(directory: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in directory.glob(pattern))


def test_dump_log_segments_finds_the_same_and_nothing_wrong(kafka_program: Callable[..., Any], tmp_path: Path) -> None:
    log = filled(tmp_path).log
    expected = contents(log)
    producers = log.producers.last_offsets()
    log.close()
    text, complaints = dump(kafka_program, of(tmp_path, *FILES), "--deep-iteration", "--print-data-log")
    assert complaints == []
    lines = [line.split() for line in text.splitlines()]
    offsets = [int(line[2]) for line in lines if line[:2] == ["|", "offset:"]]
    assert sorted(offsets) == [offset for offset, *_ in expected]
    assert all(line[line.index("isvalid:") + 1] == "true" for line in lines if "isvalid:" in line)
    assert any(line[:2] == ["producerId:", "7"] and str(producers[7]) in line for line in lines)
    for option in ("--verify-index-only", "--index-sanity-check"):
        text, complaints = dump(kafka_program, of(tmp_path, "*.index", "*.timeindex"), option)
        assert complaints == []
    assert "passed sanity check" in text


def test_dump_log_segments_finds_nothing_wrong_in_what_was_compacted(
    kafka_program: Callable[..., Any], tmp_path: Path
) -> None:
    log = filled(tmp_path).log
    log.roll(NOW)
    _, replaced = compact(log)
    for segment in replaced:
        segment.remove()
    expected = contents(log)
    log.close()
    text, complaints = dump(kafka_program, of(tmp_path, *FILES), "--deep-iteration", "--print-data-log")
    # Offsets that are missing are what compaction is for; Kafka's own logs show the same.
    assert not [line for line in complaints if "Non-consecutive" not in line and " is followed by " not in line]
    offsets = [int(line.split()[2]) for line in text.splitlines() if line.startswith("| offset:")]
    assert sorted(offsets) == [offset for offset, *_ in expected]


def test_dump_log_segments_would_tell_of_a_wrong_index(kafka_program: Callable[..., Any], tmp_path: Path) -> None:
    log = filled(tmp_path).log
    log.close()
    index = log.segments[0].path(".index")
    content = bytearray(index.read_bytes())
    content[3] += 1  # the first entry's offset
    index.write_bytes(content)
    _, complaints = dump(kafka_program, [index], "--verify-index-only")
    assert "Mismatches" in complaints[0]


def put_in_place(kafka: Kafka, topic: str, source: Path) -> None:
    """Replace a topic's log, while the broker is stopped; the topic's id stays."""
    target = data_directory(kafka) / f"{topic}-0"
    for path in target.iterdir():
        if path.name != "partition.metadata":
            path.unlink()
    for path in source.iterdir():
        shutil.copy(path, target)


def address_of(kafka: Kafka) -> str:
    return str(kafka.bootstrap[0])


def test_kafka_serves_what_we_wrote(apache_kafka: Kafka, tmp_path: Path) -> None:
    address = address_of(apache_kafka)
    topics = ("whole", "begun-later", "compacted", "torn")
    for topic in topics:
        create(address, topic, segment_bytes=str(SEGMENT_BYTES), retention_ms="-1")
    expected = {}
    starts: list[str] = []
    for topic in topics:
        log = filled(tmp_path / topic).log
        if topic == "begun-later":
            limits = RetentionLimits(2 * SEGMENT_BYTES, -1, deletes=True)
            assert delete_old_segments(log, limits, log.log_end_offset, NOW)
            log.raise_start(log.log_start_offset + 1)
            starts = [f"{topic} 0 {log.log_start_offset}"]
        elif topic == "compacted":
            log.roll(NOW)
            compact(log)
            assert any(header.delete_horizon_ms is not None for header, _ in batches(log))
        expected[topic] = contents(log)
        if topic == "torn":
            log.abandon()
            with log.active.path(".log").open("ab") as file:
                file.write(b"\x00" * 100)
        else:
            log.close()
    apache_kafka.faults.do("stop", 1)
    for topic in topics:
        put_in_place(apache_kafka, topic, tmp_path / topic)
    write_checkpoint(RealFileSystem(), data_directory(apache_kafka) / LOG_START_OFFSETS, starts)
    (data_directory(apache_kafka) / CLEAN_SHUTDOWN).unlink()  # so that it checks every batch
    apache_kafka.faults.do("start", 1)
    for topic in topics:
        assert consume(address, topic) == expected[topic], topic
    apache_kafka.faults.do("restart", 1)  # now without a check
    for topic in topics:
        assert consume(address, topic) == expected[topic], topic


def produce(address: str, topic: str) -> None:
    """Let librdkafka produce batches of all codecs, idempotently."""
    random = Random(7)
    for codec in CODECS:
        producer = Producer(
            {
                "bootstrap.servers": address,
                "compression.type": codec,
                "enable.idempotence": True,
                "linger.ms": 50,
                "batch.size": 2000,
            }
        )
        for number in range(100):
            content = random.randbytes(10) * random.randrange(1, 30)
            producer.produce(topic, content, b"k%d" % random.randrange(50), timestamp=NOW + number, headers={"h": b"v"})
        assert producer.flush(60) == 0


def produce_in_transactions(address: str, topic: str) -> None:
    """One transaction that is committed, and one that is aborted."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic})
    producer.init_transactions(60)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, b"v", b"k")
        assert producer.flush(60) == 0
        end(60)


@pytest.mark.parametrize("was_clean", [True, False])
def test_we_read_what_kafka_wrote(apache_kafka: Kafka, tmp_path: Path, *, was_clean: bool) -> None:
    address = address_of(apache_kafka)
    topic = "stopped" if was_clean else "killed"
    create(address, topic, segment_bytes=str(SEGMENT_BYTES), index_interval_bytes="500", retention_ms="-1")
    produce(address, topic)
    produce_in_transactions(address, topic)
    expected = consume(address, topic)
    apache_kafka.faults.do("stop" if was_clean else "kill", 1)
    directory = tmp_path / "t-0"
    shutil.copytree(data_directory(apache_kafka) / f"{topic}-0", directory)
    assert len(of(directory, "*.log")) > 3
    assert of(directory, "*.snapshot")
    for trusts in (was_clean, False):
        copy = tmp_path / f"copy-{trusts}"
        shutil.copytree(directory, copy, dirs_exist_ok=True)
        log = Log(RealFileSystem(), copy, LIMITS, NOW, LogStart(was_clean=trusts, producer_age_ms_max=1 << 60))
        assert [each for each in contents(log) if each[2] != b"v"] == [each for each in expected if each[2] != b"v"]
        assert [segment.base_offset for segment in log.segments] == sorted(int(p.stem) for p in of(copy, "*.log"))
        assert log.epochs.latest is not None
        found = batches(log)
        assert {header.compression for header, _ in found} == set(range(5))
        for producer in {header.producer_id for header, _ in found if not header.is_transactional}:
            last = [header for header, _ in found if header.producer_id == producer][-1]
            assert log.producers.find_duplicate(last) is not None
        middle = found[len(found) // 2][0].max_timestamp
        looked_up = log.find_timestamp(middle)
        assert looked_up is not None
        assert looked_up.offset == next(each[0] for each in contents(log) if each[3] >= middle)
        batch = make_batch([Record(0, 0, 0, b"k", b"v", b"\x00")], base_offset=log.log_end_offset)
        log.append(batch, parse_header(batch), NOW)
        log.close()
    apache_kafka.faults.do("start", 1)


def produce_with_keys(address: str, topic: str) -> None:
    """Idempotently, by three producers and with all codecs; a fifth of the values are tombstones."""
    random = Random(9)
    for codec in CODECS[:3]:
        settings = {"bootstrap.servers": address, "compression.type": codec, "enable.idempotence": True}
        producer = Producer({**settings, "linger.ms": 20, "batch.size": 1000})
        for number in range(150):
            producer.produce(topic, value(random), b"k%d" % random.randrange(40), timestamp=NOW + number)
        assert producer.flush(60) == 0


def test_compaction_leaves_what_kafkas_leaves(apache_kafka: Kafka, tmp_path: Path) -> None:
    address = address_of(apache_kafka)
    create(address, "keys", segment_bytes=str(SEGMENT_BYTES), retention_ms="-1")
    produce_with_keys(address, "keys")
    source = data_directory(apache_kafka) / "keys-0"
    shutil.copytree(source, tmp_path / "ours")
    log = open_log(tmp_path / "ours", attrs.evolve(LIMITS, bytes_max=SEGMENT_BYTES))
    before = len(contents(log))
    compact(log, now_ms=NOW)
    expected = contents(log)
    assert len(expected) < before / 2
    log.close()
    alter(address, "keys", cleanup_policy="compact", min_cleanable_dirty_ratio="0.0")
    deadline = time.monotonic() + 60
    while consume(address, "keys") != expected:
        assert time.monotonic() < deadline
    apache_kafka.faults.do("stop", 1)
    ours, theirs = cleaned_batches(tmp_path / "ours"), cleaned_batches(source)
    assert ours == theirs
    assert any(not deltas for _, deltas in ours)  # a producer's last batch
    apache_kafka.faults.do("start", 1)


def test_we_read_kafkas_small_files(apache_kafka: Kafka) -> None:
    address = address_of(apache_kafka)
    create(address, "small-files", retention_ms="-1")
    produce(address, "small-files")
    apache_kafka.faults.do("stop", 1)
    files, data = RealFileSystem(), data_directory(apache_kafka)
    for name, offset in (("replication-offset-checkpoint", 500), ("recovery-point-offset-checkpoint", 500)):
        assert ["small-files", "0", str(offset)] in read_checkpoint(files, data / name)
    for name in (LOG_START_OFFSETS, CLEANER_OFFSETS):
        assert "small-files" not in [topic for topic, _, _ in read_checkpoint(files, data / name)]
    assert files.exists(data / CLEAN_SHUTDOWN)
    identity = read_properties(files, data / META_PROPERTIES)
    assert (identity["version"], identity["node.id"]) == ("1", "1")
    assert parse_uuid(identity["directory.id"])
    metadata = read_properties(files, data / "small-files-0" / PARTITION_METADATA, ":")
    assert metadata["version"] == "0"
    assert parse_uuid(metadata["topic_id"])
    apache_kafka.faults.do("start", 1)
