"""Appending to and reading from a partition's log, as a client sees it.

Modelled: offsets, what a read returns, the bounds of the log, the idempotent producer (through its machine).
Not modelled: which bytes lie where (segments come with their own module), compaction, retention.

Source: UnifiedLog.java, LocalLog.java, ReplicaManager.readFromLog, ReplicaManager.appendRecords.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from model.language import State
from model.machines import producer as machine
from model.readings import values
from model.reference import validation
from model.reference.batch import NO_LEADER_EPOCH, Batch, TimestampType
from model.reference.errors import ErrorCode
from model.reference.operations import Fetch, FetchPart, Produce, ProducePart
from model.reference.outcomes import (
    Between,
    Effect,
    Exactly,
    Expect,
    Meets,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Partition, Stored, Topic

ANSWERED = declare("produce.answered", "the request as a whole was answered")
APPENDED = declare("produce.appended", "the batch was appended and got the next offsets")
DUPLICATE = declare("produce.duplicate", "the batch was appended before; answered with its offset, nothing appended")
OUT_OF_ORDER = declare("produce.out_of_order", "the batch's sequence number leaves a gap: refused")
OLD_EPOCH = declare("produce.old_producer_epoch", "the batch is of an older producer epoch: refused")
NO_SUCH_PARTITION = declare("produce.unknown_partition", "no such topic or partition")

FETCHED = declare("fetch.answered", "the request as a whole was answered")
RECORDS = declare("fetch.records", "batches from the one that holds the offset on")
NOTHING_YET = declare("fetch.nothing_yet", "the offset is the end of what can be read: no records, no error")
OUT_OF_RANGE = declare("fetch.out_of_range", "the offset is before the log's start or past its end")
FETCH_UNKNOWN = declare("fetch.unknown_partition", "no such topic or partition")


# -- produce ---------------------------------------------------------------------------------------------------------


@rule(Produce)
def produce(cluster: Cluster, operation: Produce, context: Context) -> tuple[Section, ...]:
    """What a produce may answer: each partition is judged by itself, whatever befalls the others."""
    whole = Section("request", (Permitted(ANSWERED, ()),))
    return (whole, *(_produce_part(cluster, operation, part, context) for part in operation.parts))


def _produce_part(cluster: Cluster, operation: Produce, part: ProducePart, context: Context) -> Section:
    where = f"{part.topic}-{part.partition}"
    topic = cluster.topics.get(part.topic)
    partition = cluster.partition(part.topic, part.partition)
    if topic is None or partition is None:
        return Section(
            where,
            (validation.refused(NO_SUCH_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LOG-10"),),
        )
    refusal = validation.refusal(topic, part, operation, context)
    if refusal is not None:
        return Section(where, (refusal,))
    (batch,) = part.batches or ()
    (size,) = part.sizes
    return Section(where, tuple(_append_or_answer(topic, part.partition, batch, size, context)))


def _append_or_answer(topic: Topic, index: int, batch: Batch, size: int, context: Context) -> list[Permitted]:
    """One permitted outcome for each step of the producer's machine that is enabled; without one, an append."""
    partition = topic.partitions[index]
    if not batch.is_idempotent:
        return [_appended(topic, index, batch, size, None, context, "LOG-01")]
    known = partition.producers.get(batch.producer_id) or values.initial(machine.producer)
    state = known.but(log_end_offset=partition.log_end_offset)
    claim = {"epoch": batch.producer_epoch, "first": batch.base_sequence, "last": batch.last_sequence}
    outcomes = []
    for step in values.enabled(machine.producer, state, **claim):
        name = step.action.name
        if name.startswith("append"):
            outcomes.append(_appended(topic, index, batch, size, step.take(), context, "IDM-02"))
        elif name == "answer_duplicate":
            outcomes.append(_duplicate(partition, state.offset[step.arguments["slot"]]))
        elif name == "refuse_old_epoch":
            outcomes.append(validation.refused(OLD_EPOCH, ErrorCode.INVALID_PRODUCER_EPOCH, "IDM-05"))
        else:
            outcomes.append(validation.refused(OUT_OF_ORDER, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "IDM-04"))
    return outcomes


def _duplicate(partition: Partition, offset: int) -> Permitted:
    return Permitted(
        DUPLICATE,
        (
            success("IDM-03"),
            Expect("base_offset", Exactly(offset), "IDM-03"),
            Expect("log_start_offset", Exactly(partition.log_start_offset), "LOG-11", vital=False),
        ),
    )


