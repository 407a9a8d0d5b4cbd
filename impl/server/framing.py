"""One connection: bytes in, requests in order, answers out in the same order.

A frame is a length of four bytes and that many bytes of request. Requests of a connection are carried out one after
the other; while one waits (a long poll) nothing more is read, as in Kafka, whose `SocketServer` mutes the channel.
Memory is one buffer that grows with the bytes that arrive of a large request and shrinks after it. What is in a
frame is the dispatcher's business. Records go from file to socket by sendfile. A disk that fails then, or a file that
ends before them (`FileRecords.writeTo`), takes its log offline, and the connection is closed: the answer has begun, and
the next one tells the error. Records that were deleted while a client did not read their answer only close its
connection, as in Kafka, which closes their file.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from struct import Struct
from typing import Final, Protocol

import attrs

from impl.errors import CutFileError, StorageError
from impl.server.wire import MalformedRequestError
from impl.storage.lengths import read_written
from impl.storage.log import LogSlice

logger = logging.getLogger(__name__)

FRAME_LENGTH = Struct(">i")
BUFFER_SIZE: Final = 128 * 1024
# A buffer up to this size is kept for the next large request.
BUFFER_KEPT: Final = 2 * 1024 * 1024
# Below this, copying records costs less than another system call.
SENDFILE_FROM: Final = 32 * 1024
READ_SIZE: Final = 1024 * 1024

Part = bytes | bytearray | LogSlice
Reply = Sequence[Part] | None


class CloseConnectionError(Exception):
    """Raised by a handler where Kafka answers by closing the connection; the text is logged."""


class ClientGoneError(CloseConnectionError):
    """The client has left before it had its answer, as any client may."""


class Dispatch(Protocol):
    """What carries out the request in a frame: its answer's parts, or a promise of them."""

    def __call__(self, frame: memoryview) -> Reply | Awaitable[Reply]:
        """May raise MalformedRequestError and CloseConnectionError; then the connection is closed."""


