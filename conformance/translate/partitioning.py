"""Real clients that choose partitions by keys: librdkafka (confluent-kafka) and kafka-python.

They are given the target's address and nothing else, and choose API versions as they do; where their records lie is
read by the suite's own client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaProducer
from kafka.errors import KafkaError

from conformance.client import Client, Unsupported
from conformance.translate.base import Conversation, VersionOf, register_conversation
from conformance.wire.apis import Api
from conformance.wire.batch import decode_batches, encoded_size
from conformance.wire.connection import Connection
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic
from model.reference.batch import Batch
from model.reference.operations import KeyedClient, LocateKeys
from model.reference.outcomes import Values
from model.reference.state import Cluster

PATIENCE_S = 15.0
FETCH_BY_NAME_MAX = 12
PATIENT_MS = 25
LIBRDKAFKA = {KeyedClient.JAVA_LIKE: "murmur2_random", KeyedClient.CRC32: "consistent_random"}
VALUE = "tidegauge-{}-{}"

Records = Sequence[tuple[bytes | None, bytes]]
"""Key and value; every value of a run is different."""


def _by_librdkafka(operation: LocateKeys, records: Records, servers: str) -> None:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": LIBRDKAFKA[operation.client],
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": int(PATIENCE_S * 1000),
            "log_level": 0,
        }
    )
    chosen = {} if operation.partition is None else {"partition": operation.partition}
    for key, value in records:
        producer.produce(operation.topic, value=value, key=key, **chosen)
    producer.flush(PATIENCE_S)


def _by_kafka_python(operation: LocateKeys, records: Records, servers: str) -> None:
    producer: Any = KafkaProducer(bootstrap_servers=servers, acks="all", max_block_ms=int(PATIENCE_S * 1000))
    try:
        for key, value in records:
            producer.send(operation.topic, value=value, key=key, partition=operation.partition)
        producer.flush(timeout=PATIENCE_S)
    except KafkaError as error:
        raise Unsupported(f"kafka-python can't produce to the target: {error!r}") from error
    finally:
        producer.close(timeout=PATIENCE_S)


CLIENTS: Mapping[KeyedClient, Callable[[LocateKeys, Records, str], None]] = {
    KeyedClient.JAVA_LIKE: _by_librdkafka,
    KeyedClient.CRC32: _by_librdkafka,
    KeyedClient.KAFKA_PYTHON: _by_kafka_python,
}


def _locate(operation: LocateKeys, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    security = client.target.security
    if security is not None and (security.tls is not None or security.credentials is not None):
        raise Unsupported("real clients are given an address only; this target wants TLS or a login")
    topic = cluster.topics.get(operation.topic)
    starts = [partition.log_end_offset for partition in topic.partitions] if topic is not None else []
    values = [VALUE.format(starts, place).encode() for place in range(len(operation.keys))]
    servers = ",".join(map(str, client.target.bootstrap))
    CLIENTS[operation.client](operation, list(zip(operation.keys, values, strict=True)), servers)
    version = version_of(Api.FETCH, FETCH_BY_NAME_MAX)
    found = {index: _read(client, version, operation.topic, index, start) for index, start in enumerate(starts)}
    places = [
        (index, batch.base_offset + delta, record.value)
        for index, batches in found.items()
        for batch in batches
        for delta, record in enumerate(batch.records)
    ]
    return [
        {
            "batches": {
                index: tuple((each, encoded_size(each)) for each in batches) for index, batches in found.items()
            },
            "out_of_order": _out_of_order(operation.keys, values, places),
        },
        *(_place_of(value, places) for value in values),
    ]


def _read(client: Client, version: int, topic: str, index: int, start: int) -> tuple[Batch, ...]:
    """Every batch of a partition from an offset on."""
    connection = client.connection("main", client.leader(topic, index))
    read: list[Batch] = []
    while True:
        offset = read[-1].next_offset if read else start
        batches = _fetched(connection, version, topic, index, offset)
        if not batches:
            return tuple(read)
        read += batches


def _fetched(connection: Connection, version: int, topic: str, index: int, offset: int) -> tuple[Batch, ...]:
    part = FetchPartition(index=index, fetch_offset=offset)
    for wait_ms in (0, PATIENT_MS):  # some brokers say nothing at all to who does not wait
        request = FetchRequest(
            topics=(FetchTopic(topic=topic, partitions=(part,)),), max_wait_ms=wait_ms, min_bytes=min(wait_ms, 1)
        )
        answer: Any = connection.call(Api.FETCH, version, request).answer
        parts = [each for one in answer.topics for each in one.partitions]
        if parts:
            return decode_batches(parts[0].records or b"").batches
    return ()


def _place_of(value: bytes, places: Sequence[tuple[int, int, bytes | None]]) -> Values:
    found = [index for index, _, seen in places if seen == value]
    return {"partition": found[0] if found else None, "copies": len(found)}


def _out_of_order(
    keys: Sequence[bytes | None], values: Sequence[bytes], places: Sequence[tuple[int, int, bytes | None]]
) -> tuple[bytes, ...]:
    """The keys whose records do not lie in the order in which they were produced."""
    order = {value: (index, offset) for index, offset, value in places if value is not None}
    wrong = []
    for key in dict.fromkeys(key for key in keys if key is not None):
        lie = [order[value] for each, value in zip(keys, values, strict=True) if each == key and value in order]
        if lie != sorted(lie):
            wrong.append(key)
    return tuple(wrong)


register_conversation(LocateKeys, Conversation((Api.PRODUCE, Api.FETCH), _locate))
