"""Retention and compaction as clients see them: what a broker does unasked to the logs of its partitions.

When it comes by is its own affair (`log.retention.check.interval.ms`, `log.cleaner.backoff.ms`): an answer is right
once it has. Which segments go is said by `model.reference.retention`, which records stay by
`model.reference.compaction`; here segments are told from what was appended. What is seen of a partition: where it
starts and ends, the records in between, the error of a fetch just before the start, and which record a reader is given
who asks for an offset that has none.

Not modelled: topics that are both compacted and deleted from; batches that end below a start raised by DeleteRecords,
in a segment that has others; timestamps that the broker sets; producers with ids, transactions and
`min.compaction.lag.ms` in compacted topics.

Source: LogManager.cleanupLogs, UnifiedLog.deleteOldSegments, LogCleaner (3.9).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from model.reference.compaction import Cleanable, CleaningPolicy, cleaned
from model.reference.deletion import starting_at
from model.reference.disk_log import DiskLog, taken
from model.reference.disk_steps import Append
from model.reference.errors import ErrorCode
from model.reference.operations import LookAtLogs
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Meets,
    Permitted,
    Section,
    Values,
    declare,
    success,
)
from model.reference.retention import Breach, Policy, Retained, retained
from model.reference.rules import Context, rule
from model.reference.segments import DiskRecord, Limits, Segment
from model.reference.settings import setting
from model.reference.state import Cluster, Partition, Topic

LOOKED = declare("housekeeping.looked", "the request as a whole was answered")
RETAINED = declare("housekeeping.retained", "the log holds what retention leaves, and all of it can be read")
COMPACTED = declare("housekeeping.compacted", "the log holds what compaction leaves, and all of it can be read")

LONG_MS = 3_600_000
"""No run takes so long: a tombstone that is to stay for at least this time is there whenever it is looked for."""

Seen = tuple[int, bytes | None, bytes | None]
"""A record as a reader is given it: offset, key, value."""


@rule(LookAtLogs)
def look_at_logs(cluster: Cluster, operation: LookAtLogs, context: Context) -> tuple[Section, ...]:
    """What partitions must be once retention and compaction have come by."""
    topic = cluster.topics[operation.topic]
    look = _compacted if setting(topic, context, "cleanup.policy") == "compact" else _retained
    whole = Section("request", (Permitted(LOOKED, ()),))
    return (whole, *(look(topic, index, context) for index in operation.partitions))


def segments_of(topic: Topic, partition: Partition, context: Context) -> tuple[Segment, ...]:
    """The segments of a log, from its first batch on, which begins one."""
    limits = Limits(
        segment_bytes=int(setting(topic, context, "segment.bytes")),
        segment_ms=int(setting(topic, context, "segment.ms")),
        segment_index_bytes=int(setting(topic, context, "segment.index.bytes")),
    )
    base = partition.entries[0].base_offset if partition.entries else partition.log_end_offset
    log = DiskLog(limits=limits, segments=(Segment(base_offset=base),))
    for entry in partition.entries:
        log = taken(log, Append(batch=entry.batch, size=entry.stored_size or entry.size))
    return log.segments


def _meets(field: str, words: str, holds: Callable[[Sequence[Seen]], bool], requirement: str) -> Expect:
    return Expect(field, Meets(words, holds), requirement)  # type: ignore[arg-type]  # by the field's name


def _seen(record: DiskRecord) -> Seen:
    return record.offset, record.key, record.value


# -- retention -------------------------------------------------------------------------------------------------------


def kept(topic: Topic, partition: Partition, context: Context) -> Retained:
    """What retention leaves of a partition, by the topic's settings, at the time of the answer."""
    policy = Policy(
        retention_ms=int(setting(topic, context, "retention.ms")),
        retention_bytes=int(setting(topic, context, "retention.bytes")),
    )
    segments = segments_of(topic, partition, context)
    start, end = partition.log_start_offset, partition.high_watermark
    return retained(segments, start, end, policy, context.answered_ms)


def _retained(topic: Topic, index: int, context: Context) -> Section:
    partition = topic.partitions[index]
    left = kept(topic, partition, context)
    why = _retention_rule(left, partition)
    start = left.log_start_offset
    records = tuple(
        _seen(record)
        for segment in left.segments
        for batch in segment.batches
        for record in batch.records
        if record.offset >= start
    )
    expects = (
        success(why),
        Expect("start", Exactly(start), why),
        Expect(
            "end",
            Exactly(partition.log_end_offset),
            "RET-17" if start == partition.log_end_offset else why,
            vital=False,
        ),
        Expect("below", Exactly(ErrorCode.OFFSET_OUT_OF_RANGE), "RET-16", vital=False),
        Expect("records", Exactly(records), "RET-16" if left.gone else why),
    )
    return Section(f"{topic.name}-{index}", (Permitted(RETAINED, expects, _starts_at(topic.name, index, start)),))


