"""DeleteRecords: raising the log start offset.

Records before the new start can no longer be read; the offsets that they had are not given again. A start within a
batch leaves that batch as it is: a fetch still returns it whole.

Not modelled: when the bytes leave the disk, followers (the low watermark is the least log start offset of all
replicas; here the leader is the only one).

Source: KafkaApis.handleDeleteRecordsRequest, ReplicaManager.deleteRecordsOnLocalLog, Partition.deleteRecordsOnLeader,
UnifiedLog.maybeIncrementLogStartOffset; KIP-107.
"""

from __future__ import annotations

from attrs import evolve

from model.reference.errors import ErrorCode
from model.reference.operations import HIGH_WATERMARK, DeleteRecords, DeleteRecordsPart
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.settings import setting
from model.reference.state import Cluster, Partition

ANSWERED = declare("delete_records.answered", "the request as a whole was answered")
DELETED = declare("delete_records.deleted", "the log now starts at the offset asked for")
NOTHING_TO_DELETE = declare("delete_records.nothing_to_delete", "the log starts there or later already")
OUT_OF_RANGE = declare("delete_records.out_of_range", "the offset is past the high watermark, or no offset: refused")
NO_SUCH_PARTITION = declare("delete_records.unknown_partition", "no such topic or partition")
COMPACTED = declare("delete_records.compacted", "the topic is compacted and never deletes: refused")
INTERNAL = declare("delete_records.internal", "the topic is the brokers' own: refused")
REPEATED = declare("delete_records.repeated_partition", "the partition is named again later in the request: not judged")

INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state")
NO_LOW_WATERMARK = -1


@rule(DeleteRecords)
def delete_records(cluster: Cluster, operation: DeleteRecords, context: Context) -> tuple[Section, ...]:
    """What a deletion may answer: each partition is judged by itself."""
    asked = tuple(sorted({(part.topic, part.partition) for part in operation.parts}))
    whole = (
        Expect("partitions", Exactly(asked), "LOG-17"),
        Expect("throttle_time_ms", Exactly(0), "LOG-42", vital=False),
    )
    sections = [_section(cluster, operation, index, context) for index in range(len(operation.parts))]
    return (Section("request", (Permitted(ANSWERED, whole),)), *sections)


def _section(cluster: Cluster, operation: DeleteRecords, index: int, context: Context) -> Section:
    part = operation.parts[index]
    where = f"{part.topic}-{part.partition}"
    if any((each.topic, each.partition) == (part.topic, part.partition) for each in operation.parts[index + 1 :]):
        return Section(where, (Permitted(REPEATED, ()),))
    if part.topic in INTERNAL_TOPICS:
        # The model doesn't know whether the brokers have made it yet.
        absent = _refused(NO_SUCH_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LOG-36")
        return Section(where, (_refused(INTERNAL, ErrorCode.INVALID_TOPIC_EXCEPTION, "LOG-43"), absent))
    return Section(where, (_outcome(cluster, part, context),))


def _outcome(cluster: Cluster, part: DeleteRecordsPart, context: Context) -> Permitted:
    topic = cluster.topics.get(part.topic)
    partition = cluster.partition(part.topic, part.partition)
    if topic is None or partition is None:
        return _refused(NO_SUCH_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LOG-36")
    if "delete" not in setting(topic, context, "cleanup.policy").split(","):
        return _refused(COMPACTED, ErrorCode.POLICY_VIOLATION, "LOG-38")
    offset = partition.high_watermark if part.offset == HIGH_WATERMARK else part.offset
    if not 0 <= offset <= partition.high_watermark:
        return _refused(OUT_OF_RANGE, ErrorCode.OFFSET_OUT_OF_RANGE, "LOG-34")
    if offset <= partition.log_start_offset:
        return _answered(NOTHING_TO_DELETE, partition.log_start_offset, "LOG-35")
    requirement = "LOG-33" if part.offset == HIGH_WATERMARK else "LOG-32"
    return evolve(_answered(DELETED, offset, requirement), then=_starts_at(part, offset))


def _answered(name: str, low_watermark: int, requirement: str) -> Permitted:
    watermark = Expect("low_watermark", Exactly(low_watermark), requirement, vital=False)
    return Permitted(name, (success(requirement), watermark))


def _refused(name: str, code: ErrorCode, requirement: str) -> Permitted:
    watermark = Expect("low_watermark", Exactly(NO_LOW_WATERMARK), requirement, vital=False)
    return Permitted(name, (error(code, requirement), watermark))


def _starts_at(part: DeleteRecordsPart, offset: int) -> Effect:
    def then(cluster: Cluster, _answer: Values) -> Cluster:
        partition = cluster.partition(part.topic, part.partition)
        if partition is None:
            return cluster
        return cluster.with_partition(part.topic, part.partition, starting_at(partition, offset, cluster.restarts))

    return then


def starting_at(partition: Partition, offset: int, restarts: int = 0) -> Partition:
    """The partition with its log starting at `offset`; the batch that holds it stays whole."""
    return evolve(partition, log_start_offset=offset, entries=partition.from_offset(offset), restarts=restarts)
