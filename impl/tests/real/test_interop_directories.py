"""Whole data directories: Apache Kafka 3.9 goes on with what our broker left, checkpoints and marker as well.

Kafka tells in its log what it recovers, where it takes a log to be committed and from where it compacts. That it would
do otherwise without one of our files is tried, too.
"""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.server.broker import Broker
from impl.server.log_cleaner import LogCleaner
from impl.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_OFFSETS,
    HIGH_WATERMARKS,
    LOG_START_OFFSETS,
    PARTITION_METADATA,
    RECOVERY_POINTS,
    parse_uuid,
    read_offsets,
    read_properties,
)
from impl.storage.filesystem import RealFileSystem
from impl.tests.logs import Stored, contents
from impl.tests.real.kafka_tools import TIMEOUT_S, Kafka, alter, consume, create, data_directory, dump
from impl.tests.real.test_interop import FILES, ROUNDS, SEGMENT_BYTES, fill, of, produce, produce_with_keys
from impl.tests.support import NOW, BrokerProcess, make_batch, records

pytestmark = pytest.mark.real("kafka-3.9")

CONFIGS = {"segment.bytes": str(SEGMENT_BYTES), "retention.ms": "-1"}
WHOLE, BEGUN_LATER, COMPACTED = TOPICS = ("whole", "begun-later", "compacted")
CHECKPOINTS = (RECOVERY_POINTS, HIGH_WATERMARKS, LOG_START_OFFSETS, CLEANER_OFFSETS)
DELETED_BEFORE = 31  # not where a segment begins


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_dump_log_segments_finds_nothing_wrong_in_what_a_broker_left(
    kafka_program: Callable[..., Any], tmp_path: Path, number: signal.Signals
) -> None:
    broker = BrokerProcess(tmp_path, "--config", f"log.segment.bytes={SEGMENT_BYTES}")
    create(broker.address, "t")
    produce(broker.address, "t")
    expected = consume(broker.address, "t")
    broker.stop(number)
    assert (tmp_path / CLEAN_SHUTDOWN).exists() == (number == signal.SIGTERM)
    directory = tmp_path / "t-0"
    assert len(of(directory, "*.log")) > 3
    text, complaints = dump(kafka_program, of(directory, *FILES), "--deep-iteration", "--print-data-log")
    assert complaints == []
    lines = [line.split() for line in text.splitlines()]
    assert sorted(int(line[2]) for line in lines if line[:2] == ["|", "offset:"]) == [each[0] for each in expected]
    assert all(line[line.index("isvalid:") + 1] == "true" for line in lines if "isvalid:" in line)
    text, complaints = dump(kafka_program, of(directory, "*.index", "*.timeindex"), "--verify-index-only")
    assert complaints == []


@attrs.frozen
class Left:
    """What our broker left: its directory, records of each topic, and what is known of them."""

    data: Path
    records: dict[str, list[Stored]]
    segments: list[int]  # first offsets of the segments of WHOLE
    recovery_point: int  # of WHOLE, if the stop was not clean
    clean_to: int


def id_at(path: Path) -> str:
    return read_properties(RealFileSystem(), path / PARTITION_METADATA, ":")["topic_id"]


