"""Leader epochs on the wire: who is fenced, which epoch a record is of, and where an epoch ended.

A leader keeps, for every epoch in which it or another wrote, the offset at which it began. From that follow the
answers to OffsetForLeaderEpoch, the epochs that ListOffsets names, and whether a reader's log has diverged. Epochs
are the target's to choose: the model learns them from Metadata, and holds the target to what it has said.

Not modelled: elections among several replicas, and truncation after one (they come with the replication machine).

Source: LeaderEpochFileCache.java, Partition.checkCurrentLeaderEpoch, Partition.readRecords; KIP-101, KIP-320.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from model.reference.errors import ErrorCode
from model.reference.operations import FetchPart, OffsetForLeaderEpoch, OffsetForLeaderEpochPart
from model.reference.outcomes import (
    Exactly,
    Expect,
    Meets,
    OneOf,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Partition, Topic

UNCHECKED = -1
"""A current leader epoch that asks for no check."""
UNDEFINED = (-1, -1)
"""The epoch and end offset that stand for "none is known"."""

FENCED = declare("leader_epoch.fenced", "the request's leader epoch is older than the leader's: refused")
UNKNOWN = declare("leader_epoch.unknown", "the request's leader epoch is newer than the leader's: refused")
DIVERGED = declare("fetch.diverged", "the reader's last epoch ended earlier here: told where, no records")
LOST = declare("fetch.epoch_unknown", "the reader's last epoch is newer than any here: offset out of range")
ANSWERED = declare("offset_for_leader_epoch.answered", "the request as a whole was answered")
CURRENT = declare("offset_for_leader_epoch.current", "the epoch is the current one: it ends where the log does")
PAST = declare("offset_for_leader_epoch.past", "the epoch is over: it ends where the next one began")
SKIPPED = declare("offset_for_leader_epoch.skipped", "no batch is of this epoch: the one before it and its end")
BEFORE_ALL = declare("offset_for_leader_epoch.before_all", "the epoch is older than all that are kept")
UNDEFINED_END = declare("offset_for_leader_epoch.undefined", "no epoch, or one that has not begun: nothing is known")
NO_PARTITION = declare("offset_for_leader_epoch.unknown_partition", "no such topic or partition")
UNTOLD = declare("offset_for_leader_epoch.untold", "the leader's epochs are not known to the model")


# -- what is known of a partition's epochs ---------------------------------------------------------------------------


def kept(partition: Partition) -> tuple[tuple[int, int], ...]:
    """The epochs that the leader keeps, and where each began; those that began before the log's start are one."""
    start = partition.log_start_offset
    begun = [epoch for epoch, offset in partition.epoch_starts if offset <= start]
    later = tuple(entry for entry in partition.epoch_starts if entry[1] > start)
    return ((begun[-1], start), *later) if begun else later


def epoch_at(partition: Partition, offset: int) -> int | None:
    """The epoch in which the record at `offset` was written, or will be; None if it is not known."""
    if partition.leader_epoch is None and offset >= partition.current_epoch_start:
        return None
    return max((epoch for epoch, start in partition.epoch_starts if start <= offset), default=None)


def end_of(partition: Partition, epoch: int) -> tuple[int, int]:
    """The largest epoch up to `epoch`, and where it ended (LeaderEpochFileCache.endOffsetFor)."""
    epochs = kept(partition)
    if epoch < 0 or not epochs or epoch > epochs[-1][0]:
        return UNDEFINED
    if epoch == epochs[-1][0]:
        return epoch, partition.log_end_offset
    end = next(start for each, start in epochs if each > epoch)
    return max((each for each, _ in epochs if each <= epoch), default=epoch), end


def learned(partition: Partition, epoch: object) -> Partition:
    """The partition after an answer named its leader's epoch."""
    if not isinstance(epoch, int) or epoch < 0 or epoch == partition.leader_epoch:
        return partition
    if partition.epoch_starts and epoch == partition.epoch_starts[-1][0]:
        return evolve(partition, leader_epoch=epoch, is_led_anew=False)
    elected_unseen = partition.leader_epoch is not None
    start = partition.log_end_offset if elected_unseen else partition.current_epoch_start
    earlier = tuple(entry for entry in partition.epoch_starts if entry[0] < epoch and entry[1] < start)
    return evolve(
        partition,
        leader_epoch=epoch,
        is_led_anew=False,
        current_epoch_start=start,
        epoch_starts=(*earlier, (epoch, start)),
    )


def learned_all(cluster: Cluster, name: str, answer: Values) -> Cluster:
    """The cluster after Metadata described a topic: the epochs of the partitions that have a leader."""
    epochs, leaders = answer.get("leader_epochs"), answer.get("leaders")
    if not isinstance(epochs, tuple) or not isinstance(leaders, tuple):
        return cluster
    for index, (epoch, leader) in enumerate(zip(epochs, leaders, strict=True)):
        partition = cluster.partition(name, index)
        if partition is not None and leader >= 0:
            cluster = cluster.with_partition(name, index, learned(partition, epoch))
    return cluster


