"""A proxy before the bundled broker that tells lies: it changes what fetches return, on the way to the suite.

Bugs that no single edit of `impl/` would make. All answers pass through as they are, but for the broker's port (so
that clients stay with the proxy) and for Fetch, whose batches are decoded, changed and written again. The lies are
in `LIES`; each must be caught by the cases of its requirement.

Not covered: TLS, lies about anything but Fetch.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from attrs import evolve, frozen

from conformance.targets.base import Address, Target
from conformance.targets.bundled import Bundled
from conformance.wire.apis import Api
from conformance.wire.batch import decode_batches, encode_batches
from conformance.wire.fetch_answer import FLEXIBLE_FROM, PartitionFetched, decode_answer
from conformance.wire.primitives import Writer
from model.reference.batch import Batch, Compression, Record

SIZE = struct.Struct(">i")
REQUEST = struct.Struct(">hhi")
"""API key, API version and correlation id; an answer begins with the last of them."""
WATERMARKS = struct.Struct(">ihqq")
"""Partition, error code, high watermark and last stable offset, as they lie in every version of a Fetch answer."""

JOIN_S = 5.0

OfBatches = Callable[[tuple[Batch, ...]], tuple[Batch, ...]]


@frozen
class Lie:
    """What is made of the batches that a partition's part of a fetch returns, and of its high watermark."""

    id: str
    about: str
    of_batches: OfBatches = lambda batches: batches
    of_high_watermark: Callable[[int], int] = lambda offset: offset

    @property
    def requirement(self) -> str:
        """The requirement that it breaks: an id is a requirement, a dash and a word."""
        return self.id.rsplit("-", 1)[0]


def each_batch(change: Callable[[Batch], Batch]) -> OfBatches:
    """Change every batch by itself."""
    return lambda batches: tuple(change(batch) for batch in batches)


def each_record(change: Callable[[int, Record], Record]) -> OfBatches:
    """Change every record, given its index."""

    def of_batch(batch: Batch) -> Batch:
        records = tuple(change(index, record) for index, record in enumerate(batch.records))
        # What the header says of the records stays as it was.
        return evolve(
            batch,
            records=records,
            claimed_base_timestamp=batch.base_timestamp,
            claimed_max_timestamp=batch.max_timestamp,
        )

    return each_batch(of_batch)


def _without_last(batch: Batch) -> Batch:
    if len(batch.records) < 2:
        return batch
    delta, most = batch.last_offset_delta, batch.max_timestamp
    return evolve(
        batch,
        records=batch.records[:-1],
        claimed_count=batch.count,
        claimed_last_offset_delta=delta,
        claimed_max_timestamp=most,
    )


def _other_header(_index: int, record: Record) -> Record:
    return evolve(record, headers=tuple((name, b"?" * len(value or b"")) for name, value in record.headers))


