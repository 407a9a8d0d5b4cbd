"""kafka-python's schemas and encoders, and our strict reader over them, held to kio's encodings."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from conformance.wire import apis, schemas
from conformance.wire.apis import Api
from conformance.wire.errors import MalformedAnswer, Unencodable, UnsupportedVersion
from conformance.wire.tests import kio_oracle

GENERATED = [api for api in Api if api not in apis.OURS]
ENTITIES = 4
"""Random messages tried for each API, version and direction."""


def versions(api: Api) -> range:
    """All that this client speaks of an API."""
    least, greatest = apis.client_range(api)
    return range(least, greatest + 1)


def as_kio_holds_it(value: Any) -> Any:
    """A kafka-python value as `kio_oracle.plain` gives kio's."""
    if schemas.is_message(value):
        return [as_kio_holds_it(field) for _, field in schemas.message_fields(value)]
    if isinstance(value, set):
        bits = sum(1 << bit for bit in value)
        return bits - (1 << 32) if bits >> 31 else bits
    if isinstance(value, list):
        return [as_kio_holds_it(item) for item in value]
    return value


def without_names_for_absence(ours: Any, kios: Any) -> None:
    """Compare field by field, allowing for the two libraries' different words for "nothing"."""
    if isinstance(kios, list) and isinstance(ours, list):
        assert len(ours) == len(kios)
        for one, other in zip(ours, kios, strict=True):
            without_names_for_absence(one, other)
    elif ours is None:
        # An absent tagged structure, the unset operations, kio's null time, or the zero uuid.
        assert kios is None or kios in (-(2**31), -1) or isinstance(kios, list)
    else:
        assert ours == kios or (kios is None and ours == -1)


@pytest.mark.parametrize("kind", ["request", "response"])
@pytest.mark.parametrize("api", GENERATED, ids=lambda api: api.title)
def test_every_version_encodes_and_decodes_as_kio_does(api: Api, kind: str) -> None:
    name = f"{api.title}{kind.capitalize()}"
    for version in versions(api):
        kio_class = kio_oracle.kio_class(api, version, kind)
        for seed in range(ENTITIES):
            entity = kio_oracle.random_entity(kio_class, Random(seed))
            encoded = kio_oracle.write(entity)
            decoded = schemas.decode(name, version, encoded)
            without_names_for_absence(as_kio_holds_it(decoded), kio_oracle.plain(entity))
            assert schemas.encode(decoded, version) == encoded
            # kafka-python's own decoder agrees on what is well formed.
            if api is not Api.API_VERSIONS:
                assert schemas.message_class(name).decode(encoded, version=version) == decoded


def test_dicts_become_structures() -> None:
    request = apis.message(Api.METADATA, 12, topics=[{"name": "t"}])
    assert request.topics[0] == request.MetadataRequestTopic(version=12, name="t")
    assert schemas.decode("MetadataRequest", 12, schemas.encode(request, 12)) == request


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(Unencodable, match="no_such_field"):
        apis.message(Api.METADATA, 12, no_such_field=1)


def test_a_value_that_does_not_fit_is_reported_with_its_message() -> None:
    request = apis.message(Api.INIT_PRODUCER_ID, 4, transactional_id=None, transaction_timeout_ms=2**40)
    with pytest.raises(Unencodable, match="InitProducerIdRequest version 4"):
        apis.encode_request(Api.INIT_PRODUCER_ID, 4, request)


def test_a_version_out_of_range_says_what_is_spoken() -> None:
    with pytest.raises(UnsupportedVersion, match=r"Metadata version 99 .*0 to 13"):
        apis.message(Api.METADATA, 99)


@pytest.mark.parametrize(
    ("name", "version", "body", "reason"),
    [
        ("MetadataResponse", 0, "fffffffb00000000", "negative length -5"),
        ("FindCoordinatorResponse", 0, "000000000001ffff00002384", "may not be null is null"),
        ("MetadataResponse", 0, "7fffffff00000000", "claims 2147483647 items"),
        ("HeartbeatResponse", 4, "00000000000001050900", "tagged field 5 needs 9 bytes"),
        ("HeartbeatResponse", 4, "0000000000000205000500", "tags must ascend"),
        ("HeartbeatResponse", 4, "0000000000000000", "1 bytes left over"),
    ],
)
def test_what_kafka_pythons_decoder_would_take_is_refused(name: str, version: int, body: str, reason: str) -> None:
    with pytest.raises(MalformedAnswer, match=reason):
        schemas.decode(name, version, bytes.fromhex(body))


def test_unknown_tagged_fields_are_skipped() -> None:
    answer = schemas.decode("HeartbeatResponse", 4, bytes.fromhex("000000000007010502abcd"))
    assert answer.error_code == 7


def test_api_versions_is_read_as_version_0_when_the_version_is_not_known() -> None:
    body = bytes.fromhex("002300000001001200000003")
    answer = apis.decode_answer(Api.API_VERSIONS, 4, body)
    assert (answer.version, answer.error_code, answer.api_keys[0].max_version) == (0, 35, 3)


def test_api_versions_with_another_error_is_read_as_the_version_asked_for() -> None:
    body = bytes.fromhex("002a010000000000")
    assert apis.decode_answer(Api.API_VERSIONS, 3, body).error_code == 42


def test_the_header_of_an_api_versions_answer_is_never_flexible() -> None:
    assert apis.split_answer(Api.API_VERSIONS, 3, bytes.fromhex("00000007002a")) == (7, b"\x00\x2a")
    assert apis.split_answer(Api.METADATA, 12, bytes.fromhex("0000000700002a")) == (7, b"\x00\x2a")


@pytest.mark.parametrize(("version", "header"), [(8, "0003000800000007000163"), (9, "000300090000000700016300")])
def test_request_headers(version: int, header: str) -> None:
    assert apis.request_header(Api.METADATA, version, 7, "c").hex() == header
