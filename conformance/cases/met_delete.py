"""MET: deleting topics and creating them again."""

from __future__ import annotations

from uuid import UUID, uuid4

from conformance.case import Run, batch_of, case
from conformance.cases.met_create import NAMING, look
from conformance.client import Unsupported
from conformance.wire.apis import Api
from model.reference.administration import DeleteTopics
from model.reference.operations import Fetch, FetchPart, Metadata

BY_ID = {Api.DELETE_TOPICS: (6, None), Api.METADATA: (12, None), Api.CREATE_TOPICS: (7, None)}


def id_of(run: Run, topic: str) -> UUID:
    """The topic's id, as the target told it.

    Raises:
        Unsupported: it told none.
    """
    found = run.cluster.topics[topic].topic_id
    if found is None:
        raise Unsupported("the target tells no topic ids")
    return found


@case("MET-17", versions=NAMING)
def deleted_topics_are_gone(run: Run) -> None:
    """Delete one of three topics, then the two others at once; they are known no more, neither by name nor listed."""
    topics = [run.topic(2) for _ in range(3)]
    run.produce(topics[0], batch_of(b"lost"))
    run.delete(topics[0])
    look(run, topics[0])
    look(run, topics[1])
    run.delete(*topics[1:])
    look(run, topics[2])


@case("MET-18", versions=NAMING)
def deleting_unknown_names(run: Run) -> None:
    """Delete a topic that never was, and one that was deleted, beside one that is there."""
    missing, gone, here = run.names.new("t"), run.topic(), run.topic()
    run.perform(DeleteTopics(topics=(missing,)))
    run.delete(gone)
    run.perform(DeleteTopics(topics=(gone, here, missing)))
    look(run, here)


@case("MET-19", versions=BY_ID)
def deleting_by_id(run: Run) -> None:
    """Delete a topic by its id, an id that no topic has, and the same id once more."""
    topic, other = run.topic(), run.topic()
    topic_id = id_of(run, topic)
    run.perform(DeleteTopics(topics=(uuid4(),)))
    run.perform(DeleteTopics(topics=(topic_id, uuid4())))
    look(run, topic)
    run.perform(DeleteTopics(topics=(topic_id,)))
    look(run, other)


@case("MET-20", versions=BY_ID)
def naming_a_topic_twice(run: Run) -> None:
    """Name a topic twice in a request that deletes, by name, and by name and id; it stays."""
    topic, other = run.topic(), run.topic()
    topic_id = id_of(run, other)
    run.perform(DeleteTopics(topics=(topic, topic)))
    run.perform(DeleteTopics(topics=(other, topic_id)))
    look(run, topic)
    look(run, other)


@case("MET-21", "LOG-01", "LOG-03")
def created_again(run: Run) -> None:
    """Produce, delete and create a topic again, with more partitions: it is empty, and its offsets begin at 0."""
    topic = run.topic()
    run.produce(topic, batch_of(b"old", b"older"))
    run.delete(topic)
    run.create_again(topic, 2)
    for partition in (0, 1):
        run.fetch(topic, 0, partition=partition)
        run.produce(topic, batch_of(b"new"), partition=partition)
        run.fetch(topic, 0, partition=partition)


@case("MET-22", versions={Api.METADATA: (12, None), Api.FETCH: (13, None), Api.CREATE_TOPICS: (7, None)})
def old_topic_id(run: Run) -> None:
    """After a topic was created again, ask and fetch by the id of the old one."""
    topic = run.topic()
    old_id = id_of(run, topic)
    run.produce(topic, batch_of(b"old"))
    run.delete(topic)
    run.eventually(Metadata(topics=(old_id,)))
    run.create_again(topic)
    run.produce(topic, batch_of(b"new"))
    run.perform(Metadata(topics=(old_id,)))
    run.eventually(Fetch(parts=(FetchPart(topic=topic, topic_id=old_id),)))
    run.fetch(topic)
