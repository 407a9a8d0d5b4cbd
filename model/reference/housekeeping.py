"""Retention and compaction as clients see them: what a broker does unasked to the logs of its partitions.

When they run is the broker's own affair (`log.retention.check.interval.ms`, `log.cleaner.backoff.ms`): an answer is
right once they have run. Which segments go is said by `model.reference.retention`, which records stay by
`model.reference.compaction`; here segments are told from what was appended. What is seen of a partition: where it
starts and ends, the records in between, the error of a fetch just before the start, and which record a reader is given
who asks for an offset that has none.

For a topic that is both compacted and deleted from, it is not specified which runs first, and compaction makes one
segment of several: what goes in any order must go, what stays in any order must stay.

Not modelled: batches that end below a start raised by DeleteRecords, in a segment that has others; timestamps that the
broker sets; how small compaction made what is clean, so that a log may be due a little sooner; producers with ids and
transactions in compacted topics, and records in them whose times do not ascend; a `min.compaction.lag.ms` that rises.

Source: LogManager.cleanupLogs, UnifiedLog.deleteOldSegments, LogCleaner (3.9).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from attrs import evolve, frozen

from model.reference.compaction import Cleanable, CleaningPolicy, cleanable, cleaned, is_due
from model.reference.deletion import starting_at
from model.reference.disk_compaction import in_order, offsets_of
from model.reference.disk_log import DiskLog, taken
from model.reference.disk_seen import Seen
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
from model.reference.segments import DiskRecord, Limits, Segment, life_ms
from model.reference.settings import setting
from model.reference.state import Cluster, Partition, Topic

LOOKED = declare("housekeeping.looked", "the request as a whole was answered")
RETAINED = declare("housekeeping.retained", "the log holds what retention leaves, and all of it can be read")
COMPACTED = declare("housekeeping.compacted", "the log holds what compaction leaves, and all of it can be read")

LONG_MS = 3_600_000
"""No run takes so long: a tombstone that is to stay for at least this time is there whenever it is looked for."""


@rule(LookAtLogs)
def look_at_logs(cluster: Cluster, operation: LookAtLogs, context: Context) -> tuple[Section, ...]:
    """What partitions must be once retention and compaction have run."""
    topic = cluster.topics[operation.topic]
    look = _compacted if "compact" in _policies(topic, context) else _retained
    whole = Section("request", (Permitted(LOOKED, ()),))
    return (whole, *(look(topic, index, context) for index in operation.partitions))


def segments_of(topic: Topic, partition: Partition, context: Context) -> tuple[Segment, ...]:
    """The segments of a log, from its first batch on, which begins one."""
    limits = Limits(
        segment_bytes=int(setting(topic, context, "segment.bytes")),
        segment_ms=life_ms(
            int(setting(topic, context, "segment.ms")),
            int(setting(topic, context, "max.compaction.lag.ms")),
            compacts="compact" in _policies(topic, context),
        ),
        segment_index_bytes=int(setting(topic, context, "segment.index.bytes")),
    )
    base = partition.entries[0].base_offset if partition.entries else partition.log_end_offset
    log = DiskLog(limits=limits, segments=(Segment(base_offset=base),))
    for entry in partition.entries:
        log = taken(log, Append(batch=entry.batch, size=entry.stored_size or entry.size))
    return log.segments


def _policies(topic: Topic, context: Context) -> frozenset[str]:
    return frozenset(each.strip() for each in setting(topic, context, "cleanup.policy").split(","))


def _meets(field: str, words: str, holds: Callable[[Seen], bool], requirement: str) -> Expect:
    return Expect(field, Meets(words, holds), requirement)  # type: ignore[arg-type]  # by the field's name


def _seen(record: DiskRecord) -> tuple[int, bytes | None, bytes | None]:
    return record.offset, record.key, record.value


# -- retention -------------------------------------------------------------------------------------------------------


def kept(topic: Topic, partition: Partition, context: Context) -> Retained:
    """What retention leaves of a partition, by the topic's settings, at the time of the answer."""
    return _kept_of(segments_of(topic, partition, context), topic, partition, context)


