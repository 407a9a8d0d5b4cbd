"""Whatever a broker sends, the client answers with data or `MalformedAnswer`: never another error, never a hang."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.batch import decode_batches, encode_batch
from conformance.wire.errors import MalformedAnswer
from conformance.wire.tests import kio_oracle
from model.reference.batch import Batch, Record

TRUNCATED = [
    Api.PRODUCE,
    Api.FETCH,
    Api.METADATA,
    Api.CREATE_TOPICS,
    Api.LIST_OFFSETS,
    Api.OFFSET_FETCH,
    Api.FIND_COORDINATOR,
    Api.JOIN_GROUP,
    Api.DESCRIBE_CONFIGS,
    Api.DESCRIBE_GROUPS,
    Api.API_VERSIONS,
]


@pytest.mark.parametrize("end", [0, 1], ids=["lowest", "highest"])
@pytest.mark.parametrize("api", TRUNCATED, ids=lambda api: api.title)
def test_every_truncation_of_an_answer_is_malformed(api: Api, end: int) -> None:
    version = apis.client_range(api)[end]
    for seed in range(6):
        entity = kio_oracle.random_entity(kio_oracle.kio_class(api, version, "response"), Random(seed))
        body = kio_oracle.write(entity)
        apis.decode_answer(api, version, body)
        for length in range(len(body)):
            with pytest.raises(MalformedAnswer):
                apis.decode_answer(api, version, body[:length])
        with pytest.raises(MalformedAnswer, match="left over"):
            apis.decode_answer(api, version, body + b"\0")


@given(api=st.sampled_from(list(Api)), end=st.sampled_from([0, 1]), body=st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_noise_never_raises_anything_else(api: Api, end: int, body: bytes) -> None:
    try:
        apis.decode_answer(api, apis.client_range(api)[end], body)
    except MalformedAnswer as error:
        assert error.reason  # noqa: PT017  (either outcome is right; an untyped error is what fails)


@pytest.mark.parametrize("api", [Api.PRODUCE, Api.FETCH, Api.METADATA], ids=lambda api: api.title)
def test_flipped_bits_never_raise_anything_else(api: Api) -> None:
    random = Random(1)
    version = apis.client_range(api)[1]
    entity = kio_oracle.random_entity(kio_oracle.kio_class(api, version, "response"), random)
    body = kio_oracle.write(entity)
    for position in range(len(body)):
        damaged = bytearray(body)
        damaged[position] ^= random.choice((0x01, 0x80, 0xFF))
        try:
            apis.decode_answer(api, version, bytes(damaged))
        except MalformedAnswer as error:
            assert error.reason  # noqa: PT017  (either outcome is right; an untyped error is what fails)


def a_batch(compression: int) -> bytes:
    records = tuple(Record(b"value", b"key", (("h", None),), timestamp=index) for index in range(5))
    return encode_batch(Batch(records=records, compression=compression))


@pytest.mark.parametrize("compression", range(5))
def test_every_truncation_of_a_batch_is_a_partial_tail(compression: int) -> None:
    whole = a_batch(compression)
    for length in range(len(whole)):
        decoded = decode_batches(whole + whole[:length])
        assert (len(decoded.batches), decoded.partial_tail) == (1, length)


@pytest.mark.parametrize("compression", range(8))
def test_a_damaged_batch_is_malformed_or_has_a_wrong_checksum(compression: int) -> None:
    whole = a_batch(compression)
    unchecked = range(17)  # offset, length, leader epoch, magic
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x11
        try:
            decoded = decode_batches(bytes(damaged))
        except MalformedAnswer:
            continue
        assert position in unchecked or not decoded.batches[0].crc_is_right


@given(st.binary(max_size=120))
def test_noise_is_no_batch(data: bytes) -> None:
    try:
        decode_batches(data)
    except MalformedAnswer as error:
        assert error.reason  # noqa: PT017  (either outcome is right; an untyped error is what fails)
