"""Appending to a partition's log, as a client sees it.

Modelled: offsets, acknowledgements, partitions that are judged one by one, the idempotent producer (its machine).
Not modelled: which bytes lie where, compaction, retention. Reading is in `model.reference.reading`, deleting in
`model.reference.deletion`, what a batch must be in `model.reference.validation`.

Source: KafkaApis.handleProduceRequest, ReplicaManager.appendRecords, UnifiedLog.append, LocalLog.java.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from attrs import evolve, frozen

from model.language import State
from model.machines import producer as machine
from model.readings import values
from model.reference import validation
from model.reference.batch import NO_LEADER_EPOCH, Batch
from model.reference.errors import ErrorCode
from model.reference.operations import Produce, ProducePart
from model.reference.outcomes import (
    Between,
    Effect,
    Exactly,
    Expect,
    Permitted,
    Section,
    Values,
    declare,
    success,
)
from model.reference.returned import codec_of
from model.reference.rules import Context, rule
from model.reference.settings import setting
from model.reference.state import Cluster, Stored, Topic

ANSWERED = declare("produce.answered", "the request as a whole was answered")
APPENDED = declare("produce.appended", "the batch was appended and got the next offsets")
DUPLICATE = declare("produce.duplicate", "the batch was appended before; answered with its offset, nothing appended")
OUT_OF_ORDER = declare("produce.out_of_order", "the batch's sequence number leaves a gap: refused")
OLD_EPOCH = declare("produce.old_producer_epoch", "the batch is of an older producer epoch: refused")
NO_SUCH_PARTITION = declare("produce.unknown_partition", "no such topic or partition")
INVALID_ACKS = declare("produce.invalid_acks", "acks is none of 0, 1 and -1: refused")
REPEATED = declare("produce.repeated_partition", "the partition is named again later in the request: not judged here")

VALID_ACKS = (-1, 0, 1)
PRODUCE_BY_ID_FROM = 13
NO_TOPIC_ID = UUID(int=0)


@rule(Produce)
def produce(cluster: Cluster, operation: Produce, context: Context) -> tuple[Section, ...]:
    """What a produce may answer: each partition is judged by itself, whatever befalls the others."""
    asked = tuple(sorted({(part.topic, part.partition) for part in operation.parts}))
    whole = (
        Expect("partitions", Exactly(asked), "LOG-17"),
        Expect("throttle_time_ms", Exactly(0), "LOG-42", vital=False),
    )
    refusals = [_refusals(cluster, operation, part, context) for part in operation.parts]
    sections = [
        _section(cluster, operation, index, refusals, context) for index in range(len(operation.parts))
    ]
    return (Section("request", (Permitted(ANSWERED, whole),)), *sections)


def _section(
    cluster: Cluster,
    operation: Produce,
    index: int,
    refusals: list[tuple[Permitted, ...]],
    context: Context,
) -> Section:
    part = operation.parts[index]
    where = f"{part.topic}-{part.partition}"
    if any((each.topic, each.partition) == (part.topic, part.partition) for each in operation.parts[index + 1 :]):
        return Section(where, (Permitted(REPEATED, ()),))
    if refusals[index]:
        return Section(where, tuple(_nothing_appended(part, each) for each in refusals[index]))
    (batch,) = part.batches or ()
    (size,) = part.sizes
    append = _Append(
        cluster,
        cluster.topics[part.topic],
        part.partition,
        batch,
        size,
        operation.acks,
        context,
        another_is_refused=any(refusals),
    )
    return Section(where, tuple(append.outcomes()))


def _refusals(
    cluster: Cluster, operation: Produce, part: ProducePart, context: Context
) -> tuple[Permitted, ...]:
    """How the part is refused before its producer is looked at; nothing if it isn't."""
    topic = cluster.topics.get(part.topic)
    if topic is None or cluster.partition(part.topic, part.partition) is None:
        by_id = topic is None and context.version >= PRODUCE_BY_ID_FROM
        code = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return (validation.refused(NO_SUCH_PARTITION, code, "LOG-10"),)
    refusal = validation.refusal(topic, part, operation, context)
    refusals = () if refusal is None else (refusal,)
    if operation.acks not in VALID_ACKS:
        # Some of a batch's checks come before this one and some after it; which is no business of clients.
        return (validation.refused(INVALID_ACKS, ErrorCode.INVALID_REQUIRED_ACKS, "LOG-45"), *refusals)
    return refusals


def _nothing_appended(part: ProducePart, refusal: Permitted) -> Permitted:
    """The refusal, after which the log must be as it was."""
    requirement = refusal.expects[0].requirement

    def then(cluster: Cluster, answer: Values) -> Cluster:
        cluster = refusal.then(cluster, answer)
        partition = cluster.partition(part.topic, part.partition)
        if partition is None:
            return cluster
        return cluster.with_partition(part.topic, part.partition, evolve(partition, not_appended_by=requirement))

    return evolve(refusal, then=then)


# -- one batch that is fit to be appended ------------------------------------------------------------------------------


