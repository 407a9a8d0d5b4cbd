"""A client that reads a partition faster than a broker can send it, so that it is the broker that is measured.

It asks for one piece after the other, takes each answer into one buffer, and looks at nothing but the error, the size,
the first batch's offset and its length, which all have. Not looked at: checksums and records.
"""

from __future__ import annotations

import socket
from mmap import mmap
from struct import Struct
from types import TracebackType
from typing import Self

from conformance.benchmarks.broker import DEADLINE_S, MIB, StalledError
from conformance.targets.base import Address
from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic

VERSION = 4  # the first with batches of today, and the simplest
PIECE_BYTES = 8 * MIB
BUFFER_BYTES = PIECE_BYTES + MIB
_SIZE = Struct(">i")
_BATCH = Struct(">qi")
_BATCH_BYTES_BEFORE = 12
_PARTITION = Struct(">ihqq")  # number, error, high watermark, last stable offset
_CLIENT = "bench"


class Reader:
    """Reads a topic's only partition, whose batches are one as long as the other and have one record each."""

    def __init__(self, connection: socket.socket, topic: str) -> None:
        """`connection` is closed with the reader."""
        self._connection = connection
        self._topic = topic
        self._buffer = memoryview(mmap(-1, BUFFER_BYTES))

    @classmethod
    def of(cls, address: Address, topic: str) -> Self:
        """A reader with a connection of its own. Raises StalledError."""
        try:
            return cls(socket.create_connection((address.host, address.port), timeout=DEADLINE_S), topic)
        except OSError as error:
            raise StalledError(f"no connection to {address} could be made: {error}") from error

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._connection.close()

    def read_to(self, end: int) -> int:
        """Read everything before an offset; answers how many bytes of batches came. Raises StalledError."""
        offset = total = 0
        while offset < end:
            count, size = self.read_piece(offset)
            offset += count
            total += size
        return total

    def read_piece(self, offset: int, max_bytes: int = PIECE_BYTES) -> tuple[int, int]:
        """Fetch once; answers how many whole batches came, at least one, and how many bytes they are.

        Raises:
            StalledError: the broker refused, answered something else, closed the connection or took too long.
        """
        try:
            self._connection.sendall(_request(self._topic, offset, max_bytes))
            return _whole(self._receive(), offset)
        except OSError as error:
            raise StalledError(f"a fetch from offset {offset} of {self._topic} was not answered: {error}") from error

    def _receive(self) -> memoryview:
        """The batches of an answer about one partition. Raises ConnectionError if there are none."""
        self._fill(self._buffer[: _SIZE.size])
        (size,) = _SIZE.unpack_from(self._buffer)
        # Correlation id, throttle time, how many topics; the topic's name after its length; how many partitions.
        partition_from = 3 * _SIZE.size + 2 + len(self._topic) + _SIZE.size
        # How many aborted transactions, and the size of the batches.
        batches_from = partition_from + _PARTITION.size + 2 * _SIZE.size
        if size > len(self._buffer):
            raise StalledError(
                f"an answer about {self._topic} has {size} bytes, more than the {len(self._buffer)} that a reader has"
                f" room for: write smaller batches, or make BUFFER_BYTES in {__name__} larger"
            )
        if size < batches_from:
            raise ConnectionError(f"the answer has only {size} bytes")
        answer = self._buffer[:size]
        self._fill(answer)
        _, error, *_ = _PARTITION.unpack_from(answer, partition_from)
        if error:
            raise ConnectionError(f"error {error}")
        return answer[batches_from:]

    def _fill(self, buffer: memoryview) -> None:
        got = 0
        while got < len(buffer):
            came = self._connection.recv_into(buffer[got:])
            if not came:
                raise ConnectionError("the connection was closed")
            got += came


def _request(topic: str, offset: int, max_bytes: int) -> bytes:
    """A frame that asks for a piece."""
    partition = FetchPartition(index=0, fetch_offset=offset, max_bytes=max_bytes)
    request = FetchRequest(topics=(FetchTopic(topic=topic, partitions=(partition,)),), max_bytes=max_bytes)
    frame = apis.request_header(Api.FETCH, VERSION, 0, _CLIENT) + apis.encode_request(Api.FETCH, VERSION, request)
    return _SIZE.pack(len(frame)) + frame


def _whole(batches: memoryview, offset: int) -> tuple[int, int]:
    """How many whole batches there are, and how many bytes they are. Raises ConnectionError if there is none."""
    if len(batches) < _BATCH.size:
        raise ConnectionError(f"{len(batches)} bytes of batches")
    base, length = _BATCH.unpack_from(batches)
    size = length + _BATCH_BYTES_BEFORE
    count = len(batches) // size
    if base != offset or not count:
        raise ConnectionError(f"a batch of {size} bytes at offset {base}, in {len(batches)} bytes")
    return count, count * size
