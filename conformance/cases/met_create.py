"""MET: creating topics."""

from __future__ import annotations

from contextlib import suppress

from conformance.case import Run, SetUpFailed, batch_of, case
from conformance.wire.apis import Api
from model.profiles import ControlPlane
from model.reference.administration import ConfigQuestion, CreateTopics, DescribeConfigs, ResourceType, TopicSpec
from model.reference.operations import Metadata

NAMING = {Api.METADATA: (4, None)}
"""Versions that can look for a topic without creating it."""
DEFAULTING = {Api.CREATE_TOPICS: (4, None), Api.METADATA: (4, None)}


def create(run: Run, *specs: TopicSpec, validate_only: bool = False) -> None:
    """Create topics in one request."""
    run.perform(CreateTopics(topics=specs, validate_only=validate_only))


def look(run: Run, *topics: str) -> None:
    """Ask for topics by name, until the answer is the right one or time is up."""
    run.eventually(Metadata(topics=topics))


def know_brokers(run: Run) -> None:
    """Let the model learn which brokers there are."""
    run.perform(Metadata(topics=()) if run.version_of(Api.METADATA) else Metadata(topics=None))


def know_defaults(run: Run, *names: str) -> None:
    """Let the model learn how a broker is set; a target that doesn't tell is taken to have Kafka's defaults."""
    if Api.DESCRIBE_CONFIGS in run.client.ranges:
        asked = ConfigQuestion(name=str(run.client.any_broker()), kind=ResourceType.BROKER, keys=names)
        with suppress(SetUpFailed):
            run.perform(DescribeConfigs(resources=(asked,)))


@case("MET-01")
def partitions_are_numbered_from_zero(run: Run) -> None:
    """Create topics of one, three and seven partitions, and have them described."""
    for count in (1, 3, 7):
        topic = run.topic(count, placed=False)
        look(run, topic)


@case("MET-02", versions={Api.CREATE_TOPICS: (5, None)})
def answer_tells_what_was_created(run: Run) -> None:
    """Create a topic of three partitions, and read its partitions and replicas from the answer."""
    create(run, TopicSpec(name=run.names.new("t"), partitions=3))


@case("MET-03", versions=NAMING)
def existing_name(run: Run) -> None:
    """Create a topic again, with another partition count; it stays as it was."""
    topic = run.topic(2)
    run.produce(topic, batch_of(b"kept"))
    create(run, TopicSpec(name=topic, partitions=5))
    create(run, TopicSpec(name=topic, partitions=5), validate_only=True)
    look(run, topic)
    run.fetch(topic)


@case("MET-04", versions=NAMING)
def several_topics_at_once(run: Run) -> None:
    """Create two right topics and a wrong one between them in one request, then right ones with several wrong ones."""
    taken, first, second = run.topic(), run.names.new("t"), run.names.new("t")
    create(run, TopicSpec(name=first, partitions=2), TopicSpec(name=taken), TopicSpec(name=second))
    for topic in (first, second):
        look(run, topic)
    third, fourth, empty = run.names.new("t"), run.names.new("t"), run.names.new("t")
    create(
        run,
        TopicSpec(name=third),
        TopicSpec(name=empty, partitions=0),
        TopicSpec(name=run.names.new("t") + "!"),
        TopicSpec(name=fourth, partitions=2),
    )
    for topic in (third, fourth):
        look(run, topic)


@case("MET-05", versions=DEFAULTING)
def broker_defaults(run: Run) -> None:
    """Leave partitions, replicas or both to the broker."""
    know_defaults(run, "num.partitions", "default.replication.factor")
    for partitions, replicas in ((-1, 1), (2, -1), (-1, -1)):
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, partitions=partitions, replication_factor=replicas))
        look(run, topic)


@case("MET-06", versions=NAMING)
def validate_only_creates_nothing(run: Run) -> None:
    """Ask for a check only, of a right topic and a wrong one; then look, and create the right one in earnest."""
    topic = run.names.new("t")
    create(run, TopicSpec(name=topic, partitions=2), validate_only=True)
    look(run, topic)
    run.perform(Metadata(topics=None))
    create(run, TopicSpec(name=topic, partitions=3), TopicSpec(name=topic + "!"), validate_only=True)
    look(run, topic)


@case("MET-07", versions=NAMING)
def replicas_chosen_by_the_client(run: Run) -> None:
    """Create a topic whose partitions are placed by the client, and see them there."""
    know_brokers(run)
    topic, broker = run.names.new("t"), min(run.client.brokers)
    chosen = tuple((index, (broker,)) for index in (1, 0, 2))
    create(run, TopicSpec(name=topic, partitions=-1, replication_factor=-1, assignments=chosen))
    run.settle(topic, 3)
    look(run, topic)


@case("MET-08", versions=NAMING)
def bad_assignments(run: Run) -> None:
    """Choose replicas wrongly: beside a count, with a gap, a broker twice, unequal numbers, an unknown broker."""
    know_brokers(run)
    broker = min(run.client.brokers)
    unknown = max(run.client.brokers) + 1000
    attempts: list[tuple[int, int, tuple[tuple[int, tuple[int, ...]], ...]]] = [
        (1, -1, ((0, (broker,)),)),
        (-1, 1, ((0, (broker,)),)),
        (-1, -1, ((0, (broker,)), (2, (broker,)))),
        (-1, -1, ((1, (broker,)),)),
        (-1, -1, ((0, (broker, broker)),)),
    ]
    if run.profile.control_plane is ControlPlane.KRAFT:  # with ZooKeeper nobody asks whether the broker exists
        attempts += [(-1, -1, ((0, (unknown,)),)), (-1, -1, ((0, (broker,)), (1, (broker, unknown))))]
    for partitions, replicas, chosen in attempts:
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, partitions=partitions, replication_factor=replicas, assignments=chosen))
        look(run, topic)