def _kept_of(segments: Sequence[Segment], topic: Topic, partition: Partition, context: Context) -> Retained:
    policy = Policy(
        retention_ms=int(setting(topic, context, "retention.ms")),
        retention_bytes=int(setting(topic, context, "retention.bytes")),
        deletes="delete" in _policies(topic, context),
    )
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
    if left.log_start_offset == partition.log_end_offset and Breach.TIME in reasons:
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

    active: int
    """Where the active segment begins."""
    end: int
    """Up to where compaction comes: the active segment, or one before it that is too young."""
    kept: Seen
    """All that is to be read, and tombstones."""
    outdated: frozenset[int]
    """What must be gone since a newer record of its key was compacted."""
    compacted_to: int
    """Up to where that is so: `end`, or less if too little of the log is dirty."""
    tombstones: frozenset[int]
    """The newest records of keys that were deleted."""
    starts: tuple[int, int]
    """The least and the most that the log may start at."""
    why: str
    """Which rule raises the least of them, if any does."""


def leftover(topic: Topic, partition: Partition, context: Context) -> Leftover:
    """What compaction leaves of all that was ever appended to a partition, however often it runs."""
    segments = segments_of(topic, partition, context)
    policy = CleaningPolicy(
        min_cleanable_dirty_ratio=float(setting(topic, context, "min.cleanable.dirty.ratio")),
        min_compaction_lag_ms=int(setting(topic, context, "min.compaction.lag.ms")),
        max_compaction_lag_ms=int(setting(topic, context, "max.compaction.lag.ms")),
    )
    first, now_ms = segments[0].base_offset, context.answered_ms
    offsets = cleanable(segments, partition.compacted_to or None, first, partition.high_watermark, policy, now_ms)

    def left_by_cleaning_to(end: int) -> list[DiskRecord]:
        batches = cleaned(segments, Cleanable(first, end), policy, now_ms)
        return [record for batch in batches for record in batch.records]

    stays = left_by_cleaning_to(offsets.end)
    compacted_to = offsets.end if is_due(segments, offsets, policy, now_ms) else partition.compacted_to
    everything = [record for segment in segments for batch in segment.batches for record in batch.records]
    went = {each.offset for each in everything} - {each.offset for each in left_by_cleaning_to(compacted_to)}
    least, most, why = _starts_of_compacted(segments, topic, partition, context)
    return Leftover(
        segments[-1].base_offset,
        offsets.end,
        tuple(map(_seen, stays)),
        frozenset(went),
        compacted_to,
        frozenset(each.offset for each in stays if each.value is None and each.offset < offsets.end),
        (least, most),
        why,
    )


def _starts_of_compacted(
    segments: tuple[Segment, ...], topic: Topic, partition: Partition, context: Context
) -> tuple[int, int, str]:
    """Where a compacted log must start at least and may start at most, and which rule asks for the least.

    At most: retention ran before compaction made the log smaller. At least: compaction had made one segment, as old
    as its newest record, of all before the active one.
    """
    *older, active = segments
    merged = evolve(segments[0], batches=tuple(batch for each in older for batch in each.batches))
    least = _kept_of((merged, active) if older else segments, topic, partition, context)
    most = _kept_of(segments, topic, partition, context)
    reasons = {why for _, why in least.gone}
    why = "RET-22" if Breach.SIZE in reasons else "RET-21"
    if least.log_start_offset == partition.log_end_offset and Breach.TIME in reasons:
        why = "RET-17"
    return least.log_start_offset, most.log_start_offset, why


@frozen
class _Rules:
    """Which requirements speak of what compaction leaves: more particular ones where a setting asks for it."""

    newest: str
    """The newest values stay."""
    older: str
    """The older ones go."""
    spared: str
    """What is not compacted yet is all there."""
    start: str


