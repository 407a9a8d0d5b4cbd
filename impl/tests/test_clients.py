"""The broker with the clients that Python programs use: confluent-kafka, kafka-python, aiokafka."""

import asyncio
from collections.abc import Iterator

import kafka.codec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonPartition

from impl.tests.support import BrokerProcess

COUNT = 300
TIMEOUT_S = 20.0
VALUES = [b"value %d " % number * 10 for number in range(COUNT)]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.fixture
def topic(shared_broker: BrokerProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A topic with two partitions for one test."""
    name = "".join(each if each.isalnum() else "-" for each in request.node.name)
    admin = AdminClient({"bootstrap.servers": shared_broker.address})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(TIMEOUT_S)
    yield name
    admin.delete_topics([name])[name].result(TIMEOUT_S)


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_confluent_kafka(shared_broker: BrokerProcess, topic: str, codec: str, *, idempotent: bool) -> None:
    servers = {"bootstrap.servers": shared_broker.address}
    producer = Producer({**servers, "compression.type": codec, "enable.idempotence": idempotent})
    for value in VALUES:
        producer.produce(topic, value, partition=0)
    assert producer.flush(TIMEOUT_S) == 0
    consumer = Consumer({**servers, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[bytes] = []
    while len(found) < COUNT:
        messages = consumer.consume(COUNT, TIMEOUT_S)
        assert messages
        assert [message.error() for message in messages] == [None] * len(messages)
        found += [message.value() for message in messages]
    assert found == VALUES
    consumer.commit(offsets=[TopicPartition(topic, 0, 17)], asynchronous=False)
    assert consumer.committed([TopicPartition(topic, 0)], TIMEOUT_S)[0].offset == 17
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S) == (0, COUNT)
    consumer.close()


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("codec", [None, *CODECS[1:]])
def test_aiokafka(shared_broker: BrokerProcess, topic: str, codec: str | None, *, idempotent: bool) -> None:
    async def run() -> list[bytes]:
        producer = AIOKafkaProducer(
            bootstrap_servers=shared_broker.address, compression_type=codec, enable_idempotence=idempotent
        )
        consumer = AIOKafkaConsumer(bootstrap_servers=shared_broker.address, auto_offset_reset="earliest")
        async with producer, consumer:
            for sending in [await producer.send(topic, value, partition=0) for value in VALUES]:
                await sending
            consumer.assign([AioPartition(topic, 0)])
            return [(await consumer.getone()).value for _ in VALUES]

    assert asyncio.run(asyncio.wait_for(run(), TIMEOUT_S)) == VALUES


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("codec", [None, *(each for each in CODECS[1:] if getattr(kafka.codec, f"has_{each}")())])
def test_kafka_python(shared_broker: BrokerProcess, topic: str, codec: str | None, *, idempotent: bool) -> None:
    producer = KafkaProducer(
        bootstrap_servers=shared_broker.address, compression_type=codec, enable_idempotence=idempotent
    )
    for sending in [producer.send(topic, value, partition=0) for value in VALUES]:
        sending.get(TIMEOUT_S)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=shared_broker.address, auto_offset_reset="earliest")
    partition = PythonPartition(topic, 0)
    consumer.assign([partition])
    found: list[bytes] = []
    while len(found) < COUNT:
        found += [record.value for record in consumer.poll(1000).get(partition, [])]
    assert found == VALUES
    assert consumer.end_offsets([partition]) == {partition: COUNT}
    consumer.close()