@case("MET-09", versions=NAMING)
def bad_replication_factors(run: Run) -> None:
    """Ask for more replicas than there are brokers, for none, and for fewer than none."""
    know_brokers(run)
    for replicas in (len(run.client.brokers) + 1, 0, -2, 32767):
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, replication_factor=replicas))
        look(run, topic)


@case("MET-10", versions=NAMING)
def bad_partition_counts(run: Run) -> None:
    """Ask for no partitions, and for fewer than none."""
    for partitions in (0, -2, -(2**31)):
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, partitions=partitions))
        create(run, TopicSpec(name=topic, partitions=partitions), validate_only=True)
        look(run, topic)


@case("MET-11", versions=NAMING)
def names(run: Run) -> None:
    """Create topics with names that are too long or hold what no name may; then the longest name that is allowed."""
    stem = run.names.new("t")
    longest = stem + "x" * (249 - len(stem))
    wrong = [longest + "y", *(f"{stem}{mark}" for mark in (" ", "/", "\\", ",", ":", "ä", "\n", "*", "\x00"))]
    for name in ("", ".", "..", *wrong):
        create(run, TopicSpec(name=name))
    create(run, TopicSpec(name=longest))
    create(run, TopicSpec(name=f"{stem}_A-Z.0"))
    look(run, longest, f"{stem}_A-Z.0")
    run.delete(longest, f"{stem}_A-Z.0")


@case("MET-12", versions=NAMING)
def names_that_collide(run: Run) -> None:
    """Beside a topic with a dot, create one that has an underscore in the dot's place, and the reverse."""
    stem = run.names.new("t")
    dotted, plain, lined = f"{stem}.a_b", f"{stem}-ab", f"{stem}_c.d"
    create(run, TopicSpec(name=dotted), TopicSpec(name=plain), TopicSpec(name=lined))
    look(run, dotted, plain, lined)
    for name in (f"{stem}_a_b", f"{stem}.a.b", f"{stem}.c.d", f"{stem}_c_d"):
        create(run, TopicSpec(name=name))
        look(run, name)
    run.delete(dotted, plain, lined)


@case("MET-13", versions=NAMING)
def same_name_twice(run: Run) -> None:
    """Name a topic twice in a request, alike and unlike; neither is created."""
    for counts in ((1, 1), (1, 2)):
        topic = run.names.new("t")
        create(run, *(TopicSpec(name=topic, partitions=count) for count in counts))
        look(run, topic)


@case("MET-14", versions=NAMING)
def bad_settings(run: Run) -> None:
    """Create topics with settings that do not exist or can't have that value."""
    for key, value in (
        ("no.such.setting", "1"),
        ("retention.ms", "soon"),
        ("retention.ms", "-2"),
        ("segment.bytes", str(run.profile.leasts["segment.bytes"] - 1)),
        ("segment.bytes", "2147483648"),
        ("segment.ms", "0"),
        ("cleanup.policy", "shred"),
        ("compression.type", "brotli"),
        ("message.timestamp.type", "Created"),
        ("min.insync.replicas", "0"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("preallocate", "yes"),
        ("max.message.bytes", "-1"),
        ("retention.bytes", "1e9"),
        ("retention.ms", None),
    ):
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, config={key: value}))
        look(run, topic)


@case("MET-14", versions=NAMING)
def settings_at_the_limit(run: Run) -> None:
    """Create topics with the least value that a setting may have, and the greatest."""
    for key, value in (
        ("segment.bytes", str(run.profile.leasts["segment.bytes"])),
        ("segment.bytes", "2147483647"),
        ("segment.ms", "1"),
        ("segment.index.bytes", "4"),
        ("retention.ms", "-1"),
        ("max.message.bytes", "0"),
        ("max.compaction.lag.ms", "1"),
        ("message.timestamp.after.max.ms", "0"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("min.cleanable.dirty.ratio", "1.0"),
        ("retention.bytes", "9223372036854775807"),
    ):
        topic = run.names.new("t")
        create(run, TopicSpec(name=topic, config={key: value}))
        look(run, topic)


@case("MET-15", versions={Api.CREATE_TOPICS: (5, None)})
def answer_tells_settings(run: Run) -> None:
    """Create a topic with settings of its own, and read them from the answer."""
    config = {"retention.ms": "1234567", "cleanup.policy": "compact,delete", "segment.bytes": "1048576"}
    create(run, TopicSpec(name=run.names.new("t"), config=config))


@case("MET-16", versions={Api.CREATE_TOPICS: (7, None), Api.METADATA: (10, None)})
def topic_ids(run: Run) -> None:
    """Create two topics; each has an id of its own, and Metadata tells the same."""
    first, second = run.names.new("t"), run.names.new("t")
    create(run, TopicSpec(name=first))
    create(run, TopicSpec(name=second))
    look(run, first, second)
    run.perform(Metadata(topics=(second,)))
