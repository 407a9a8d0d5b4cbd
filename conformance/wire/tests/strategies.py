"""Batches as Hypothesis generates them, with any lie that bytes can carry."""

from __future__ import annotations

from attrs import evolve
from hypothesis import strategies as st

from model.reference.batch import Batch, Record, TimestampType

int16s = st.integers(-(2**15), 2**15 - 1)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
timestamps = st.integers(-(2**61), 2**61) | st.just(1_700_000_000_000)
"""Half the range, so that the difference of any two fits a record."""

records = st.builds(
    Record,
    value=st.none() | st.binary(max_size=40),
    key=st.none() | st.binary(max_size=10),
    headers=st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple),
    timestamp=timestamps,
    offset_delta=st.none() | int32s,
)

lying_batches = st.builds(
    Batch,
    records=st.lists(records, max_size=5).map(tuple),
    base_offset=int64s,
    partition_leader_epoch=int32s,
    crc_is_right=st.booleans(),
    compression=st.integers(0, 7),
    timestamp_type=st.sampled_from(TimestampType),
    is_transactional=st.booleans(),
    is_control=st.booleans(),
    has_delete_horizon=st.booleans(),
    producer_id=int64s,
    producer_epoch=int16s,
    base_sequence=int32s,
    claimed_last_offset_delta=st.none() | int32s,
    claimed_base_timestamp=st.none() | timestamps,
    claimed_max_timestamp=st.none() | timestamps,
    claimed_count=st.none() | int32s,
)


def without_idle_claims(batch: Batch) -> Batch:
    """The batch with `None` for every claim that is the truth, which is how it reads back."""
    records = tuple(
        evolve(record, offset_delta=None) if record.offset_delta == index else record
        for index, record in enumerate(batch.records)
    )
    truth = evolve(
        batch,
        records=records,
        claimed_last_offset_delta=None,
        claimed_base_timestamp=None,
        claimed_max_timestamp=None,
        claimed_count=None,
    )
    return evolve(
        truth,
        claimed_last_offset_delta=_lie(batch.last_offset_delta, truth.last_offset_delta),
        claimed_base_timestamp=_lie(batch.base_timestamp, truth.base_timestamp),
        claimed_max_timestamp=_lie(batch.max_timestamp, truth.max_timestamp),
        claimed_count=_lie(batch.count, truth.count),
    )


def _lie(claimed: int, truth: int) -> int | None:
    return None if claimed == truth else claimed
