"""What a leader does with a batch of an idempotent producer, and which requirement says so.

The protocol is the machine in `model.machines.producer`; here its steps become outcomes of a produce. After a restart
the leader's memory may be in several states; what it answers rules out those that would have answered otherwise.

Not modelled: transactions; batches that the checks of `model.reference.validation` refuse never come here.

Source: UnifiedLog.analyzeAndValidateProducerState, ProducerAppendInfo.java, ProducerStateEntry.java; KIP-98, KIP-360.
"""

from __future__ import annotations

from enum import Enum

from attrs import evolve, frozen

from model.language import State
from model.machines import producer as machine
from model.readings import values
from model.reference.batch import SEQUENCE_LIMIT, Batch
from model.reference.rules import Context
from model.reference.state import Cluster, Memory, Partition, Topic


class Treatment(Enum):
    """What may become of a batch."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    OLD_EPOCH = "old epoch"


@frozen
class Judged:
    """One way to treat a batch: the requirement that asks for it, and what the leader may remember afterwards."""

    treatment: Treatment
    requirement: str
    memories: tuple[State, ...]
    offset: int | None = None
    """Of a duplicate: the offset that its first record was given."""


_TREATMENTS = {
    machine.append_of_unknown_producer.name: Treatment.APPENDED,
    machine.append_next.name: Treatment.APPENDED,
    machine.append_in_new_epoch.name: Treatment.APPENDED,
    machine.answer_duplicate.name: Treatment.DUPLICATE,
    machine.refuse_gap.name: Treatment.OUT_OF_ORDER,
    machine.refuse_late_start.name: Treatment.OUT_OF_ORDER,
    machine.refuse_old_epoch.name: Treatment.OLD_EPOCH,
}


def judged(cluster: Cluster, topic: Topic, index: int, batch: Batch, context: Context) -> tuple[Judged, ...]:
    """Every way in which the leader may treat a batch that names a producer id."""
    partition = topic.partitions[index]
    known = _states(partition.producers.get(batch.producer_id), context)
    claim = {"epoch": batch.producer_epoch, "first": batch.base_sequence, "last": batch.last_sequence}
    found: dict[tuple[Treatment, int | None], Judged] = {}
    for state in (each.but(log_end_offset=partition.log_end_offset) for each in known):
        for step in values.enabled(machine.producer, state, **claim):
            one = _judged(cluster, topic, index, batch, step)
            key = one.treatment, one.offset
            if key in found:
                one = evolve(found[key], memories=(*found[key].memories, *one.memories))
            found[key] = evolve(one, memories=tuple(dict.fromkeys(one.memories)))
    return tuple(found.values())


def _states(memory: Memory | None, context: Context) -> tuple[State, ...]:
    """The states that the producer's entry may be in.

    Entries age by the timestamps of records: a producer whose records are old when they are sent may be forgotten at
    once, and surely is when the leader reads its memory back (ProducerStateManager.isProducerExpired).
    """
    if memory is None:
        return (values.initial(machine.producer),)
    if not _is_old(memory.timestamp, context.answered_ms + context.clock_slack_ms, context):
        return memory.states
    return tuple(dict.fromkeys((*memory.states, *forgotten(memory).states)))


def remembered(states: tuple[State, ...], timestamp: int, context: Context) -> Memory:
    """What the leader remembers of a producer whose newest batch it has just appended (timestamp in ms)."""
    return Memory(states, timestamp, is_stale=_is_old(timestamp, context.sent_ms - context.clock_slack_ms, context))


def forgotten(memory: Memory) -> Memory:
    """The producer's entry after it has expired (`ProducerStateManager.removeExpiredProducers`)."""
    expired = (step.take() for state in memory.states for step in values.ways(machine.expire, state))
    return evolve(memory, states=tuple(dict.fromkeys(expired)))


def _is_old(timestamp: int, now_ms: int, context: Context) -> bool:
    """Whether a producer with this newest timestamp is to be forgotten."""
    return now_ms - timestamp >= int(context.profile.value("producer.id.expiration.ms"))


def _judged(cluster: Cluster, topic: Topic, index: int, batch: Batch, step: values.Enabled) -> Judged:
    treatment = _TREATMENTS[step.action.name]
    offset = step.state.offset[step.arguments["slot"]] if treatment is Treatment.DUPLICATE else None
    partition = topic.partitions[index]
    if predates_restart(cluster, partition) and step.state.known:
        requirement = "IDM-17"
    elif treatment is Treatment.APPENDED:
        requirement = _of_append(cluster, topic, index, batch, step)
    elif treatment is Treatment.DUPLICATE:
        requirement = _of_duplicate(partition, batch, offset or 0)
    elif treatment is Treatment.OLD_EPOCH:
        requirement = "IDM-05"
    else:
        requirement = _of_refusal(batch, step)
    return Judged(treatment, requirement, (step.take(),), offset)


def predates_restart(cluster: Cluster, partition: Partition) -> bool:
    """Whether the leader was restarted since anything was appended here."""
    return partition.restarts < cluster.restarts


def _wraps(batch: Batch) -> bool:
    """Whether the batch holds the last sequence number and 0."""
    return batch.last_sequence < batch.base_sequence


def _of_append(cluster: Cluster, topic: Topic, index: int, batch: Batch, step: values.Enabled) -> str:
    """The requirement that asks for this append."""
    partition = topic.partitions[index]
    if step.action is machine.append_in_new_epoch:
        return "IDM-10"
    if step.action is machine.append_of_unknown_producer:
        memory = partition.producers.get(batch.producer_id)
        if memory is not None and memory.is_stale and predates_restart(cluster, partition):
            return "IDM-23"
        if batch.base_sequence != 0:
            return "IDM-09"
        return "IDM-14" if partition.producers or _is_known_elsewhere(cluster, topic, index, batch) else "IDM-02"
    if _wraps(batch) or batch.base_sequence == 0:
        return "IDM-12"
    return "IDM-15" if partition.not_appended_by is not None else "IDM-02"


def _is_known_elsewhere(cluster: Cluster, topic: Topic, index: int, batch: Batch) -> bool:
    """Whether the producer has appended to another partition."""
    return any(
        batch.producer_id in partition.producers
        for other in cluster.topics.values()
        for number, partition in enumerate(other.partitions)
        if (other.name, number) != (topic.name, index)
    )


def _of_duplicate(partition: Partition, batch: Batch, offset: int) -> str:
    """The requirement that asks for this duplicate to be recognised."""
    if offset < partition.log_start_offset:
        return "IDM-19"
    return "IDM-13" if _wraps(batch) else "IDM-03"


def _of_refusal(batch: Batch, step: values.Enabled) -> str:
    """The requirement that asks for OUT_OF_ORDER_SEQUENCE_NUMBER."""
    if step.action is machine.refuse_late_start:
        return "IDM-11"
    state = step.state
    if any(
        _overlap(state.first[slot], state.last[slot], batch.base_sequence, batch.last_sequence)
        for slot in range(state.remembered)
    ):
        return "IDM-08"
    behind = (state.last[0] - batch.base_sequence) % SEQUENCE_LIMIT < SEQUENCE_LIMIT // 2
    return "IDM-07" if behind else "IDM-04"


def _overlap(first: int, last: int, other_first: int, other_last: int) -> bool:
    """Whether two ranges of sequence numbers, which may wrap, have a number in common."""

    def holds(low: int, high: int, number: int) -> bool:
        return (number - low) % SEQUENCE_LIMIT <= (high - low) % SEQUENCE_LIMIT

    return holds(first, last, other_first) or holds(other_first, other_last, first)
