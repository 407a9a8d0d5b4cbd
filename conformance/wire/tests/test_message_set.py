"""Message sets of format v0 and v1, read back by kafka-python."""

from __future__ import annotations

import pytest
from kafka.record import MemoryRecords

from conformance.wire.batch import decode_batches, encode_batch
from conformance.wire.errors import Unencodable
from conformance.wire.message_set import encode_message_set
from model.reference.batch import Batch, Compression, Record

RECORDS = (Record(b"one", key=b"k", timestamp=1005), Record(None, timestamp=1007), Record(b"", key=b"", timestamp=1))


@pytest.mark.parametrize("codec", [Compression.NONE, Compression.GZIP])
@pytest.mark.parametrize("magic", [0, 1])
def test_another_client_reads_them(magic: int, codec: Compression) -> None:
    records = MemoryRecords(encode_message_set(RECORDS, magic, codec))
    found = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += [(each.offset, each.timestamp, each.key, each.value) for each in batch]
    times = [record.timestamp if magic else None for record in RECORDS]
    assert found == [(i, times[i], record.key, record.value) for i, record in enumerate(RECORDS)]


def test_a_batch_can_be_one() -> None:
    data = encode_batch(Batch(records=RECORDS, magic=1, is_message_set=True))
    decoded = decode_batches(data)
    assert data == encode_message_set(RECORDS, 1)
    assert decoded.batches == ()
    assert [each.offset for each in decoded.legacy_messages] == [0, 1, 2]


@pytest.mark.parametrize(("magic", "codec"), [(0, Compression.LZ4), (1, Compression.ZSTD), (2, Compression.NONE)])
def test_what_never_was_is_not_written(magic: int, codec: Compression) -> None:
    with pytest.raises(Unencodable):
        encode_message_set(RECORDS, magic, codec)