class Connection(asyncio.BufferedProtocol):
    """A client's connection."""

    def __init__(self, dispatch: Dispatch, frame_size_max: int, connections: set["Connection"]) -> None:
        self._dispatch = dispatch
        self._frame_size_max = frame_size_max
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(BUFFER_SIZE)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._pending: asyncio.Task[None] | None = None
        self._output: list[bytes | bytearray] = []
        self._peer = ""
        self._is_full = False  # the client does not read its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = ":".join(map(str, peer[:2])) if isinstance(peer, tuple) else str(peer)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio.BaseProtocol."""
        self._connections.discard(self)
        self._transport = None
        if self._pending is not None:
            self._pending.cancel()

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol: no further request is carried out until the client has read."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._is_full = False
        if self._pending is None:
            self._advance()

    def close(self, reason: Exception | None = None) -> None:
        """Close the connection, saying why in the log; that a client has left is no reason to worry."""
        if self._transport is not None:
            if reason is not None:
                level = logging.INFO if isinstance(reason, ClientGoneError) else logging.WARNING
                logger.log(level, "closing the connection from %s: %s", self._peer, reason)
            self._transport.close()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """See asyncio.BufferedProtocol."""
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._end += nbytes
        if self._pending is None and not self._is_full:
            self._advance()

    def eof_received(self) -> bool:
        """See asyncio.Protocol: half-closed connections are closed."""
        return False

    def _advance(self) -> None:
        """Carry out the requests that are complete, until one has to wait."""
        try:
            while self._pending is None and not self._is_full and (frame := self._next_frame()) is not None:
                reply = self._dispatch(frame)
                if isinstance(reply, Awaitable):
                    self._wait_for(reply)
                elif reply is not None:
                    self._send(reply)
            self._flush()
        except (MalformedRequestError, CloseConnectionError) as error:
            self._flush()
            self.close(error)
        except Exception:  # a fault of ours ends this connection, with a traceback in the log, and no other
            logger.exception("closing the connection from %s: a request failed", self._peer)
            self.close()
        self._set_reading()

    def _set_reading(self) -> None:
        """Read while requests can be carried out."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._pending is None and not self._is_full:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _next_frame(self) -> memoryview | None:
        """The next complete frame's content. Makes room for the rest of an incomplete one."""
        available = self._end - self._start
        size = 0
        if available >= FRAME_LENGTH.size:
            (size,) = FRAME_LENGTH.unpack_from(self._buffer, self._start)
            if size < 0 or size > self._frame_size_max:
                limit = f"socket.request.max.bytes allows {self._frame_size_max}"
                raise MalformedRequestError(f"a request begins with a length of {size} bytes, and {limit}")
            if available >= FRAME_LENGTH.size + size:
                begin = self._start + FRAME_LENGTH.size
                self._start = begin + size
                return self._view[begin : self._start]
        self._make_room(FRAME_LENGTH.size + size)
        return None

    def _make_room(self, frame_size: int) -> None:
        """Make sure that the rest of an incomplete frame has somewhere to go."""
        pending = self._view[self._start : self._end]
        capacity = len(self._buffer)
        if frame_size > capacity and (len(pending) == capacity or frame_size <= BUFFER_KEPT):
            # Twice what has arrived, so that no client takes memory just by announcing a large frame.
            self._use_buffer(min(frame_size, max(2 * capacity, BUFFER_KEPT)), pending)
        elif not len(pending) and capacity > BUFFER_KEPT:
            self._use_buffer(BUFFER_SIZE, pending)
        elif self._start and (not len(pending) or self._end == capacity or self._start + frame_size > capacity):
            self._view[: len(pending)] = bytes(pending)
            self._start, self._end = 0, len(pending)

    def _use_buffer(self, size: int, pending: memoryview) -> None:
        buffer = bytearray(size)
        buffer[: len(pending)] = pending
        self._buffer, self._view = buffer, memoryview(buffer)
        self._start, self._end = 0, len(pending)

    def _wait_for(self, reply: Awaitable[Reply]) -> None:
        self._flush()
        self._pending = asyncio.ensure_future(self._finish(reply))

    async def _finish(self, reply: Awaitable[Reply]) -> None:
        """Send an answer when it is there, then go on with the next request."""
        try:
            parts = await reply
            if parts is not None:
                self._send(parts)
        except asyncio.CancelledError:
            raise
        except (MalformedRequestError, CloseConnectionError) as error:
            self.close(error)
        except Exception:  # a fault of ours ends this connection, with a traceback in the log, and no other
            logger.exception("closing the connection from %s: a request failed", self._peer)
            self.close()
        finally:
            if self._pending is asyncio.current_task():
                self._pending = None
        self._advance()

    def _send(self, parts: Sequence[Part]) -> None:
        """Send an answer, or begin to: what the socket does not take at once is finished by a task."""
        for number, part in enumerate(parts):
            if not isinstance(part, LogSlice):
                self._output.append(part)
            elif part.size < SENDFILE_FROM:
                self._output.append(self._read(part))
            else:
                self._flush()
                sent = self._send_now(part)
                if sent < part.size:
                    rest = attrs.evolve(part, position=part.position + sent, size=part.size - sent)
                    self._pending = asyncio.ensure_future(self._send_later(rest, parts[number + 1 :]))
                    return

    def _read(self, records: LogSlice) -> bytes:
        try:
            return read_written(records.file, records.position, records.size, records.position + records.size)
        except StorageError as error:
            if error.errno != errno.ENOENT:
                records.fail(error)
            raise self._give_up(error) from error

    def _descriptor(self, records: LogSlice) -> int:
        """The descriptor of the records' file, which may have been closed since they were found."""
        try:
            return records.file.fileno()
        except FileNotFoundError as error:
            raise self._give_up(error) from error
        except OSError as error:
            failure = StorageError("open", records.file.path, error.errno or 0)
            records.fail(failure)
            raise self._give_up(failure) from error

    def _give_up(self, error: Exception, *, has_left: bool = False) -> CloseConnectionError:
        """What closes a connection on which an answer has begun that can't be finished."""
        self._output.clear()
        return (ClientGoneError if has_left else CloseConnectionError)(f"sending records failed: {error}")

    def _flush(self) -> None:
        if self._output and self._transport is not None:
            output, self._output = self._output, []
            self._transport.write(output[0] if len(output) == 1 else b"".join(output))

    def _send_now(self, part: LogSlice) -> int:
        """As much of the records as the socket takes without waiting; answers the bytes sent."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return 0
        descriptor = self._descriptor(part)
        try:
            socket = transport.get_extra_info("socket")
            return os.sendfile(socket.fileno(), descriptor, part.position, part.size)
        except BlockingIOError:
            return 0
        except OSError as error:
            has_left = not _tell_if_disk_failed(descriptor, part, error)
            raise self._give_up(error, has_left=has_left) from error

    async def _send_later(self, records: LogSlice, rest: Sequence[Part]) -> None:
        """Send what the socket did not take at once. The descriptor is duplicated, as the log may be deleted."""
        source: _Duplicate | None = None
        try:
            source = _Duplicate(self._descriptor(records))
            if self._transport is not None and not self._transport.is_closing():
                loop = asyncio.get_running_loop()
                sent = await loop.sendfile(
                    self._transport,
                    source,  # type: ignore[arg-type]
                    records.position,
                    records.size,
                    fallback=False,
                )
                if sent < records.size:
                    begin = records.position
                    raise CutFileError(records.file.path, begin + sent, begin + records.size)
            self._pending = None
            self._send(rest)
        except CloseConnectionError as error:
            self.close(error)
        except (OSError, asyncio.SendfileNotAvailableError) as error:
            has_left = source is not None and not _tell_if_disk_failed(source.fileno(), records, error)
            self.close(self._give_up(error, has_left=has_left))
        finally:
            if source is not None:
                source.close()
        if self._pending is asyncio.current_task():
            self._pending = None
        self._advance()


def _tell_if_disk_failed(descriptor: int, records: LogSlice, error: Exception) -> bool:
    """Answer whether it was the disk that failed, or else the client: records that can't be sent can't be read either.

    What asyncio raises does not tell.
    """
    position, end = records.position, records.position + records.size
    try:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise error
        while position < end and (got := len(os.pread(descriptor, min(end - position, READ_SIZE), position))):
            position += got
        if position < end:
            raise CutFileError(records.file.path, position, end)
    except StorageError as failure:
        records.fail(failure)
    except OSError as failure:
        records.fail(StorageError("send", records.file.path, failure.errno or 0, position))
    else:
        return False
    return True


class _Duplicate:
    """Just enough of a binary file for `loop.sendfile`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def seek(self, _position: int) -> None:
        """Positions are passed to sendfile; there is none to keep."""

    def close(self) -> None:
        os.close(self._descriptor)


ConnectionFactory = Callable[[], Connection]