def leave(kafka: Kafka, data: Path, *, was_clean: bool) -> Left:
    """Let our broker have topics with the ids of Kafka's; fill them, delete from one, compact one, and end."""
    broker = Broker(RealFileSystem(), data, BrokerConfig(), 1, lambda: NOW)
    for name in TOPICS:
        configs = CONFIGS | ({"cleanup.policy": "compact"} if name == COMPACTED else {})
        topic = broker.catalog.check_creation(TopicRequest(name, 1, configs=configs))
        topic_id = parse_uuid(id_at(data_directory(kafka) / f"{name}-0"))
        broker.create_topic(attrs.evolve(topic, topic_id=topic_id))
    partitions = {name: broker.partition(name, 0) for name in TOPICS}
    for name in TOPICS:
        fill(partitions[name])
    broker.delete_records(partitions[BEGUN_LATER], DELETED_BEFORE)
    cleaner = LogCleaner(broker)
    while cleaner.step(NOW):
        pass
    whole = partitions[WHOLE].log
    for log in (partition.log for partition in partitions.values()):
        log.flush()
    broker.directories.all[0].checkpoint()
    point = whole.recovery_point
    for _ in range(ROUNDS):
        partitions[WHOLE].append(memoryview(make_batch(records(b"v" * 400, key=b"k"))), NOW)
    found = {name: contents(partitions[name].log) for name in TOPICS}
    clean_to = broker.clean_offsets.get(COMPACTED, 0)
    assert clean_to is not None
    if was_clean:
        broker.close()
        shutil.copytree(data, data.with_name("left"))
    else:
        shutil.copytree(data, data.with_name("left"))  # as it is when the process is killed
        broker.close()
    segments = [segment.base_offset for segment in whole.segments]
    return Left(data.with_name("left"), found, segments, point, clean_to)


def start_on(kafka: Kafka, left: Left, *, without: str | None = None) -> str:
    """Start Kafka on what was left, once it has ended; answers what it says meanwhile."""
    kafka.faults.do("stop", 1)
    data = data_directory(kafka)
    for name in (*CHECKPOINTS, CLEAN_SHUTDOWN):
        (data / name).unlink(missing_ok=True)
        if name != without and (left.data / name).exists():
            shutil.copy(left.data / name, data)
    for topic in TOPICS:
        shutil.rmtree(data / f"{topic}-0")
        shutil.copytree(left.data / f"{topic}-0", data / f"{topic}-0")
    said = said_by(kafka)
    kafka.faults.do("start", 1)
    for topic in TOPICS:
        assert consume(str(kafka.bootstrap[0]), topic) == left.records[topic], topic
    return said_by(kafka)[len(said) :]


def said_by(kafka: Kafka) -> str:
    """All that the broker has said so far."""
    return str(kafka.broker.log.read_text())


def recovered(said: str, topic: str) -> list[int]:
    """The first offsets of the segments of a topic that Kafka says it recovers."""
    told = [line.partition("Recovering unflushed segment ")[2] for line in said.splitlines() if f"{topic}-0" in line]
    return [int(each.partition(".")[0]) for each in told if each]


def begun_at(said: str, topic: str) -> set[int]:
    """Where Kafka says that its compactions of a topic began."""
    told = [line.partition(f"{topic}-0 for ")[2] for line in said.splitlines() if "Building offset map" in line]
    return {int(each.partition("range [")[2].partition(",")[0]) for each in told if "range [" in each}


@pytest.fixture(scope="module")
def kafka(apache_kafka: Kafka) -> Kafka:
    """Kafka, with the topics."""
    for topic in TOPICS:
        create(str(apache_kafka.bootstrap[0]), topic, **{name.replace(".", "_"): CONFIGS[name] for name in CONFIGS})
    return apache_kafka


def test_kafka_starts_on_what_a_clean_stop_left(kafka: Kafka, tmp_path: Path) -> None:
    left = leave(kafka, tmp_path / "data", was_clean=True)
    for topic in TOPICS:
        ours, theirs = (path / f"{topic}-0" / PARTITION_METADATA for path in (left.data, data_directory(kafka)))
        assert ours.read_text().splitlines() == theirs.read_text().splitlines()  # Kafka's last line has no end
    said = start_on(kafka, left)
    assert "since clean shutdown file was found" in said
    assert [recovered(said, topic) for topic in TOPICS] == [[], [], []]
    for topic in TOPICS:
        end = read_offsets(RealFileSystem(), left.data / HIGH_WATERMARKS)[topic, 0]
        assert f"Log loaded for partition {topic}-0 with initial high watermark {end}" in said
    assert left.records[BEGUN_LATER][0][0] == DELETED_BEFORE
    assert not (left.data / f"{BEGUN_LATER}-0" / f"{DELETED_BEFORE:020}.log").exists()  # only the checkpoint has it
    # Without the marker it looks at what is after the recovery point, which is the end.
    said = start_on(kafka, left, without=CLEAN_SHUTDOWN)
    assert "since clean shutdown file was found" not in said
    assert recovered(said, WHOLE) == left.segments[-1:]


