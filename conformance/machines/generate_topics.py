"""Steps on topics: create, describe, delete, raise partition counts, settings, sessions; and what is around them."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.generate_log import TOPICS, produce_to, records_of
from conformance.machines.steps import kind
from conformance.placement import replicas_of_new
from model.reference.administration import (
    ConfigChange,
    ConfigEdit,
    ConfigQuestion,
    CreatePartitions,
    CreateTopics,
    DeleteTopics,
    DescribeConfigs,
    IncrementalAlterConfigs,
    PartitionIncrease,
    TopicConfigEdits,
    TopicSpec,
)
from model.reference.batch import Batch, Record
from model.reference.operations import ApiVersions, FetchInSession, FetchPart, Flaw, Metadata, Operation, SendFrame
from model.reference.sessions import FetchSession

CHARACTERS: dict[str, dict[str, str]] = {
    "plain": {},
    "compacted": {"cleanup.policy": "compact"},
    "stamped": {"message.timestamp.type": "LogAppendTime"},
    "small": {"max.message.bytes": "200"},
    "timely": {"message.timestamp.before.max.ms": "1000"},
    "packed": {"compression.type": "gzip"},
    "segmented": {"segment.bytes": "250"},
    "timeless": {"segment.ms": str(2**63 - 1)},
}
"""Settings that change what is appended and how."""
SEGMENTED_BY_TIME = {"segment.ms": "1"}
"""What makes small segments where the release allows none of a few bytes (KIP-1030): records are milliseconds apart."""
TOPICS_MOST = 4
REFUSED_BY = {"no_key": "compacted", "too_large": "small", "old": "timely"}
"""The character of the topics that refuse a batch for what it is."""
UNKNOWN_ID = UUID(int=7)


@kind("MET", "BAT", "LOG", character=st.sampled_from(tuple(CHARACTERS)), partitions=st.integers(1, 3))
def add_topic(actor: Actor, character: str, partitions: int) -> None:
    """Another topic, of which there are at most four."""
    if len(actor.topics) < TOPICS_MOST:
        actor.new_topic(settings_of(actor, character), partitions)


def settings_of(actor: Actor, character: str) -> dict[str, str]:
    """The settings that make a topic of this character in the profile's release."""
    wanted = CHARACTERS[character]
    leasts = actor.bench.profile.leasts
    is_too_small = any(int(wanted[key]) < least for key, least in leasts.items() if key in wanted)
    return SEGMENTED_BY_TIME if is_too_small else wanted


def topic_of_character(actor: Actor, character: str) -> str | None:
    """The first topic with these settings; it is made if there is none yet, and room for it."""
    wanted = {**actor.bench.client.kept, **settings_of(actor, character)}

    def found() -> str | None:
        topics = actor.world.cluster.topics
        return next((name for name in actor.topics if topics[name].config == wanted), None)

    if found() is None and len(actor.topics) < TOPICS_MOST:
        actor.new_topic(settings_of(actor, character))
    return found()


@kind("MET", flaw=st.sampled_from(("exists", "bad_name", "no_partitions", "too_many_replicas", "bad_config", "twice")))
def create_flawed(actor: Actor, flaw: str) -> Operation:
    """A topic that can't be created."""
    name = actor.bench.names.new("f")
    spec = {
        "exists": TopicSpec(name=actor.topic(0)),
        "bad_name": TopicSpec(name=f"{name}/"),
        "no_partitions": TopicSpec(name=name, partitions=0),
        "too_many_replicas": TopicSpec(name=name, replication_factor=9),
        "bad_config": TopicSpec(name=name, config={"retention.ms": "soon"}),
        "twice": TopicSpec(name=name),
    }[flaw]
    return CreateTopics(topics=(spec, spec) if flaw == "twice" else (spec,))


@kind("MET", topic=TOPICS, what=st.sampled_from(("name", "id", "unknown_name", "unknown_id", "bad_name")))
def describe(actor: Actor, topic: int, what: str) -> Operation | None:
    """Ask for a topic by name or id, or for one that there is not."""
    name = actor.topic(topic)
    known = actor.world.cluster.topics.get(name)
    named = {
        "name": name,
        "id": known.topic_id if known is not None else None,
        "unknown_name": actor.bench.names.new("f"),
        "unknown_id": UNKNOWN_ID,
        "bad_name": "not/a/name",
    }[what]
    return None if named is None else Metadata(topics=(named,))


@kind("MET", topic=TOPICS, unknown=st.booleans())
def delete_topic(actor: Actor, topic: int, unknown: bool) -> Operation | None:
    """Delete a topic, and wait until it is gone; or one that there is not."""
    if unknown:
        return DeleteTopics(topics=(actor.bench.names.new("f"),))
    # What is lost must not land in a topic of the same name, and what becomes of open sessions is left to brokers.
    if actor.world.pending or actor.world.cluster.sessions or len(actor.topics) < 2:
        return None
    actor.remove_topic(actor.topic(topic))
    return None


