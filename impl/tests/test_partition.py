"""The leader of a partition: which batches it takes, and what it tells of them."""

from pathlib import Path

import pytest

from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import Appended, Partition, ReadRequest
from impl.replica.validator import RecordsRefusedError
from impl.storage.batch import parse_header, stored_crc_matches
from impl.storage.records import Record
from impl.tests.support import NOW, make_batch, open_partition, records


def send(partition: Partition, batch: bytearray) -> Appended:
    return partition.append(memoryview(batch), NOW)


def refusal(partition: Partition, batch: bytearray) -> ErrorCode:
    """The code that a batch is refused with; the log must not have grown."""
    before = partition.log.log_end_offset
    with pytest.raises(BrokerError) as error:
        send(partition, batch)
    assert partition.log.log_end_offset == before
    return error.value.code


def idempotent(sequence: int, count: int = 1, epoch: int = 0, producer: int = 7) -> bytearray:
    values = records(*[b"v"] * count)
    return make_batch(values, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)


def test_offsets_are_assigned_in_order(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    assert [send(partition, make_batch(records(b"a", b"b"))).base_offset for _ in range(3)] == [0, 2, 4]
    assert partition.high_watermark == 6


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"base_offset": 1}, ErrorCode.INVALID_RECORD),
        ({"record_count": 0}, ErrorCode.INVALID_RECORD),
        ({"record_count": 2}, ErrorCode.INVALID_RECORD),
        ({"record_count": 2, "last_offset_delta": 1}, ErrorCode.INVALID_RECORD),
        ({"last_offset_delta": -1}, ErrorCode.INVALID_RECORD),
        ({"attributes": 0x20}, ErrorCode.INVALID_RECORD),
        ({"attributes": 1}, ErrorCode.UNKNOWN_SERVER_ERROR),
        ({"attributes": 5}, ErrorCode.UNKNOWN_SERVER_ERROR),
        ({"producer_id": 1, "producer_epoch": 0, "base_sequence": -1}, ErrorCode.INVALID_RECORD),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(tmp_path: Path, fields: dict[str, int], code: ErrorCode) -> None:
    assert refusal(open_partition(tmp_path), make_batch(records(b"a"), **fields)) == code


def test_a_wrong_checksum_is_corrupt(tmp_path: Path) -> None:
    batch = make_batch(records(b"a"))
    batch[-1] ^= 1
    assert refusal(open_partition(tmp_path), batch) == ErrorCode.CORRUPT_MESSAGE


def test_sizes_are_limited_by_topic_and_segment(tmp_path: Path) -> None:
    batch = make_batch(records(b"x" * 1000))
    assert refusal(open_partition(tmp_path / "a", max_message_bytes="1000"), batch) == ErrorCode.MESSAGE_TOO_LARGE
    assert refusal(open_partition(tmp_path / "b", segment_bytes="1000"), batch) == ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_compacted_topic_names_the_records_without_key(tmp_path: Path) -> None:
    partition = open_partition(tmp_path, cleanup_policy="compact")
    content = [Record(0, 0, number, key, b"v", b"\x00") for number, key in enumerate((b"k", None, b""))]
    with pytest.raises(RecordsRefusedError) as error:
        send(partition, make_batch(content))
    assert error.value.code == ErrorCode.INVALID_RECORD
    assert [each.index for each in error.value.errors] == [1]


def test_timestamps_outside_of_the_window_are_refused(tmp_path: Path) -> None:
    window = {"message_timestamp_before_max_ms": "1000", "message_timestamp_after_max_ms": "500"}
    partition = open_partition(tmp_path, **window)
    for delta in (-1001, 501):
        assert refusal(partition, make_batch(records(b"a"), time_ms=NOW + delta)) == ErrorCode.INVALID_TIMESTAMP
    for delta in (-1000, 500):
        send(partition, make_batch(records(b"a"), time_ms=NOW + delta))


def test_log_append_time_replaces_the_producers(tmp_path: Path) -> None:
    partition = open_partition(tmp_path, message_timestamp_type="LogAppendTime")
    assert send(partition, make_batch(records(b"a"), time_ms=5)).log_append_time == NOW
    stored = partition.log.active.read(0, 1 << 20)
    assert parse_header(stored).max_timestamp == NOW
    assert parse_header(stored).base_timestamp == 5
    assert stored_crc_matches(stored)


