"""What readers of committed records are given: up to where, and which transactions were aborted."""

import shutil
from pathlib import Path

import attrs
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from impl.replica.partition import LATEST_TIMESTAMP, ReadRequest
from impl.server.fetch_codec import FetchAnswer, FetchHead, write_fetch
from impl.server.wire import Writer
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.transactions import AbortedTransaction
from impl.tests.committed import DrawnLog, consumed, leader_of, read
from impl.tests.support import LIMITS, NOW, BrokerProcess, append, open_log
from impl.tests.transactions import EXPECTED, aborted, end, filled, plain, write

TIMEOUT_S = 20.0
OPEN_FROM = 5
"""Where the transaction begins that `filled` leaves open."""


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
    append(log, plain(b"k", b"v"))
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
    append(log, plain(b"k", b"v"))
    write(log, 1, time_ms=NOW + 10)
    partition = leader_of(log)
    assert partition.find_offset(NOW + 10, -1, read_committed=True) is None
    found = partition.find_offset(NOW + 10, -1)
    assert found is not None
    assert found.offset == 1


# -- generated histories ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_consumer_keeps_what_is_committed_and_nothing_else(tmp_path: Path, seed: int) -> None:
    drawn = DrawnLog(tmp_path, seed)
    drawn.go_on()
    partition, expected = leader_of(drawn.log), drawn.committed
    assert expected
    assert aborted(drawn.log)
    for offset in range(drawn.log.log_end_offset + 1):
        for bytes_max in (1, 300, 1 << 20):
            assert list(consumed(partition, offset, bytes_max)) == [each for each in expected if each[0] >= offset]


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
    drawn = DrawnLog(tmp_path / "log", 3)
    drawn.go_on()
    stable = leader_of(drawn.log).last_stable_offset
    drawn.log.close()
    for path in (tmp_path / "log").iterdir():
        shutil.copy(path, broker.data / "t-0")
    broker.start()
    consumer = Consumer({**servers, "group.id": "g", "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition("t", 0, 0)])
    found = []
    while (message := consumer.poll(TIMEOUT_S)) is not None and message.error() is None:
        found.append((message.offset(), message.key(), message.value()))
    assert message is not None
    assert message.error().name() == "_PARTITION_EOF"
    assert message.offset() == stable
    assert found == drawn.committed
    consumer.close()
