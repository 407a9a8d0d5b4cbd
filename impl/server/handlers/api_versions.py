"""ApiVersions (KIP-35, KIP-511): what this broker carries out.

Read and written by hand, because every client begins here, and only some go on to what needs the generated codecs.
"""

import re
from struct import Struct
from typing import Final

from impl.errors import ErrorCode
from impl.server.apis import API_VERSIONS, APIS, Api, Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.wire import INT16, INT32, Reader, Writer

RANGE = Struct(">hhh")
FIRST_FLEXIBLE: Final = 3
# ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN
SOFTWARE_PATTERN: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def api_versions(broker: Broker, request: Request) -> Reply:  # noqa: ARG001 - all handlers take the broker
    """The table; for an unknown version UNSUPPORTED_VERSION in the oldest format, with this API's own range."""
    own = APIS[API_VERSIONS]
    if not own.oldest <= request.version <= own.newest:
        return [_encode(0, ErrorCode.UNSUPPORTED_VERSION, [own])]
    if request.version >= FIRST_FLEXIBLE and not _has_valid_software(request):
        return [_encode(request.version, ErrorCode.INVALID_REQUEST, [])]
    return [_encode(request.version, ErrorCode.NONE, list(APIS.values()))]


def _has_valid_software(request: Request) -> bool:
    reader = Reader(request.body, is_flexible=True)
    name, version = reader.string(), reader.string()
    return bool(SOFTWARE_PATTERN.fullmatch(name) and SOFTWARE_PATTERN.fullmatch(version))


def _encode(version: int, error: ErrorCode, apis: list[Api]) -> bytearray:
    writer = Writer(is_flexible=version >= FIRST_FLEXIBLE)
    writer.data += INT16.pack(error)
    writer.length(len(apis))
    for api in apis:
        writer.data += RANGE.pack(api.key, api.oldest, api.newest)
        writer.tagged_fields()
    if version >= 1:
        writer.data += INT32.pack(0)  # throttle time
    writer.tagged_fields()
    return writer.data
