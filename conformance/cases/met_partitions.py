"""MET: raising the number of partitions."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.cases.met_create import NAMING, know_brokers, look
from model.reference.administration import CreatePartitions, PartitionIncrease

Increase = PartitionIncrease


def increase(run: Run, *increases: PartitionIncrease, validate_only: bool = False) -> None:
    """Raise partition counts in one request."""
    run.perform(CreatePartitions(topics=increases, validate_only=validate_only))


@case("MET-34", "LOG-01", "LOG-02", versions=NAMING)
def more_partitions(run: Run) -> None:
    """Raise a count twice; old partitions keep their records, new ones are numbered on, empty and usable."""
    topic = run.topic(2)
    for partition in (0, 1):
        run.produce(topic, batch_of(b"old", b"older"), partition=partition)
    for count in (3, 6):
        increase(run, Increase(topic=topic, count=count))
        run.settle(topic, count)
        look(run, topic)
    for partition in (0, 1, 2, 5):
        run.fetch(topic, 0, partition=partition)
        run.produce(topic, batch_of(b"new"), partition=partition)
        run.fetch(topic, 0, partition=partition)


@case("MET-35", versions=NAMING)
def no_increase(run: Run) -> None:
    """Set a count to what it is, to fewer, to none and to fewer than none; nothing changes."""
    topic = run.topic(3)
    for count in (3, 2, 0, -1):
        increase(run, Increase(topic=topic, count=count))
        look(run, topic)


@case("MET-36", versions=NAMING)
def unknown_topics(run: Run) -> None:
    """Raise the count of a topic that does not exist, alone and beside one that does."""
    topic, missing = run.topic(), run.names.new("t")
    increase(run, Increase(topic=missing, count=2))
    increase(run, Increase(topic=missing, count=2), Increase(topic=topic, count=2))
    look(run, topic)
    look(run, missing)


@case("MET-37", versions=NAMING)
def validate_only(run: Run) -> None:
    """Ask only whether a count could be raised, rightly and wrongly; nothing changes."""
    topic = run.topic(2)
    increase(run, Increase(topic=topic, count=4), validate_only=True)
    look(run, topic)
    increase(run, Increase(topic=topic, count=1), validate_only=True)
    increase(run, Increase(topic=topic, count=5), validate_only=True)
    look(run, topic)


@case("MET-38", versions=NAMING)
def replicas_of_new_partitions(run: Run) -> None:
    """Choose replicas for the new partitions: rightly, too few, too many, an unknown broker, none at all."""
    know_brokers(run)
    topic, broker = run.topic(1), min(run.client.brokers)
    unknown = max(run.client.brokers) + 1000
    wrong: tuple[tuple[tuple[int, ...], ...], ...] = (
        ((broker,),),
        ((broker,), (broker,), (broker,)),
        ((broker,), (unknown,)),
        ((broker,), ()),
        ((broker,), (broker, broker)),
    )
    for chosen in wrong:
        increase(run, Increase(topic=topic, count=3, assignments=chosen))
        look(run, topic)
    increase(run, Increase(topic=topic, count=3, assignments=((broker,), (broker,))))
    run.settle(topic, 3)
    look(run, topic)


@case("MET-39", versions=NAMING)
def same_topic_twice(run: Run) -> None:
    """Name a topic twice in one request; its count stays."""
    topic = run.topic()
    increase(run, Increase(topic=topic, count=2), Increase(topic=topic, count=3))
    look(run, topic)
