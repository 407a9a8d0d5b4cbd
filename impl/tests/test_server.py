"""The broker on the wire: hostile bytes, order of answers, restarts."""

import contextlib
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.protocol.admin import DeleteTopicsRequest, DeleteTopicsResponse
from kafka.protocol.consumer import FetchRequest, FetchResponse
from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse
from kafka.protocol.producer import ProduceRequest, ProduceResponse

from impl.server.apis import APIS, handler_of
from impl.tests.support import ROOT, BrokerProcess, make_batch, records
from impl.tests.wire import TIMEOUT_S, Wire


@pytest.fixture
def wire(shared_broker: BrokerProcess) -> Iterator[Wire]:
    connection = Wire(shared_broker.port)
    yield connection
    connection.socket.close()


def create(wire: Wire, topic: str) -> None:
    """Create a topic by asking for its metadata."""
    for _ in range(2):
        wire.send(MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=topic)], version=1), 1)
        _, body = wire.receive()
    assert MetadataResponse.decode(body, version=1).topics[0].error_code == 0


def produce(topic: str, batch: bytes | bytearray, acks: int = -1) -> ProduceRequest:
    data = ProduceRequest.TopicProduceData
    part = data.PartitionProduceData(index=0, records=bytes(batch))
    return ProduceRequest(
        transactional_id=None, acks=acks, timeout_ms=1000, topic_data=[data(name=topic, partition_data=[part])]
    )


def fetch(topic: str, offset: int, wait_ms: int) -> FetchRequest:
    of_topic = FetchRequest.FetchTopic
    part = of_topic.FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    return FetchRequest(
        replica_id=-1, max_wait_ms=wait_ms, min_bytes=1, max_bytes=1 << 20, isolation_level=0,
        topics=[of_topic(topic=topic, partitions=[part])],
    )  # fmt: skip


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
def test_each_request_of_the_table_has_a_handler(api: object) -> None:
    assert callable(handler_of(api))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x02\x00\x12",
        b"\x00\x00\x00\x0a" + struct.pack(">hhih", 999, 0, 1, -1),
        b"\x00\x00\x00\x0a" + struct.pack(">hhih", 1, 99, 1, -1),
        b"\x00\x00\x00\x0a" + struct.pack(">hhih", 0, 7, 1, -1),
        b"\x00\x00\x00\x0e" + struct.pack(">hhihi", 3, 4, 1, -1, 2**31 - 1),
        b"\x00\x00\x00\x0a" + struct.pack(">hhih", 3, 4, 1, 500),
        b"\x00\x00\x00\x13" + struct.pack(">hhihih", 3, 1, 1, -1, 1, 9) + b"cut",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_hostile_bytes_close_their_connection_and_no_other(
    shared_broker: BrokerProcess, wire: Wire, content: bytes
) -> None:
    other = Wire(shared_broker.port)
    wire.socket.sendall(content)
    assert wire.is_closed()
    other.send(ApiVersionsRequest(version=0), 0)
    assert other.receive()[0] == 1
    other.socket.close()


def test_half_a_request_does_no_harm(shared_broker: BrokerProcess, wire: Wire) -> None:
    wire.socket.sendall(b"\x00\x00\x10\x00 half")
    wire.socket.close()
    other = Wire(shared_broker.port)
    other.send(ApiVersionsRequest(version=0), 0)
    other.receive()
    other.socket.close()


def test_an_unknown_version_of_api_versions_is_answered_in_the_oldest(wire: Wire) -> None:
    wire.frame(struct.pack(">hhih", 18, 99, 7, 0) + b"\x00")
    correlation_id, body = wire.receive()
    assert correlation_id == 7
    assert body == struct.pack(">hihhh", 35, 1, 18, 0, 4)


def test_the_table_is_what_is_advertised(wire: Wire) -> None:
    wire.send(ApiVersionsRequest(version=2), 2)
    answer = ApiVersionsResponse.decode(wire.receive()[1], version=2)
    advertised = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
    assert advertised == {api.key: (api.oldest, api.newest) for api in APIS.values()}


def test_answers_come_in_the_order_of_requests(wire: Wire) -> None:
    create(wire, "ordered")
    batch = make_batch(records(b"a"))
    for number in range(200):
        wire.send(produce("ordered", batch) if number % 3 else ApiVersionsRequest(version=0), 7 if number % 3 else 0)
    assert [wire.receive()[0] for _ in range(200)] == list(range(3, 203))


