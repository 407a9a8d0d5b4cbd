"""Batches and records: what is written is read again, and broken bytes are refused, not misread."""

from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.storage.batch import (
    HEADER_SIZE,
    CorruptBatchError,
    parse_header,
    split_batches,
    stamp,
    stamp_timestamp,
    stored_crc_matches,
)
from impl.storage.builder import build_plain_batch
from impl.storage.compression import LARGEST_UNCOMPRESSED, CompressionError, compress, decompress
from impl.storage.record_walk import RecordsSummary, summarize, walk_keys
from impl.storage.records import InvalidRecordError, Record, encode_record, read_record, read_records
from impl.tests.support import NOW, make_batch, records

SOME_BYTES = st.none() | st.binary(max_size=300)


@st.composite
def some_records(draw: st.DrawFn) -> list[Record]:
    """Records of which many have the same shape, with and without gaps in their numbers."""
    kinds = draw(st.lists(st.tuples(SOME_BYTES, SOME_BYTES, st.integers(1, 150)), min_size=1, max_size=5))
    step_ms = draw(st.sampled_from([0, 1, 100, -1, -70]))
    gap = draw(st.sampled_from([0, 0, 0, 1]))
    headers = draw(st.sampled_from([b"\x00", b"\x02\x02k\x02v", b"\x02\x02k\x01"]))
    found: list[Record] = []
    for key, value, count in kinds:
        for _ in range(count):
            number = len(found)
            found.append(Record(0, number * step_ms, number + gap * (number > 70), key, value, headers))
    return found


def encoded(content: list[Record]) -> bytes:
    body = bytearray()
    for record in content:
        encode_record(body, record.timestamp_delta, record.offset_delta, record)
    return bytes(body)


@given(some_records())
def test_records_are_read_as_they_were_written(content: list[Record]) -> None:
    assert list(read_records(encoded(content), len(content))) == content


@given(some_records())
def test_the_quick_walk_finds_what_reading_one_by_one_finds(content: list[Record]) -> None:
    deltas = [record.timestamp_delta for record in content]
    assert summarize(encoded(content), len(content)) == RecordsSummary(
        min(deltas),
        max(deltas),
        all(record.key is not None for record in content),
        [record.offset_delta for record in content] == list(range(len(content))),
    )


@given(some_records(), st.data())
def test_the_quick_walk_refuses_what_reading_one_by_one_refuses(content: list[Record], data: st.DataObject) -> None:
    body = bytearray(encoded(content))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] = data.draw(st.integers(0, 255))
    count = len(content) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))
    assert is_refused(bytes(body), count, walk=True) == is_refused(bytes(body), count, walk=False)


@given(some_records())
def test_the_walk_over_keys_finds_what_reading_one_by_one_finds(content: list[Record]) -> None:
    body = encoded(content)
    read = list(read_records(body, len(content)))
    walked = list(walk_keys(body, len(content)))
    assert [each[1:] for each in walked] == [(each.offset_delta, each.key, each.value is not None) for each in read]
    assert [read_record(body, position) for position, *_ in walked] == read


@given(some_records(), st.data())
def test_the_walk_over_keys_refuses_records_that_are_cut_or_too_many(
    content: list[Record], data: st.DataObject
) -> None:
    body = encoded(content)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    for broken, count in ((cut, len(content)), (body + b"\x00", len(content)), (body, len(content) + 1)):
        with pytest.raises(InvalidRecordError):
            list(walk_keys(broken, count))


def is_refused(body: bytes, count: int, *, walk: bool) -> bool:
    try:
        if walk:
            summarize(body, count)
        else:
            list(read_records(body, count))
    except InvalidRecordError:
        return True
    return False


@pytest.mark.parametrize("codec", range(5))
def test_a_codec_gives_back_what_it_was_given(codec: int) -> None:
    content = bytes(range(256)) * 300
    assert decompress(codec, compress(codec, content)) == content


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5])
def test_broken_input_of_a_codec_is_refused(codec: int) -> None:
    with pytest.raises(CompressionError):
        decompress(codec, b"\x82SNAPPY\x00garbage that no codec wrote")


@pytest.mark.parametrize("pack", [cramjam.gzip.compress, cramjam.zstd.compress], ids=["gzip", "zstd"])
def test_a_batch_that_grows_without_bound_is_refused(pack: Callable[[bytes], bytes]) -> None:
    bomb = bytes(pack(bytes(LARGEST_UNCOMPRESSED + 1)))
    with pytest.raises(CompressionError, match="more than"):
        decompress(1 if bomb[:2] == b"\x1f\x8b" else 4, bomb)


def test_a_batch_may_grow_a_lot() -> None:
    assert decompress(4, compress(4, bytes(10_000_000))) == bytes(10_000_000)


def test_bare_snappy_is_read_too() -> None:
    assert decompress(2, bytes(cramjam.snappy.compress_raw(b"bare" * 9))) == b"bare" * 9


def test_stamping_changes_neither_checksum_nor_anything_that_it_covers() -> None:
    batch = make_batch(records(b"a", b"b"))
    before = bytes(batch)
    stamp(batch, 77, 5)
    header = parse_header(batch)
    assert (header.base_offset, header.partition_leader_epoch, header.last_offset) == (77, 5, 78)
    assert batch[17:] == before[17:]
    assert stored_crc_matches(batch)


def test_a_new_timestamp_gets_a_new_checksum() -> None:
    batch = make_batch(records(b"a"))
    assert not stamp_timestamp(batch, NOW, log_append_time=False)
    assert stamp_timestamp(batch, NOW + 9, log_append_time=True)
    header = parse_header(batch)
    assert header.has_log_append_time
    assert header.max_timestamp == NOW + 9
    assert stored_crc_matches(batch)


@given(st.integers(HEADER_SIZE * 0 + 21, 70), st.integers(1, 255))
def test_any_changed_byte_after_the_checksum_is_noticed(position: int, change: int) -> None:
    batch = make_batch(records(b"some value"))
    batch[position] ^= change
    assert not stored_crc_matches(batch)


def test_batches_are_split_and_an_incomplete_one_left_out() -> None:
    first, second = make_batch(records(b"a")), make_batch(records(b"b", b"c"))
    assert [bytes(each) for each in split_batches(first + second + first[:-1])] == [first, second]


@pytest.mark.parametrize(("position", "field"), [(8, b"\xff\xff\xff\xff"), (8, b"\x00\x00\x00\x0d"), (16, b"\x03")])
def test_a_length_or_magic_that_no_batch_has_is_corrupt(position: int, field: bytes) -> None:
    batch = make_batch(records(b"a"))
    batch[position : position + len(field)] = field
    with pytest.raises(CorruptBatchError):
        list(split_batches(batch))


def test_a_batch_of_the_brokers_own_is_whole() -> None:
    batch = build_plain_batch([(b"k", b"v"), (b"gone", None)], NOW)
    header = parse_header(batch)
    assert stored_crc_matches(batch)
    assert header.record_count == 2
    assert [record.value for record in read_records(bytes(batch[HEADER_SIZE:]), 2)] == [b"v", None]
