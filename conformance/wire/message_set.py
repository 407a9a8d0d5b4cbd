"""Message sets of format v0 and v1 as bytes, which producers sent before Kafka 0.11: written only, never read.

Every message has an offset, a checksum (CRC-32, not CRC-32C) and a codec of its own; under a codec the messages are
the value of another one, the wrapper. Not here: lz4 as v0 had it (with a wrong checksum in its frame), and reading.

Source: LegacyRecord.java, AbstractLegacyRecordBatch.java; KIP-31 (offsets within a wrapper), KIP-32 (timestamps).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from conformance.wire.compression import compress
from conformance.wire.errors import Unencodable
from model.reference.batch import Compression, Record

FRAME = struct.Struct(">qi")
"""Offset, then the length of all that follows."""
CRC = struct.Struct(">I")
MAGIC_ATTRIBUTES = struct.Struct(">bb")
TIMESTAMP = struct.Struct(">q")
LENGTH = struct.Struct(">i")
NULL_LENGTH = -1
CODECS = {0: (Compression.NONE, Compression.GZIP, Compression.SNAPPY), 1: tuple(Compression)[:4]}
"""The codecs of each format, but for v0's lz4."""


def encode_message_set(records: Sequence[Record], magic: int, codec: int = Compression.NONE, first: int = 0) -> bytes:
    """The records one after the other, with offsets from `first` on, or wrapped in one message under a codec."""
    if codec not in CODECS.get(magic, ()) or any(record.headers for record in records):
        raise Unencodable(f"no message set of format v{magic} under codec {codec}, or its records have headers")
    messages = b"".join(_message(record, magic, first + index) for index, record in enumerate(records))
    if codec == Compression.NONE:
        return messages
    times = [record.timestamp for record in records]
    wrapper = Record(compress(codec, messages), timestamp=max(times, default=0))
    return _message(wrapper, magic, first + len(records) - 1, codec)


def _message(record: Record, magic: int, offset: int, codec: int = Compression.NONE) -> bytes:
    body = MAGIC_ATTRIBUTES.pack(magic, codec)
    if magic > 0:
        body += TIMESTAMP.pack(record.timestamp)
    body += _nullable(record.key) + _nullable(record.value)
    return FRAME.pack(offset, CRC.size + len(body)) + CRC.pack(zlib.crc32(body)) + body


def _nullable(data: bytes | None) -> bytes:
    return LENGTH.pack(NULL_LENGTH) if data is None else LENGTH.pack(len(data)) + data
