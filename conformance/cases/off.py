"""OFF: what a simple consumer commits and reads back."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.client import Unsupported
from conformance.placement import groups_together
from conformance.wire.apis import Api
from model.reference.operations import (
    CommitPart,
    FindCoordinator,
    GroupOffsets,
    Metadata,
    ObserveLag,
    OffsetCommit,
    OffsetFetch,
)

LONGEST_TRIED = 16_000
"""Older versions carry no more than 32767 bytes."""


def longest(run: Run) -> int:
    """How long a text may be (`offset.metadata.max.bytes`), as far as it is tried; Kafka counts UTF-16 code units."""
    return min(int(run.profile.value("offset.metadata.max.bytes")), LONGEST_TRIED)


def too_long(run: Run) -> str:
    """A text that is one letter too long.

    Raises:
        Unsupported: nothing is, that can be said in every version.
    """
    if longest(run) == LONGEST_TRIED:
        raise Unsupported(f"the broker takes texts of {LONGEST_TRIED} letters (offset.metadata.max.bytes)")
    return "x" * (longest(run) + 1)


def commit(run: Run, group: str, *parts: CommitPart) -> None:
    """Commit as a simple consumer does."""
    run.perform(OffsetCommit(group=group, parts=parts))


def read(run: Run, group: str, *partitions: tuple[str, int]) -> None:
    """Read back what the group has for these partitions."""
    run.perform(OffsetFetch(groups=(GroupOffsets(group=group, partitions=partitions),)))


def read_all(run: Run, group: str) -> None:
    """Read back all that the group has."""
    run.perform(OffsetFetch(groups=(GroupOffsets(group=group),)))


def topic_with_records(run: Run, count: int = 10, partitions: int = 1) -> str:
    """A topic with some records in partition 0."""
    topic = run.topic(partitions)
    run.produce(topic, batch_of(*(b"%d" % number for number in range(count))))
    return topic


@case("OFF-01")
def commit_and_read_back(run: Run) -> None:
    """Commit for a new group, read it back; commit higher, then lower, reading after each."""
    topic, group = topic_with_records(run), run.names.new("g")
    for offset in (5, 9, 0, 3):
        commit(run, group, CommitPart(topic=topic, offset=offset))
        read(run, group, (topic, 0))


@case("OFF-02")
def text_comes_back(run: Run) -> None:
    """Commit with texts of all kinds, the longest allowed among them, and read each back."""
    topic, group = topic_with_records(run), run.names.new("g")
    for text in ("", "a", None, "größer ≠ kleiner, 🦆", "x" * longest(run), "é" * longest(run), "\x00\n\t", "bye"):
        commit(run, group, CommitPart(topic=topic, offset=1, metadata=text))
        read(run, group, (topic, 0))


@case("OFF-02", versions={Api.OFFSET_FETCH: (2, None)})
def texts_of_all_partitions(run: Run) -> None:
    """Commit a text for each of three partitions, and read all of them back at once."""
    topic, group = topic_with_records(run, partitions=3), run.names.new("g")
    parts = (CommitPart(topic=topic, partition=each, offset=each, metadata=f"text {each}") for each in range(3))
    commit(run, group, *parts)
    read_all(run, group)


@case("OFF-03")
def text_over_the_limit(run: Run) -> None:
    """Commit a text one letter too long beside a right one; then see which offsets are kept."""
    topic, group = topic_with_records(run, partitions=2), run.names.new("g")
    commit(run, group, CommitPart(topic=topic, offset=2, metadata="before"))
    commit(run, group, CommitPart(topic=topic, offset=7, metadata=too_long(run)))
    read(run, group, (topic, 0))
    commit(
        run,
        group,
        CommitPart(topic=topic, partition=0, offset=8, metadata=too_long(run)),
        CommitPart(topic=topic, partition=1, offset=4, metadata="fine"),
    )
    read(run, group, (topic, 0), (topic, 1))


@case("OFF-04", versions={Api.OFFSET_COMMIT: (6, None), Api.OFFSET_FETCH: (5, None)})
def leader_epoch_comes_back(run: Run) -> None:
    """Commit with leader epochs, also without one after one, and read them back singly and all at once."""
    topic, group = topic_with_records(run, partitions=2), run.names.new("g")
    commit(run, group, CommitPart(topic=topic, offset=3, leader_epoch=0))
    commit(run, group, CommitPart(topic=topic, partition=1, offset=3, leader_epoch=41))
    read(run, group, (topic, 0), (topic, 1))
    read_all(run, group)
    commit(run, group, CommitPart(topic=topic, partition=1, offset=4))
    read(run, group, (topic, 0), (topic, 1))


@case("OFF-04", versions={Api.OFFSET_COMMIT: (0, 5), Api.OFFSET_FETCH: (5, None)})
def no_leader_epoch_from_old_clients(run: Run) -> None:
    """Commit in a version without leader epochs; a newer client reads that there is none."""
    topic, group = topic_with_records(run), run.names.new("g")
    commit(run, group, CommitPart(topic=topic, offset=3))
    read(run, group, (topic, 0))


@case("OFF-05")
def nothing_committed(run: Run) -> None:
    """Read offsets of an unknown group, of a partition without a commit, and of what does not exist."""
    topic, group = topic_with_records(run, partitions=2), run.names.new("g")
    read(run, run.names.new("g"), (topic, 0), (topic, 1))
    commit(run, group, CommitPart(topic=topic, offset=3))
    read(run, group, (topic, 1), (topic, 0))
    read(run, group, (topic, 99))


@case("OFF-05", versions={Api.OFFSET_FETCH: (0, 9)})
def nothing_committed_for_unknown_topic(run: Run) -> None:
    """Read offsets for a topic that does not exist, by name."""
    read(run, run.names.new("g"), (run.names.new("t"), 0))


@case("OFF-06", versions={Api.OFFSET_FETCH: (2, None)})
def all_partitions_of_a_group(run: Run) -> None:
    """Commit for some partitions of two topics, and ask for all; also for a group that has none."""
    first, second = topic_with_records(run, partitions=3), topic_with_records(run)
    group, other = run.names.new("g"), run.names.new("g")
    read_all(run, group)
    commit(run, group, CommitPart(topic=first, partition=2, offset=4), CommitPart(topic=first, partition=0, offset=2))
    commit(run, other, CommitPart(topic=first, partition=1, offset=1))
    read_all(run, group)
    commit(run, group, CommitPart(topic=second, offset=6))
    read_all(run, group)
    read_all(run, other)


@case("OFF-07", versions={Api.OFFSET_FETCH: (8, None)})
def several_groups_at_once(run: Run) -> None:
    """Ask for two groups with offsets and one without, in one request: named partitions, and all of them."""
    topic = topic_with_records(run, partitions=2)
    groups = groups_together(run.client, run.names, 3)
    commit(run, groups[0], CommitPart(topic=topic, offset=4), CommitPart(topic=topic, partition=1, offset=5))
    commit(run, groups[1], CommitPart(topic=topic, offset=7))
    partitions = ((topic, 0), (topic, 1))
    asked = tuple(GroupOffsets(group=each, partitions=partitions) for each in groups)
    run.perform(OffsetFetch(groups=asked))
    run.perform(OffsetFetch(groups=(asked[1], GroupOffsets(group=groups[0]), asked[2])))
    run.perform(OffsetFetch(groups=asked[:1]))


@case("OFF-08")
def groups_and_partitions_are_apart(run: Run) -> None:
    """Commit for two groups and two partitions in turn, and read all four after each commit."""
    topic = topic_with_records(run, partitions=2)
    groups = (run.names.new("g"), run.names.new("g"))
    for offset, (group, partition) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 1)]):
        commit(run, groups[group], CommitPart(topic=topic, partition=partition, offset=offset))
        for each in groups:
            read(run, each, (topic, 0), (topic, 1))


@case("OFF-09", versions={Api.OFFSET_COMMIT: (0, 9)})
def one_refused_others_kept(run: Run) -> None:
    """Commit for a topic that exists and one that does not; the former is kept."""
    topic, group = topic_with_records(run), run.names.new("g")
    commit(run, group, CommitPart(topic=topic, offset=9), CommitPart(topic=run.names.new("t"), offset=2))
    read(run, group, (topic, 0))


@case("OFF-09")
def too_long_a_text_beside_others(run: Run) -> None:
    """Commit for partitions of which one does not exist, and one has too long a text; read all back."""
    topic, group = topic_with_records(run, partitions=3), run.names.new("g")
    commit(
        run,
        group,
        CommitPart(topic=topic, partition=0, offset=1),
        CommitPart(topic=topic, partition=7, offset=2),
        CommitPart(topic=topic, partition=1, offset=3, metadata=too_long(run)),
        CommitPart(topic=topic, partition=2, offset=4),
    )
    read(run, group, (topic, 2))
    read(run, group, (topic, 0), (topic, 1))


@case("OFF-10")
def offset_is_not_held_against_the_log(run: Run) -> None:
    """Commit offsets beyond the log's end and negative ones, and read them back."""
    topic, group = topic_with_records(run), run.names.new("g")
    for offset in (11, 2**62, -2):
        commit(run, group, CommitPart(topic=topic, offset=offset))
        read(run, group, (topic, 0))


