"""From a frame to the handler of its request, and from the handler's answer to a frame.

Reads the request's header (v1, or v2 for flexible versions), refuses what the table does not have, and puts length
and correlation id before the answer. Refusing means closing the connection, as Kafka does, except that an unknown
version of ApiVersions is answered (KIP-511).
"""

from collections.abc import Awaitable
from struct import Struct
from typing import Final

from impl.errors import StorageError
from impl.server.apis import API_VERSIONS, APIS, Request, handler_of
from impl.server.broker import Broker
from impl.server.framing import CloseConnectionError, Reply
from impl.server.wire import Reader
from impl.storage.log import LogSlice

HEADER_START = Struct(">hhi")
ANSWER_START = Struct(">ii")
ANSWER_START_FLEXIBLE = Struct(">iib")
LENGTH_FIELD: Final = 4


class Dispatcher:
    """Carries out the requests of all connections on one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __call__(self, frame: memoryview) -> Reply | Awaitable[Reply]:
        """Carry out one request. Raises MalformedRequestError, CloseConnectionError and what handlers raise."""
        reader = Reader(frame)
        key, version, correlation_id = reader.struct(HEADER_START)
        api = APIS.get(key)
        if api is None:
            raise CloseConnectionError(f"unknown api key {key}")
        is_known = api.oldest <= version <= api.newest
        if not is_known and key != API_VERSIONS:
            raise CloseConnectionError(f"version {version} of {api.name} is not supported")
        client_id = reader.nullable_string()
        is_flexible = version >= api.flexible
        if is_flexible and is_known:
            reader.is_flexible = True
            reader.tagged_fields()
        request = Request(key, version, correlation_id, client_id, frame[reader.position :])
        try:
            reply = handler_of(api)(self._broker, request)
        except StorageError as error:
            self._broker.directories.fail(error)
            raise
        # An answer to ApiVersions never has a flexible header, so that every client can read it.
        has_tags = is_flexible and key != API_VERSIONS
        if isinstance(reply, Awaitable):
            return _framed_later(reply, correlation_id, has_tags=has_tags)
        return _framed(reply, correlation_id, has_tags=has_tags)


async def _framed_later(reply: Awaitable[Reply], correlation_id: int, *, has_tags: bool) -> Reply:
    return _framed(await reply, correlation_id, has_tags=has_tags)


def _framed(reply: Reply, correlation_id: int, *, has_tags: bool) -> Reply:
    """An answer with its length and header; None stays None: no answer is sent."""
    if reply is None:
        return None
    size = sum(part.size if isinstance(part, LogSlice) else len(part) for part in reply)
    if has_tags:
        start = ANSWER_START_FLEXIBLE.pack(size + ANSWER_START_FLEXIBLE.size - LENGTH_FIELD, correlation_id, 0)
    else:
        start = ANSWER_START.pack(size + ANSWER_START.size - LENGTH_FIELD, correlation_id)
    return [start, *reply]
