"""Committed offsets: what a group that nobody manages may commit, and what it reads back.

A simple consumer commits with generation -1 and no member id. The broker keeps the offset, a text and a leader
epoch for each partition, as long as the topic lives. What the offset points at is the client's business: it is
not held against the log.

Not modelled here: joining, generations and rebalances (a later machine), expiry of offsets (KIP-211), offsets
committed within transactions.

Source: GroupCoordinator.validateOffsetCommit, GroupMetadataManager.storeOffsets and getOffsets,
KafkaApis.handleOffsetCommitRequest, KafkaApis.getCoordinator; KIP-88, KIP-320, KIP-447, KIP-699, KIP-709.
"""

from __future__ import annotations

from attrs import evolve

from model.reference.errors import ErrorCode
from model.reference.operations import (
    CommitPart,
    FindCoordinator,
    GroupOffsets,
    ObserveLag,
    OffsetCommit,
    OffsetFetch,
)
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Meets,
    OneOf,
    Permitted,
    Section,
    declare,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Committed, Partition

COMMIT_ANSWERED = declare("offset_commit.answered", "the request as a whole was answered")
COMMITTED = declare("offset_commit.committed", "the offset is kept")
COMMIT_UNKNOWN = declare("offset_commit.unknown_partition", "no such topic or partition: nothing is kept")
METADATA_TOO_LARGE = declare("offset_commit.metadata_too_large", "the text is longer than the broker keeps: refused")
NOT_A_MEMBER = declare("offset_commit.not_a_member", "a member or generation is named that the group does not have")

OFFSETS_ANSWERED = declare("offset_fetch.answered", "the request as a whole was answered")
GROUP_ANSWERED = declare("offset_fetch.group", "the group's offsets were answered")
OFFSET_FOUND = declare("offset_fetch.found", "an offset is committed")
OFFSET_NONE = declare("offset_fetch.none", "nothing is committed: offset -1, no error")

COORDINATOR_ANSWERED = declare("find_coordinator.answered", "the request as a whole was answered")
COORDINATOR_FOUND = declare("find_coordinator.found", "the group's coordinator was named")
COORDINATOR_NOT_YET = declare("find_coordinator.not_yet", "no coordinator is ready yet: ask again")

LAG_SEEN = declare("lag.seen", "the lag is the log end offset less the committed offset")
LAG_UNDEFINED = declare("lag.undefined", "nothing is committed: there is no lag")

UNKNOWN_GROUP_FROM = 9
"""The first version of OffsetCommit in which the coordinator of 4.0 says that it does not know a group (KIP-848)."""
STRANGERS = (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND)
"""How a commit is refused that claims what the group does not have; clients take one as the other."""
NOTHING_COMMITTED = Committed(-1, rule="OFF-05", is_kept=False)


def lag(partition: Partition, kept: Committed) -> int | None:
    """How many offsets lie between what was committed and the log's end; None if nothing was committed."""
    return partition.high_watermark - kept.offset if kept.is_kept and kept.offset >= 0 else None


def committed(cluster: Cluster, group: str, topic: str, partition: int) -> Committed:
    """What the group has committed for a partition; offset -1 if nothing."""
    return cluster.groups.get(group, {}).get((topic, partition), NOTHING_COMMITTED)


# -- commit ----------------------------------------------------------------------------------------------------------


@rule(OffsetCommit)
def offset_commit(cluster: Cluster, operation: OffsetCommit, context: Context) -> tuple[Section, ...]:
    """What a commit may answer: each partition by itself, whatever befalls the others."""
    whole = Section("request", (Permitted(COMMIT_ANSWERED, ()),))
    return (whole, *(_commit_part(cluster, operation, part, context) for part in operation.parts))


def _commit_part(cluster: Cluster, operation: OffsetCommit, part: CommitPart, context: Context) -> Section:
    where = f"{operation.group}: {part.topic}-{part.partition}"
    refusal = _refusal(cluster, operation, part, context)
    if refusal is not None:
        name, codes, requirement = refusal
        expects = [Expect("error", OneOf(codes), requirement)]
        if name == NOT_A_MEMBER:
            expects = [
                Expect("error", OneOf(STRANGERS), requirement),
                Expect("error", OneOf(codes), "OFF-22", vital=False),
            ]
        return Section(where, (Permitted(name, tuple(expects), _note_refusal(operation.group, part, requirement)),))
    requirement = _rule_of_success(cluster, operation, part, context)
    return Section(where, (Permitted(COMMITTED, (success(requirement),), _keep(operation.group, part, requirement)),))


