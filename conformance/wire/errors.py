"""What can go wrong between the suite and a broker, as types that a case can tell apart.

Error codes inside a well-formed answer are not errors here: they are data, and the model judges them.
"""

from __future__ import annotations

SHOWN_BYTES = 64
"""How many of the offending bytes a message shows; the exception itself carries all of them."""


class WireError(Exception):
    """Anything that the wire client raises on purpose."""


class Unreachable(WireError):
    """No connection could be made: the address, the network, TLS or the login is wrong."""


class ConnectionClosed(WireError):
    """The broker closed the connection while an answer was awaited, or bytes were being sent."""

    def __init__(self, message: str, bytes_received: int = 0) -> None:
        """`bytes_received` counts the bytes of the unfinished answer that had come before the close."""
        super().__init__(f"{message} (after {bytes_received} bytes of an unfinished answer)")
        self.bytes_received = bytes_received


class AnswerTimedOut(WireError):
    """No whole answer came in time; the request may or may not have been carried out."""


class MalformedAnswer(WireError):
    """The bytes of an answer do not say what their type and version promise."""

    def __init__(self, message: str, data: bytes = b"", position: int | None = None) -> None:
        """`data` is what was being read, `position` the offset in it at which reading failed."""
        place = "" if position is None else f" at byte {position} of {len(data)}"
        around = data[:SHOWN_BYTES] if position is None else data[max(0, position - SHOWN_BYTES // 2) :][:SHOWN_BYTES]
        shown = f"; bytes there: {around.hex(' ')}" if around else ""
        super().__init__(f"{message}{place}{shown}")
        self.reason = message
        self.data = data
        self.position = position


class UnsupportedVersion(WireError):
    """This client cannot speak that version of that API; ask `client_range` first."""


class Unencodable(WireError):
    """A request's value does not fit its field on the wire; send such a thing with `send_bytes`."""


class BadProperties(WireError):
    """A client properties file asks for something unknown or unsupported; the message names the key."""