def described(topic: Topic) -> tuple[Expect, ...]:
    """What Metadata may say of a topic's leader epochs."""

    def each(holds: Callable[[Partition, int], bool]) -> Callable[[object], bool]:
        def all_hold(seen: object) -> bool:
            return isinstance(seen, tuple) and all(
                isinstance(epoch, int) and holds(partition, epoch)
                for partition, epoch in zip(topic.partitions, seen, strict=False)
            )

        return all_hold

    def not_lower(partition: Partition, epoch: int) -> bool:
        return epoch >= max((known for known, _ in partition.epoch_starts), default=0)

    def higher_if_led_anew(partition: Partition, epoch: int) -> bool:
        before = max((known for known, _ in partition.epoch_starts), default=None)
        return not partition.is_led_anew or before is None or epoch > before

    words = "no leader epoch lower than before"
    expects = [Expect("leader_epochs", Meets(words, each(not_lower)), "EPO-01", vital=False)]
    if any(partition.is_led_anew and partition.epoch_starts for partition in topic.partitions):
        words = "a higher leader epoch than before the leader was restarted"
        expects.append(Expect("leader_epochs", Meets(words, each(higher_if_led_anew)), "EPO-02", vital=False))
    return tuple(expects)


# -- fencing ---------------------------------------------------------------------------------------------------------


def fenced(
    partition: Partition, current_leader_epoch: int, older: str = "EPO-03", newer: str = "EPO-04"
) -> Permitted | None:
    """How a request with this `current_leader_epoch` is refused; None if it is not, or if nobody can tell.

    `older` and `newer` are the requirements to cite; the defaults are Fetch's. The check comes after that for an
    unknown partition and before every other (Partition.localLogWithEpochOrThrow). Pass -1 for API versions that do
    not carry the epoch (Fetch before v9, ListOffsets before v4).
    """
    if current_leader_epoch == UNCHECKED or partition.leader_epoch is None:
        return None
    if current_leader_epoch < partition.leader_epoch:
        return Permitted(FENCED, (error(ErrorCode.FENCED_LEADER_EPOCH, older),))
    if current_leader_epoch > partition.leader_epoch:
        return Permitted(UNKNOWN, (error(ErrorCode.UNKNOWN_LEADER_EPOCH, newer),))
    return None


def diverged(partition: Partition, part: FetchPart, bounds: tuple[Expect, ...]) -> Permitted | None:
    """How a fetch is answered whose reader last read an epoch that ended earlier here; None if it did not.

    Only for Fetch from v12, which carries `last_fetched_epoch`; the check comes after fencing and before that of
    the offset. `bounds` are the high watermark and the other fields of a read that succeeds.
    """
    if part.last_fetched_epoch < 0 or partition.leader_epoch is None:
        return None
    epoch, end = end_of(partition, part.last_fetched_epoch)
    if epoch < 0:
        return Permitted(LOST, (error(ErrorCode.OFFSET_OUT_OF_RANGE, "EPO-18"),))
    if part.offset < partition.log_start_offset or (epoch == part.last_fetched_epoch and end >= part.offset):
        return None
    requirement = "EPO-17" if part.last_fetched_epoch == partition.leader_epoch else "EPO-20"
    return Permitted(
        DIVERGED,
        (
            success(requirement),
            *bounds,
            Expect("diverging_epoch", Exactly((epoch, end)), requirement),
            Expect("records", Exactly(()), requirement),
        ),
    )


def not_diverged() -> Expect:
    """A read that has not diverged names no diverging epoch."""
    return Expect("diverging_epoch", OneOf((None, UNDEFINED)), "EPO-19")


# -- where an epoch ended --------------------------------------------------------------------------------------------


@rule(OffsetForLeaderEpoch)
def offset_for_leader_epoch(cluster: Cluster, operation: OffsetForLeaderEpoch, context: Context) -> tuple[Section, ...]:
    """What a question for the end of an epoch may answer: each partition is judged by itself."""
    whole = Section("request", (Permitted(ANSWERED, ()),))
    one_is_unknown = any(cluster.partition(part.topic, part.partition) is None for part in operation.parts)
    return (whole, *(_end_of_epoch(cluster, part, one_is_unknown=one_is_unknown) for part in operation.parts))


def _end_of_epoch(cluster: Cluster, part: OffsetForLeaderEpochPart, *, one_is_unknown: bool) -> Section:
    where = f"{part.topic}-{part.partition}"
    partition = cluster.partition(part.topic, part.partition)
    if partition is None:
        refusal = Permitted(NO_PARTITION, (error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "EPO-16"),))
        return Section(where, (_without_end(refusal, "EPO-16"),))
    refused = fenced(partition, part.current_leader_epoch, "EPO-07", "EPO-08")
    if refused is not None:
        return Section(where, (_without_end(refused, refused.expects[0].requirement),))
    if partition.leader_epoch is None:
        return Section(where, (Permitted(UNTOLD, ()),))
    return Section(where, (_answer(partition, part.leader_epoch, beside_unknown=one_is_unknown),))


def _without_end(refused: Permitted, requirement: str) -> Permitted:
    return evolve(refused, expects=(*refused.expects, Expect("end_offset", Exactly(-1), requirement)))


def _answer(partition: Partition, epoch: int, *, beside_unknown: bool) -> Permitted:
    found, end = end_of(partition, epoch)
    outcome, requirement = _how_it_ended(partition, epoch, found)
    return Permitted(
        outcome,
        (
            success("EPO-16" if beside_unknown else requirement),
            Expect("leader_epoch", Exactly(found), requirement),
            Expect("end_offset", Exactly(end), requirement),
        ),
    )


def _how_it_ended(partition: Partition, epoch: int, found: int) -> tuple[str, str]:
    """The outcome's name, and the requirement whose rule it is."""
    epochs = [each for each, _ in kept(partition)]
    if found < 0:
        return UNDEFINED_END, "EPO-12" if epoch < 0 else "EPO-11"
    if epoch == epochs[-1]:
        return CURRENT, "EPO-10"
    if epoch < epochs[0]:
        return BEFORE_ALL, "EPO-15"
    return (PAST, "EPO-13") if found == epoch else (SKIPPED, "EPO-14")