def _refusal(
    cluster: Cluster, operation: OffsetCommit, part: CommitPart, context: Context
) -> tuple[str, tuple[ErrorCode, ...], str] | None:
    """How a partition's commit is refused (outcome, error codes, requirement), or None if it is kept."""
    if cluster.partition(part.topic, part.partition) is None:
        return COMMIT_UNKNOWN, (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,), "OFF-11"
    if operation.generation >= 0:
        return NOT_A_MEMBER, _stranger(cluster, operation.group, context), "OFF-12"
    units = len((part.metadata or "").encode("utf-16-le")) // 2
    if units > int(context.profile.value("offset.metadata.max.bytes")):
        return METADATA_TOO_LARGE, (ErrorCode.OFFSET_METADATA_TOO_LARGE,), "OFF-03"
    return None


def _stranger(cluster: Cluster, group: str, context: Context) -> tuple[ErrorCode, ...]:
    """How a commit is refused that claims membership of a group without members.

    A group that the coordinator has never heard of has no generation; one that keeps offsets has no such member.
    When a group's offsets have gone, or a commit was refused, the two can't be told apart.
    """
    known = cluster.groups.get(group)
    says_so = context.profile.since(4, 0) and context.version >= UNKNOWN_GROUP_FROM
    unknown = ErrorCode.GROUP_ID_NOT_FOUND if says_so else ErrorCode.ILLEGAL_GENERATION
    if known is None:
        return (unknown,)
    if any(each.is_kept for each in known.values()):
        return (ErrorCode.UNKNOWN_MEMBER_ID,)
    return (ErrorCode.UNKNOWN_MEMBER_ID, unknown)


def _rule_of_success(cluster: Cluster, operation: OffsetCommit, part: CommitPart, context: Context) -> str:
    """Which rule says that this commit is taken."""
    if any(_refusal(cluster, operation, other, context) for other in operation.parts):
        return "OFF-09"
    if operation.retention_ms != -1:
        return "OFF-17"
    if operation.member:
        return "OFF-21"
    if not operation.group:
        return "OFF-18"
    if part.leader_epoch >= 0:
        return "OFF-04"
    partition = cluster.topics[part.topic].partitions[part.partition]
    return "OFF-01" if 0 <= part.offset <= partition.log_end_offset else "OFF-10"


def _keep(group: str, part: CommitPart, requirement: str) -> Effect:
    def then(cluster: Cluster, answer: object) -> Cluster:
        number = cluster.commits + 1
        kept = Committed(
            part.offset,
            part.metadata or "",
            part.leader_epoch,
            rule=requirement,
            number=number,
            restarts=cluster.restarts,
        )
        return evolve(_with_offset(cluster, group, part, kept), commits=number)

    return then


def _note_refusal(group: str, part: CommitPart, requirement: str) -> Effect:
    """Nothing changes, but reading the offset will show whether the refusal was meant."""

    def then(cluster: Cluster, answer: object) -> Cluster:
        kept = committed(cluster, group, part.topic, part.partition)
        return _with_offset(cluster, group, part, evolve(kept, rule=requirement, number=cluster.commits))

    return then


def _with_offset(cluster: Cluster, group: str, part: CommitPart, kept: Committed) -> Cluster:
    offsets = {**cluster.groups.get(group, {}), (part.topic, part.partition): kept}
    return evolve(cluster, groups={**cluster.groups, group: offsets})


# -- fetch -----------------------------------------------------------------------------------------------------------


@rule(OffsetFetch)
def offset_fetch(cluster: Cluster, operation: OffsetFetch, context: Context) -> tuple[Section, ...]:
    """What committed offsets may be read: for each group a section, then one for each partition asked for."""
    sections = [Section("request", (Permitted(OFFSETS_ANSWERED, ()),))]
    for asked in operation.groups:
        sections.append(_group(cluster, operation, asked))
        sections += [
            _offset(cluster, operation, asked.group, topic, partition) for topic, partition in asked.partitions or ()
        ]
    return tuple(sections)


