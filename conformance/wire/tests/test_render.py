"""Text for people: what a failure report shows of requests, answers and bytes."""

from __future__ import annotations

from random import Random

import pytest

from conformance.wire import apis, schemas
from conformance.wire.apis import Api
from conformance.wire.batch import encode_batch
from conformance.wire.produce import (
    PartitionProduced,
    PartitionRecords,
    ProduceAnswer,
    ProduceRequest,
    TopicProduced,
    TopicRecords,
)
from conformance.wire.render import describe_answer, describe_batch, describe_request, error_name, hexdump
from conformance.wire.tests import kio_oracle
from model.reference.batch import Batch, Record, TimestampType

LIAR = Batch(
    records=(Record(b"v", b"k", (("h", None),), timestamp=5), Record(bytes(40), timestamp=6)),
    crc_is_right=False,
    compression=6,
    claimed_count=3,
    producer_id=9,
    producer_epoch=1,
    base_sequence=4,
    is_transactional=True,
    is_control=True,
    has_delete_horizon=True,
    timestamp_type=TimestampType.LOG_APPEND_TIME,
)


def test_a_request_shows_its_records() -> None:
    records = encode_batch(LIAR) + b"tail"
    request = ProduceRequest(-1, 100, None, (TopicRecords("t", (PartitionRecords(0, records),)),))
    assert describe_request(Api.PRODUCE, 9, request).splitlines() == [
        "Produce request, version 9",
        "  acks: -1",
        "  timeout_ms: 100",
        "  topics[0]:",
        "    topic: 't'",
        "    partitions[0]:",
        "      index: 0",
        f"      records: {len(records)} bytes",
        (
            "        batch offsets 0 to 1, leader epoch -1, 3 records, WRONG: 2 are there, WRONG CRC, UNKNOWN CODEC 6, "
            "timestamps 5 to 6, log append time, producer 9 epoch 1 sequence 4, transactional, control, delete horizon"
        ),
        "          +0 at 5: b'k' = b'v', h=null",
        f"          +1 at 6: null = 0x{'00' * 32} ... 40 bytes",
        "        and 4 bytes of an incomplete batch",
    ]


def test_an_answer_names_its_errors_and_leaves_out_what_is_absent() -> None:
    partition = PartitionProduced(0, 45, -1, -1, None, None, None, None)
    answer = ProduceAnswer((TopicProduced("t", None, (partition,)),), 0)
    text = describe_answer(Api.PRODUCE, 3, answer)
    assert "error_code: 45 OUT_OF_ORDER_SEQUENCE_NUMBER" in text
    assert "log_start_offset" not in text


def test_the_answer_that_never_comes() -> None:
    assert describe_answer(Api.PRODUCE, 3, None) == "Produce answer, version 3: none is sent"


def test_a_generated_request_is_shown_by_its_schema() -> None:
    request = apis.message(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=False)
    assert describe_request(Api.METADATA, 4, request).splitlines() == [
        "Metadata request, version 4",
        "  topics[0]:",
        "    name: 't'",
        "  allow_auto_topic_creation: False",
    ]


def test_passwords_are_not_shown() -> None:
    request = apis.message(Api.SASL_AUTHENTICATE, 0, auth_bytes=b"\0ada\0s3cret")
    assert describe_request(Api.SASL_AUTHENTICATE, 0, request).endswith("auth_bytes: 11 bytes, not shown")


@pytest.mark.parametrize("api", list(Api), ids=lambda api: api.title)
def test_every_message_can_be_shown(api: Api) -> None:
    version = apis.client_range(api)[1]
    for kind, describe in (("request", describe_request), ("response", describe_answer)):
        entity = kio_oracle.random_entity(kio_oracle.kio_class(api, version, kind), Random(3))
        message = schemas.decode(f"{api.title}{kind.capitalize()}", version, kio_oracle.write(entity))
        assert describe(api, version, message).startswith(api.title)


def test_records_that_hold_no_batch_are_dumped() -> None:
    request = ProduceRequest(1, 1, None, (TopicRecords("t", (PartitionRecords(0, b"\xff" * 20),)),))
    text = describe_request(Api.PRODUCE, 3, request)
    assert "no readable batches: a batch claims a length of -1" in text
    assert "00000010  ff ff ff ff" in text


def test_many_records_are_cut() -> None:
    assert describe_batch(Batch(records=(Record(b"v"),) * 8)).endswith("... 3 more records")


def test_error_names() -> None:
    assert error_name(0) == "0 NONE"
    assert error_name(9999) == "9999 (no name known)"


def test_hexdump() -> None:
    assert hexdump(b"") == "(no bytes)"
    assert hexdump(b"Kafka\x00\xff" + bytes(13), limit=18).splitlines() == [
        "00000000  4b 61 66 6b 61 00 ff 00 00 00 00 00 00 00 00 00  Kafka...........",
        "00000010  00 00                                            ..",
        "... 2 more bytes",
    ]
