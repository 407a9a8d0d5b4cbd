"""The five codecs of record batches, by their id in the batch's attributes.

Bytes in, bytes out; which codec a topic wants is decided by the validator. The codecs' library is imported at
first use, because most brokers never need it. Snappy is read in both forms that clients send: bare, and in the
blocks of xerial's Java library, which is also what is written (as Kafka's `SnappyOutputStream`).
"""

from collections.abc import Callable
from struct import Struct
from typing import Final

from impl.storage.filesystem import Buffer

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

# `compression.type` of a topic (org.apache.kafka.server.record.BrokerCompressionType).
CODEC_BY_NAME: Final = {"uncompressed": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}

# No batch may grow beyond this when it is opened, so that a small request cannot take all memory.
LARGEST_UNCOMPRESSED: Final = 512 * 1024 * 1024

LZ4_FLAGS_POSITION: Final = 4
LZ4_INDEPENDENT_BLOCKS: Final = 0x20

XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
XERIAL_HEADER: Final = XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
XERIAL_BLOCK: Final = 32 * 1024
BLOCK_SIZE = Struct(">i")


class CompressionError(Exception):
    """Bytes that their codec cannot open, or an unknown codec."""


def decompress(codec: int, data: Buffer) -> bytes:
    """The plain bytes. Raises CompressionError for broken input and for ids that name no codec."""
    if codec == NONE:
        return bytes(data)
    import cramjam  # noqa: PLC0415 - loading it is worth avoiding for brokers that only see plain batches

    openers: dict[int, Callable[[Buffer], object]] = {
        GZIP: cramjam.gzip.decompress,
        SNAPPY: _decompress_snappy,
        LZ4: _decompress_lz4,
        ZSTD: cramjam.zstd.decompress,
    }
    if codec not in openers:
        raise CompressionError(f"unknown compression codec {codec}")
    try:
        return bytes(openers[codec](data))  # type: ignore[call-overload, no-any-return]
    except cramjam.DecompressionError as error:
        raise CompressionError(str(error)) from error


def compress(codec: int, data: bytes, level: int | None = None) -> bytes:
    """The packed bytes; `level` by the codec's own scale, its default when None."""
    if codec == NONE:
        return data
    import cramjam  # noqa: PLC0415 - as in `decompress`

    if codec == SNAPPY:
        return _compress_snappy(data)
    if codec == LZ4:
        packer = cramjam.lz4.Compressor(level=level, block_linked=False)
        packer.compress(data)
        return bytes(packer.finish())
    pack = cramjam.gzip.compress if codec == GZIP else cramjam.zstd.compress
    return bytes(pack(data) if level is None else pack(data, level))


def _decompress_lz4(data: Buffer) -> bytes:
    """A frame with independent blocks, the only kind that Kafka's own reader takes (`Lz4BlockInputStream`)."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    view = memoryview(data)
    if len(view) <= LZ4_FLAGS_POSITION or not view[LZ4_FLAGS_POSITION] & LZ4_INDEPENDENT_BLOCKS:
        raise CompressionError("an lz4 frame whose blocks depend on each other")
    return bytes(cramjam.lz4.decompress(view))


def _decompress_snappy(data: Buffer) -> bytes:
    """Both forms of snappy; a truncated block is a CompressionError."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    view = memoryview(data)
    if bytes(view[: len(XERIAL_MAGIC)]) != XERIAL_MAGIC:
        return bytes(cramjam.snappy.decompress_raw(view))
    position = len(XERIAL_HEADER)
    parts: list[bytes] = []
    while position < len(view):
        if len(view) - position < BLOCK_SIZE.size:
            raise CompressionError("a snappy block's size is cut off")
        (size,) = BLOCK_SIZE.unpack_from(view, position)
        position += BLOCK_SIZE.size
        if size < 0 or size > len(view) - position:
            raise CompressionError("a snappy block is cut off")
        parts.append(bytes(cramjam.snappy.decompress_raw(view[position : position + size])))
        position += size
    return b"".join(parts)


def _compress_snappy(data: bytes) -> bytes:
    """Snappy in xerial's blocks."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    parts = [XERIAL_HEADER]
    for start in range(0, len(data), XERIAL_BLOCK):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + XERIAL_BLOCK]))
        parts += (BLOCK_SIZE.pack(len(block)), block)
    return b"".join(parts)