def _group(cluster: Cluster, operation: OffsetFetch, asked: GroupOffsets) -> Section:
    several = len(operation.groups) > 1
    expects = [success("OFF-07" if several else "OFF-05")]
    if asked.partitions is None:
        kept = {key: each for key, each in cluster.groups.get(asked.group, {}).items() if each.is_kept}
        expects += [
            Expect("partitions", Exactly(frozenset(kept)), "OFF-06"),
            Expect("offsets", Exactly({key: each.offset for key, each in kept.items()}), "OFF-06"),
            Expect("metadata", Exactly({key: each.metadata for key, each in kept.items()}), "OFF-02", vital=False),
            Expect("epochs", Exactly({key: each.leader_epoch for key, each in kept.items()}), "OFF-04", vital=False),
        ]
    else:
        expects.append(Expect("partitions", Exactly(frozenset(asked.partitions)), "OFF-07" if several else "OFF-05"))
    return Section(asked.group, (Permitted(GROUP_ANSWERED, tuple(expects)),))


def _offset(cluster: Cluster, operation: OffsetFetch, group: str, topic: str, partition: int) -> Section:
    where = f"{group}: {topic}-{partition}"
    kept = committed(cluster, group, topic, partition)
    requirement = _rule_of_reading(cluster, operation, kept, topic)
    if not kept.is_kept:
        nothing = (
            success(requirement),
            Expect("offset", Exactly(-1), requirement),
            Expect("metadata", Exactly(""), "OFF-05", vital=False),
            Expect("leader_epoch", Exactly(-1), "OFF-05", vital=False),
        )
        return Section(where, (Permitted(OFFSET_NONE, nothing),))
    is_restarted = cluster.restarts > kept.restarts
    expects = (
        success(requirement),
        Expect("offset", Exactly(kept.offset), requirement),
        Expect("metadata", Exactly(kept.metadata), "OFF-13" if is_restarted else "OFF-02", vital=False),
        Expect("leader_epoch", Exactly(kept.leader_epoch), "OFF-13" if is_restarted else "OFF-04", vital=False),
    )
    return Section(where, (Permitted(OFFSET_FOUND, expects),))


def _rule_of_reading(cluster: Cluster, operation: OffsetFetch, kept: Committed, topic: str) -> str:
    """At whose door a wrong offset lies: what has happened since the commit, or why the commit counted."""
    if cluster.restarts > kept.restarts and kept.is_kept:
        return "OFF-13"
    if not kept.is_kept and kept.rule == "OFF-05":
        found = cluster.topics.get(topic)
        return "OFF-14" if topic in cluster.gone or (found is not None and found.is_recreated) else "OFF-05"
    if len(operation.groups) > 1:
        return "OFF-07"
    if operation.require_stable:
        return "OFF-16"
    return "OFF-08" if kept.number < cluster.commits else kept.rule


# -- coordinator and lag ---------------------------------------------------------------------------------------------


@rule(FindCoordinator)
def find_coordinator(cluster: Cluster, operation: FindCoordinator, context: Context) -> tuple[Section, ...]:
    """Who keeps a group's offsets: one of the brokers, by its right address."""
    whole = Section("request", (Permitted(COORDINATOR_ANSWERED, ()),))
    batched = len(operation.groups) > 1
    return (whole, *(_coordinator(cluster, group, "OFF-20" if batched else "OFF-19") for group in operation.groups))


def _coordinator(cluster: Cluster, group: str, requirement: str) -> Section:
    def is_broker(seen: object) -> bool:
        return isinstance(seen, tuple) and (
            not cluster.brokers or (len(seen) == 3 and cluster.brokers.get(seen[0]) == (seen[1], seen[2]))
        )

    found = (
        success(requirement),
        Expect("node", Meets("id, host and port of one of the cluster's brokers", is_broker), requirement),
    )
    codes = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    not_yet = (Expect("error", OneOf(codes), requirement),)
    return Section(group, (Permitted(COORDINATOR_FOUND, found), Permitted(COORDINATOR_NOT_YET, not_yet)))


@rule(ObserveLag)
def observe_lag(cluster: Cluster, operation: ObserveLag, context: Context) -> tuple[Section, ...]:
    """What a monitor that asks ListOffsets and OffsetFetch gets for a partition's lag."""
    partition = cluster.partition(operation.topic, operation.partition)
    kept = committed(cluster, operation.group, operation.topic, operation.partition)
    distance = lag(partition, kept) if partition is not None else None
    name = LAG_UNDEFINED if distance is None else LAG_SEEN
    return (Section("request", (Permitted(name, (Expect("lag", Exactly(distance), "OFF-15"),)),)),)