@pytest.mark.parametrize("target", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("source", range(5))
def test_a_topics_codec_is_used_whatever_the_producers(tmp_path: Path, target: str, source: int) -> None:
    partition = open_partition(tmp_path, compression_type=target)
    content = [Record(0, 3 * number, number, b"k", b"v" * 50, b"\x00") for number in range(9)]
    send(partition, make_batch(content, codec=source))
    stored = partition.log.active.read(0, 1 << 20)
    header = parse_header(stored)
    names = ["uncompressed", "gzip", "snappy", "lz4", "zstd"]
    assert (names[header.compression], header.record_count) == (target, 9)
    assert stored_crc_matches(stored)
    assert header.max_timestamp == NOW + 24


def test_a_duplicate_is_answered_with_where_it_is(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    for sequence in range(6):
        send(partition, idempotent(sequence))
    for sequence in range(1, 6):
        assert send(partition, idempotent(sequence)).base_offset == sequence
    assert refusal(partition, idempotent(0)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert partition.high_watermark == 6


def test_sequences_must_go_on_without_gap_or_overlap(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    send(partition, idempotent(0, count=3))
    for sequence, count in ((4, 1), (2, 2), (0, 2), (1, 3)):
        assert refusal(partition, idempotent(sequence, count)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    send(partition, idempotent(3))


def test_sequences_go_on_at_zero_after_the_largest(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    send(partition, idempotent(2**31 - 2, count=3))
    send(partition, idempotent(1))
    assert send(partition, idempotent(2**31 - 2, count=3)).base_offset == 0


def test_epochs_only_go_forward_and_begin_at_zero(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    send(partition, idempotent(0, epoch=1))
    assert refusal(partition, idempotent(1, epoch=0)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert refusal(partition, idempotent(1, epoch=2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    send(partition, idempotent(0, epoch=2))


def test_a_producer_that_is_not_known_may_begin_anywhere(tmp_path: Path) -> None:
    send(open_partition(tmp_path), idempotent(55, epoch=3))


def test_leader_epochs_fence_old_and_future_views(tmp_path: Path) -> None:
    open_partition(tmp_path).log.close()
    partition = open_partition(tmp_path)
    assert partition.leader_epoch == 1
    for epoch, code in ((0, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.UNKNOWN_LEADER_EPOCH)):
        with pytest.raises(BrokerError) as error:
            partition.read(ReadRequest(0, 100, current_leader_epoch=epoch), at_least_one=True)
        assert error.value.code == code
    partition.read(ReadRequest(0, 100, current_leader_epoch=1), at_least_one=True)


def test_ends_of_epochs_are_known_over_restarts(tmp_path: Path) -> None:
    for _ in range(3):
        partition = open_partition(tmp_path)
        send(partition, make_batch(records(b"a", b"b")))
        partition.log.close()
    partition = open_partition(tmp_path)
    assert [partition.end_of_epoch(epoch, -1) for epoch in (-1, 0, 1, 2, 3, 4)] == [
        (-1, -1), (0, 2), (1, 4), (2, 6), (3, 6), (-1, -1),
    ]  # fmt: skip
    diverging = partition.read(ReadRequest(5, 100, last_fetched_epoch=1), at_least_one=True).diverging
    assert diverging == (1, 4)


def test_an_epoch_is_not_used_twice_when_its_records_are_lost(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    send(partition, make_batch(records(b"a")))
    partition.log.close()
    partition = open_partition(tmp_path)
    send(partition, make_batch(records(b"b")))
    partition.log.abandon()
    path = tmp_path / "00000000000000000000.log"
    path.write_bytes(path.read_bytes()[:-1])
    assert open_partition(tmp_path).leader_epoch == 2


def test_records_are_deleted_up_to_the_high_watermark_at_most(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    send(partition, make_batch(records(b"a", b"b", b"c")))
    assert partition.delete_records(2) == 2
    assert partition.delete_records(1) == 2
    for offset in (4, -2):
        with pytest.raises(BrokerError) as error:
            partition.delete_records(offset)
        assert error.value.code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert partition.delete_records(-1) == 3


def test_watchers_hear_of_appends(tmp_path: Path) -> None:
    partition = open_partition(tmp_path)
    heard = []

    def listen() -> None:
        heard.append(partition.high_watermark)
        partition.unwatch(listen)

    partition.watch(listen)
    send(partition, make_batch(records(b"a")))
    send(partition, make_batch(records(b"a")))
    assert heard == [1]
