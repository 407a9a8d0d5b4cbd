"""The generated codecs of kafka-python, with the errors that this broker expects.

They are used for everything but Produce and Fetch. Their own errors on bad input are untyped, so every failure to
decode becomes a MalformedRequestError here. A module that imports this one is slow to load.
"""

from typing import Any, TypeVar

from impl.server.apis import Request
from impl.server.framing import Reply
from impl.server.wire import MalformedRequestError

Message = TypeVar("Message")


def decode(message_class: type[Message], request: Request) -> Message:
    """The request's body as a message. Raises MalformedRequestError."""
    codec: Any = message_class
    try:
        decoded: Message = codec.decode(bytes(request.body), version=request.version)
    except Exception as error:
        raise MalformedRequestError(f"{codec.__name__} v{request.version}: {error!r}") from error
    return decoded


def encode(message: Any, request: Request) -> Reply:  # noqa: ANN401 - the generated classes share no typed base
    """A message as the answer to a request."""
    encoded: bytes = message.encode(version=request.version)
    return [encoded]
