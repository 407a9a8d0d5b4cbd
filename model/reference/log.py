"""Appending to a partition's log, as a client sees it.

Modelled: offsets, acknowledgements, partitions that are judged one by one, the idempotent producer (its machine).
Not modelled: which bytes lie where, compaction, retention. Reading is in `model.reference.reading`, deleting in
`model.reference.deletion`, what a batch must be in `model.reference.validation`.

Source: KafkaApis.handleProduceRequest, ReplicaManager.appendRecords, UnifiedLog.append, LocalLog.java.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from model.language import State
from model.reference import acks, idempotence, timestamps, validation
from model.reference.batch import NO_LEADER_EPOCH, Batch
from model.reference.errors import ErrorCode
from model.reference.idempotence import Judged, Treatment
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
from model.reference.restart import rule_of_survival
from model.reference.returned import codec_of
from model.reference.rules import Context, rule
from model.reference.settings import setting
from model.reference.state import Cluster, Partition, Stored, Topic
from model.reference.validation import Look, Refusal

ANSWERED = declare("produce.answered", "the request as a whole was answered")
APPENDED = declare("produce.appended", "the batch was appended and got the next offsets")
DUPLICATE = declare("produce.duplicate", "the batch was appended before; answered with its offset, nothing appended")
OUT_OF_ORDER = declare("produce.out_of_order", "the batch's sequence number leaves a gap: refused")
OLD_EPOCH = declare("produce.old_producer_epoch", "the batch is of an older producer epoch: refused")
REPEATED = declare("produce.repeated_partition", "the partition is named again later in the request: not judged here")

PRODUCE_BY_ID_FROM = 13


@rule(Produce)
def produce(cluster: Cluster, operation: Produce, context: Context) -> tuple[Section, ...]:
    """What a produce may answer: each partition is judged by itself, whatever befalls the others."""
    asked = tuple(sorted({(part.topic, part.partition) for part in operation.parts}))
    whole = (
        Expect("partitions", Exactly(asked), "LOG-17"),
        Expect("throttle_time_ms", Exactly(0), "LOG-42", vital=False),
    )
    refusals = validation.refusals(cluster, operation, context)
    sections = [_section(cluster, operation, index, refusals, context) for index in range(len(operation.parts))]
    return (Section("request", (Permitted(ANSWERED, whole),)), *sections)


def _section(
    cluster: Cluster,
    operation: Produce,
    index: int,
    refusals: Sequence[Refusal | None],
    context: Context,
) -> Section:
    part = operation.parts[index]
    where = f"{part.topic}-{part.partition}"
    if any((each.topic, each.partition) == (part.topic, part.partition) for each in operation.parts[index + 1 :]):
        return Section(where, (Permitted(REPEATED, ()),))
    refusal = refusals[index]
    others = [each for each in refusals if each is not None and each is not refusal]
    choices = []
    if refusal is not None:
        choices.append(_refused(cluster, part, refusal, context))
    if refusal is None or not refusal.is_certain:
        look = Look(cluster.topics[part.topic], part, operation, context)
        choices += _Append(cluster, look, another_is_refused=bool(others)).outcomes()
    choices += [_refused(cluster, part, other, context) for other in others if other.fails_request]
    return Section(where, tuple(choices))


def _refused(cluster: Cluster, part: ProducePart, refusal: Refusal, context: Context) -> Permitted:
    """The answer to a refused part, after which the log must be as it was."""
    if part.topic not in cluster.topics and context.version >= PRODUCE_BY_ID_FROM:
        refusal = evolve(refusal, codes=(ErrorCode.UNKNOWN_TOPIC_ID,))
    before = cluster.partition(part.topic, part.partition)
    permitted = validation.answer(refusal, before.log_start_offset if before is not None else None)

    def then(after: Cluster, answer: Values) -> Cluster:
        after = permitted.then(after, answer)
        partition = after.partition(part.topic, part.partition)
        if partition is None:
            return after
        return after.with_partition(part.topic, part.partition, evolve(partition, not_appended_by=refusal.requirement))

    return evolve(permitted, then=then)


# -- one batch that is fit to be appended ------------------------------------------------------------------------------


@frozen
class _Append:
    """A batch that came to its partition, and what decides its answer."""

    cluster: Cluster
    look: Look
    another_is_refused: bool

    @property
    def topic(self) -> Topic:
        return self.look.topic

    @property
    def index(self) -> int:
        return self.look.part.partition

    @property
    def batch(self) -> Batch:
        return self.look.batch

    @property
    def context(self) -> Context:
        return self.look.context

    @property
    def partition(self) -> Partition:
        return self.topic.partitions[self.index]

    @property
    def rule_of_survival(self) -> str | None:
        return rule_of_survival(self.cluster, self.partition)

    def outcomes(self) -> list[Permitted]:
        """One for each answer that the producer's machine allows; without a producer id, an append."""
        if not self.batch.is_idempotent:
            return [self._appended(None, "LOG-01")]
        return [
            self._outcome(judged)
            for judged in idempotence.judged(self.cluster, self.topic, self.index, self.batch, self.context)
        ]

    def _outcome(self, judged: Judged) -> Permitted:
        requirement = judged.requirement
        match judged.treatment:
            case Treatment.APPENDED:
                return self._appended(judged.memories, requirement)
            case Treatment.DUPLICATE:
                offset = Expect("base_offset", Exactly(judged.offset), requirement)
                time = self._time_of_duplicate(judged)
                permitted = Permitted(DUPLICATE, (success(requirement), offset, *time, self._log_start()))
            case Treatment.OLD_EPOCH:
                permitted = validation.refused(OLD_EPOCH, ErrorCode.INVALID_PRODUCER_EPOCH, requirement)
            case Treatment.OUT_OF_ORDER:
                permitted = validation.refused(OUT_OF_ORDER, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, requirement)
        return evolve(permitted, then=self._remembering(judged))

    def _remembering(self, judged: Judged) -> Effect:
        """Nothing is appended, but of several memories that the leader might have, some are ruled out."""

        def then(cluster: Cluster, _answer: Values) -> Cluster:
            partition = cluster.topics[self.topic.name].partitions[self.index]
            producers = partition.producers
            memory = producers.get(self.batch.producer_id)
            if memory is not None:
                producers = {**producers, self.batch.producer_id: evolve(memory, states=judged.memories)}
            changed = evolve(partition, producers=producers, not_appended_by=judged.requirement)
            return cluster.with_partition(self.topic.name, self.index, changed)

        return then

    def _time_of_duplicate(self, judged: Judged) -> tuple[Expect, ...]:
        """When the batch was appended, if the broker stamped it, and the record is still there."""
        stored = next((entry for entry in self.partition.entries if entry.base_offset == judged.offset), None)
        if stored is None or stored.append_time is None:
            return ()
        return (Expect("log_append_time_ms", Exactly(stored.append_time), "IDM-16", vital=False),)

    # -- an append -------------------------------------------------------------------------------------------------

    def _appended(self, states: tuple[State, ...] | None, rule_of_success: str) -> Permitted:
        end = self.partition.log_end_offset
        offsets = [Expect("base_offset", Exactly(end), self._rule_of_offset())]
        if self.batch.is_idempotent:
            # An offset given before means that the batch was taken for another one; a later one is an offset's matter.
            offsets = [
                Expect("base_offset", Between(end), rule_of_success),
                Expect("base_offset", Between(None, end), self._rule_of_offset()),
            ]
        if self.another_is_refused:
            rule_of_success = "LOG-16"
        elif rule_of_success == "LOG-01":
            rule_of_success = acks.rule_of_success(self.look, rule_of_success)
        return Permitted(
            APPENDED,
            (
                success(rule_of_success),
                *offsets,
                Expect("log_append_time_ms", self._append_time(), "BAT-20", vital=False),
                self._log_start(),
            ),
            self._store(states),
        )

    def _rule_of_offset(self) -> str:
        """Who says which offset is next: refused batches used none, and it goes on after a restart or a deletion."""
        if self.rule_of_survival is not None:
            return self.rule_of_survival
        if self.partition.not_appended_by is not None:
            return self.partition.not_appended_by
        if self.partition.entries and self.partition.entries[-1].acks == 0:
            return "ACK-01"
        if self.partition.log_start_offset == self.partition.log_end_offset > 0:
            return "LOG-39"
        if self.context.pipelined:
            return "LOG-31"
        return "LOG-01"

    def _log_start(self) -> Expect:
        start = self.partition.log_start_offset
        requirement = "LOG-09" if self.rule_of_survival is not None and start > 0 else "LOG-11"
        return Expect("log_start_offset", Exactly(start), requirement, vital=False)

    @property
    def _stamped_by_broker(self) -> bool:
        return timestamps.is_stamped_by_broker(self.topic, self.context)

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
                timestamps.as_stored(self.batch, is_stamped_by_broker=self._stamped_by_broker).at(
                    partition.log_end_offset, NO_LEADER_EPOCH
                ),
                self.look.size,
                partition.leader_epoch,
                append_time if isinstance(append_time, int) else None,
                acks=self.look.produce.acks,
                is_recompressed=codec != self.batch.compression,
            )
            producers = partition.producers
            if states is not None:
                timestamp = stored.batch.max_timestamp if stored.append_time is None else stored.append_time
                memory = idempotence.remembered(states, timestamp, self.context)
                producers = {**producers, self.batch.producer_id: memory}
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
