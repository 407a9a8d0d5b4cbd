"""MET: what Metadata tells."""

from __future__ import annotations

from uuid import uuid4

from conformance.case import Run, case
from conformance.cases.met_create import NAMING, know_brokers, know_defaults, look
from conformance.cases.met_delete import id_of
from conformance.client import Unsupported
from conformance.wire.apis import Api
from model.reference.operations import Metadata


@case("MET-23")
def all_topics(run: Run) -> None:
    """Ask for all topics, before and after two more were created."""
    run.topic()
    run.eventually(Metadata(topics=None))
    run.topic(3)
    run.topic()
    run.eventually(Metadata(topics=None))


@case("MET-24", versions={Api.METADATA: (1, None)})
def no_topics(run: Run) -> None:
    """Ask for no topics: the brokers are told, and nothing else."""
    run.topic()
    run.perform(Metadata(topics=()))


@case("MET-25", versions={Api.METADATA: (12, None)})
def topics_by_id(run: Run) -> None:
    """Ask by id for two topics, and by an id that no topic has."""
    topics = [run.topic(count) for count in (1, 3)]
    known = tuple(id_of(run, each) for each in topics)
    run.perform(Metadata(topics=known))
    run.perform(Metadata(topics=known[1:]))
    run.perform(Metadata(topics=(uuid4(),)))
    run.perform(Metadata(topics=(known[0], uuid4())))


@case("MET-26", versions=NAMING)
def unknown_names(run: Run) -> None:
    """Ask twice for a topic that does not exist, without allowing its creation; it does not come into being."""
    topic = run.names.new("t")
    for _ in range(2):
        run.perform(Metadata(topics=(topic,)))
    run.perform(Metadata(topics=None))
    look(run, topic)


@case("MET-27", versions=NAMING)
def created_by_asking(run: Run) -> None:
    """Ask for a topic that does not exist and allow its creation, where the broker does so; then look for it."""
    know_defaults(run, "auto.create.topics.enable", "num.partitions")
    if run.cluster.broker_config.get("auto.create.topics.enable") == "false":
        raise Unsupported("the broker creates no topics by being asked for them (auto.create.topics.enable)")
    topic = run.names.new("t")
    run.perform(Metadata(topics=(topic,), allow_auto_topic_creation=True))
    look(run, topic)


@case("MET-28", versions=NAMING)
def impossible_names(run: Run) -> None:
    """Ask for topics whose names no topic can have, allowing creation and not."""
    stem = run.names.new("t")
    for allow in (False, True):
        for name in (f"{stem} ", f"{stem}/x", stem + "x" * 249, ".."):
            run.perform(Metadata(topics=(name,), allow_auto_topic_creation=allow))


@case("MET-29")
def leaders_and_replicas(run: Run) -> None:
    """Have a topic of several partitions described: leaders, replicas and who of them is in sync."""
    topic = run.topic(5, placed=False)
    look(run, topic)


@case("MET-30")
def brokers_and_controller(run: Run) -> None:
    """Look at the brokers and the controller, with and without topics."""
    know_brokers(run)
    run.perform(Metadata(topics=None))


@case("MET-31", versions={Api.METADATA: (2, None)})
def cluster_id(run: Run) -> None:
    """Ask thrice; the cluster has one id."""
    know_brokers(run)
    run.perform(Metadata(topics=None))
    run.perform(Metadata(topics=(run.topic(),)))


@case("MET-32", versions={Api.METADATA: (1, None)})
def nothing_internal(run: Run) -> None:
    """A topic that a client created is not internal, whatever its name begins with."""
    look(run, run.topic())


@case("MET-33", versions=NAMING)
def each_topic_by_itself(run: Run) -> None:
    """Ask for known, unknown and impossible topics at once, and for one of them twice."""
    first, second, missing = run.topic(), run.topic(2), run.names.new("t")
    run.perform(Metadata(topics=(missing, first, f"{missing} ", second)))
    run.perform(Metadata(topics=(second, first, second)))
    run.perform(Metadata(topics=(missing, first, missing)))
