"""Every field of a batch that was returned is held to a rule: whatever is changed in one breaks just that rule."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve, fields

from model.reference.batch import Batch, Compression, Record, TimestampType
from model.reference.returned import as_stored
from model.reference.state import Stored

RECORDS = (
    Record(b"one", key=b"1", headers=(("h", b"x"),), timestamp=1005),
    Record(b"two", key=b"2", timestamp=1009),
    Record(b"three", key=b"3", timestamp=1000),
)
BATCH = Batch(
    records=RECORDS, base_offset=5, partition_leader_epoch=3, producer_id=7, producer_epoch=1, base_sequence=10
)
OF_THE_BATCH: dict[str, tuple[Any, set[str]]] = {
    "records": (RECORDS[:2], {"LOG-01", "LOG-02", "LOG-46", "BAT-21"}),
    "base_offset": (6, {"LOG-01"}),
    "partition_leader_epoch": (4, {"EPO-09"}),
    "crc_is_right": (False, {"LOG-28"}),
    "compression": (Compression.GZIP, {"LOG-27"}),
    "timestamp_type": (TimestampType.LOG_APPEND_TIME, {"BAT-21"}),
    "is_transactional": (True, {"LOG-45"}),
    "is_control": (True, {"LOG-45"}),
    "has_delete_horizon": (True, {"LOG-45"}),
    "producer_id": (8, {"LOG-30"}),
    "producer_epoch": (2, {"LOG-30"}),
    "base_sequence": (11, {"LOG-30"}),
    "claimed_last_offset_delta": (3, {"LOG-01"}),
    "claimed_base_timestamp": (900, {"LOG-46"}),
    "claimed_max_timestamp": (1010, {"BAT-27"}),
    "claimed_count": (4, {"LOG-44"}),
}
OF_A_RECORD: dict[str, tuple[Any, set[str]]] = {
    "value": (None, {"LOG-02"}),
    "key": (b"", {"LOG-02"}),
    "headers": ((("h", b"y"),), {"LOG-02"}),
    "timestamp": (1001, {"BAT-21", "LOG-46"}),
    "offset_delta": (0, {"LOG-01"}),
}
NEVER_READ = {"magic", "is_message_set", "claimed_length_excess", "missing_bytes", "payload"}
"""What a `Batch` that was read back never has: without them bytes could not be read as a batch of format v2."""


def broken(got: Batch, stored: Stored, compression_type: str = "producer") -> set[str]:
    """The requirements that a fetch of just this batch breaks."""
    seen = {"records": (got,), "images": (b"x" * stored.size,), "old_messages": 0}
    expects = as_stored(5, (stored,), compression_type=compression_type, offsets="LOG-01", payloads="LOG-02")
    return {each.requirement for each in expects if not each.allowed.admits(seen[each.field])}


def stored(batch: Batch = BATCH, **more: Any) -> Stored:
    return Stored(batch, size=100, leader_epoch=3, **more)


@pytest.mark.parametrize("is_recompressed", [False, True])
def test_what_was_stored_is_right(is_recompressed: bool) -> None:
    assert broken(BATCH, stored(is_recompressed=is_recompressed)) == set()


def test_all_fields_are_named_here() -> None:
    assert {each.name for each in fields(Batch)} == OF_THE_BATCH.keys() | NEVER_READ
    assert {each.name for each in fields(Record)} == OF_A_RECORD.keys()


@pytest.mark.parametrize("field", OF_THE_BATCH)
def test_each_field_of_the_header_is_held(field: str) -> None:
    value, requirements = OF_THE_BATCH[field]
    assert broken(evolve(BATCH, **{field: value}), stored()) == requirements


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("field", OF_A_RECORD)
def test_each_field_of_a_record_is_held(field: str, index: int) -> None:
    value, requirements = OF_A_RECORD[field]
    records = list(RECORDS)
    records[index] = evolve(records[index], **{field: value})
    # The header keeps its own claims: what follows from the records must not change with them.
    got = evolve(BATCH, records=tuple(records), claimed_max_timestamp=BATCH.max_timestamp)
    assert broken(got, stored()) == requirements


@pytest.mark.parametrize("field", [name for name in OF_THE_BATCH if name not in ("records", "compression")])
def test_each_field_is_held_of_what_was_recompressed(field: str) -> None:
    value, requirements = OF_THE_BATCH[field]
    sent = stored(evolve(BATCH, compression=Compression.LZ4), is_recompressed=True)
    got = evolve(BATCH, compression=Compression.GZIP, **{field: value})
    assert broken(got, sent, "gzip") == requirements


def test_records_that_a_client_numbered_wrongly() -> None:
    sent = evolve(BATCH, records=tuple(evolve(record, offset_delta=0) for record in RECORDS))
    assert broken(sent, stored(sent)) == set()
    assert broken(BATCH, stored(sent)) == set()
    assert broken(evolve(sent, records=(*sent.records[:2], evolve(RECORDS[2], offset_delta=1))), stored(sent)) == {
        "LOG-01"
    }


def test_the_producer_s_timestamps_lie_below_the_stamp() -> None:
    sent = stored(evolve(BATCH, timestamp_type=TimestampType.LOG_APPEND_TIME), append_time=2000)
    stamped = evolve(sent.batch, claimed_max_timestamp=2000)
    assert broken(stamped, sent) == set()
    assert broken(evolve(stamped, claimed_base_timestamp=2000), sent) == {"LOG-46"}
    assert broken(evolve(stamped, claimed_max_timestamp=2001), sent) == {"BAT-21"}