@kind("MET", topic=TOPICS, by=st.integers(-1, 2), validate_only=st.booleans())
def add_partitions(actor: Actor, topic: int, by: int, validate_only: bool) -> Operation | None:
    """Raise a partition count, or try to keep or lower it."""
    name = actor.topic(topic)
    known = actor.world.cluster.topics.get(name)
    if known is None:
        return None
    chosen = replicas_of_new(actor.bench.client, by)
    increase = PartitionIncrease(topic=name, count=len(known.partitions) + by, assignments=chosen)
    actor.perform([(CreatePartitions(topics=(increase,), validate_only=validate_only), 0)])
    actor.settle([name])
    return None


@kind("MET", topic=TOPICS)
def describe_settings(actor: Actor, topic: int) -> Operation:
    """Ask for a topic's settings."""
    return question_about(actor.topic(topic))


def question_about(topic: str) -> Operation:
    """Ask for some of a topic's settings."""
    keys = ("segment.bytes", "cleanup.policy", "retention.ms", "delete.retention.ms")
    return DescribeConfigs(resources=(ConfigQuestion(name=topic, keys=keys),), include_synonyms=True)


@kind("MET", topic=TOPICS, value=st.sampled_from(("604800001", "86400000", "soon", None)))
def change_setting(actor: Actor, topic: int, value: str | None) -> None:
    """Set, spoil or reset a setting (not one by which a broker tidies records away: theirs are of years ago)."""
    change = ConfigChange.DELETE if value is None else ConfigChange.SET
    edits = TopicConfigEdits(
        topic=actor.topic(topic), edits=(ConfigEdit(key="delete.retention.ms", change=change, value=value),)
    )
    actor.change(IncrementalAlterConfigs(topics=(edits,)), question_about(edits.topic))


@kind("MET", version=st.integers(0, 6))
def api_versions(actor: Actor, version: int) -> Operation:  # noqa: ARG001  no actor is needed to ask
    """Ask what the broker speaks, in a version that it may not know."""
    return ApiVersions(version=version)


@kind("MET", flaw=st.sampled_from(sorted(Flaw)))
def hostile_frame(actor: Actor, flaw: str) -> Operation:  # noqa: ARG001
    """A frame that no well-behaved client sends."""
    return SendFrame(flaw=Flaw(flaw))


@kind("MET", topic=TOPICS, choice=st.sampled_from(("open", "go_on", "go_on", "late", "unknown", "close")))
def fetch_in_session(actor: Actor, topic: int, choice: str) -> Operation | None:
    """Open, continue or close a fetch session, or get its epoch wrong."""
    part = FetchPart(topic=actor.topic(topic))
    if choice == "open":
        return FetchInSession(parts=(part,))
    if choice == "unknown":
        return FetchInSession(parts=(), session_id=2_000_000_001, session_epoch=1)
    open_sessions = sorted(actor.world.cluster.sessions)
    if not open_sessions:
        return None
    session = open_sessions[-1]
    remembered = actor.world.cluster.sessions[session]
    epoch = remembered.next_epoch if isinstance(remembered, FetchSession) else 1
    parts = () if choice == "close" else (part,)
    return FetchInSession(
        parts=parts, session_id=session, session_epoch={"close": -1, "late": epoch + 5}.get(choice, epoch)
    )


@kind(
    "BAT",
    topic=TOPICS, claim=st.sampled_from(("transactional", "no_key", "too_large", "old", "codec_5")),
    fitting=st.booleans(),
)  # fmt: skip
def produce_for_character(actor: Actor, topic: int, claim: str, fitting: bool) -> Operation:
    """A batch that only some topics refuse: no keys, large, old, of a transaction, of a codec that there is not.

    `fitting`: it goes to a topic that refuses it, where the settings of topics matter.
    """
    refusing = topic_of_character(actor, REFUSED_BY[claim]) if fitting and claim in REFUSED_BY else None
    name = refusing or actor.topic(topic)
    place = (name, 0)
    records = records_of(actor, 1, keyed=claim != "no_key")
    if claim == "transactional":
        who = actor.producer(0)
        return produce_to(
            place,
            Batch(
                records=records, is_transactional=True, producer_id=who.producer_id, producer_epoch=0, base_sequence=0
            ),
        )
    if claim == "too_large":
        records = (Record(b"x" * 300, key=b"k", timestamp=records[0].timestamp),)
    return produce_to(place, Batch(records=records, compression=5 if claim == "codec_5" else 0))