def _swapped(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
    return (*batches[:-2], *reversed(batches[-2:]))


def _as_messages(batch: Batch) -> Batch:
    records = tuple(evolve(record, headers=()) for record in batch.records)
    return evolve(batch, records=records, magic=1, is_message_set=True, compression=Compression.NONE)


LIES: tuple[Lie, ...] = (
    Lie("LOG-44-dropped", "The last record of a batch is missing; the header counts it.", each_batch(_without_last)),
    Lie(
        "LOG-01-delta",
        "All records of a batch but the first are numbered one too high.",
        each_record(lambda index, record: evolve(record, offset_delta=index + 1 if index else 0)),
    ),
    Lie("LOG-01-swapped", "The last two batches of an answer change places.", _swapped),
    Lie("LOG-01-later", "The first of several batches is left out.", lambda batches: batches[1:] or batches),
    Lie("LOG-02-header", "The values of headers are others; the checksum is right.", each_record(_other_header)),
    Lie(
        "LOG-02-null",
        "Empty values are returned as null.",
        each_record(lambda _index, record: evolve(record, value=record.value or None)),
    ),
    Lie(
        "LOG-02-order",
        "The contents of a batch's records come in the reverse order.",
        each_batch(lambda batch: evolve(batch, records=batch.records[::-1])),
    ),
    Lie("LOG-12-old", "The high watermark is one record behind.", of_high_watermark=lambda offset: max(0, offset - 1)),
    Lie(
        "LOG-27-undone",
        "Batches are decompressed on the way.",
        each_batch(lambda batch: evolve(batch, compression=Compression.NONE)),
    ),
    Lie("LOG-28-wrong", "The checksum is wrong.", each_batch(lambda batch: evolve(batch, crc_is_right=False))),
    Lie(
        "LOG-30-epoch",
        "The producer epoch is one too high.",
        each_batch(lambda batch: evolve(batch, producer_epoch=batch.producer_epoch + 1)),
    ),
    Lie("LOG-45-control", "Batches are marked as control batches.", each_batch(lambda b: evolve(b, is_control=True))),
    Lie(
        "LOG-46-base",
        "The base timestamp is one less, and every delta one more.",
        each_batch(lambda batch: evolve(batch, claimed_base_timestamp=batch.base_timestamp - 1)),
    ),
    Lie("LOG-47-converted", "Batches come as messages of format v1.", each_batch(_as_messages)),
    Lie(
        "BAT-21-late",
        "Records are returned a millisecond younger.",
        each_record(lambda _index, record: evolve(record, timestamp=record.timestamp + 1)),
    ),
    Lie(
        "BAT-27-first",
        "The greatest timestamp in the header is the first record's.",
        each_batch(lambda batch: evolve(batch, claimed_max_timestamp=batch.records[0].timestamp)),
    ),
    Lie(
        "EPO-09-next",
        "Batches say that they were appended in the next leader epoch.",
        each_batch(lambda batch: evolve(batch, partition_leader_epoch=batch.partition_leader_epoch + 1)),
    ),
)


# -- the proxy -------------------------------------------------------------------------------------------------------


class LyingBroker(Target):
    """The bundled broker behind a proxy; `lie` can be changed while it runs."""

    name = "lying"
    default_profile = Bundled.default_profile

    def __init__(self) -> None:
        self.lie: Lie | None = None
        self._broker = Bundled()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        """The proxy."""
        if self._listener is None:
            raise RuntimeError("the proxy has not been started")
        return (Address("127.0.0.1", self._listener.getsockname()[1]),)

    def start(self) -> None:
        """Start the broker, then the proxy."""
        self._broker.start()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, args=(self._listener,), daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        """End both."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._broker.stop()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = listener.accept()
                behind = self._broker.bootstrap[0]
                broker = socket.create_connection((behind.host, behind.port))
                self._threads.append(Conversation(self, client, broker).start())

    def told(self, answer: bytes, api: int, version: int) -> bytes:
        """The answer (without its size) as the client gets it."""
        behind, before = self._broker.bootstrap[0], self.bootstrap[0]
        host = behind.host.encode()
        answer = answer.replace(host + SIZE.pack(behind.port), host + SIZE.pack(before.port))
        return answer if self.lie is None or api != Api.FETCH else with_lie(answer, version, self.lie)


class Conversation:
    """One connection of a client, and the one to the broker that stands for it."""

    def __init__(self, target: LyingBroker, client: socket.socket, broker: socket.socket) -> None:
        self._target = target
        self._client = client
        self._broker = broker
        self._asked: dict[int, tuple[int, int]] = {}

    def start(self) -> threading.Thread:
        """Carry frames in both directions until either side closes, then close both."""
        thread = threading.Thread(target=self._converse, daemon=True)
        thread.start()
        return thread

    def _converse(self) -> None:
        answers = threading.Thread(target=self._carry, args=(self._carry_answers,), daemon=True)
        with self._client, self._broker:
            answers.start()
            self._carry(self._carry_requests)
            answers.join()

    def _carry(self, carry: Callable[[], None]) -> None:
        # When one side is gone, so is the other.
        with suppress(OSError):
            carry()
        for side in (self._client, self._broker):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _carry_requests(self) -> None:
        while (frame := read_frame(self._client)) is not None:
            if len(frame) >= REQUEST.size:
                api, version, correlation_id = REQUEST.unpack_from(frame)
                self._asked[correlation_id] = (api, version)
            self._broker.sendall(SIZE.pack(len(frame)) + frame)

    def _carry_answers(self) -> None:
        while (frame := read_frame(self._broker)) is not None:
            (correlation_id,) = SIZE.unpack_from(frame)
            told = self._target.told(frame, *self._asked.pop(correlation_id, (-1, -1)))
            self._client.sendall(SIZE.pack(len(told)) + told)


def read_frame(source: socket.socket) -> bytes | None:
    """The next frame without its size; None once the other side has closed."""
    size = _read(source, SIZE.size)
    return None if size is None else _read(source, SIZE.unpack(size)[0])


def _read(source: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        received = source.recv(count - len(data))
        if not received:
            return None
        data += received
    return bytes(data)


def with_lie(answer: bytes, version: int, lie: Lie) -> bytes:
    """A Fetch answer with the lie in each of its partitions."""
    header = SIZE.size + (1 if version >= FLEXIBLE_FROM else 0)
    for topic in decode_answer(answer[header:], version).topics:
        for partition in topic.partitions:
            answer = _with_watermark(answer, partition, lie)
            if partition.records:
                batches = decode_batches(partition.records).batches
                made = encode_batches(lie.of_batches(batches))
                answer = answer.replace(_counted(partition.records, version), _counted(made, version), 1)
    return answer


def _with_watermark(answer: bytes, seen: PartitionFetched, lie: Lie) -> bytes:
    ends = (seen.index, seen.error_code, seen.high_watermark, seen.last_stable_offset)
    told = (seen.index, seen.error_code, lie.of_high_watermark(seen.high_watermark), seen.last_stable_offset)
    return answer.replace(WATERMARKS.pack(*ends), WATERMARKS.pack(*told), 1)


def _counted(records: bytes, version: int) -> bytes:
    """Records with their length before them."""
    writer = Writer(flexible=version >= FLEXIBLE_FROM)
    writer.byte_string(records)
    return writer.written()
