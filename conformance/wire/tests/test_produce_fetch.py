"""Our codecs for Produce and Fetch, held to kio's and kafka-python's in every version."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import attrs
import pytest

from conformance.wire import apis, schemas
from conformance.wire.apis import Api
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from conformance.wire.produce import PartitionRecords, ProduceRequest, TopicRecords
from conformance.wire.tests import kio_oracle

TOPIC_ID = UUID("8cd9641e-dfa2-4465-87f9-9b4fac7759e5")

SCHEMA_NAMES = {
    ("PartitionRecords", "index"): ("index",),
    ("TopicRecords", "topic"): ("name",),
    ("TopicRecords", "partitions"): ("partition_data",),
    ("ProduceRequest", "topics"): ("topic_data",),
    ("RecordError", "message"): ("batch_index_error_message",),
    ("TopicProduced", "topic"): ("name",),
    ("TopicProduced", "partitions"): ("partition_responses",),
    ("ProduceAnswer", "topics"): ("responses",),
    ("FetchPartition", "index"): ("partition",),
    ("FetchPartition", "max_bytes"): ("partition_max_bytes",),
    ("FetchRequest", "forgotten"): ("forgotten_topics_data",),
    ("FetchRequest", "replica_epoch"): ("replica_state", "replica_epoch"),
    ("PartitionFetched", "index"): ("partition_index",),
    ("FetchAnswer", "topics"): ("responses",),
}
"""Where a field of ours stands in Kafka's schema, if not under its own name."""

PRODUCE = ProduceRequest(
    acks=-1,
    timeout_ms=1500,
    transactional_id="été",
    topics=(
        TopicRecords("t", (PartitionRecords(0, b"some records"), PartitionRecords(3, None)), TOPIC_ID),
        TopicRecords("u", (), UUID(int=3)),
    ),
)
PLAIN_FETCH = FetchRequest(
    topics=(FetchTopic(topic="t", topic_id=TOPIC_ID, partitions=(FetchPartition(index=0, fetch_offset=5),)),)
)
FULL_FETCH = FetchRequest(
    max_wait_ms=500,
    min_bytes=1,
    max_bytes=1000,
    isolation_level=1,
    session_id=9,
    session_epoch=2,
    topics=(
        FetchTopic(
            topic="t",
            topic_id=TOPIC_ID,
            partitions=(
                FetchPartition(
                    index=1,
                    fetch_offset=2,
                    max_bytes=3,
                    current_leader_epoch=4,
                    last_fetched_epoch=5,
                    log_start_offset=6,
                    replica_directory_id=UUID(int=8),
                    high_watermark=9,
                ),
            ),
        ),
    ),
    forgotten=(ForgottenTopic(topic="u", topic_id=UUID(int=2), partitions=(0, 1)),),
    rack_id="rack",
    replica_id=3,
    replica_epoch=11,
    cluster_id="cluster",
)


def versions(api: Api) -> range:
    least, greatest = apis.client_range(api)
    return range(least, greatest + 1)


def compare(ours: Any, theirs: Any, version: int) -> None:
    """Every field that the version has is the same in our object and in kafka-python's."""
    if isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other, version)
        return
    if not attrs.has(type(ours)):
        assert ours == theirs
        return
    for field in attrs.fields(type(ours)):
        value = getattr(ours, field.name)
        path = SCHEMA_NAMES.get((type(ours).__name__, field.name), (field.name,))
        if path == ("replica_id",) and version >= 15:
            path = ("replica_state", "replica_id")
        schema = theirs.fields[path[0]]
        if not schema.for_version_q(version):
            continue
        found = theirs
        for name in path:
            found = None if found is None else getattr(found, name)
        if value is None or (found is None and schema.tagged_field_q(version)):
            assert found in (None, [], schema.default)
            assert value in (None, -1)
        else:
            compare(value, found, version)


@pytest.mark.parametrize(
    ("api", "request_"),
    [(Api.PRODUCE, PRODUCE), (Api.FETCH, PLAIN_FETCH), (Api.FETCH, FULL_FETCH)],
    ids=["produce", "plain fetch", "full fetch"],
)
def test_requests(api: Api, request_: object) -> None:
    for version in versions(api):
        encoded = apis.encode_request(api, version, request_)
        theirs = schemas.decode(f"{api.title}Request", version, encoded)
        compare(request_, theirs, version)
        assert schemas.encode(theirs, version) == encoded
        kios = kio_oracle.read(kio_oracle.kio_class(api, version, "request"), encoded)
        assert kio_oracle.write(kios) == encoded


@pytest.mark.parametrize("api", [Api.PRODUCE, Api.FETCH], ids=lambda api: api.title)
def test_answers(api: Api) -> None:
    for version in versions(api):
        for seed in range(20):
            entity = kio_oracle.random_entity(kio_oracle.kio_class(api, version, "response"), Random(seed))
            encoded = kio_oracle.write(entity)
            theirs = schemas.decode(f"{api.title}Response", version, encoded)
            compare(apis.decode_answer(api, version, encoded), theirs, version)


def test_fields_that_a_version_does_not_carry_are_none() -> None:
    lowest = apis.decode_answer(Api.PRODUCE, 3, bytes.fromhex("0000000100017400000001") + bytes(26))
    partition = lowest.topics[0].partitions[0]
    assert (partition.log_start_offset, partition.record_errors, partition.error_message) == (None, None, None)
    fetched = apis.decode_answer(Api.FETCH, 4, bytes(8))
    assert (fetched.error_code, fetched.session_id, fetched.node_endpoints) == (None, None, None)


def test_unknown_tagged_fields_are_skipped() -> None:
    body = bytes.fromhex("0100000000010902abcd")
    assert apis.decode_answer(Api.PRODUCE, 9, body).throttle_time_ms == 0
