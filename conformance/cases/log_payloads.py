"""LOG: what records may hold. Kafka carries bytes and never looks into them."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import fastavro
from google.protobuf import struct_pb2, timestamp_pb2

from conformance.case import Run, batch_of, case
from model.reference.batch import Batch, Compression, Record

LARGE_BYTES = 900_000
"""Near to what a topic takes by default (max.message.bytes)."""
MANY_RECORDS = 10_000

ORDER: dict[str, Any] = {"id": 17, "customer": "Ærøskøbing", "lines": ["a", "b"], "total": 12.5, "note": None}
AVRO_SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "customer", "type": "string"},
            {"name": "lines", "type": {"type": "array", "items": "string"}},
            {"name": "total", "type": "double"},
            {"name": "note", "type": ["null", "string"]},
        ],
    }
)


@case("LOG-02")
def bytes_come_out_as_they_went_in(run: Run) -> None:
    """Keys, values and headers of all kinds, nulls and empties among them, are read back as they were sent."""
    topic = run.topic()
    records = (
        Record(b"value", key=b"key", headers=(("h", b"1"), ("h", None), ("", b""), ("h", b"1"), ("é", b"\xff\x00"))),
        Record(None, key=b"tombstone"),
        Record(b"", key=None),
        Record(None, key=None),
        Record(bytes(range(256)), key=b""),
        Record(b"\x00", key=b"\x00" * 300, headers=tuple((f"h{number}", b"x" * number) for number in range(70))),
    )
    for codec in (Compression.NONE, Compression.GZIP):
        run.produce(topic, Batch(records=records, compression=codec))
    run.fetch(topic, 0)
    run.fetch(topic, 8)


@case("LOG-02")
def large_records_are_carried(run: Run) -> None:
    """A record of 900 KB, which no codec makes smaller, and one that gzip makes small, with a small one after them."""
    topic = run.topic()
    noise = hashlib.shake_256(b"noise").digest(LARGE_BYTES)
    run.produce(topic, batch_of(noise))
    run.produce(topic, batch_of(b"0" * LARGE_BYTES, compression=Compression.GZIP))
    run.produce(topic, batch_of(b"small"))
    run.read_through(topic, 0)


@case("LOG-02")
def batches_of_many_records_are_carried(run: Run) -> None:
    """A batch of ten thousand records, plain and compressed, read from its start and from its last record."""
    topic = run.topic()
    values = [b"%d" % number for number in range(MANY_RECORDS)]
    for codec in (Compression.NONE, Compression.LZ4):
        run.produce(topic, batch_of(*values, compression=codec))
    run.read_through(topic, 0)
    run.fetch(topic, 2 * MANY_RECORDS - 1)


@case("LOG-02")
def payloads_of_common_formats_are_carried(run: Run) -> None:
    """The same order as a string, as JSON, as Avro and as Protobuf, made by the formats' own libraries."""
    avro = io.BytesIO()
    fastavro.schemaless_writer(avro, AVRO_SCHEMA, ORDER)
    container = io.BytesIO()
    fastavro.writer(container, AVRO_SCHEMA, [ORDER, ORDER])
    structure = struct_pb2.Struct()
    structure.update(ORDER)
    moment = timestamp_pb2.Timestamp(seconds=1_700_000_000, nanos=5)
    payloads = {
        "string": str(ORDER).encode(),
        "utf-16": str(ORDER).encode("utf-16"),
        "json": json.dumps(ORDER, ensure_ascii=False).encode(),
        "avro": avro.getvalue(),
        "avro container": container.getvalue(),
        "protobuf": structure.SerializeToString(deterministic=True),
        "protobuf timestamp": moment.SerializeToString(),
    }
    topic = run.topic()
    for name, payload in payloads.items():
        record = Record(payload, key=payload[:9], headers=(("content-type", name.encode()),))
        run.produce(topic, Batch(records=(record, record)))
    run.fetch(topic, 0)
