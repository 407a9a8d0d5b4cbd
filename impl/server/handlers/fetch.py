"""Fetch: reads of many partitions, long polls, and sessions.

`ReplicaManager.fetchMessages` and `readFromLog`: partitions are read in order until the response's bytes are used up;
an answer waits until it has enough bytes, an error, or no more time. Records are not read here: the answer names
slices of files.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import attrs

from impl.errors import BrokerError, ErrorCode
from impl.replica.fetch_session import FetchContext, PartitionFetch, PartitionKey, Told
from impl.replica.partition import NO_EPOCH, Partition, ReadRequest
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.fetch_codec import (
    FIRST_FLEXIBLE,
    FIRST_WITH_TOPIC_IDS,
    FetchAnswer,
    FetchHead,
    FetchRequest,
    read_fetch,
    write_fetch,
)
from impl.server.framing import Reply
from impl.server.wire import Writer
from impl.storage.compression import ZSTD

NO_SESSION: Final = 0
FIRST_WITH_ZSTD: Final = 10


@attrs.frozen(slots=True)
class Fetched:
    """What one pass over the partitions has found."""

    answers: dict[PartitionKey, FetchAnswer]
    size: int
    may_wait: bool  # nothing found that has to be answered at once
    partitions: tuple[Partition, ...]


class Fetch:
    """One fetch request on its way to an answer."""

    def __init__(self, broker: Broker, version: int, message: FetchRequest, context: FetchContext) -> None:
        self._broker = broker
        self._version = version
        self._message = message
        self._context = context
        self._bytes_max = min(message.bytes_max, broker.config.number("fetch.max.bytes"))
        self._bytes_min = min(message.bytes_min, self._bytes_max)

    def run(self) -> "Reply | asyncio.Future[Reply]":
        """The answer, or a promise of it."""
        fetched = self._read()
        if self._is_enough(fetched) or self._message.wait_ms_max <= 0 or not fetched.partitions:
            return self._answer(fetched)
        return self._wait(fetched.partitions)

    def _is_enough(self, fetched: Fetched) -> bool:
        return fetched.size >= self._bytes_min or not fetched.may_wait

    def _wait(self, partitions: tuple[Partition, ...]) -> "asyncio.Future[Reply]":
        """Wait for appends to the partitions, or for the time to run out, and answer then."""
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[Reply] = loop.create_future()

        def look() -> None:
            fetched = self._read()
            if self._is_enough(fetched):
                finish(fetched)

        def finish(fetched: Fetched) -> None:
            for partition in partitions:
                partition.unwatch(look)
            timer.cancel()
            if not promise.done():
                promise.set_result(self._answer(fetched))

        timer = loop.call_later(self._message.wait_ms_max / 1000, lambda: finish(self._read()))
        for partition in partitions:
            partition.watch(look)
        promise.add_done_callback(lambda _: finish(EMPTY))
        return promise

    def _read(self) -> Fetched:
        """One pass: unknown partitions are errors, the others share the bytes that the response may have."""
        answers: dict[PartitionKey, FetchAnswer] = {}
        unknown: dict[PartitionKey, FetchAnswer] = {}
        partitions = []
        left, size = self._bytes_max, 0
        may_wait = True
        for key, wanted in self._context.partitions.items():
            partition, error = self._find(key)
            if partition is None:
                unknown[key] = FetchAnswer(key, error)
                continue
            partitions.append(partition)
            answer = self._read_partition(key, partition, wanted, left, at_least_one=size == 0)
            answers[key] = answer
            may_wait = may_wait and answer.error == ErrorCode.NONE and answer.diverging is None
            if answer.records is not None:
                size += answer.records.size
                left = max(0, left - answer.records.size)
        return Fetched(answers | unknown, size, may_wait, tuple(partitions))

    def _find(self, key: PartitionKey) -> tuple[Partition | None, ErrorCode]:
        name = self._broker.topic_name(key[0]) if isinstance(key[0], bytes) else key[0]
        if name is None:
            return None, ErrorCode.UNKNOWN_TOPIC_ID
        return self._broker.partitions.get((name, key[1])), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def _read_partition(
        self, key: PartitionKey, partition: Partition, wanted: PartitionFetch, left: int, *, at_least_one: bool
    ) -> FetchAnswer:
        message = self._message
        read = ReadRequest(
            wanted.offset,
            min(wanted.bytes_max, left),
            max(NO_EPOCH, wanted.current_leader_epoch),
            max(NO_EPOCH, wanted.last_fetched_epoch),
            message.read_committed,
        )
        try:
            result = partition.read(read, at_least_one=at_least_one, from_replica=message.replica_id >= 0)
        except BrokerError as error:
            leader = None
            if error.code in (ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.NOT_LEADER_OR_FOLLOWER):
                leader = self._broker.node_id, partition.leader_epoch
            return FetchAnswer(key, error.code, aborted=None, current_leader=leader)
        if self._version < FIRST_WITH_ZSTD and partition.config.compression_codec == ZSTD:
            return FetchAnswer(key, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
        return FetchAnswer(
            key,
            ErrorCode.NONE,
            result.high_watermark,
            result.last_stable_offset,
            result.log_start_offset,
            result.aborted,
            result.records,
            result.diverging,
        )

    def _answer(self, fetched: Fetched) -> Reply:
        """The answer, with only what the session's client does not know yet."""
        try:
            session_id, selected = self._context.finish(_told(fetched.answers))
        except BrokerError as error:
            return _encode(self._version, FetchHead(error.code, self._message.session_id, NO_NODE), [])
        head = FetchHead(ErrorCode.NONE, session_id, (self._broker.node_id, self._broker.host, self._broker.port))
        return _encode(self._version, head, [fetched.answers[key] for key in selected])


EMPTY: Final = Fetched({}, 0, True, ())
NO_NODE: Final = (-1, "", -1)


def fetch(broker: Broker, request: Request) -> "Reply | asyncio.Future[Reply]":
    """Carry out a fetch request."""
    message = read_fetch(request.body, request.version)
    try:
        context = broker.fetch_sessions.context(
            message.session_id,
            message.session_epoch,
            message.partitions,
            message.forgotten,
            broker.now_ms(),
            uses_topic_ids=request.version >= FIRST_WITH_TOPIC_IDS,
        )
    except BrokerError as error:
        return _encode(request.version, FetchHead(error.code, NO_SESSION, NO_NODE), [])
    return Fetch(broker, request.version, message, context).run()


def _told(answers: Mapping[PartitionKey, FetchAnswer]) -> dict[PartitionKey, Told]:
    return {
        key: Told(
            answer.error,
            answer.high_watermark,
            answer.log_start_offset,
            answer.records is not None,
            answer.diverging is not None,
        )
        for key, answer in answers.items()
    }


def _encode(version: int, head: FetchHead, answers: list[FetchAnswer]) -> Reply:
    writer = Writer(is_flexible=version >= FIRST_FLEXIBLE)
    return write_fetch(writer, version, head, answers)
