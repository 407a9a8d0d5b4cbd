"""The codecs of record batches: gzip, snappy (raw, and as the Java client frames it), lz4 frames, zstd.

Decompression is bounded, so that a small answer cannot fill the suite's memory. Codec numbers 5 to 7 name
no codec: their bytes pass through unchanged, which lets a test send the lie and read it back.
Not here: the broken lz4 checksums of message format v0 and v1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import cramjam

from conformance.wire.errors import MalformedAnswer, Unencodable
from conformance.wire.primitives import Reader
from model.reference.batch import Compression

OUTPUT_SIZES = (1024 * 1024, 16 * 1024 * 1024, 128 * 1024 * 1024)
"""Bytes of room given to a decompressor, one after the other; the last is more than any batch sent here."""

XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_VERSION = 1
XERIAL_HEADER_BYTES = 16
XERIAL_BLOCK_BYTES = 32 * 1024
"""SnappyOutputStream's default block; the Java client cuts its input into these."""

LZ4_HEADER = bytes.fromhex("04224d18604082")
"""Magic, independent blocks of at most 64 KiB without checksums, and the header's own checksum (one byte)."""
LZ4_BLOCK_BYTES = 64 * 1024
LZ4_STORED_BIT = 0x80000000
"""Set in a block's length when the block is not compressed."""
LZ4_END = bytes(4)

LARGEST_CODEC = 7
"""Attributes have three bits for the codec."""


def compress(codec: int, data: bytes, *, raw_snappy: bool = False) -> bytes:
    """`data` under `codec`; `raw_snappy` leaves out the Java client's framing, as librdkafka does."""
    if not 0 <= codec <= LARGEST_CODEC:
        raise Unencodable(f"compression {codec} does not fit three bits; use 0 to {LARGEST_CODEC}")
    match codec:
        case Compression.GZIP:
            return bytes(cramjam.gzip.compress(data))
        case Compression.SNAPPY:
            return bytes(cramjam.snappy.compress_raw(data)) if raw_snappy else _xerial_compress(data)
        case Compression.LZ4:
            return _lz4_compress(data)
        case Compression.ZSTD:
            return bytes(cramjam.zstd.compress(data))
        case _:
            return data


def decompress(codec: int, data: bytes) -> bytes:
    """The inverse of `compress`; `MalformedAnswer` if the bytes are not what the codec writes."""
    try:
        match codec:
            case Compression.GZIP:
                return _bounded(cramjam.gzip.decompress_into, data)
            case Compression.SNAPPY:
                return _xerial_decompress(data) if data.startswith(XERIAL_MAGIC) else _raw_snappy_decompress(data)
            case Compression.LZ4:
                return _bounded(cramjam.lz4.decompress_into, data)
            case Compression.ZSTD:
                return _bounded(cramjam.zstd.decompress_into, data)
            case _:
                return data
    except cramjam.DecompressionError as error:
        name = Compression(codec).name.lower()
        raise MalformedAnswer(f"records do not decompress by {name}: {error}", data) from error


def _bounded(decompress_into: Callable[[bytes, bytearray], int], data: bytes) -> bytes:
    """Decompress into a buffer of bounded size, trying small ones first: a large one costs time to clear."""
    for size in OUTPUT_SIZES:
        output = bytearray(size)
        try:
            length = decompress_into(data, output)
        except cramjam.DecompressionError as error:
            # cramjam has no error type of its own for "the output is full"; both its texts say "buffer".
            if "buffer" not in str(error):
                raise
        else:
            return bytes(memoryview(output)[:length])
    raise MalformedAnswer(f"records decompress to more than {OUTPUT_SIZES[-1]} bytes", data)


def _lz4_compress(data: bytes) -> bytes:
    """An lz4 frame as Kafka's Lz4BlockOutputStream writes it.

    cramjam's own frames link their blocks, which Kafka's reader refuses (UNKNOWN_SERVER_ERROR on Produce).
    """
    frame = bytearray(LZ4_HEADER)
    for start in range(0, len(data), LZ4_BLOCK_BYTES):
        block = data[start : start + LZ4_BLOCK_BYTES]
        compressed = bytes(cramjam.lz4.compress_block(block, store_size=False))
        if len(compressed) < len(block):
            frame += struct.pack("<I", len(compressed)) + compressed
        else:
            frame += struct.pack("<I", len(block) | LZ4_STORED_BIT) + block
    return bytes(frame + LZ4_END)


def _xerial_compress(data: bytes) -> bytes:
    """Snappy as SnappyOutputStream frames it: a header, then blocks with a length before each."""
    framed = bytearray(XERIAL_MAGIC + struct.pack(">ii", XERIAL_VERSION, XERIAL_VERSION))
    for start in range(0, len(data), XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + XERIAL_BLOCK_BYTES]))
        framed += struct.pack(">i", len(block)) + block
    return bytes(framed)


def _xerial_decompress(data: bytes) -> bytes:
    reader = Reader(data)
    reader.take(XERIAL_HEADER_BYTES, "the snappy framing's header")
    blocks: list[bytes] = []
    while reader.remaining():
        blocks.append(_raw_snappy_decompress(reader.take(reader.int32(), "a snappy block")))
        if sum(map(len, blocks)) > OUTPUT_SIZES[-1]:
            raise reader.fail(f"records decompress to more than {OUTPUT_SIZES[-1]} bytes")
    return b"".join(blocks)


def _raw_snappy_decompress(data: bytes) -> bytes:
    length = cramjam.snappy.decompress_raw_len(data)
    if length > OUTPUT_SIZES[-1]:
        raise MalformedAnswer(f"a snappy block claims {length} bytes, at most {OUTPUT_SIZES[-1]} are taken", data)
    output = bytearray(length)
    cramjam.snappy.decompress_raw_into(data, output)
    return bytes(output)
