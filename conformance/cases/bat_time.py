"""BAT: timestamps, the producer's and the broker's."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from conformance.case import Run, batch_of, case
from conformance.client import Unsupported
from conformance.session import now_ms
from conformance.wire.apis import Api
from model.reference.batch import Batch, Compression, Record, TimestampType

HOUR_MS = 3_600_000
MARGIN_MS = 20_000
"""Far enough from a bound that no difference between the clocks matters."""
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
BEFORE = {"message.timestamp.before.max.ms": str(HOUR_MS)}
AFTER = {"message.timestamp.after.max.ms": str(HOUR_MS)}


def at(*timestamps: int, **claims: Any) -> Batch:
    """A batch of records with these timestamps."""
    records = tuple(Record(b"value", key=b"key", timestamp=timestamp) for timestamp in timestamps)
    return evolve(Batch(records=records), **claims)


@case("BAT-20", versions={Api.PRODUCE: (3, None)})
def answers_name_the_time_of_the_append(run: Run) -> None:
    """Produce to a topic of LogAppendTime and to one of CreateTime, plain and compressed."""
    for config in (APPEND_TIME, {}):
        topic = run.topic(config=config)
        for codec in (Compression.NONE, Compression.GZIP, Compression.LZ4):
            run.produce(topic, evolve(batch_of(b"a", b"b"), compression=codec))
        run.produce(topic, batch_of(b"a"), acks=1)


@case("BAT-21")
def create_time_is_served_as_it_came(run: Run) -> None:
    """Timestamps in any order, equal ones, 0 and none, on a topic of CreateTime."""
    topic = run.topic()
    now = now_ms()
    for timestamps in ((now, now - 5, now + 5), (now, now), (0, 1), (-1,), (-1, now), (now, -1)):
        for codec in (Compression.NONE, Compression.GZIP):
            run.produce(topic, at(*timestamps, compression=codec))
    run.read_through(topic)


@case("BAT-21")
def append_time_is_served_as_answered(run: Run) -> None:
    """On a topic of LogAppendTime: batches whose producer says otherwise, plain and compressed."""
    topic = run.topic(config=APPEND_TIME)
    now = now_ms()
    for codec in (Compression.NONE, Compression.GZIP, Compression.SNAPPY, Compression.LZ4):
        run.produce(topic, at(now - HOUR_MS, now + HOUR_MS, compression=codec))
    run.produce(topic, at(-1, -1))
    run.read_through(topic)


@case("BAT-21")
def append_time_and_recompression(run: Run) -> None:
    """On a topic of LogAppendTime and compression.type=gzip the batch is stamped and has a right checksum."""
    topic = run.topic(config={**APPEND_TIME, "compression.type": "gzip"})
    for codec in (Compression.NONE, Compression.GZIP, Compression.LZ4):
        run.produce(topic, at(1_700_000_000_000, 1_600_000_000_000, compression=codec))
    run.read_through(topic)


@case("BAT-22")
def window_before_now(run: Run) -> None:
    """On a topic that takes no record older than an hour: records just within, just outside, far outside, and newer."""
    topic = run.topic(config=BEFORE)
    now = now_ms()
    for timestamp in (now, now - HOUR_MS + MARGIN_MS, now - HOUR_MS - MARGIN_MS, 0, now + HOUR_MS // 2):
        run.produce(topic, at(timestamp))
        run.produce(topic, at(timestamp, compression=Compression.GZIP))
    run.read_through(topic)


@case("BAT-22")
def window_after_now(run: Run) -> None:
    """On a topic that takes no record more than an hour ahead: records within, just outside, far outside, and old."""
    topic = run.topic(config=AFTER)
    now = now_ms()
    for timestamp in (now, now + HOUR_MS - MARGIN_MS, now + HOUR_MS + MARGIN_MS, 2**62, 0):
        run.produce(topic, at(timestamp))
        run.produce(topic, at(timestamp, compression=Compression.GZIP))
    run.read_through(topic)


@case("BAT-22")
def one_wild_timestamp_among_many(run: Run) -> None:
    """A batch is refused for one of its records, be it the first, the last or one in between."""
    topic = run.topic(config={**BEFORE, **AFTER})
    now = now_ms()
    old, new = now - 2 * HOUR_MS, now + 2 * HOUR_MS
    for timestamps in ((old, now, now), (now, now, old), (now, new, now), (old, new), (now, now)):
        run.produce(topic, at(*timestamps))
    run.read_through(topic)


@case("BAT-22")
def the_header_does_not_hide_wild_timestamps(run: Run) -> None:
    """The header claims a greatest timestamp within the window, or outside of it; the records say otherwise."""
    topic = run.topic(config={**BEFORE, **AFTER})
    now = now_ms()
    run.produce(topic, at(now + 2 * HOUR_MS, claimed_max_timestamp=now))
    run.produce(topic, at(now, claimed_max_timestamp=now + 2 * HOUR_MS))
    run.read_through(topic)


@case("BAT-35", versions={Api.PRODUCE: (8, None)})
def a_wild_timestamp_is_explained(run: Run) -> None:
    """A record outside the window."""
    topic = run.topic(config=BEFORE)
    run.produce(topic, at(now_ms() - 2 * HOUR_MS))


@case("BAT-23", versions={Api.PRODUCE: (8, None)})
def wild_timestamps_are_named(run: Run) -> None:
    """Which records lie outside the window: one, some, more than three; with keys missing, too."""
    now = now_ms()
    old, new = now - 2 * HOUR_MS, now + 2 * HOUR_MS
    topic = run.topic(config={**BEFORE, **AFTER})
    for timestamps in ((old,), (now, old), (new, now, old), (old,) * 6, (now, -1, new)):
        run.produce(topic, at(*timestamps))
    compacted = run.topic(config={**BEFORE, "cleanup.policy": "compact"})
    records = (
        Record(b"no key", timestamp=now),
        Record(b"good", key=b"k", timestamp=now),
        Record(b"old", key=b"k", timestamp=old),
    )
    run.produce(compacted, Batch(records=records))
    stamped = run.topic(config=APPEND_TIME)
    run.produce(stamped, at(now, now, timestamp_type=TimestampType.LOG_APPEND_TIME))


@case("BAT-24")
def producers_claim_append_time(run: Run) -> None:
    """A batch marked LogAppendTime: on a topic of LogAppendTime, and without a timestamp on one of CreateTime."""
    stamped, plain = run.topic(config=APPEND_TIME), run.topic()
    claims = TimestampType.LOG_APPEND_TIME
    for codec in (Compression.NONE, Compression.GZIP):
        run.produce(stamped, at(now_ms(), timestamp_type=claims, compression=codec))
        run.produce(plain, at(-1, timestamp_type=claims, compression=codec))
    for topic in (stamped, plain):
        run.produce(topic, at(now_ms()))
        run.read_through(topic)


@case("BAT-27")
def wrong_greatest_timestamp(run: Run) -> None:
    """The header claims a greatest timestamp that is too large, too small, or none at all, plain and compressed."""
    topic = run.topic()
    now = now_ms()
    for claim in (now + HOUR_MS, now - HOUR_MS, 0, -1):
        for codec in (Compression.NONE, Compression.GZIP):
            run.produce(topic, at(now - 5, now, now - 3, claimed_max_timestamp=claim, compression=codec))
    run.read_through(topic)


@case("BAT-31")
def no_timestamp_is_never_outside(run: Run) -> None:
    """Records without a timestamp, alone and beside others, on topics that bound timestamps on either side."""
    for config in (BEFORE, AFTER):
        topic = run.topic(config=config)
        now = now_ms()
        for timestamps in ((-1,), (-1, -1), (-1, now), (now, -1)):
            run.produce(topic, at(*timestamps))
        run.read_through(topic)


@case("BAT-33")
def append_time_knows_no_window(run: Run) -> None:
    """Wild timestamps on a topic of LogAppendTime that has a window all the same."""
    topic = run.topic(config={**APPEND_TIME, **BEFORE, **AFTER})
    now = now_ms()
    for timestamp in (0, now - 2 * HOUR_MS, now + 2 * HOUR_MS, 2**62):
        run.produce(topic, at(timestamp))
        run.produce(topic, at(timestamp, compression=Compression.GZIP))
    run.read_through(topic)


@case("BAT-34")
def the_former_setting_for_both_sides(run: Run) -> None:
    """On a topic of message.timestamp.difference.max.ms: records on both sides of either bound."""
    if any(run.profile.value(side) != run.profile.defaults[side] for side in (*BEFORE, *AFTER)):
        raise Unsupported("the broker has bounds of its own, which go before the former setting of a topic")
    topic = run.topic(config={"message.timestamp.difference.max.ms": str(HOUR_MS)})
    now = now_ms()
    for side in (-1, 1):
        for margin in (-MARGIN_MS, MARGIN_MS):
            run.produce(topic, at(now + side * (HOUR_MS + margin)))
    run.read_through(topic)