def test_kafka_recovers_from_our_recovery_point_on_after_a_kill(kafka: Kafka, tmp_path: Path) -> None:
    left = leave(kafka, tmp_path / "data", was_clean=False)
    before = [base for base, end in zip(left.segments, left.segments[1:], strict=False) if end <= left.recovery_point]
    assert 2 < len(before) < len(left.segments) - 2
    said = start_on(kafka, left)
    assert recovered(said, WHOLE) == left.segments[len(before) :]
    said = start_on(kafka, left, without=RECOVERY_POINTS)
    assert recovered(said, WHOLE) == left.segments  # so it was our file that kept it from that


@pytest.mark.parametrize("is_known", [True, False])
def test_kafka_compacts_from_where_we_were(kafka: Kafka, tmp_path: Path, *, is_known: bool) -> None:
    address = str(kafka.bootstrap[0])
    left = leave(kafka, tmp_path / "data", was_clean=True)
    said_before = len(said_by(kafka))
    start_on(kafka, left, without=None if is_known else CLEANER_OFFSETS)
    producer = Producer({"bootstrap.servers": address})
    for number in range(4):
        producer.produce(COMPACTED, b"v" * (SEGMENT_BYTES // 2), b"k%d" % number)
        assert producer.flush(TIMEOUT_S) == 0
    alter(address, COMPACTED, cleanup_policy="compact", min_cleanable_dirty_ratio="0.0")
    deadline = time.monotonic() + TIMEOUT_S
    while not begun_at(said_by(kafka)[said_before:], COMPACTED):
        assert time.monotonic() < deadline
        consume(address, WHOLE)
    alter(address, COMPACTED, cleanup_policy="delete")
    begun = begun_at(said_by(kafka)[said_before:], COMPACTED)
    assert min(begun) == (left.clean_to if is_known else 0)


def test_we_read_kafkas_checkpoints_of_starts_and_of_compaction(apache_kafka: Kafka) -> None:
    address, files, data = str(apache_kafka.bootstrap[0]), RealFileSystem(), data_directory(apache_kafka)
    for topic in ("deleted-from", "keys"):
        create(address, topic, segment_bytes=str(SEGMENT_BYTES), retention_ms="-1")
    produce(address, "deleted-from")
    produce_with_keys(address, "keys")
    # Kafka has no line for a log that begins where its first segment does.
    first = min(int(path.stem) for path in (data / "deleted-from-0").glob("*.log") if int(path.stem))
    admin = AdminClient({"bootstrap.servers": address})
    deleted_to = first + 1
    for done in admin.delete_records([TopicPartition("deleted-from", 0, deleted_to)]).values():
        assert done.result(TIMEOUT_S).low_watermark == deleted_to
    alter(address, "keys", cleanup_policy="compact", min_cleanable_dirty_ratio="0.0")
    deadline = time.monotonic() + TIMEOUT_S
    while ("keys", 0) not in read_offsets(files, data / CLEANER_OFFSETS):
        assert time.monotonic() < deadline
        consume(address, "keys")
    apache_kafka.faults.do("stop", 1)
    starts, cleaned = (read_offsets(files, data / name) for name in (LOG_START_OFFSETS, CLEANER_OFFSETS))
    assert starts["deleted-from", 0] == deleted_to
    assert ("keys", 0) not in starts
    active = max(int(path.stem) for path in (data / "keys-0").glob("*.log"))
    assert cleaned["keys", 0] == active
    assert ("deleted-from", 0) not in cleaned
    apache_kafka.faults.do("start", 1)
