"""When records were made, or appended: which timestamps a leader takes, and which it stamps itself (KIP-32, KIP-937).

A topic of `message.timestamp.type=CreateTime` keeps the producer's timestamps and may bound them to a window around
the broker's clock; a topic of `LogAppendTime` stamps the batch with the time of its append. The broker's clock is not
known: a timestamp close to a bound of the window may be taken or not.

Not modelled: message formats before v2, whose records have timestamps of their own.

Source: LogValidator.validateTimestamp, LogConfig.messageTimestampBeforeMaxMs, DefaultRecordBatch.setMaxTimestamp.
"""

from __future__ import annotations

from attrs import evolve, frozen

from model.reference.batch import NO_TIMESTAMP, Batch, TimestampType
from model.reference.rules import Context
from model.reference.settings import setting
from model.reference.state import Topic

UNBOUNDED = 2**63 - 1
BEFORE = "message.timestamp.before.max.ms"
AFTER = "message.timestamp.after.max.ms"
DIFFERENCE = "message.timestamp.difference.max.ms"


@frozen
class Window:
    """How far a timestamp may lie before and after the broker's clock, in milliseconds, and which rule says so."""

    before_ms: int
    after_ms: int
    requirement: str


@frozen
class AtFault:
    """Records, by index, that are surely refused, and those that may be."""

    surely: frozenset[int]
    perhaps: frozenset[int]
    requirement: str


def is_stamped_by_broker(topic: Topic, context: Context) -> bool:
    """Whether the topic's records carry the time of their append."""
    return setting(topic, context, "message.timestamp.type") == "LogAppendTime"


def window_of(topic: Topic, context: Context) -> Window:
    """The topic's window. Until 3.9 a setting for both sides holds where the newer one is at its default (KIP-937)."""
    before = int(setting(topic, context, BEFORE))
    after = int(setting(topic, context, AFTER))
    requirement = "BAT-22"
    both = topic.config.get(DIFFERENCE)
    if both is not None and not context.profile.since(4, 0):
        requirement = "BAT-34"
        before = int(both) if before == UNBOUNDED else before
        after = int(both) if after == UNBOUNDED else after
    return Window(before, after, requirement)


def is_bounded(topic: Topic, context: Context) -> bool:
    """Whether the topic was given a window of its own."""
    return any(name in topic.config for name in (BEFORE, AFTER, DIFFERENCE))


def at_fault(topic: Topic, batch: Batch, context: Context) -> AtFault:
    """The records that are refused for their timestamps."""
    everything = frozenset(range(len(batch.records)))
    claims_append_time = batch.timestamp_type is TimestampType.LOG_APPEND_TIME
    if is_stamped_by_broker(topic, context):
        refused = everything if claims_append_time else frozenset()
        return AtFault(refused, refused, "BAT-24")
    if claims_append_time and batch.max_timestamp == NO_TIMESTAMP:
        return AtFault(everything, everything, "BAT-24")
    window = window_of(topic, context)
    surely, perhaps = set(), set()
    for index, record in enumerate(batch.records):
        # The header's greatest timestamp counts for all records of a batch that claims append time.
        timestamp = batch.max_timestamp if claims_append_time else record.timestamp
        if timestamp == NO_TIMESTAMP:
            continue
        is_outside = [_is_outside(timestamp, now_ms, window) for now_ms in _nows(context)]
        if all(is_outside):
            surely.add(index)
        if any(is_outside) or claims_append_time:
            # Kafka takes such a batch and makes its timestamps create times; that it could be refused is as sensible.
            perhaps.add(index)
    return AtFault(frozenset(surely), frozenset(perhaps), window.requirement)


def _nows(context: Context) -> tuple[int, int]:
    """The earliest and the latest that the broker's clock may have shown."""
    return context.sent_ms - context.clock_slack_ms, context.answered_ms + context.clock_slack_ms


def _is_outside(timestamp: int, now_ms: int, window: Window) -> bool:
    return now_ms - timestamp > window.before_ms or timestamp - now_ms > window.after_ms


def outside_if_bounded(topic: Topic, batch: Batch, context: Context) -> bool:
    """Whether a record lies outside the topic's window, whether or not the window is asked."""
    window = window_of(topic, context)
    return any(_is_outside(record.timestamp, now_ms, window) for record in batch.records for now_ms in _nows(context))


def as_stored(batch: Batch, *, is_stamped_by_broker: bool) -> Batch:
    """The batch as it is stored but for its offset: who stamped it, and the greatest timestamp of its records."""
    if is_stamped_by_broker:
        return evolve(batch, timestamp_type=TimestampType.LOG_APPEND_TIME, claimed_max_timestamp=None)
    if batch.timestamp_type is TimestampType.LOG_APPEND_TIME:
        # A topic of CreateTime takes the claimed time for that of every record.
        return evolve(batch, timestamp_type=TimestampType.CREATE_TIME)
    return evolve(batch, claimed_max_timestamp=None)
