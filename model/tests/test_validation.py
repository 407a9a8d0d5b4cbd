"""Checks of batches: which one objects first, at the bounds, and that every batch can be judged."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from model.profiles import Profile, profile_named
from model.reference import acks, log, sizes, timestamps, validation
from model.reference.batch import Batch, Record, TimestampType
from model.reference.errors import ErrorCode
from model.reference.operations import Produce, ProducePart
from model.reference.rules import Context
from model.reference.state import Cluster, Partition, Topic
from model.reference.validation import Look, Refusal

NOW = 1_700_000_000_000
SLACK = 5_000
HOUR = 3_600_000
SIZE = 100
GOOD = Batch(records=(Record(b"a", key=b"k", timestamp=NOW), Record(b"b", key=b"k", timestamp=NOW)))


def context(version: int = 9, profile: str = "3.9-kraft") -> Context:
    return Context(profile_named(profile), version, NOW, NOW, SLACK)


def cluster(**config: str) -> Cluster:
    settings = {name.replace("_", "."): value for name, value in config.items()}
    return Cluster(topics={"t": Topic("t", (Partition(), Partition()), config=settings)})


def part(*batches: Batch, size: int = SIZE, partition: int = 0) -> ProducePart:
    sizes_of = tuple(size for _ in batches)
    return ProducePart(topic="t", partition=partition, batches=batches, sizes=sizes_of, plain_sizes=sizes_of)


def refusal_of(
    batch: Batch, *, version: int = 9, size: int = SIZE, acks_asked: int = -1, **config: str
) -> Refusal | None:
    operation = Produce(parts=(part(batch, size=size),), acks=acks_asked)
    (found,) = validation.refusals(cluster(**config), operation, context(version))
    return found


def requirement_of(batch: Batch, **how: Any) -> str | None:
    found = refusal_of(batch, **how)
    return found.requirement if found is not None else None


def test_a_good_batch_is_not_refused() -> None:
    assert refusal_of(GOOD) is None


@pytest.mark.parametrize(
    ("claims", "requirement", "code"),
    [
        ({"crc_is_right": False}, "BAT-01", ErrorCode.CORRUPT_MESSAGE),
        ({"magic": 1}, "BAT-02", ErrorCode.INVALID_RECORD),
        ({"magic": 3}, "BAT-03", ErrorCode.CORRUPT_MESSAGE),
        ({"claimed_count": 3}, "BAT-04", ErrorCode.INVALID_RECORD),
        ({"claimed_count": 0}, "BAT-05", ErrorCode.INVALID_RECORD),
        ({"claimed_count": 1, "claimed_last_offset_delta": 0}, "BAT-06", ErrorCode.INVALID_RECORD),
        ({"payload": b"?"}, "BAT-07", ErrorCode.INVALID_RECORD),
        ({"is_control": True}, "BAT-08", ErrorCode.INVALID_RECORD),
        ({"missing_bytes": 1}, "BAT-11", ErrorCode.INVALID_RECORD),
        ({"claimed_length_excess": 1}, "BAT-11", ErrorCode.INVALID_RECORD),
        ({"claimed_length_excess": -1}, "BAT-12", ErrorCode.CORRUPT_MESSAGE),
        ({"compression": 5}, "BAT-13", ErrorCode.UNKNOWN_SERVER_ERROR),
        ({"compression": 1, "payload": b"?"}, "BAT-15", ErrorCode.UNKNOWN_SERVER_ERROR),
        ({"base_offset": 1}, "BAT-16", ErrorCode.INVALID_RECORD),
        ({"producer_id": 1, "producer_epoch": 0}, "BAT-28", ErrorCode.INVALID_RECORD),
        ({"is_transactional": True}, "BAT-29", ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    ],
)
def test_a_single_lie_is_refused_by_its_own_rule(claims: dict[str, Any], requirement: str, code: ErrorCode) -> None:
    found = refusal_of(evolve(GOOD, **claims))
    assert found is not None
    assert (found.requirement, found.codes[0]) == (requirement, code)


def test_kafkas_order_decides_between_several_faults() -> None:
    assert requirement_of(evolve(GOOD, crc_is_right=False, base_offset=1)) == "BAT-16"
    assert requirement_of(evolve(GOOD, crc_is_right=False, is_control=True)) == "BAT-01"
    assert requirement_of(evolve(GOOD, crc_is_right=False), size=2000, max_message_bytes="1000") == "BAT-18"
    assert requirement_of(evolve(GOOD, crc_is_right=False), acks_asked=2) == "ACK-04"
    assert requirement_of(evolve(GOOD, magic=1), acks_asked=2) == "BAT-02"


def test_zstd_needs_version_7() -> None:
    zstd = evolve(GOOD, compression=4)
    assert requirement_of(zstd, version=6) == "BAT-14"
    assert refusal_of(zstd, version=7) is None


def test_several_batches_and_none() -> None:
    for batches, requirement in (((GOOD, GOOD), "BAT-09"), ((), "BAT-10")):
        (found,) = validation.refusals(cluster(), Produce(parts=(part(*batches),)), context())
        assert found is not None
        assert found.requirement == requirement


@pytest.mark.parametrize(("size", "is_refused"), [(999, False), (1000, False), (1001, True)])
def test_size_limits_include_their_bound(size: int, is_refused: bool) -> None:
    assert (refusal_of(GOOD, size=size, max_message_bytes="1000") is not None) is is_refused
    assert (refusal_of(GOOD, size=size, segment_bytes="1000") is not None) is is_refused


def test_the_size_after_recompression_is_known_only_without_a_codec() -> None:
    gzip = evolve(GOOD, compression=1)
    produced = ProducePart(topic="t", batches=(gzip,), sizes=(90,), plain_sizes=(500,))
    assert sizes.stored(produced, "producer") == sizes.StoredSize(90, 90, is_rewritten=False)
    assert sizes.stored(produced, "uncompressed") == sizes.StoredSize(500, 500, is_rewritten=True)
    assert sizes.stored(produced, "lz4").most > 500


@pytest.mark.parametrize(
    ("timestamp", "is_certain"),
    [
        (NOW, None),
        (NOW - HOUR + SLACK, None),
        (NOW - HOUR + SLACK - 1, False),
        (NOW - HOUR - SLACK, False),
        (NOW - HOUR - SLACK - 1, True),
        (-1, None),
    ],
)
def test_between_the_clocks_a_timestamp_may_be_taken_or_not(timestamp: int, is_certain: bool | None) -> None:
    found = refusal_of(Batch(records=(Record(b"a", timestamp=timestamp),)), message_timestamp_before_max_ms=str(HOUR))
    assert (found.is_certain if found is not None else None) is is_certain


def test_every_record_at_fault_is_named() -> None:
    records = (
        Record(b"no key", timestamp=NOW),
        Record(b"good", key=b"k", timestamp=NOW),
        Record(b"old", key=b"k", timestamp=NOW - 2 * HOUR),
    )
    found = refusal_of(Batch(records=records), cleanup_policy="compact", message_timestamp_before_max_ms=str(HOUR))
    assert found is not None
    assert found.at_fault[0] == {0, 2}
    assert found.codes == (ErrorCode.INVALID_TIMESTAMP,)


def test_the_former_setting_ends_with_4_0() -> None:
    topic = Topic("t", (Partition(),), config={timestamps.DIFFERENCE: "5"})
    assert timestamps.window_of(topic, context()).before_ms == 5
    assert timestamps.window_of(topic, context(profile="4.1-kraft")).before_ms == timestamps.UNBOUNDED


def test_what_is_stored_tells_the_greatest_timestamp() -> None:
    lying = evolve(GOOD, claimed_max_timestamp=5)
    assert timestamps.as_stored(lying, is_stamped_by_broker=False).max_timestamp == NOW
    stamped = timestamps.as_stored(lying, is_stamped_by_broker=True)
    assert stamped.timestamp_type is TimestampType.LOG_APPEND_TIME


def test_a_success_is_laid_to_the_most_particular_rule() -> None:
    def rule(operation: Produce, **config: str) -> str:
        topic = cluster(**config).topics["t"]
        return acks.rule_of_success(Look(topic, operation.parts[0], operation, context()), "LOG-01")

    parts = (part(GOOD),)
    assert rule(Produce(parts=parts)) == "LOG-01"
    assert rule(Produce(parts=parts, acks=1)) == "ACK-02"
    assert rule(Produce(parts=parts, timeout_ms=0)) == "ACK-07"
    assert rule(Produce(parts=parts), min_insync_replicas="2") == "ACK-05"
    assert rule(Produce(parts=parts, acks=1), min_insync_replicas="2") == "ACK-06"
    assert rule(Produce(parts=parts), max_message_bytes=str(SIZE)) == "BAT-18"


def test_what_cannot_be_read_may_cost_the_other_partitions() -> None:
    parts = (part(evolve(GOOD, magic=7)), part(GOOD, partition=1))
    _, unreadable, beside = log.produce(cluster(), Produce(parts=parts), context())
    assert [choice.name for choice in unreadable.choices] == [validation.CORRUPT]
    assert {choice.name for choice in beside.choices} == {log.APPENDED, validation.CORRUPT}


SMALL = st.integers(-2, 3)
BATCHES = st.builds(
    Batch,
    records=st.lists(
        st.builds(
            Record,
            st.none() | st.binary(max_size=3),
            st.none() | st.just(b"k"),
            timestamp=st.sampled_from([-2, -1, 0, NOW, NOW - 2 * HOUR]),
            offset_delta=st.none() | SMALL,
        ),
        max_size=3,
    ).map(tuple),
    base_offset=st.sampled_from([0, 0, 0, 1]),
    magic=st.sampled_from([2, 2, 2, 0, 3]),
    crc_is_right=st.sampled_from([True, True, False]),
    compression=st.sampled_from([0, 0, 1, 4, 6]),
    timestamp_type=st.sampled_from(TimestampType),
    is_transactional=st.sampled_from([False, False, True]),
    is_control=st.sampled_from([False, False, True]),
    producer_id=st.sampled_from([-2, -1, 5]),
    producer_epoch=SMALL,
    base_sequence=SMALL,
    claimed_count=st.none() | SMALL,
    claimed_last_offset_delta=st.none() | SMALL,
    claimed_length_excess=st.sampled_from([0, 0, 0, -200, -20, -1, 1]),
    missing_bytes=st.sampled_from([0, 0, 1]),
    payload=st.none() | st.just(b"?"),
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "cleanup.policy": st.sampled_from(["compact", "delete"]),
        "compression.type": st.sampled_from(["producer", "gzip", "uncompressed"]),
        "max.message.bytes": st.sampled_from(["50", "100"]),
        "message.timestamp.type": st.sampled_from(["CreateTime", "LogAppendTime"]),
        "message.timestamp.before.max.ms": st.just(str(HOUR)),
    },
)


@given(
    st.lists(st.lists(BATCHES, max_size=2), min_size=1, max_size=2),
    CONFIGS,
    st.sampled_from([-1, 0, 1, 2]),
    st.sampled_from([3, 7, 9]),
    st.sampled_from([None, "id"]),
)
def test_every_produce_can_be_judged(
    batches: list[list[Batch]], config: dict[str, str], acks_asked: int, version: int, transactional_id: str | None
) -> None:
    """Each section permits something; whatever is chosen leads to a state, and a refusal leaves the log as it was."""
    parts = tuple(part(*each, partition=index) for index, each in enumerate(batches))
    operation = Produce(parts=parts, acks=acks_asked, transactional_id=transactional_id)
    before = Cluster(topics={"t": Topic("t", (Partition(), Partition()), config=config)})
    for section in log.produce(before, operation, context(version)):
        assert section.choices
        for choice in section.choices:
            after = choice.then(before, {})
            appended = sum(each.log_end_offset for each in after.topics["t"].partitions)
            assert (appended > 0) == (choice.name == log.APPENDED)


def test_profiles_know_every_setting_that_is_read() -> None:
    profile: Profile = profile_named("3.9-kraft")
    for name in (timestamps.BEFORE, timestamps.AFTER, "max.message.bytes", "segment.bytes", "min.insync.replicas"):
        assert name in profile.defaults
