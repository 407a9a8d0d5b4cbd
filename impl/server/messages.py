"""The generated codecs of kafka-python, with the errors that this broker expects.

They are used for everything but Produce and Fetch. Their own errors on bad input are untyped, so every failure to
decode becomes a MalformedRequestError here. A module that imports this one is slow to load.
"""

from typing import Any

from impl.server.apis import Request
from impl.server.framing import Reply
from impl.server.wire import MalformedRequestError

# A generated message, or a part of one. The classes are made while the program runs: no type checker knows them.
Message = Any


def decode(codec: Message, request: Request) -> Message:
    """The request's body as a message of the class `codec`. Raises MalformedRequestError."""
    is_flexible = codec.flexible_version_q(request.version)
    read = codec._struct.compiled_decode_from(  # noqa: SLF001 - `decode` hides where it ended
        request.version, compact=is_flexible, tagged=is_flexible, data_class=codec[None]
    )
    try:
        decoded, end = read(request.body, 0)
    except Exception as error:  # generated code raises whatever it likes for a client's bytes
        why = "it ends too early, or a field of it is none that it may be"
        raise MalformedRequestError(f"{codec.__name__} v{request.version} can't be decoded: {why}") from error
    if end > len(request.body):  # the generated code takes what is there for a string or bytes that are cut off
        raise MalformedRequestError(
            f"{codec.__name__} v{request.version}: it ends {end - len(request.body)} bytes too early"
        )
    return decoded


def encode(message: Message, request: Request) -> Reply:
    """A message as the answer to a request."""
    encoded: bytes = message.encode(version=request.version)
    return [encoded]
