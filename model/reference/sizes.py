"""How large a batch is in the log, as far as it can be known from the bytes that were sent.

A topic whose `compression.type` is not the batch's own codec has the broker write the batch anew. Without compression
its size is known; what another codec makes of it is the broker's business.

Source: LogValidator.buildRecordsAndAssignOffsets, BrokerCompressionType.targetCompression.
"""

from __future__ import annotations

from attrs import frozen

from model.reference.batch import Compression
from model.reference.operations import ProducePart
from model.reference.returned import codec_of

UNKNOWN = 2**31


@frozen
class StoredSize:
    """Bounds of a batch's size in the log, in bytes, and whether the broker writes it anew."""

    least: int
    most: int
    is_rewritten: bool


def stored(part: ProducePart, compression_type: str) -> StoredSize:
    """The size of a part's only batch in the log."""
    (batch,), (size,) = part.batches or (), part.sizes
    target = codec_of(compression_type, batch.compression)
    if target == batch.compression:
        return StoredSize(size, size, is_rewritten=False)
    plain = size if batch.compression == Compression.NONE else next(iter(part.plain_sizes), None)
    if target == Compression.NONE and plain is not None:
        return StoredSize(plain, plain, is_rewritten=True)
    # A codec may make bytes more, by a few of its own.
    most = UNKNOWN if plain is None else plain + plain // 100 + 1024
    return StoredSize(0, most, is_rewritten=True)