@case("OFF-11", versions={Api.OFFSET_COMMIT: (0, 9), Api.OFFSET_FETCH: (0, 9)})
def unknown_topic_or_partition(run: Run) -> None:
    """Commit for a topic and for a partition that do not exist; then read what is kept."""
    topic, missing, group = topic_with_records(run), run.names.new("t"), run.names.new("g")
    for name, partition in ((missing, 0), (topic, 1), (topic, -1)):
        commit(run, group, CommitPart(topic=name, partition=partition, offset=3))
        read(run, group, (name, partition))


@case("OFF-12")
def generation_without_members(run: Run) -> None:
    """Commit with a generation for an unknown group, and for one that has offsets but no members."""
    topic, fresh, group = topic_with_records(run), run.names.new("g"), run.names.new("g")
    part = CommitPart(topic=topic, offset=3)
    run.perform(OffsetCommit(group=fresh, parts=(part,), generation=0))
    read(run, fresh, (topic, 0))
    commit(run, group, CommitPart(topic=topic, offset=5))
    for generation, member in ((0, ""), (1, "somebody-1"), (0, "somebody-1")):
        run.perform(OffsetCommit(group=group, parts=(part,), generation=generation, member=member))
        read(run, group, (topic, 0))


@case("OFF-22")
def codes_of_refusal(run: Run) -> None:
    """Commit with a generation for an unknown group, and for one that has offsets but no members, for the codes."""
    topic, fresh, group = topic_with_records(run), run.names.new("g"), run.names.new("g")
    part = CommitPart(topic=topic, offset=3)
    run.perform(OffsetCommit(group=fresh, parts=(part,), generation=0))
    commit(run, group, CommitPart(topic=topic, offset=5))
    run.perform(OffsetCommit(group=group, parts=(part,), generation=0))


