"""MET: settings of topics."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.session import Answered, Pending
from model.reference.administration import (
    ConfigChange,
    ConfigEdit,
    ConfigQuestion,
    DescribeConfigs,
    IncrementalAlterConfigs,
    ResourceType,
    TopicConfigEdits,
)

OWN = {"retention.ms": "1234567", "cleanup.policy": "compact", "segment.bytes": "1048576"}


def learn_broker(run: Run) -> None:
    """Let the model learn what the broker is set to, if it tells; whether it must is the matter of MET-50."""
    broker = str(run.client.any_broker())
    pending = run.send(DescribeConfigs(resources=(ConfigQuestion(name=broker, kind=ResourceType.BROKER),)))
    if not isinstance(pending, Pending):
        return
    outcome, exchange = run.await_answer(pending)
    if isinstance(outcome, Answered):
        _, findings, _ = run.explain(run.cluster, pending, outcome)
        if not any(finding.mismatches for finding in findings):
            run.judged(pending, outcome, exchange)


def describe(run: Run, topic: str, *keys: str, synonyms: bool = False) -> None:
    """Ask for a topic's settings (all of them without `keys`), until the answer is right or time is up.

    What the topic was not given comes from the broker, so that the model has to know the broker's settings first.
    """
    if not run.cluster.broker_config:
        learn_broker(run)
    asked = ConfigQuestion(name=topic, keys=keys or None)
    run.eventually(DescribeConfigs(resources=(asked,), include_synonyms=synonyms))


def alter(run: Run, topic: str, *edits: ConfigEdit, validate_only: bool = False) -> None:
    """Change settings of a topic in one request."""
    run.perform(
        IncrementalAlterConfigs(topics=(TopicConfigEdits(topic=topic, edits=edits),), validate_only=validate_only)
    )


def put(key: str, value: str | None) -> ConfigEdit:
    """Set it."""
    return ConfigEdit(key=key, value=value)


@case("MET-40")
def own_settings(run: Run) -> None:
    """Create topics with settings of their own, and with none, and have them described."""
    topic, other = run.topic(config=OWN), run.topic(config={"message.timestamp.type": "LogAppendTime"})
    describe(run, topic)
    describe(run, other)
    asked = (ConfigQuestion(name=topic), ConfigQuestion(name=other))
    run.perform(DescribeConfigs(resources=asked))


@case("MET-41")
def default_settings(run: Run) -> None:
    """Have all settings described of a topic that has none of its own, and of one that has some."""
    describe(run, run.topic())
    describe(run, run.topic(config=OWN))


@case("MET-42")
def named_settings(run: Run) -> None:
    """Ask for two settings by name, then for one that does not exist beside one that does."""
    topic = run.topic(config=OWN)
    describe(run, topic, "retention.ms", "compression.type")
    describe(run, topic, "no.such.setting", "segment.bytes")


@case("MET-43")
def settings_of_unknown_topics(run: Run) -> None:
    """Ask for and change settings of a topic that does not exist, alone and beside one that does."""
    topic, missing = run.topic(config=OWN), run.names.new("t")
    describe(run, missing)
    run.perform(DescribeConfigs(resources=(ConfigQuestion(name=missing), ConfigQuestion(name=topic))))
    alter(run, missing, put("retention.ms", "1"))


@case("MET-44")
def synonyms(run: Run) -> None:
    """Ask for settings with their synonyms, own ones and defaults."""
    topic = run.topic(config=OWN)
    describe(run, topic, "segment.bytes", "retention.ms", "index.interval.bytes", "max.message.bytes", synonyms=True)
    describe(run, topic, synonyms=True)


@case("MET-45")
def setting_and_unsetting(run: Run) -> None:
    """Set, change and unset settings one by one; the others stay as they are."""
    topic = run.topic(config=OWN)
    alter(run, topic, put("retention.ms", "99"), put("max.message.bytes", "2000"))
    describe(run, topic)
    alter(run, topic, ConfigEdit(key="retention.ms", change=ConfigChange.DELETE), put("flush.messages", "7"))
    describe(run, topic)
    alter(run, topic, ConfigEdit(key="segment.ms", change=ConfigChange.DELETE))
    describe(run, topic)
    alter(run, topic, *(ConfigEdit(key=key, change=ConfigChange.DELETE) for key in (*OWN, "flush.messages")))
    describe(run, topic)
    describe(run, topic, *OWN, synonyms=True)


@case("MET-46")
def lists(run: Run) -> None:
    """Append to a list that has its default, append what is there already, and take away again."""
    topic = run.topic()
    for change, value in (
        (ConfigChange.APPEND, "compact"),
        (ConfigChange.APPEND, "compact"),
        (ConfigChange.SUBTRACT, "delete"),
        (ConfigChange.APPEND, "delete"),
    ):
        alter(run, topic, ConfigEdit(key="cleanup.policy", change=change, value=value))
        describe(run, topic, "cleanup.policy")


@case("MET-47")
def wrong_changes(run: Run) -> None:
    """Change a right setting together with a wrong one, or append to what is no list; nothing changes."""
    topic = run.topic(config=OWN)
    fine = put("retention.ms", "42")
    for edit in (
        put("segment.bytes", "none"),
        put("segment.bytes", "-1"),
        put("cleanup.policy", "shred"),
        put("no.such.setting", "1"),
        ConfigEdit(key="segment.bytes", change=ConfigChange.APPEND, value="1"),
        ConfigEdit(key="cleanup.policy", change=ConfigChange.APPEND, value="shred"),
    ):
        alter(run, topic, fine, edit)
        describe(run, topic, "retention.ms", "segment.bytes", "cleanup.policy")


@case("MET-48")
def check_only(run: Run) -> None:
    """Ask only whether settings could be changed; they stay."""
    topic = run.topic(config=OWN)
    alter(run, topic, put("retention.ms", "77"), put("segment.ms", "88"), validate_only=True)
    describe(run, topic, "retention.ms", "segment.ms")
    alter(run, topic, put("retention.ms", "never"), validate_only=True)
    describe(run, topic, "retention.ms")


@case("MET-49")
def malformed_changes(run: Run) -> None:
    """Name a setting twice in a request, and set one to null; nothing changes."""
    topic = run.topic(config=OWN)
    alter(run, topic, put("retention.ms", "1"), put("retention.ms", "2"))
    describe(run, topic, "retention.ms")
    alter(run, topic, put("retention.ms", None))
    describe(run, topic, "retention.ms")


@case("MET-50")
def settings_of_a_broker(run: Run) -> None:
    """Ask a broker for some of its settings by name, and for all of them."""
    broker = str(run.client.any_broker())
    keys = ("num.partitions", "auto.create.topics.enable", "log.segment.bytes")
    for asked in (keys, None):
        run.perform(DescribeConfigs(resources=(ConfigQuestion(name=broker, kind=ResourceType.BROKER, keys=asked),)))
