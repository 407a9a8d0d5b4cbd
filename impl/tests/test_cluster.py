"""Topics, configurations, producer ids and committed offsets, and that they are there after a restart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.cluster.catalog import APPEND, DELETE, SET, SUBTRACT, Catalog, ConfigChange, TopicRequest, check_topic_name
from impl.cluster.configs import TOPIC_CONFIGS, BrokerConfig, check_topic_configs
from impl.cluster.offsets import (
    CommittedOffset,
    CommittedOffsets,
    OffsetsLogError,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)
from impl.cluster.producer_ids import BLOCK_SIZE, ProducerIds
from impl.cluster.transactional_ids import EPOCH_MAX, TransactionalId, TransactionalIds
from impl.errors import BrokerError, ErrorCode
from impl.storage.filesystem import RealFileSystem
from impl.tests.support import NOW, open_log


def open_catalog(directory: Path, **broker: str) -> Catalog:
    config = BrokerConfig({name.replace("_", "."): value for name, value in broker.items()})
    return Catalog(RealFileSystem(), directory, config, 1)


def refusal(catalog: Catalog, request: TopicRequest) -> ErrorCode:
    with pytest.raises(BrokerError) as error:
        catalog.check_creation(request)
    return error.value.code


def test_topics_are_there_after_a_restart(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    topic = catalog.check_creation(TopicRequest("t", 3, 1, configs={"segment.bytes": "1000"}))
    catalog.add(topic)
    again = open_catalog(tmp_path)
    assert again.all() == [topic]
    assert again.by_id(topic.topic_id) == topic


def test_a_topic_created_again_has_another_id(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    first = catalog.check_creation(TopicRequest("t"))
    catalog.add(first)
    catalog.remove("t")
    second = catalog.check_creation(TopicRequest("t"))
    assert first.topic_id != second.topic_id
    assert catalog.by_id(first.topic_id) is None


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (TopicRequest("t", 0, 1), ErrorCode.INVALID_PARTITIONS),
        (TopicRequest("t", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (TopicRequest("t", 1, 2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (TopicRequest("t", 10_000, 1), ErrorCode.POLICY_VIOLATION),
        (TopicRequest("a b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (TopicRequest("there"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (TopicRequest("with_dot"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (TopicRequest("t", configs={"no.such": "1"}), ErrorCode.INVALID_CONFIG),
        (TopicRequest("t", configs={"segment.bytes": "many"}), ErrorCode.INVALID_CONFIG),
        (TopicRequest("t", configs={"segment.bytes": "13"}), ErrorCode.INVALID_CONFIG),
        (TopicRequest("t", configs={"cleanup.policy": None}), ErrorCode.INVALID_CONFIG),
        (TopicRequest("t", assignments=[(0, [1]), (2, [1])]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (TopicRequest("t", assignments=[(0, [1]), (0, [1])]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (TopicRequest("t", assignments=[(0, [2])]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (TopicRequest("t", assignments=[(0, [])]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (TopicRequest("t", 1, -1, assignments=[(0, [1])]), ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_topic_that_can_not_be_is_refused(tmp_path: Path, request_: TopicRequest, code: ErrorCode) -> None:
    catalog = open_catalog(tmp_path)
    for name in ("there", "with.dot"):
        catalog.add(catalog.check_creation(TopicRequest(name)))
    assert refusal(catalog, request_) == code


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "ä", "x" * 250])
def test_names_that_no_topic_can_have(name: str) -> None:
    with pytest.raises(BrokerError):
        check_topic_name(name)


def test_partitions_only_become_more(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    catalog.add(catalog.check_creation(TopicRequest("t", 2, 1)))
    assert catalog.check_growth("t", 5, None).partition_count == 5
    for count in (2, 1, 0, -1):
        with pytest.raises(BrokerError) as error:
            catalog.check_growth("t", count, None)
        assert error.value.code == ErrorCode.INVALID_PARTITIONS


def test_configs_are_changed_step_by_step(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    catalog.add(catalog.check_creation(TopicRequest("t")))
    for change, expected in (
        (ConfigChange("cleanup.policy", APPEND, "compact"), {"cleanup.policy": "delete,compact"}),
        (ConfigChange("cleanup.policy", SUBTRACT, "delete"), {"cleanup.policy": "compact"}),
        (ConfigChange("retention.ms", SET, "5"), {"cleanup.policy": "compact", "retention.ms": "5"}),
        (ConfigChange("cleanup.policy", DELETE, None), {"retention.ms": "5"}),
    ):
        topic = catalog.change_configs("t", [change])
        assert topic.overrides == expected
        catalog.replace(topic)


def test_a_topics_config_comes_from_topic_broker_or_default() -> None:
    definition = TOPIC_CONFIGS["segment.ms"]
    assert BrokerConfig().topic_entry(definition, {}).value == "604800000"
    hours = BrokerConfig({"log.roll.hours": "2"})
    assert hours.topic_entry(definition, {}).value == "7200000"
    both = BrokerConfig({"log.roll.hours": "2", "log.roll.ms": "9"})
    assert both.topic_entry(definition, {}).value == "9"
    assert both.topic_entry(definition, {"segment.ms": "8"}).value == "8"


@pytest.mark.parametrize("name", TOPIC_CONFIGS)
def test_each_default_is_a_value_that_may_be_set(name: str) -> None:
    default = TOPIC_CONFIGS[name].default
    assert check_topic_configs({name: default}) == {name: default}


def test_producer_ids_are_never_given_twice(tmp_path: Path) -> None:
    first = ProducerIds(RealFileSystem(), tmp_path)
    given_out = {first.allocate() for _ in range(BLOCK_SIZE + 5)}
    second = ProducerIds(RealFileSystem(), tmp_path)  # as after a kill: nothing was closed
    given_out |= {second.allocate() for _ in range(5)}
    assert len(given_out) == BLOCK_SIZE + 10


def open_transactional_ids(directory: Path) -> TransactionalIds:
    ids = ProducerIds(RealFileSystem(), directory)
    return TransactionalIds(open_log(directory / "log"), ids.allocate)


def test_a_transactional_id_keeps_its_producer_id_and_gets_new_epochs(tmp_path: Path) -> None:
    first = open_transactional_ids(tmp_path).initialize("a", 1000, None, NOW)
    second = open_transactional_ids(tmp_path).initialize("a", 1000, None, NOW)  # as after a kill
    assert (first.epoch, second.epoch) == (0, 1)
    assert first.producer_id == second.producer_id


def test_a_repeated_request_gets_the_same_answer_and_a_late_one_is_fenced(tmp_path: Path) -> None:
    ids = open_transactional_ids(tmp_path)
    first = ids.initialize("a", 1000, None, NOW)
    second = ids.initialize("a", 1000, (first.producer_id, 0), NOW)
    assert ids.initialize("a", 1000, (first.producer_id, 0), NOW).epoch == second.epoch == 1
    ids.initialize("a", 1000, None, NOW)
    for expected in ((first.producer_id, 0), (first.producer_id, 1), (first.producer_id + 1, 2)):
        with pytest.raises(BrokerError) as error:
            ids.initialize("a", 1000, expected, NOW)
        assert error.value.code == ErrorCode.PRODUCER_FENCED


def test_a_producer_id_is_replaced_when_its_epochs_are_used_up(tmp_path: Path) -> None:
    ids = open_transactional_ids(tmp_path)
    used_up = TransactionalId(ids.initialize("a", 1000, None, NOW).producer_id, EPOCH_MAX)
    ids._known["a"] = used_up
    fresh = ids.initialize("a", 1000, (used_up.producer_id, EPOCH_MAX), NOW)
    assert fresh.producer_id != used_up.producer_id
    assert fresh.epoch == 0
    assert ids.initialize("a", 1000, (used_up.producer_id, EPOCH_MAX), NOW) == fresh


def test_committed_offsets_are_there_after_a_restart(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    offsets = CommittedOffsets(log)
    kept = CommittedOffset(5, 2, "é", NOW)
    offsets.commit("g", {("t", 0): CommittedOffset(1, -1, "", NOW), ("u", 1): kept}, NOW)
    offsets.commit("g", {("t", 0): kept}, NOW)
    offsets.commit("other", {("u", 0): kept}, NOW)
    offsets.remove_topic("u", NOW)
    log.close()
    again = CommittedOffsets(open_log(tmp_path, was_clean=True))
    assert again.groups() == ["g"]
    assert again.of_group("g") == {("t", 0): kept}


def test_a_deleted_group_is_gone_after_a_restart(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    offsets = CommittedOffsets(log)
    offsets.commit("g", {("t", 0): CommittedOffset(1, -1, "", NOW)}, NOW)
    assert offsets.remove_group("g", NOW)
    assert not offsets.remove_group("g", NOW)
    assert CommittedOffsets(log).groups() == []


@given(st.text(max_size=50), st.text(max_size=50), st.integers(0, 2**31 - 1))
def test_keys_of_offsets_are_read_as_they_were_written(group: str, topic: str, partition: int) -> None:
    assert decode_key(encode_key(group, topic, partition)) == (group, topic, partition)


@given(st.integers(-1, 2**63 - 1), st.integers(-1, 2**31 - 1), st.text(max_size=50))
def test_values_of_offsets_are_read_as_they_were_written(offset: int, epoch: int, metadata: str) -> None:
    entry = CommittedOffset(offset, epoch, metadata, NOW)
    assert decode_value(encode_value(entry)) == entry


@given(st.binary(max_size=40))
def test_other_bytes_are_refused(content: bytes) -> None:
    for decode in (decode_key, decode_value):
        try:
            decode(content)
        except (OffsetsLogError, UnicodeDecodeError):
            continue


def test_an_internal_config_is_described_once_it_is_set() -> None:
    name = "producer.id.expiration.check.interval.ms"
    assert BrokerConfig().number(name) == 600_000
    assert name not in {entry.definition.name for entry in BrokerConfig().entries()}
    described = {entry.definition.name: entry.value for entry in BrokerConfig({name: "7"}).entries()}
    assert described[name] == "7"
