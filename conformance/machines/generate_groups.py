"""Steps on committed offsets of simple consumers."""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor, Place
from conformance.machines.generate_log import PARTITIONS, TOPICS
from conformance.machines.generate_offsets import NOWHERE
from conformance.machines.steps import kind
from model.reference.operations import (
    CommitPart,
    FindCoordinator,
    GroupOffsets,
    ObserveLag,
    OffsetCommit,
    OffsetFetch,
    Operation,
)

GROUPS = st.integers(0, 1)
METADATA = st.sampled_from(("", "note", "\u00e9\u4e2d", "x" * 4096, "x" * 4097))


@kind(
    "OFF",
    group=GROUPS, topic=TOPICS, partition=PARTITIONS, offset=st.integers(0, 12), metadata=METADATA,
    member=st.sampled_from(("", "", "", "stranger")),
)  # fmt: skip
def commit(actor: Actor, group: int, topic: int, partition: int, offset: int, metadata: str, member: str) -> Operation:
    """Commit an offset; a stranger claims a membership that it does not have."""
    name = actor.topic(topic)
    part = CommitPart(topic=name, partition=actor.partition(name, partition), offset=offset, metadata=metadata)
    return OffsetCommit(group=actor.groups[group], parts=(part,), member=member, generation=3 if member else -1)


@kind("OFF", group=GROUPS)
def commit_nowhere(actor: Actor, group: int) -> Operation:
    """Commit an offset for a partition that there is not."""
    part = CommitPart(topic=actor.topic(0), partition=NOWHERE, offset=1)
    return OffsetCommit(group=actor.groups[group], parts=(part,))


def _place(actor: Actor, group: int, topic: int, partition: int, *, known: bool) -> Place:
    """A partition; `known`: one for which the group has committed an offset, if there is one."""
    name = actor.topic(topic)
    kept = actor.world.cluster.groups.get(actor.groups[group], {})
    places = [place for place, each in kept.items() if each.is_kept] if known else []
    return places[(topic + partition) % len(places)] if places else (name, actor.partition(name, partition))


@kind("OFF", group=GROUPS, topic=TOPICS, partition=PARTITIONS, known=st.booleans(), everything=st.booleans())
def fetch_committed(actor: Actor, group: int, topic: int, partition: int, known: bool, everything: bool) -> Operation:
    """Ask for one committed offset, or for all that the group has."""
    wanted = None if everything else (_place(actor, group, topic, partition, known=known),)
    return OffsetFetch(groups=(GroupOffsets(group=actor.groups[group], partitions=wanted),))


@kind("OFF", group=GROUPS, topic=TOPICS, partition=PARTITIONS, known=st.booleans())
def observe_lag(actor: Actor, group: int, topic: int, partition: int, known: bool) -> Operation:
    """How far a group is behind the end of the log."""
    name, index = _place(actor, group, topic, partition, known=known)
    return ObserveLag(group=actor.groups[group], topic=name, partition=index)


@kind("OFF", group=GROUPS)
def find_coordinator(actor: Actor, group: int) -> Operation:
    """Ask who keeps a group's offsets."""
    return FindCoordinator(groups=(actor.groups[group],))
