"""Looking up offsets by time (ListOffsets): the ends of a log, a timestamp, the greatest timestamp.

Modelled: the first record at or after a timestamp, record by record; the special timestamps; the leader epoch that
goes with each answer; read_committed (the last stable offset).
Not modelled: OFFSET_NOT_AVAILABLE, which takes an election among several replicas; tiered storage (there is none).

Source: KafkaApis.handleListOffsetRequestV1AndAbove, Partition.fetchOffsetForTimestamp,
UnifiedLog.fetchOffsetByTimestamp; KIP-79, KIP-207, KIP-320, KIP-734, KIP-405, KIP-1005.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from model.reference import epochs
from model.reference.errors import ErrorCode
from model.reference.operations import (
    EARLIEST,
    EARLIEST_LOCAL,
    LATEST,
    LATEST_TIERED,
    MAX_TIMESTAMP,
    Isolation,
    ListOffsets,
    ListOffsetsPart,
)
from model.reference.outcomes import (
    Between,
    Exactly,
    Expect,
    Permitted,
    Section,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.settings import setting
from model.reference.state import Cluster, Partition, Stored, Topic

ANSWERED = declare("list_offsets.answered", "the request as a whole was answered")
FOUND = declare("list_offsets.found", "a record at or after the timestamp: the first one")
NONE_FOUND = declare("list_offsets.none_found", "no record is at or after the timestamp")
GREATEST = declare("list_offsets.greatest", "the first record with the greatest timestamp")
END = declare("list_offsets.end", "the log's start or end was asked for")
TIERED = declare("list_offsets.tiered", "the end of tiered storage, where there is none")
UNSUPPORTED = declare("list_offsets.unsupported", "no such special timestamp, or not in this version: refused")
TWICE = declare("list_offsets.twice", "the partition is named twice in the request: refused")
NO_PARTITION = declare("list_offsets.unknown_partition", "no such topic or partition")
GREATEST_DELETED = declare(
    "list_offsets.greatest_deleted", "the record with the greatest timestamp is deleted, but its segment is still there"
)
SEGMENT_SPENT = declare(
    "list_offsets.segment_spent", "only deleted records of the first segment that reaches the time do: none is found"
)
UNTOLD = declare("list_offsets.untold", "the broker never told when it stamped some records: not judged")

NOWHERE = -1
NO_TIME = -1
NO_EPOCH = -1
SEGMENT_SETTINGS = frozenset({"segment.bytes", "segment.ms"})
"""Settings by which a log of a few records may have several segments."""
EPOCHS_FROM = 4
ISOLATION_FROM = 2

SPECIAL_FROM = {EARLIEST: 0, LATEST: 0, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}
"""The special timestamps, and the first API version of each."""


@frozen
class Found:
    """A record that was looked up, as the log holds it."""

    offset: int
    timestamp: int


@rule(ListOffsets)
def list_offsets(cluster: Cluster, operation: ListOffsets, context: Context) -> tuple[Section, ...]:
    """What a lookup of offsets may answer: each partition is judged by itself."""
    whole = Section("request", (Permitted(ANSWERED, ()),))
    return (whole, *(_lookup(cluster, operation, part, context) for part in operation.parts))


def _lookup(cluster: Cluster, operation: ListOffsets, part: ListOffsetsPart, context: Context) -> Section:
    """Kafka checks in this order."""
    where = f"{part.topic}-{part.partition}"
    topic, partition = cluster.topics.get(part.topic), cluster.partition(part.topic, part.partition)
    refusal = _refusal(operation, part, context)
    if refusal is None and (topic is None or partition is None):
        refusal = _refused(NO_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LST-12")
    if refusal is None and partition is not None and context.version >= EPOCHS_FROM:
        refusal = epochs.fenced(partition, part.current_leader_epoch, "EPO-05", "EPO-06")
        refusal = _nowhere(refusal) if refusal is not None else None
    if refusal is not None or topic is None or partition is None:
        return Section(where, () if refusal is None else (refusal,))
    choices = _answers(topic, partition, operation, part, context)
    if len(operation.parts) > 1:
        choices = tuple(evolve(each, expects=(success("LST-14"), *each.expects)) for each in choices)
    return Section(where, choices)


def _refusal(operation: ListOffsets, part: ListOffsetsPart, context: Context) -> Permitted | None:
    """How the request is refused for its form."""
    places = [(each.topic, each.partition) for each in operation.parts]
    if places.count((part.topic, part.partition)) > 1:
        return _refused(TWICE, ErrorCode.INVALID_REQUEST, "LST-13")
    if part.timestamp < 0 and context.version < SPECIAL_FROM.get(part.timestamp, context.version + 1):
        return _refused(UNSUPPORTED, ErrorCode.UNSUPPORTED_VERSION, "LST-11")
    return None


def _refused(name: str, code: ErrorCode, requirement: str) -> Permitted:
    return _nowhere(Permitted(name, (error(code, requirement),)))


def _nowhere(refused: Permitted) -> Permitted:
    """A refusal names no offset."""
    requirement = refused.expects[0].requirement
    return evolve(refused, expects=(*refused.expects, Expect("offset", Exactly(NOWHERE), requirement, vital=False)))


# -- one partition ---------------------------------------------------------------------------------------------------


def _answers(
    topic: Topic, partition: Partition, operation: ListOffsets, part: ListOffsetsPart, context: Context
) -> tuple[Permitted, ...]:
    match part.timestamp:
        case _ if part.timestamp == EARLIEST:
            return (_end(partition.log_start_offset, "LST-01", _epoch_of(partition, partition.log_start_offset)),)
        case _ if part.timestamp == LATEST:
            return (_latest(partition, operation, context),)
        case _ if part.timestamp == EARLIEST_LOCAL:
            return (_end(partition.log_start_offset, "LST-09", _epoch_of(partition, partition.log_start_offset)),)
        case _ if part.timestamp == LATEST_TIERED:
            return (Permitted(TIERED, _fields("LST-10", NOWHERE, NO_TIME, ())),)
        case _:
            return _by_time(topic, partition, part, context)


def _latest(partition: Partition, operation: ListOffsets, context: Context) -> Permitted:
    committed = operation.isolation is Isolation.READ_COMMITTED and context.version >= ISOLATION_FROM
    end = partition.last_stable_offset if committed else partition.high_watermark
    requirement = "LST-06" if committed else "LST-02"
    epoch = () if partition.leader_epoch is None else (_leader_epoch(partition.leader_epoch, "LST-16"),)
    return Permitted(
        END,
        (
            success(requirement),
            Expect("offset", Between(end), requirement),
            # Too late an end: what should not have been appended was.
            Expect("offset", Between(None, end), partition.not_appended_by or requirement),
            Expect("timestamp", Exactly(NO_TIME), "LST-20", vital=False),
            *epoch,
        ),
    )


def _end(offset: int, requirement: str, epoch: tuple[Expect, ...]) -> Permitted:
    return Permitted(
        END,
        (
            success(requirement),
            Expect("offset", Exactly(offset), requirement),
            Expect("timestamp", Exactly(NO_TIME), "LST-20", vital=False),
            *epoch,
        ),
    )


def _by_time(topic: Topic, partition: Partition, part: ListOffsetsPart, context: Context) -> tuple[Permitted, ...]:
    stamped_by_broker = setting(topic, context, "message.timestamp.type") == "LogAppendTime"
    if stamped_by_broker and any(entry.append_time is None for entry in partition.entries):
        return (Permitted(UNTOLD, ()),)
    records = [each for each in records_of(partition) if each.offset >= partition.log_start_offset]
    if part.timestamp == MAX_TIMESTAMP:
        return (_greatest(partition, records), *_deleted_greatest(partition))
    found = next((each for each in records if each.timestamp >= part.timestamp), None)
    requirement = "LST-18" if partition.log_start_offset > 0 else "LST-05"
    if found is None:
        return (_none_found(NONE_FOUND, requirement),)
    outcome = Permitted(FOUND, _found(partition, found, stamped_by_broker=stamped_by_broker))
    if partition.log_start_offset > 0 and _may_have_segments(topic, partition, context):
        # Kafka looks into one segment only: the first that has, or had, a record that is late enough.
        return (outcome, _none_found(SEGMENT_SPENT, requirement))
    return (outcome,)


def _may_have_segments(topic: Topic, partition: Partition, context: Context) -> bool:
    """Whether the log may have several segments: by the topic's own settings, or because its records lie far apart.

    A segment ends where a batch is later by more than `segment.ms` than its first one (LogSegment.shouldRoll).
    """
    times = [each.timestamp for each in records_of(partition)]
    spread = max(times) - min(times) if times else 0
    return not SEGMENT_SETTINGS.isdisjoint(topic.config) or spread > int(setting(topic, context, "segment.ms"))


def _none_found(name: str, requirement: str) -> Permitted:
    return Permitted(name, _fields(requirement, NOWHERE, NO_TIME, (_leader_epoch(NO_EPOCH, requirement),)))


def _greatest(partition: Partition, records: Sequence[Found]) -> Permitted:
    found = max(records, key=lambda each: (each.timestamp, -each.offset), default=None)
    if found is None:
        return _none_found(NONE_FOUND, "LST-08")
    return Permitted(GREATEST, _fields("LST-07", *_place(found), _epoch_of(partition, found.offset)))


def _deleted_greatest(partition: Partition) -> tuple[Permitted, ...]:
    """Kafka also gives a deleted record, as long as the segment lies there that holds it."""
    if partition.log_start_offset == 0:
        return ()
    deleted = Expect("offset", Between(0, partition.log_start_offset - 1), "LST-07")
    return (Permitted(GREATEST_DELETED, (success("LST-07"), deleted)),)


def _place(found: Found) -> tuple[int, int]:
    return found.offset, found.timestamp


def _found(partition: Partition, found: Found, *, stamped_by_broker: bool) -> tuple[Expect, ...]:
    requirement = "LST-17" if stamped_by_broker else "LST-18" if partition.log_start_offset > 0 else "LST-03"
    return (
        success(requirement),
        Expect("offset", Exactly(found.offset), requirement),
        Expect("timestamp", Exactly(found.timestamp), "LST-04", vital=False),
        *_epoch_of(partition, found.offset),
    )


def _fields(requirement: str, offset: int, timestamp: int, epoch: tuple[Expect, ...]) -> tuple[Expect, ...]:
    return (
        success(requirement),
        Expect("offset", Exactly(offset), requirement),
        Expect("timestamp", Exactly(timestamp), requirement, vital=False),
        *epoch,
    )


def _epoch_of(partition: Partition, offset: int) -> tuple[Expect, ...]:
    """The answer names the epoch of the record that was found, if the model knows it."""
    epoch = epochs.epoch_at(partition, offset)
    if epoch is None:
        return ()
    is_over = partition.leader_epoch is not None and epoch < partition.leader_epoch
    return (_leader_epoch(epoch, "LST-19" if is_over else "LST-15"),)


def _leader_epoch(epoch: int, requirement: str) -> Expect:
    return Expect("leader_epoch", Exactly(epoch), requirement, vital=False)


def records_of(partition: Partition) -> Iterator[Found]:
    """Every record of the log with its offset, oldest first."""
    for entry in partition.entries:
        for index, record in enumerate(entry.batch.records):
            yield Found(entry.base_offset + index, _time_of(entry, record.timestamp))


def _time_of(entry: Stored, produced: int) -> int:
    """A record's timestamp: as produced, or the broker's for its whole batch."""
    return produced if entry.append_time is None else entry.append_time
