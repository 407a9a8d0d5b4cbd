"""Batches as bytes: there and back, held to kafka-python's and aiokafka's codecs, and lie by lie."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AiokafkaBuilder
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from conformance.wire import compression
from conformance.wire.batch import (
    HEADER_BYTES,
    MAGIC_POSITION,
    decode_batches,
    encode_batch,
    encode_batches,
    encoded_size,
)
from conformance.wire.errors import MalformedAnswer, Unencodable
from conformance.wire.tests.strategies import lying_batches, without_idle_claims
from model.reference.batch import Batch, Compression, Record, TimestampType

RECORDS = (
    Record(b"value", b"key", (("h", b"x"), ("none", None)), timestamp=1_700_000_000_000),
    Record(None, b"tombstone", timestamp=1_700_000_000_500),
    Record(b"", None, timestamp=1_700_000_000_100),
)
PRODUCER: dict[str, Any] = {"producer_id": 7, "producer_epoch": 1, "base_sequence": 42}


@given(st.lists(lying_batches, max_size=3))
@settings(max_examples=150, deadline=None)
def test_batches_read_back_as_they_were_written(batches: list[Batch]) -> None:
    decoded = decode_batches(encode_batches(batches))
    assert decoded.batches == tuple(map(without_idle_claims, batches))
    assert not decoded.partial_tail


def test_a_well_formed_batch_reads_back_equal_where_a_leader_put_it() -> None:
    sent = Batch(records=RECORDS, compression=Compression.ZSTD, **PRODUCER)
    stored = sent.at(100, 3)
    assert decode_batches(encode_batch(stored)).batches == (stored,)
    assert encoded_size(stored) == len(encode_batch(sent))


@pytest.mark.parametrize("is_transactional", [False, True])
@pytest.mark.parametrize("builder", [DefaultRecordBatchBuilder, AiokafkaBuilder], ids=["kafka-python", "aiokafka"])
def test_other_clients_write_the_same_bytes(builder: Any, is_transactional: bool) -> None:
    theirs = _built(builder, Compression.NONE, is_transactional)
    ours = Batch(records=RECORDS, is_transactional=is_transactional, **PRODUCER)
    # aiokafka's builder leaves -1 to the broker, kafka-python's writes epoch 0.
    (epoch,) = struct.unpack_from(">i", theirs, 12)
    assert encode_batch(ours.at(0, epoch)) == theirs


def _built(builder: Any, codec: int, is_transactional: bool, records: tuple[Record, ...] = RECORDS) -> bytes:
    built = builder(
        magic=2,
        compression_type=codec,
        is_transactional=is_transactional,
        **PRODUCER,
        batch_size=10_000,
    )
    for offset, record in enumerate(records):
        headers = list(record.headers)
        built.append(offset, timestamp=record.timestamp, key=record.key, value=record.value, headers=headers)
    return bytes(built.build())


def test_a_batch_that_another_client_compressed_is_read() -> None:
    records = (Record(b"long enough to be worth it " * 20, b"key"),)  # it leaves small batches uncompressed
    built = _built(DefaultRecordBatchBuilder, Compression.GZIP, is_transactional=False, records=records)
    (batch,) = decode_batches(built).batches
    assert batch.records == records
    assert batch.compression == Compression.GZIP
    assert batch.crc_is_right


@pytest.mark.parametrize("codec", [Compression.NONE, Compression.GZIP])
def test_another_client_reads_our_batches(codec: Compression) -> None:
    encoded = encode_batch(Batch(records=RECORDS, compression=codec, **PRODUCER).at(10, 0))
    theirs: Any = MemoryRecords(encoded).next_batch()
    assert theirs.validate_crc()
    read = list(theirs)
    assert [(each.offset, each.timestamp, each.key, each.value) for each in read] == [
        (10 + index, record.timestamp, record.key, record.value) for index, record in enumerate(RECORDS)
    ]
    assert tuple(read[0].headers) == RECORDS[0].headers


@pytest.mark.parametrize(
    ("lie", "layout", "position", "value"),
    [
        ({"magic": 1}, ">b", 16, 1),
        ({"claimed_length_excess": 5}, ">i", 8, 62 - 12 + 5 + 6),
        ({"claimed_length_excess": -3}, ">i", 8, 62 - 12 - 3 + 6),
        ({"compression": 6}, ">h", 21, 6),
        ({"is_control": True, "is_transactional": True}, ">h", 21, 0x30),
        ({"timestamp_type": TimestampType.LOG_APPEND_TIME}, ">h", 21, 0x08),
        ({"has_delete_horizon": True}, ">h", 21, 0x40),
        ({"claimed_last_offset_delta": 9}, ">i", 23, 9),
        ({"claimed_base_timestamp": 4}, ">q", 27, 4),
        ({"claimed_max_timestamp": 4}, ">q", 35, 4),
        ({"base_sequence": 5}, ">i", 53, 5),
        ({"claimed_count": 7}, ">i", 57, 7),
    ],
)
def test_each_lie_stands_in_its_field(lie: dict[str, Any], layout: str, position: int, value: int) -> None:
    encoded = encode_batch(Batch(records=(Record(b""),), **lie))
    assert struct.unpack_from(layout, encoded, position)[0] == value


def test_a_batch_can_be_cut_short() -> None:
    whole = encode_batch(Batch(records=RECORDS))
    assert encode_batch(Batch(records=RECORDS, missing_bytes=10)) == whole[:-10]


def test_bytes_can_stand_where_records_should_be() -> None:
    encoded = encode_batch(Batch(records=RECORDS, compression=Compression.GZIP, payload=b"no gzip"))
    assert encoded.endswith(b"no gzip")
    with pytest.raises(MalformedAnswer, match="do not decompress by gzip"):
        decode_batches(encoded)


def test_a_wrong_checksum_is_wrong_and_seen() -> None:
    right, wrong = (encode_batch(Batch(records=RECORDS, crc_is_right=is_right)) for is_right in (True, False))
    assert [index for index in range(len(right)) if right[index] != wrong[index]] == [17, 18, 19, 20]
    assert not decode_batches(wrong).batches[0].crc_is_right


def test_under_log_append_time_only_the_greatest_timestamp_differs() -> None:
    sent = Batch(records=RECORDS)
    stored = evolve(sent, timestamp_type=TimestampType.LOG_APPEND_TIME, claimed_max_timestamp=1_800_000_000_000)
    assert decode_batches(encode_batch(stored)).batches == (stored,)


@pytest.mark.parametrize("lie", [{"base_sequence": 2**31}, {"producer_epoch": 2**15}, {"claimed_count": -(2**40)}])
def test_a_value_that_no_field_holds_is_refused(lie: dict[str, Any]) -> None:
    with pytest.raises(Unencodable):
        encode_batch(Batch(records=RECORDS, **lie))


def test_a_codec_that_three_bits_do_not_hold_is_refused() -> None:
    with pytest.raises(Unencodable, match="three bits"):
        encode_batch(Batch(records=RECORDS, compression=8))


@pytest.mark.parametrize("magic", [0, 1])
def test_messages_of_older_formats_are_told_apart(magic: int) -> None:
    old = struct.pack(">qiIbb", 5, 22, 0, magic, 0) + bytes(16)
    new = encode_batch(Batch(records=RECORDS))
    decoded = decode_batches(old + new)
    assert len(decoded.batches) == 1
    (message,) = decoded.legacy_messages
    assert (message.offset, message.magic, message.data) == (5, magic, old)


@pytest.mark.parametrize(
    ("position", "layout", "value", "reason"),
    [
        (8, ">i", -1, "claims a length of -1"),
        (8, ">i", 13, "claims a length of 13"),
        (8, ">i", 48, "shorter than its header"),
        (MAGIC_POSITION, ">b", 3, "magic 3"),
        (MAGIC_POSITION, ">b", -1, "magic -1"),
        (21, ">h", 0x80, "unused attribute bits"),
        (HEADER_BYTES, ">b", -1, "a varint"),
        (HEADER_BYTES, ">b", 1, "negative length -1"),
        (HEADER_BYTES + 1, ">b", 1, "a record has attributes 1"),
    ],
)
def test_damage_is_named(position: int, layout: str, value: int, reason: str) -> None:
    damaged = bytearray(encode_batch(Batch(records=(Record(b""),))))
    struct.pack_into(layout, damaged, position, value)
    if position == HEADER_BYTES and value == -1:
        damaged[position:] = b"\xff" * (len(damaged) - position)
    with pytest.raises(MalformedAnswer, match=reason):
        decode_batches(bytes(damaged))


@pytest.mark.parametrize("size", [0, 1, 1000, 32 * 1024, 200_000])
@pytest.mark.parametrize("codec", Compression)
def test_codecs_there_and_back(codec: Compression, size: int) -> None:
    data = (b"tidegauge " * 20_000)[: size // 2] + bytes(index * 31 % 251 for index in range(size - size // 2))
    assert compression.decompress(codec, compression.compress(codec, data)) == data


def test_snappy_without_the_java_framing() -> None:
    data = b"tidegauge " * 100
    raw = compression.compress(Compression.SNAPPY, data, raw_snappy=True)
    assert not raw.startswith(compression.XERIAL_MAGIC)
    assert compression.decompress(Compression.SNAPPY, raw) == data
    assert compression.compress(Compression.SNAPPY, data).startswith(compression.XERIAL_MAGIC)


@pytest.mark.parametrize("codec", [Compression.GZIP, Compression.LZ4, Compression.ZSTD])
def test_a_bomb_is_not_inflated(codec: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = compression.compress(codec, bytes(100_000))
    monkeypatch.setattr(compression, "OUTPUT_SIZES", (1000, 50_000))
    with pytest.raises(MalformedAnswer, match="more than 50000 bytes"):
        compression.decompress(codec, bomb)


def test_a_snappy_block_that_claims_gigabytes_is_refused() -> None:
    with pytest.raises(MalformedAnswer, match="claims 4294967295 bytes"):
        compression.decompress(Compression.SNAPPY, b"\xff\xff\xff\xff\x0f")
