"""The five codecs of record batches, by their id in the batch's attributes.

Bytes in, bytes out; which codec a topic wants is decided by the validator. The codecs' library is imported at
first use, because most brokers never need it. Snappy is read in both forms that clients send: bare, and in the
blocks of xerial's Java library, which is also what is written (as Kafka's `SnappyOutputStream`).
"""

from collections.abc import Callable
from struct import Struct
from typing import Final

from impl.storage.buffers import Buffer

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

# `compression.type` of a topic (org.apache.kafka.server.record.BrokerCompressionType).
CODEC_BY_NAME: Final = {"uncompressed": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}

# No batch may grow beyond this when it is opened, so that a small request can't take all memory.
LARGEST_UNCOMPRESSED: Final = 256 * 1024 * 1024
SMALLEST_BUFFER: Final = 64 * 1024
USUAL_RATIO: Final = 8
BUFFER_IS_FULL: Final = "failed to write whole buffer"  # what cramjam says then
Opener = Callable[[memoryview, bytearray], int]

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

    view = memoryview(data)
    try:
        if codec == SNAPPY:
            return _decompress_snappy(view)
        if codec == LZ4:
            _check_lz4(view)
        openers: dict[int, Opener] = {
            GZIP: cramjam.gzip.decompress_into,
            LZ4: cramjam.lz4.decompress_into,
            ZSTD: cramjam.zstd.decompress_into,
        }
        if codec not in openers:
            raise CompressionError(f"unknown compression codec {codec}")
        return _decompress_bounded(openers[codec], view)
    except cramjam.DecompressionError as error:
        raise CompressionError(str(error)) from error


def _decompress_bounded(opener: Opener, view: memoryview) -> bytes:
    """What `opener` writes into a buffer that is large enough, found by trying."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    size = min(max(SMALLEST_BUFFER, USUAL_RATIO * len(view)), LARGEST_UNCOMPRESSED)
    while True:
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: opener(view, buffer)])
        except cramjam.DecompressionError as error:
            if BUFFER_IS_FULL not in str(error):
                raise
        if size == LARGEST_UNCOMPRESSED:
            raise CompressionError(f"more than {size} bytes when it is opened")
        size = min(4 * size, LARGEST_UNCOMPRESSED)


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


def _check_lz4(view: memoryview) -> None:
    """Refuse frames whose blocks depend on each other: Kafka's `Lz4BlockInputStream` does not take them."""
    if len(view) <= LZ4_FLAGS_POSITION or not view[LZ4_FLAGS_POSITION] & LZ4_INDEPENDENT_BLOCKS:
        raise CompressionError("an lz4 frame whose blocks depend on each other")


def _decompress_snappy(view: memoryview) -> bytes:
    """Both forms of snappy; a truncated block is a CompressionError."""
    if bytes(view[: len(XERIAL_MAGIC)]) != XERIAL_MAGIC:
        return _snappy_block(view, LARGEST_UNCOMPRESSED)
    position = len(XERIAL_HEADER)
    left = LARGEST_UNCOMPRESSED
    parts: list[bytes] = []
    while position < len(view):
        if len(view) - position < BLOCK_SIZE.size:
            raise CompressionError("a snappy block's size is cut off")
        (size,) = BLOCK_SIZE.unpack_from(view, position)
        position += BLOCK_SIZE.size
        if size < 0 or size > len(view) - position:
            raise CompressionError("a snappy block is cut off")
        parts.append(_snappy_block(view[position : position + size], left))
        left -= len(parts[-1])
        position += size
    return b"".join(parts)


def _snappy_block(block: memoryview, size_max: int) -> bytes:
    """One bare block, which says how long it is."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    if cramjam.snappy.decompress_raw_len(block) > size_max:
        raise CompressionError(f"more than {LARGEST_UNCOMPRESSED} bytes when it is opened")
    return bytes(cramjam.snappy.decompress_raw(block))


def _compress_snappy(data: bytes) -> bytes:
    """Snappy in xerial's blocks."""
    import cramjam  # noqa: PLC0415 - as in `decompress`

    parts = [XERIAL_HEADER]
    for start in range(0, len(data), XERIAL_BLOCK):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + XERIAL_BLOCK]))
        parts += (BLOCK_SIZE.pack(len(block)), block)
    return b"".join(parts)
