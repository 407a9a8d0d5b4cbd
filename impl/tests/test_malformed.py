"""What the broker's log tells of requests that can't be understood."""

import asyncio
from unittest.mock import Mock

import pytest
from kafka.protocol.metadata import MetadataRequest

from impl.server.framing import Connection
from impl.server.messages import decode
from impl.server.wire import MalformedRequestError


@pytest.mark.parametrize("size", [-1, 101, 0x47455420])
def test_a_length_that_can_not_be_is_told_with_the_limit(size: int, caplog: pytest.LogCaptureFixture) -> None:
    transport = Mock(asyncio.Transport)
    connection = Connection(Mock(), 100, set())
    connection.connection_made(transport)
    connection.get_buffer(4)[:4] = size.to_bytes(4, signed=True)
    connection.buffer_updated(4)
    (told,) = caplog.messages
    assert f"a request begins with a length of {size} bytes, and socket.request.max.bytes allows 100" in told
    transport.close.assert_called_once_with()


@pytest.mark.parametrize("body", [b"", b"\x00\x00\x00\x01\x00\x09cut", b"\x00\x00\x00\x01\x00\x02\xff\xff"])
def test_a_body_that_can_not_be_decoded_is_told_in_plain_words(body: bytes) -> None:
    with pytest.raises(MalformedRequestError, match=r"^MetadataRequest v1(:| can't be decoded:) it ends [\w ,]+$"):
        decode(MetadataRequest, Mock(version=1, body=memoryview(body)))
