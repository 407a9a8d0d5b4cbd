"""A client that reads a partition faster than a broker can send it, so that it is the broker that is measured.

It asks for one piece after the other, takes each answer into one buffer, and looks at nothing but the error, the size
and the batches' lengths. Not looked at: checksums and records.
"""

from __future__ import annotations

import socket
import time
from mmap import mmap
from struct import Struct

from conformance.benchmarks.broker import DEADLINE_S, MIB, StalledError
from conformance.targets.process_target import ProcessTarget
from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.fetch import FetchPartition, FetchRequest, FetchTopic

VERSION = 4  # the first with batches of today, and the simplest
PIECE_BYTES = 8 * MIB
_SIZE = Struct(">i")
_BATCH = Struct(">qi")
_BATCH_BYTES_BEFORE = 12
_PARTITION = Struct(">ihqq")  # number, error, high watermark, last stable offset
_CLIENT = "bench"


def seconds_to_read_all(target: ProcessTarget, topic: str, end: int) -> tuple[int, float]:
    """Read a topic's only partition up to an offset: how many bytes of batches came, and in how many seconds.

    Raises:
        StalledError: the broker refused, closed the connection or took too long.
    """
    address = target.bootstrap[0]
    buffer = memoryview(mmap(-1, PIECE_BYTES + MIB))
    offset = total = 0
    try:
        with socket.create_connection((address.host, address.port), timeout=DEADLINE_S) as connection:
            began = time.perf_counter()
            while offset < end:
                connection.sendall(_request(topic, offset))
                batches = _receive(connection, buffer, topic)
                offset, size = _after(batches, offset)
                total += size
            return total, time.perf_counter() - began
    except OSError as error:
        raise StalledError(f"{target.name} did not answer a fetch from offset {offset} of {topic}: {error}") from error


def _request(topic: str, offset: int) -> bytes:
    """A frame that asks for the next piece."""
    partition = FetchPartition(index=0, fetch_offset=offset, max_bytes=PIECE_BYTES)
    request = FetchRequest(topics=(FetchTopic(topic=topic, partitions=(partition,)),), max_bytes=PIECE_BYTES)
    frame = apis.request_header(Api.FETCH, VERSION, 0, _CLIENT) + apis.encode_request(Api.FETCH, VERSION, request)
    return _SIZE.pack(len(frame)) + frame


def _fill(connection: socket.socket, buffer: memoryview) -> None:
    got = 0
    while got < len(buffer):
        came = connection.recv_into(buffer[got:])
        if not came:
            raise ConnectionError("the connection was closed")
        got += came


def _receive(connection: socket.socket, buffer: memoryview, topic: str) -> memoryview:
    """The batches of an answer about one partition. Raises ConnectionError if there are none."""
    _fill(connection, buffer[: _SIZE.size])
    (size,) = _SIZE.unpack_from(buffer)
    answer = buffer[:size]
    _fill(connection, answer)
    # Correlation id, throttle time, how many topics; the topic's name after its length; how many partitions.
    partition_from = 3 * _SIZE.size + 2 + len(topic) + _SIZE.size
    _, error, *_ = _PARTITION.unpack_from(answer, partition_from)
    # How many aborted transactions, and the size of the batches.
    batches = answer[partition_from + _PARTITION.size + 2 * _SIZE.size :]
    if error or not len(batches):
        raise ConnectionError(f"error {error}, {len(batches)} bytes of batches")
    return batches


def _after(batches: memoryview, offset: int) -> tuple[int, int]:
    """The offset after the last whole batch of one record each, and how many bytes they are."""
    _, length = _BATCH.unpack_from(batches)
    size = length + _BATCH_BYTES_BEFORE
    count = len(batches) // size
    return offset + count, count * size