def _appended(
    topic: Topic,
    index: int,
    batch: Batch,
    size: int,
    remembered: State | None,
    context: Context,
    rule_of_success: str,
) -> Permitted:
    partition = topic.partitions[index]
    stamped_by_broker = setting(topic, context, "message.timestamp.type") == "LogAppendTime"
    time = (
        Between(context.sent_ms - context.clock_slack_ms, context.answered_ms + context.clock_slack_ms)
        if stamped_by_broker
        else Exactly(-1)
    )
    return Permitted(
        APPENDED,
        (
            success(rule_of_success),
            Expect("base_offset", Exactly(partition.log_end_offset), "LOG-01"),
            Expect("log_append_time_ms", time, "BAT-20", vital=False),
            Expect("log_start_offset", Exactly(partition.log_start_offset), "LOG-11", vital=False),
        ),
        _store(topic.name, index, batch, size, remembered, stamped_by_broker=stamped_by_broker),
    )


def _store(
    topic: str, index: int, batch: Batch, size: int, remembered: State | None, *, stamped_by_broker: bool
) -> Effect:
    def then(cluster: Cluster, answer: Values) -> Cluster:
        partition = cluster.topics[topic].partitions[index]
        append_time = answer.get("log_append_time_ms") if stamped_by_broker else None
        stored = Stored(
            batch.at(partition.log_end_offset, NO_LEADER_EPOCH),
            size,
            partition.leader_epoch,
            append_time if isinstance(append_time, int) else None,
        )
        producers = partition.producers
        if remembered is not None:
            producers = {**producers, batch.producer_id: remembered}
        return cluster.with_partition(
            topic,
            index,
            evolve(
                partition,
                log_end_offset=stored.next_offset,
                entries=(*partition.entries, stored),
                producers=producers,
            ),
        )

    return then


def setting(topic: Topic, context: Context, name: str) -> str:
    """A topic's setting: its own if it has one, otherwise the profile's default."""
    return topic.config.get(name, context.profile.defaults[name])


# -- fetch -----------------------------------------------------------------------------------------------------------


@rule(Fetch)
def fetch(cluster: Cluster, operation: Fetch, context: Context) -> tuple[Section, ...]:
    """What a fetch may answer: its partitions one by one."""
    whole = Section("request", (Permitted(FETCHED, (success("LOG-02"),)),))
    return (whole, *(_fetch_part(cluster, operation, part, context) for part in operation.parts))


def _fetch_part(cluster: Cluster, operation: Fetch, part: FetchPart, context: Context) -> Section:
    where = f"{part.topic}-{part.partition}"
    partition = cluster.partition(part.topic, part.partition)
    if partition is None:
        return Section(where, (Permitted(FETCH_UNKNOWN, (error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LOG-10"),)),))
    if not partition.log_start_offset <= part.offset <= partition.log_end_offset:
        return Section(where, (Permitted(OUT_OF_RANGE, (error(ErrorCode.OFFSET_OUT_OF_RANGE, "LOG-03"),)),))
    bounds = (
        success("LOG-03"),
        Expect("high_watermark", Exactly(partition.high_watermark), "LOG-12", vital=False),
        Expect("last_stable_offset", Exactly(partition.last_stable_offset), "LOG-13", vital=False),
        Expect("log_start_offset", Exactly(partition.log_start_offset), "LOG-11", vital=False),
    )
    readable = partition.from_offset(part.offset)
    if not readable:
        return Section(where, (Permitted(NOTHING_YET, (*bounds, Expect("records", Exactly(()), "LOG-03"))),))
    return Section(where, (Permitted(RECORDS, (*bounds, *_records_expected(readable))),))


def _records_expected(readable: tuple[Stored, ...]) -> tuple[Expect, ...]:
    """The answered batches are the first few of `readable`, each whole; every aspect is a rule of its own."""

    def aspect(words: str, requirement: str, of: Callable[[Batch, Stored], bool]) -> Expect:
        def holds(seen: object) -> bool:
            return isinstance(seen, tuple) and all(of(got, stored) for got, stored in zip(seen, readable, strict=False))

        return Expect("records", Meets(words, holds), requirement)

    def some_of_them(seen: object) -> bool:
        return isinstance(seen, tuple) and 1 <= len(seen) <= len(readable)

    return (
        Expect("records", Meets(f"1 to {len(readable)} whole batches", some_of_them), "LOG-04"),
        aspect(
            f"offsets from {readable[0].base_offset} on, as they were assigned",
            "LOG-01",
            lambda got, stored: (got.base_offset, got.last_offset) == (stored.base_offset, stored.batch.last_offset),
        ),
        aspect(
            "keys, values, headers and their order as produced",
            "LOG-02",
            lambda got, stored: _payloads(got) == _payloads(stored.batch),
        ),
        aspect("timestamps as produced, or as stamped by the broker", "BAT-21", _timestamps_agree),
    )


def _payloads(batch: Batch) -> list[tuple[object, ...]]:
    return [(record.key, record.value, record.headers) for record in batch.records]


def _timestamps_agree(got: Batch, stored: Stored) -> bool:
    if stored.append_time is not None:
        return got.timestamp_type == TimestampType.LOG_APPEND_TIME and got.max_timestamp == stored.append_time
    return [record.timestamp for record in got.records] == [record.timestamp for record in stored.batch.records]
