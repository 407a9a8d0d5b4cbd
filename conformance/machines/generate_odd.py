"""Steps that a well-behaved client seldom takes: things named twice, limits that are none, epochs that never were."""

from __future__ import annotations

from uuid import UUID

from attrs import evolve
from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.generate_log import PARTITIONS, TOPICS, produce_to, records_of
from conformance.machines.generate_offsets import NOWHERE
from conformance.machines.steps import kind
from conformance.wire.batch import encoded_size
from model.reference.administration import (
    ConfigEdit,
    ConfigQuestion,
    CreateTopics,
    DescribeConfigs,
    IncrementalAlterConfigs,
    ResourceType,
    TopicConfigEdits,
    TopicSpec,
)
from model.reference.batch import Batch
from model.reference.operations import (
    LATEST_TIERED,
    ApiVersions,
    DeleteRecords,
    DeleteRecordsPart,
    Fetch,
    FetchInSession,
    FetchPart,
    InitProducerId,
    ListOffsets,
    ListOffsetsPart,
    Operation,
    Pipeline,
    Produce,
    ProducePart,
    ProduceUnanswered,
    Question,
)
from model.reference.sessions import FetchSession

UNKNOWN_ID = UUID(int=7)
ODDITIES = ("twice", "nowhere", "unknown_id", "negative_limit")
"""What can be odd about a fetch."""


@kind("LOG", topic=TOPICS, partition=PARTITIONS)
def produce_twice_in_one(actor: Actor, topic: int, partition: int) -> Operation:
    """A request that names a partition twice."""
    name = actor.topic(topic)
    index = actor.partition(name, partition)

    def part() -> ProducePart:
        batch = Batch(records=records_of(actor, 1))
        return ProducePart(topic=name, partition=index, batches=(batch,), sizes=(encoded_size(batch),))

    return Produce(parts=(part(), part()))


@kind("ACK", topic=TOPICS, partition=PARTITIONS, refused=st.booleans())
def produce_watched(actor: Actor, topic: int, partition: int, refused: bool) -> Operation:
    """A produce with acks=0 on a connection that is watched: it is closed if something was refused."""
    name = actor.topic(topic)
    batch = Batch(records=records_of(actor, 1), crc_is_right=not refused)
    produce = produce_to((name, actor.partition(name, partition)), batch, acks=0)
    if not isinstance(produce, Produce):
        raise TypeError(f"{produce.kind} is no produce")
    return ProduceUnanswered(produce=produce, watch_ms=100)


@kind(
    "LOG",
    topic=TOPICS, partition=PARTITIONS,
    oddity=st.sampled_from(ODDITIES),
)  # fmt: skip
def fetch_oddly(actor: Actor, topic: int, partition: int, oddity: str) -> Operation:
    """A read that names a partition twice or one that there is not, or has a limit that is none."""
    name = actor.topic(topic)
    part = FetchPart(topic=name, partition=actor.partition(name, partition))
    parts = {
        "twice": (part, part),
        "nowhere": (evolve(part, partition=NOWHERE),),
        "unknown_id": (evolve(part, topic_id=UNKNOWN_ID),),
        "negative_limit": (evolve(part, max_bytes=-1),),
    }[oddity]
    return Fetch(parts=parts)


@kind("LOG", topic=TOPICS, partition=PARTITIONS)
def delete_records_twice(actor: Actor, topic: int, partition: int) -> Operation:
    """A request that names a partition twice."""
    name = actor.topic(topic)
    part = DeleteRecordsPart(topic=name, partition=actor.partition(name, partition), offset=0)
    return DeleteRecords(parts=(part, part))


@kind("LOG", group=st.integers(0, 1))
def delete_nothing_of_the_brokers(actor: Actor, group: int) -> Operation:
    """Delete nothing (to offset 0) in the brokers' own topic of offsets, which they refuse."""
    actor.bench.client.coordinator(actor.groups[group])  # the topic is made when its coordinator is first asked for
    return DeleteRecords(parts=(DeleteRecordsPart(topic="__consumer_offsets", partition=0, offset=0),))


@kind("LST", topic=TOPICS, partition=PARTITIONS)
def list_tiered(actor: Actor, topic: int, partition: int) -> Operation:
    """Where tiered storage ends, without tiered storage."""
    name = actor.topic(topic)
    part = ListOffsetsPart(topic=name, partition=actor.partition(name, partition), timestamp=LATEST_TIERED)
    return ListOffsets(parts=(part,))


@kind("IDM", timeout_ms=st.sampled_from((60_000, 0, 2**31 - 1)))
def init_transactional(actor: Actor, timeout_ms: int) -> Operation:
    """A producer id for a transactional id, or a timeout that is none."""
    return InitProducerId(transactional_id=actor.bench.names.new("x"), transaction_timeout_ms=timeout_ms)


@kind("MET", of=st.sampled_from(("broker", "unknown")))
def describe_other_settings(actor: Actor, of: str) -> Operation:
    """Settings of a broker, or of a topic that there is not."""
    if of == "unknown":
        return DescribeConfigs(resources=(ConfigQuestion(name=actor.bench.names.new("f")),))
    broker = str(actor.bench.client.any_broker())
    question = ConfigQuestion(name=broker, kind=ResourceType.BROKER, keys=("log.segment.bytes",))
    return DescribeConfigs(resources=(question,))


@kind("MET", topic=TOPICS, creating=st.booleans())
def check_only(actor: Actor, topic: int, creating: bool) -> Operation:
    """Ask whether a topic could be created, or a setting changed, and change nothing."""
    if creating:
        return CreateTopics(topics=(TopicSpec(name=actor.bench.names.new("f")),), validate_only=True)
    edits = TopicConfigEdits(topic=actor.topic(topic), edits=(ConfigEdit(key="retention.ms", value="1000"),))
    return IncrementalAlterConfigs(topics=(edits,), validate_only=True)


@kind("MET", name=st.sampled_from(("a b", "", "-", "ok")))
def introduce_oneself(actor: Actor, name: str) -> Operation:  # noqa: ARG001  no actor is needed
    """Tell the broker a client's name that may be malformed (KIP-511)."""
    return ApiVersions(version=3, software_name=name)


@kind("MET", questions=st.lists(st.sampled_from((Question.API_VERSIONS, Question.METADATA)), min_size=2, max_size=5))
def pipeline(actor: Actor, questions: list[str]) -> Operation:
    """Requests one after the other on one connection, before any answer."""
    numbered = tuple((Question(question), 100 + 7 * number) for number, question in enumerate(questions))
    return Pipeline(questions=numbered, topic=actor.topic(0))


@kind("MET", wrong_epoch=st.booleans())
def empty_session(actor: Actor, wrong_epoch: bool) -> Operation | None:
    """Forget every partition of the newest fetch session, in the right epoch or in a wrong one."""
    sessions = actor.world.cluster.sessions
    newest = sessions[max(sessions)] if sessions else None
    if not isinstance(newest, FetchSession):
        return None
    epoch = newest.next_epoch + 3 if wrong_epoch else newest.next_epoch
    return FetchInSession(parts=(), session_id=max(sessions), session_epoch=epoch, forgotten=tuple(newest.partitions))
