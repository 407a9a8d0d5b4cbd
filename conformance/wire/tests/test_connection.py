"""The connection against a scripted server: order of answers, time-outs, closes, and garbage."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.connection import Connection, Direction
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed, MalformedAnswer, Unreachable
from conformance.wire.produce import ProduceRequest
from conformance.wire.tests.scripted import Peer, scripted

HEARTBEAT = apis.message(Api.HEARTBEAT, 0, group_id="g", generation_id=1, member_id="m")


def answer_with(code: int, peer: Peer) -> None:
    """Answer the next request, a Heartbeat of version 0."""
    _, _, correlation_id, _ = peer.read_request()
    peer.answer(correlation_id, struct.pack(">h", code))


def test_an_exchange_carries_both_messages_as_bytes_too() -> None:
    frames: list[tuple[Direction, bytes]] = []
    with (
        scripted(lambda peer: answer_with(16, peer)) as port,
        Connection("127.0.0.1", port, recorder=lambda way, data, _: frames.append((way, data))) as connection,
    ):
        exchange = connection.call(Api.HEARTBEAT, 0, HEARTBEAT)
    assert exchange.answer.error_code == 16
    assert exchange.request is HEARTBEAT
    assert exchange.received == bytes.fromhex("00000006000000000010")
    assert frames == [(Direction.SENT, exchange.sent), (Direction.RECEIVED, exchange.received)]
    assert exchange.seconds > 0


def test_answers_come_in_the_order_of_the_requests() -> None:
    def script(peer: Peer) -> None:
        asked = [peer.read_request()[2] for _ in range(3)]
        for correlation_id in asked:
            peer.answer(correlation_id, struct.pack(">h", correlation_id))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        tickets = [connection.send(Api.HEARTBEAT, 0, HEARTBEAT) for _ in range(3)]
        with pytest.raises(ValueError, match="older tickets first"):
            connection.receive(tickets[1])
        assert [connection.receive(ticket).answer.error_code for ticket in tickets] == [0, 1, 2]


def test_an_answer_in_single_bytes_is_put_together() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        for byte in bytes.fromhex("00000006000000000007"):
            peer.send(bytes([byte]))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        assert connection.call(Api.HEARTBEAT, 0, HEARTBEAT).answer.error_code == 7


def test_no_answer_is_awaited_for_produce_without_acks() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        answer_with(0, peer)

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        exchange = connection.call(Api.PRODUCE, 3, ProduceRequest(0, 1000, None, ()))
        assert (exchange.answer, exchange.received) == (None, None)
        assert connection.call(Api.HEARTBEAT, 0, HEARTBEAT).answer.error_code == 0


def test_a_wrong_correlation_id_is_malformed() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.answer(99, bytes(2))

    with (
        scripted(script) as port,
        Connection("127.0.0.1", port) as connection,
        pytest.raises(MalformedAnswer, match="correlation id 99, expected 0"),
    ):
        connection.call(Api.HEARTBEAT, 0, HEARTBEAT)


@pytest.mark.parametrize("length", [-1, 2**31 - 1])
def test_a_frame_of_absurd_length_is_malformed(length: int) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(struct.pack(">i", length))

    with (
        scripted(script) as port,
        Connection("127.0.0.1", port) as connection,
        pytest.raises(MalformedAnswer, match=f"length {length}"),
    ):
        connection.call(Api.HEARTBEAT, 0, HEARTBEAT)


def test_a_close_says_how_many_bytes_had_come() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(bytes.fromhex("0000000600"))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        with pytest.raises(ConnectionClosed, match="after 5 bytes") as caught:
            connection.call(Api.HEARTBEAT, 0, HEARTBEAT)
        assert caught.value.bytes_received == 5


def test_silence_times_out_and_a_late_answer_can_still_be_read() -> None:
    may_answer = threading.Event()

    def script(peer: Peer) -> None:
        _, _, correlation_id, _ = peer.read_request()
        assert may_answer.wait(5)
        peer.answer(correlation_id, bytes(2))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        ticket = connection.send(Api.HEARTBEAT, 0, HEARTBEAT)
        with pytest.raises(AnswerTimedOut, match=r"in 0\.05 s"):
            connection.receive(ticket, timeout=0.05)
        may_answer.set()
        assert connection.receive(ticket).answer.error_code == 0


def test_raw_bytes_go_out_as_they_are_and_frames_come_in() -> None:
    def script(peer: Peer) -> None:
        assert peer.read(3) == b"\xff\x00\x01"
        peer.send(bytes.fromhex("00000002abcd"))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        connection.send_bytes(b"\xff\x00\x01")
        assert connection.receive_frame(timeout=5) == b"\xab\xcd"
        assert connection.expect_close(timeout=5)


def test_a_connection_that_stays_open_is_seen() -> None:
    may_go = threading.Event()

    def script(_: Peer) -> None:
        assert may_go.wait(5)

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        assert not connection.expect_close(timeout=0.05)
        may_go.set()
        assert connection.expect_close(timeout=5)


def test_a_reset_counts_as_a_close() -> None:
    def script(peer: Peer) -> None:
        assert peer.read(1) == b"?"  # only then does the client surely know that it is connected
        # Closing without lingering makes the kernel send a reset.
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with scripted(script) as port, Connection("127.0.0.1", port) as connection:
        connection.send_bytes(b"?")
        assert connection.expect_close(timeout=5)


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        Connection("127.0.0.1", port, connect_timeout=2)