@case("OFF-13", needs=("restart", "durable"))
def offsets_survive_a_restart(run: Run) -> None:
    """Commit for two groups, overwrite one offset, restart the broker, and read all of them."""
    topic = topic_with_records(run, partitions=2)
    groups = (run.names.new("g"), run.names.new("g"))
    commit(run, groups[0], CommitPart(topic=topic, offset=1), CommitPart(topic=topic, partition=1, offset=2))
    commit(run, groups[1], CommitPart(topic=topic, offset=3, metadata="kept"))
    commit(run, groups[0], CommitPart(topic=topic, offset=4, metadata="newer"))
    run.do("restart")
    for group in groups:
        run.eventually(OffsetFetch(groups=(GroupOffsets(group=group, partitions=((topic, 0),)),)))
    read(run, groups[0], (topic, 1))


@case("OFF-14", versions={Api.OFFSET_FETCH: (0, 9)})
def offsets_go_with_the_topic(run: Run) -> None:
    """Commit, delete the topic, wait for the offset to go; create the topic anew and read again."""
    topic, group = topic_with_records(run), run.names.new("g")
    asked = OffsetFetch(groups=(GroupOffsets(group=group, partitions=((topic, 0),)),))
    commit(run, group, CommitPart(topic=topic, offset=5, metadata="old"))
    run.perform(asked)
    run.delete(topic)
    run.eventually(asked, ceiling_s=15.0)
    run.create_again(topic)
    run.perform(asked)
    commit(run, group, CommitPart(topic=topic, offset=0))
    run.perform(asked)