def _retention_rule(left: Retained, partition: Partition) -> str:
    """Which rule says where the log starts."""
    reasons = [why for _, why in left.gone]
    if left.log_start_offset == partition.log_end_offset and reasons:
        return "RET-17"
    if Breach.SIZE in reasons:
        return "RET-14"
    if Breach.TIME in reasons:
        return "RET-15"
    return "RET-18" if partition.log_start_offset == 0 else "RET-20"


def _starts_at(topic: str, index: int, start: int) -> Effect:
    def then(cluster: Cluster, _answer: Values) -> Cluster:
        partition = cluster.topics[topic].partitions[index]
        return cluster.with_partition(topic, index, starting_at(partition, start, partition.restarts))

    return then


# -- compaction ------------------------------------------------------------------------------------------------------


@frozen
class Leftover:
    """What compaction leaves of a log, by offset."""

    end: int
    """The active segment's first offset, up to which compaction comes."""
    kept: tuple[Seen, ...]
    """All that is to be read, and tombstones."""
    outdated: frozenset[int]
    """What a newer record of its key makes superfluous."""
    tombstones: frozenset[int]
    """The newest records of keys that were deleted."""


def leftover(topic: Topic, partition: Partition, context: Context) -> Leftover:
    """What a compaction leaves of all that was ever appended to a partition, however often it came by."""
    segments = segments_of(topic, partition, context)
    end = segments[-1].base_offset
    batches = cleaned(segments, Cleanable(segments[0].base_offset, end), CleaningPolicy(), context.answered_ms)
    stays = [record for batch in batches for record in batch.records]
    everything = [record for segment in segments for batch in segment.batches for record in batch.records]
    return Leftover(
        end,
        tuple(map(_seen, stays)),
        frozenset(each.offset for each in everything) - {each.offset for each in stays},
        frozenset(each.offset for each in stays if each.value is None and each.offset < end),
    )


def _compacted(topic: Topic, index: int, context: Context) -> Section:
    partition = topic.partitions[index]
    left = leftover(topic, partition, context)
    retention_ms = int(setting(topic, context, "delete.retention.ms"))
    values = {each for each in left.kept if each[0] < left.end and each[0] not in left.tombstones}
    active = {each for each in left.kept if each[0] >= left.end}
    written = {
        (entry.base_offset + place, record.key, record.value)
        for entry in partition.entries
        for place, record in enumerate(entry.batch.records)
    }

    def offsets(seen: Sequence[Seen]) -> set[int]:
        return {each[0] for each in seen}

    is_limited = any(int(setting(topic, context, f"retention.{of}")) >= 0 for of in ("ms", "bytes"))
    newest, start = ("RET-19", "RET-19") if is_limited else ("CMP-15", "CMP-18")
    expects = [
        success("CMP-15"),
        _meets("records", "the newest value of each key", lambda seen: values <= set(seen), newest),
        _meets("records", "no older ones", lambda seen: not offsets(seen) & left.outdated, "CMP-16"),
        _meets("between", "the next record that is there", _all_next, "CMP-17"),
        Expect("start", Exactly(partition.log_start_offset), start),
        Expect("end", Exactly(partition.log_end_offset), "CMP-18"),
        _meets("records", "all of the active segment", lambda seen: active <= set(seen), "CMP-19"),
        _meets("records", "what was written, in order", lambda seen: _in_order(seen, written), "CMP-22"),
    ]
    if left.tombstones and retention_ms >= LONG_MS:
        text = "the tombstones, for delete.retention.ms"
        expects.append(_meets("records", text, lambda seen: left.tombstones <= offsets(seen), "CMP-20"))
    spent = {each for each in left.tombstones if each < partition.compacted_to < left.end}
    if spent and retention_ms == 0:
        text = "no tombstones that were there when compaction came by before"
        expects.append(_meets("records", text, lambda seen: not spent & offsets(seen), "CMP-21"))
    then = _clean_to(topic.name, index, left.end)
    return Section(f"{topic.name}-{index}", (Permitted(COMPACTED, tuple(expects), then),))


def _in_order(seen: Sequence[Seen], written: set[Seen]) -> bool:
    """Whether all that was read had been written so, at rising offsets."""
    places = [each[0] for each in seen]
    return set(seen) <= written and places == sorted(set(places))


def _all_next(seen: Sequence[Seen]) -> bool:
    """Whether a reader at an offset without a record was given the next one there is: (asked, there, given)."""
    return all(there == given for _, there, given in seen)


def _clean_to(topic: str, index: int, end: int) -> Effect:
    def then(cluster: Cluster, _answer: Values) -> Cluster:
        partition = evolve(cluster.topics[topic].partitions[index], compacted_to=end)
        return cluster.with_partition(topic, index, partition)

    return then
