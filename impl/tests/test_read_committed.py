"""What readers of committed records are given: up to where, and which transactions were aborted."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID

import attrs
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from impl.cluster.configs import BrokerConfig
from impl.replica.partition import LATEST_TIMESTAMP, Partition, ReadRequest, ReadResult
from impl.server.fetch_codec import FetchAnswer, FetchHead, write_fetch
from impl.server.wire import Writer
from impl.storage.batch import BatchHeader, parse_header
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.transactions import AbortedTransaction, read_marker
from impl.tests.logs import batches
from impl.tests.support import LIMITS, NOW, BrokerProcess, append, open_log
from impl.tests.transactions import EXPECTED, aborted, end, filled, plain, write

TIMEOUT_S = 20.0
OPEN_FROM = 5
"""Where the transaction begins that `filled` leaves open."""


def leader_of(log: Log) -> Partition:
    return Partition("t", 0, UUID(int=1), log, BrokerConfig().partition_config({}))


def read(partition: Partition, offset: int, bytes_max: int = 1 << 20) -> ReadResult:
    return partition.read(ReadRequest(offset, bytes_max, read_committed=True), at_least_one=True)


def test_the_last_stable_offset_is_where_a_transaction_is_open(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    partition = leader_of(log)
    found = read(partition, 0)
    assert (found.last_stable_offset, found.high_watermark) == (OPEN_FROM, 7)
    end(log, 4)
    assert partition.last_stable_offset == partition.high_watermark == 8
    write(log, 1)
    write(log, 2)
    assert partition.last_stable_offset == 8
    end(log, 1)
    assert partition.last_stable_offset == 9
    log.raise_start(10)
    assert partition.last_stable_offset == 10


def test_nothing_from_the_last_stable_offset_on_is_read(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    partition = leader_of(log)
    assert [read(partition, offset).records for offset in (5, 6, 7)] == [None] * 3
    assert [read(partition, offset).aborted for offset in (5, 6, 7)] == [()] * 3
    plain_read = partition.read(ReadRequest(5, 1 << 20), at_least_one=True)
    assert plain_read.records is not None
    assert plain_read.aborted is None


def test_which_transactions_are_named(tmp_path: Path) -> None:
    partition = leader_of(filled(RealFileSystem(), tmp_path))
    named = {offset: [EXPECTED.index(each) for each in read(partition, offset).aborted or ()] for offset in range(5)}
    # The second of them ends in a segment after the one that is read.
    assert named == {0: [0, 1], 1: [0, 1], 2: [0, 1], 3: [0, 1], 4: [1]}


def test_only_those_are_named_that_what_is_read_can_have_records_of(tmp_path: Path) -> None:
    """As far as the offset index tells."""
    log = Log(RealFileSystem(), tmp_path, attrs.evolve(LIMITS, index_interval_bytes=0), NOW)
    for producer in range(8):
        write(log, producer)
        end(log, producer)
    size = log.segments[0].size // 16
    partition = leader_of(log)
    for first in range(0, 16, 2):
        named = [each.first_offset for each in read(partition, first, 2 * size).aborted or ()]
        assert named == [first]


def test_a_reader_in_a_gap_before_the_last_stable_offset_is_given_nothing(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, plain(b"a"))
    log.log_end_offset = 5  # as compaction leaves it, where the last batches before the next segment are gone
    log.roll(NOW)
    write(log, 1)
    partition = leader_of(log)
    assert partition.last_stable_offset == 5
    assert read(partition, 3).records is None


def test_the_latest_offset_that_is_committed(tmp_path: Path) -> None:
    partition = leader_of(filled(RealFileSystem(), tmp_path))
    for read_committed, offset in ((True, OPEN_FROM), (False, 7)):
        found = partition.find_offset(LATEST_TIMESTAMP, -1, read_committed=read_committed)
        assert found is not None
        assert found.offset == offset


def test_a_lookup_by_time_finds_nothing_that_is_undecided(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, plain(b"a"))
    write(log, 1, time_ms=NOW + 10)
    partition = leader_of(log)
    assert partition.find_offset(NOW + 10, -1, read_committed=True) is None
    found = partition.find_offset(NOW + 10, -1)
    assert found is not None
    assert found.offset == 1


# -- generated histories ---------------------------------------------------------------------------------------------


def drawn(directory: Path, seed: int) -> Log:
    """A log of transactions of some producers, with records of none in between, in segments of some batches."""
    random = Random(seed)
    log = Log(
        RealFileSystem(), directory, attrs.evolve(LIMITS, index_interval_bytes=random.choice((0, 200, 4096))), NOW
    )
    sequences = dict.fromkeys(range(1, 5), 0)
    begun: set[int] = set()
    for _ in range(60):
        producer = random.choice(tuple(sequences))
        act = random.randrange(8)
        if act < 4:
            write(log, producer, sequences[producer])
            sequences[producer] += 1
            begun.add(producer)
        elif act < 6 and producer in begun:
            end(log, producer, aborts=random.random() < 0.6)
            begun.discard(producer)
        elif act == 6:
            append(log, plain(b"%d" % log.log_end_offset))
        elif log.active.size:
            log.roll(NOW)
    return log


def committed(log: Log) -> list[int]:
    """The offsets of all batches of records that are committed, or of no transaction, and decided: from the log."""
    found: list[int] = []
    waiting: dict[int, list[int]] = {}
    for header, batch in batches(log):
        if header.is_control:
            marker = read_marker(batch, header)
            offsets = waiting.pop(header.producer_id, [])
            if marker is not None and not marker.is_abort:
                found += offsets
        elif header.is_transactional:
            waiting.setdefault(header.producer_id, []).append(header.base_offset)
        else:
            found.append(header.base_offset)
    stable = min((offset for offsets in waiting.values() for offset in offsets), default=log.log_end_offset)
    return sorted(each for each in found if each < stable)


def consumed(partition: Partition, offset: int, bytes_max: int) -> Iterator[int]:
    """The offsets of what a consumer keeps that reads on from an offset, a few bytes at a time (`CompletedFetch`)."""
    while (answer := read(partition, offset, bytes_max)).records is not None:
        assert answer.aborted is not None
        to_come = sorted(answer.aborted, key=lambda each: each.first_offset)
        dropped: set[int] = set()
        records = answer.records
        for header, batch in whole(records.file.read_at(records.position, records.size)):
            while to_come and to_come[0].first_offset <= header.last_offset:
                dropped.add(to_come.pop(0).producer_id)
            marker = read_marker(batch, header) if header.is_control else None
            if marker is not None and marker.is_abort:
                dropped.discard(header.producer_id)
            is_dropped = header.is_transactional and header.producer_id in dropped
            if not header.is_control and not is_dropped and header.base_offset >= offset:
                yield header.base_offset
            offset = header.next_offset


def whole(content: bytes) -> Iterator[tuple[BatchHeader, bytes]]:
    """The batches that are there to their last byte."""
    while len(content) > 60 and (header := parse_header(content)).size <= len(content):
        yield header, content[: header.size]
        content = content[header.size :]


@pytest.mark.parametrize("seed", range(12))
def test_a_consumer_keeps_what_is_committed_and_nothing_else(tmp_path: Path, seed: int) -> None:
    log = drawn(tmp_path, seed)
    partition, expected = leader_of(log), committed(log)
    assert expected
    assert aborted(log)
    for offset in range(log.log_end_offset + 1):
        for bytes_max in (1, 300, 1 << 20):
            assert list(consumed(partition, offset, bytes_max)) == [each for each in expected if each >= offset]


# -- on the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 11, 12, 16])
def test_how_they_are_written(version: int) -> None:
    head = FetchHead(0, 0, (-1, "", -1))  # type: ignore[arg-type]  # no error
    told = FetchAnswer(("t", 0), aborted=(AbortedTransaction(7, 3, 9, 9),))
    is_flexible = version >= 12
    (content,) = write_fetch(Writer(is_flexible=is_flexible), version, head, [told])
    entry = (7).to_bytes(8, "big") + (3).to_bytes(8, "big") + b"\x00" * is_flexible
    assert (b"\x02" if is_flexible else b"\x00\x00\x00\x01") + entry in bytes(content)  # type: ignore[arg-type]


def test_a_client_reads_what_is_committed_in_a_log_of_kafkas(broker: BrokerProcess, tmp_path: Path) -> None:
    servers = {"bootstrap.servers": broker.address}
    admin = AdminClient(servers)
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result(TIMEOUT_S)
    broker.stop()
    log = drawn(tmp_path / "log", 3)
    expected, stable = committed(log), leader_of(log).last_stable_offset
    log.close()
    for path in (tmp_path / "log").iterdir():
        shutil.copy(path, broker.data / "t-0")
    broker.start()
    consumer = Consumer({**servers, "group.id": "g", "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition("t", 0, 0)])
    found = []
    while (message := consumer.poll(TIMEOUT_S)) is not None and message.error() is None:
        found.append(message.offset())
    assert message is not None
    assert message.error().name() == "_PARTITION_EOF"
    assert message.offset() == stable
    assert found == expected
    consumer.close()