@frozen
class _Append:
    """A batch that came to its partition, and what decides its answer."""

    cluster: Cluster
    topic: Topic
    index: int
    batch: Batch
    size: int
    acks: int
    context: Context
    another_is_refused: bool

    @property
    def partition(self) -> Partition:
        return self.topic.partitions[self.index]

    @property
    def predates_restart(self) -> bool:
        return self.partition.restarts < self.cluster.restarts and self.partition.log_end_offset > 0

    def outcomes(self) -> list[Permitted]:
        """One for each answer that the producer's machine allows; without a producer id, an append."""
        if not self.batch.is_idempotent:
            return [self._appended(None, "LOG-01")]
        return [self._outcome(kind, offset, states) for (kind, offset), states in self._steps().items()]

    def _steps(self) -> Mapping[tuple[str, int], tuple[State, ...]]:
        """What the leader may do, with the states that its memory of the producer may be in afterwards."""
        known = self.partition.producers.get(self.batch.producer_id) or (values.initial(machine.producer),)
        claim = {
            "epoch": self.batch.producer_epoch,
            "first": self.batch.base_sequence,
            "last": self.batch.last_sequence,
        }
        steps: dict[tuple[str, int], tuple[State, ...]] = {}
        for before in known:
            state = before.but(log_end_offset=self.partition.log_end_offset)
            for step in values.enabled(machine.producer, state, **claim):
                kind = step.action.name
                if kind.startswith("append"):
                    key = ("append", -1)
                elif kind == "answer_duplicate":
                    key = (kind, state.offset[step.arguments["slot"]])
                else:
                    key = (kind, -1)
                steps[key] = tuple(dict.fromkeys((*steps.get(key, ()), step.take())))
        return steps

    def _outcome(self, kind: str, offset: int, states: tuple[State, ...]) -> Permitted:
        if kind == "append":
            return self._appended(states, "IDM-02")
        if kind == "answer_duplicate":
            return self._not_appended(self._duplicate(offset), states)
        if kind == "refuse_old_epoch":
            refused = validation.refused(OLD_EPOCH, ErrorCode.INVALID_PRODUCER_EPOCH, "IDM-05")
        else:
            refused = validation.refused(OUT_OF_ORDER, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "IDM-04")
        return self._not_appended(refused, states)

    def _duplicate(self, offset: int) -> Permitted:
        expects = (success("IDM-03"), Expect("base_offset", Exactly(offset), "IDM-03"), self._log_start())
        return Permitted(DUPLICATE, expects)

    def _not_appended(self, permitted: Permitted, states: tuple[State, ...]) -> Permitted:
        def then(cluster: Cluster, _answer: Values) -> Cluster:
            partition = cluster.topics[self.topic.name].partitions[self.index]
            producers = {**partition.producers, self.batch.producer_id: states}
            changed = evolve(partition, producers=producers, not_appended_by=permitted.expects[0].requirement)
            return cluster.with_partition(self.topic.name, self.index, changed)

        return evolve(permitted, then=then)

    # -- an append -------------------------------------------------------------------------------------------------

    def _appended(self, states: tuple[State, ...] | None, rule_of_success: str) -> Permitted:
        if self.another_is_refused:
            rule_of_success = "LOG-16"
        elif self.acks == 1:
            rule_of_success = "LOG-44"
        return Permitted(
            APPENDED,
            (
                success(rule_of_success),
                Expect("base_offset", Exactly(self.partition.log_end_offset), self._rule_of_offset()),
                Expect("log_append_time_ms", self._append_time(), "BAT-20", vital=False),
                self._log_start(),
            ),
            self._store(states),
        )

    def _rule_of_offset(self) -> str:
        """Who says which offset is next: it goes on after a restart, after deletion, and in the order of sending."""
        if self.predates_restart:
            return "LOG-08"
        if self.partition.log_start_offset == self.partition.log_end_offset > 0:
            return "LOG-39"
        if self.context.pipelined:
            return "LOG-31"
        return "LOG-01"

    def _log_start(self) -> Expect:
        requirement = "LOG-09" if self.predates_restart else "LOG-11"
        return Expect("log_start_offset", Exactly(self.partition.log_start_offset), requirement, vital=False)

    @property
    def _stamped_by_broker(self) -> bool:
        return setting(self.topic, self.context, "message.timestamp.type") == "LogAppendTime"

    def _append_time(self) -> Between | Exactly:
        if not self._stamped_by_broker:
            return Exactly(-1)
        slack = self.context.clock_slack_ms
        return Between(self.context.sent_ms - slack, self.context.answered_ms + slack)

    def _store(self, states: tuple[State, ...] | None) -> Effect:
        codec = codec_of(setting(self.topic, self.context, "compression.type"), self.batch.compression)

        def then(cluster: Cluster, answer: Values) -> Cluster:
            partition = cluster.topics[self.topic.name].partitions[self.index]
            append_time = answer.get("log_append_time_ms") if self._stamped_by_broker else None
            stored = Stored(
                self.batch.at(partition.log_end_offset, NO_LEADER_EPOCH),
                self.size,
                partition.leader_epoch,
                append_time if isinstance(append_time, int) else None,
                acks=self.acks,
                is_recompressed=codec != self.batch.compression,
            )
            producers = partition.producers
            if states is not None:
                producers = {**producers, self.batch.producer_id: states}
            appended = evolve(
                partition,
                log_end_offset=stored.next_offset,
                entries=(*partition.entries, stored),
                producers=producers,
                not_appended_by=None,
                restarts=cluster.restarts,
            )
            return cluster.with_partition(self.topic.name, self.index, appended)

        return then