def test_a_request_after_a_long_poll_waits_and_another_connection_wakes_it(
    shared_broker: BrokerProcess, wire: Wire
) -> None:
    create(wire, "poll")
    wire.send(fetch("poll", 0, wait_ms=60_000), 4)
    wire.send(ApiVersionsRequest(version=0), 0)
    other = Wire(shared_broker.port)
    other.send(produce("poll", make_batch(records(b"news"))), 7)
    answer = ProduceResponse.decode(other.receive()[1], version=7)
    assert answer.responses[0].partition_responses[0].error_code == 0
    correlation_id, body = wire.receive()
    assert correlation_id == 3
    assert b"news" in bytes(FetchResponse.decode(body, version=4).responses[0].partitions[0].records)
    assert wire.receive()[0] == 4
    other.socket.close()


def test_large_records_go_both_ways_while_nobody_reads(wire: Wire) -> None:
    create(wire, "large")
    batch = make_batch(records(b"x" * 900_000))
    for _ in range(20):
        wire.send(produce("large", batch), 7)
    for _ in range(20):
        answer = ProduceResponse.decode(wire.receive()[1], version=7)
        assert answer.responses[0].partition_responses[0].error_code == 0
    for offset in range(20):
        wire.send(fetch("large", offset, wait_ms=0), 4)
    for offset in range(20):
        partition = FetchResponse.decode(wire.receive()[1], version=4).responses[0].partitions[0]
        content = bytes(partition.records)
        assert struct.unpack_from(">q", content) == (offset,)
        assert content[12 : len(batch)][9:] == bytes(batch[12:])[9:]


def test_without_acks_nothing_is_answered_and_an_error_closes(shared_broker: BrokerProcess, wire: Wire) -> None:
    create(wire, "quiet")
    wire.send(produce("quiet", make_batch(records(b"a")), acks=0), 7)
    wire.send(ApiVersionsRequest(version=0), 0)
    assert wire.receive()[0] == 4
    wire.send(produce("no-such-topic", make_batch(records(b"a")), acks=0), 7)
    assert wire.is_closed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_records_are_there_after_an_end_of_the_process(broker: BrokerProcess, number: int) -> None:
    wire = Wire(broker.port)
    create(wire, "kept")
    for _ in range(10):
        wire.send(produce("kept", make_batch(records(b"a", b"b"))), 7)
        wire.receive()
    assert broker.stop(number) < 1.0 + (number == signal.SIGKILL)
    wire.socket.close()
    broker.start()
    wire = Wire(broker.port)
    wire.send(fetch("kept", 0, wait_ms=0), 4)
    partition = FetchResponse.decode(wire.receive()[1], version=4).responses[0].partitions[0]
    assert partition.high_watermark == 20
    wire.socket.close()


def test_a_stop_does_not_wait_for_a_long_poll(broker: BrokerProcess) -> None:
    wire = Wire(broker.port)
    create(wire, "waiting")
    wire.send(fetch("waiting", 0, wait_ms=60_000), 4)
    assert broker.stop() < 1.0
    assert wire.is_closed()
    wire.socket.close()


def test_a_data_directory_has_one_broker(broker: BrokerProcess) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "impl", "--data", str(broker.data), "--port", "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "in use by another broker" in second.stderr


@pytest.mark.parametrize("option", ["nonsense", "no.such.config=1", "num.partitions=none"])
def test_a_bad_config_is_named(tmp_path: Path, option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "impl", "--data", str(tmp_path), "--config", option],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert option.split("=", maxsplit=1)[0] in done.stderr


def test_a_client_that_does_not_read_does_not_grow_the_broker(shared_broker: BrokerProcess, wire: Wire) -> None:
    create(wire, "deaf")
    wire.send(produce("deaf", make_batch(records(b"x" * 500_000))), 7)
    wire.receive()
    wire.socket.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        for _ in range(5000):
            wire.send(fetch("deaf", 0, wait_ms=0), 4)
    other = Wire(shared_broker.port)
    other.send(ApiVersionsRequest(version=0), 0)
    other.receive()
    other.socket.close()


def test_a_topic_with_the_longest_name_is_deleted(wire: Wire) -> None:
    name = "n" * 249
    create(wire, name)
    wire.send(DeleteTopicsRequest(topic_names=[name], timeout_ms=1000), 1)
    assert DeleteTopicsResponse.decode(wire.receive()[1], version=1).responses[0].error_code == 0