def _rules(topic: Topic, context: Context) -> _Rules:
    by_ratio = float(setting(topic, context, "min.cleanable.dirty.ratio")) < 1
    lags = int(setting(topic, context, "min.compaction.lag.ms")) > 0
    deletes = "delete" in _policies(topic, context)
    spared = "CMP-24" if lags else "CMP-19"
    older = "CMP-25" if lags else "CMP-23" if deletes else "CMP-16"
    if not by_ratio:  # nothing but max.compaction.lag.ms lets the log be compacted
        older = "CMP-26"
    if deletes:
        return _Rules("RET-23", older, spared, "RET-23")
    if lags:
        return _Rules("CMP-24", older, spared, "CMP-18")
    is_limited = any(int(setting(topic, context, f"retention.{of}")) >= 0 for of in ("ms", "bytes"))
    newest, start = ("RET-19", "RET-19") if is_limited else ("CMP-15", "CMP-18")
    return _Rules(newest, older, spared, start)


def _compacted(topic: Topic, index: int, context: Context) -> Section:
    partition = topic.partitions[index]
    left, rules = leftover(topic, partition, context), _rules(topic, context)
    least, most = left.starts
    stays = {each for each in left.kept if each[0] >= most}
    written = {
        (entry.base_offset + place, record.key, record.value)
        for entry in partition.entries
        for place, record in enumerate(entry.batch.records)
    }
    raised_by = left.why if least > partition.log_start_offset else rules.start
    values = {each for each in stays if each[0] < left.end and each[0] not in left.tombstones}
    spared = {each for each in stays if left.end <= each[0] < left.active}
    active = {each for each in stays if each[0] >= left.active}
    expects = [
        success(rules.newest),
        Expect("start", Meets(f"at least {least}", lambda seen: _is_in(seen, least, None)), raised_by),
        Expect("start", Meets(f"at most {most}", lambda seen: _is_in(seen, None, most)), rules.start),
        _meets("records", "the newest value of each key", lambda seen: values <= set(seen), rules.newest),
        _meets("records", "no older ones", lambda seen: not offsets_of(seen) & left.outdated, rules.older),
        _meets("between", "the next record that is there", _all_next, "CMP-17"),
        Expect("end", Exactly(partition.log_end_offset), "CMP-18"),
        Expect("below", Exactly(ErrorCode.OFFSET_OUT_OF_RANGE), "RET-16", vital=False),
        _meets("records", "all that is too young to be compacted", lambda seen: spared <= set(seen), rules.spared),
        _meets("records", "all of the active segment", lambda seen: active <= set(seen), "CMP-19"),
        _meets("records", "what was written, in order", lambda seen: in_order(seen, written), "CMP-22"),
        *_tombstones_stay_or_go(topic, partition, context, left),
    ]
    then = _clean_to(topic.name, index, left.compacted_to)
    return Section(f"{topic.name}-{index}", (Permitted(COMPACTED, tuple(expects), then),))


def _tombstones_stay_or_go(topic: Topic, partition: Partition, context: Context, left: Leftover) -> tuple[Expect, ...]:
    retention_ms = int(setting(topic, context, "delete.retention.ms"))
    there = frozenset(each for each in left.tombstones if each >= left.starts[1])
    spent = {each for each in left.tombstones if each < partition.compacted_to < left.compacted_to}
    if there and retention_ms >= LONG_MS:
        text = "the tombstones, for delete.retention.ms"
        return (_meets("records", text, lambda seen: there <= offsets_of(seen), "CMP-20"),)
    if spent and retention_ms == 0:
        text = "no tombstones that were there when compaction ran before"
        return (_meets("records", text, lambda seen: not spent & offsets_of(seen), "CMP-21"),)
    return ()


def _is_in(seen: object, least: int | None, most: int | None) -> bool:
    return isinstance(seen, int) and (least is None or seen >= least) and (most is None or seen <= most)


def _all_next(seen: Seen) -> bool:
    """Whether a reader at an offset without a record was given the next one there is: (asked, there, given)."""
    return all(there == given for _, there, given in seen)


def _clean_to(topic: str, index: int, end: int) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        partition = cluster.topics[topic].partitions[index]
        start = max(cast("int", answer.get("start", 0)), partition.log_start_offset)
        if start > partition.log_start_offset:
            partition = starting_at(partition, start, partition.restarts)
        return cluster.with_partition(topic, index, evolve(partition, compacted_to=end))

    return then