@case("OFF-15")
def lag(run: Run) -> None:
    """Look at the lag with nothing committed, in the middle, at the end, and after more was produced."""
    topic, group = topic_with_records(run), run.names.new("g")
    look = ObserveLag(group=group, topic=topic)
    run.perform(look)
    for offset in (4, 10):
        commit(run, group, CommitPart(topic=topic, offset=offset))
        run.perform(look)
    run.produce(topic, batch_of(b"a", b"b", b"c"))
    run.perform(look)


@case("OFF-16", versions={Api.OFFSET_FETCH: (7, None)})
def stable_offsets_without_transactions(run: Run) -> None:
    """Read a committed offset with the flag that waits for transactions, of which there are none."""
    topic, group = topic_with_records(run), run.names.new("g")
    commit(run, group, CommitPart(topic=topic, offset=5))
    asked = (GroupOffsets(group=group, partitions=((topic, 0),)),)
    run.perform(OffsetFetch(groups=asked, require_stable=True))


@case("OFF-17", versions={Api.OFFSET_COMMIT: (2, 4)})
def commit_with_a_retention_time(run: Run) -> None:
    """Commit with a day's retention time, in versions that carry one, and read it back."""
    topic, group = topic_with_records(run), run.names.new("g")
    run.perform(OffsetCommit(group=group, parts=(CommitPart(topic=topic, offset=5),), retention_ms=86_400_000))
    read(run, group, (topic, 0))


@case("OFF-18")
def empty_group_id(run: Run) -> None:
    """Commit and read for the group whose id is empty, for a topic of the suite's own."""
    topic = topic_with_records(run)
    commit(run, "", CommitPart(topic=topic, offset=5))
    read(run, "", (topic, 0))


@case("OFF-19")
def coordinator_is_a_broker(run: Run) -> None:
    """Ask for a group's coordinator, and compare it with the brokers that Metadata names."""
    group = run.names.new("g")
    run.client.coordinator(group)
    run.perform(Metadata(topics=None))
    run.perform(FindCoordinator(groups=(group,)))


@case("OFF-20", versions={Api.FIND_COORDINATOR: (4, None)})
def coordinators_of_several_groups(run: Run) -> None:
    """Ask for the coordinators of three groups at once."""
    groups = tuple(run.names.new("g") for _ in range(3))
    for group in groups:
        run.client.coordinator(group)
    run.perform(Metadata(topics=None))
    run.perform(FindCoordinator(groups=groups))


@case("OFF-21")
def member_without_generation(run: Run) -> None:
    """Commit with a member id but no generation, where the group has no members."""
    topic, group = topic_with_records(run), run.names.new("g")
    run.perform(OffsetCommit(group=group, parts=(CommitPart(topic=topic, offset=5),), member="somebody-1"))
    read(run, group, (topic, 0))
