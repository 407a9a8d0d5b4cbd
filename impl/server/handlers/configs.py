"""DescribeConfigs and IncrementalAlterConfigs, for topics and this broker. A broker's configs can't be altered."""

from collections import Counter
from typing import Final

from kafka.protocol.admin import (
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

from impl.cluster.catalog import ConfigChange, Topic, check_topic_name
from impl.cluster.configs import TOPIC_CONFIGS, Entry
from impl.errors import INVALID_REQUEST_TEXT, BrokerError, ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import Message, decode, encode

TOPIC: Final = 2
BROKER: Final = 4
FIRST_WITH_TYPES: Final = 3

Described = DescribeConfigsResponse.DescribeConfigsResult
DescribedEntry = Described.DescribeConfigsResourceResult
DescribedSynonym = DescribedEntry.DescribeConfigsSynonym
Altered = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse


def describe_configs(broker: Broker, request: Request) -> Reply:
    """Values with their sources, and on request their synonyms (KIP-226)."""
    message = decode(DescribeConfigsRequest, request)
    results = []
    for asked in message.resources:
        kind, name = asked.resource_type, asked.resource_name
        try:
            entries = _entries(broker, kind, name)
        except BrokerError as error:
            results.append(
                Described(
                    error_code=error.code,
                    error_message=error.message,
                    resource_type=kind,
                    resource_name=name,
                    configs=[],
                )
            )
            continue
        wanted = asked.configuration_keys
        configs = [
            _described(entry, is_read_only=kind == BROKER, with_synonyms=message.include_synonyms)
            for entry in entries
            if not wanted or entry.definition.name in wanted
        ]
        results.append(
            Described(error_code=0, error_message="", resource_type=kind, resource_name=name, configs=configs)
        )
    return encode(DescribeConfigsResponse(throttle_time_ms=0, results=results), request)


def _entries(broker: Broker, kind: int, name: str) -> list[Entry]:
    """All configs of a resource. Raises BrokerError."""
    if kind == TOPIC:
        check_topic_name(name)
        topic = broker.catalog.get(name)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return [broker.config.topic_entry(definition, topic.overrides) for definition in TOPIC_CONFIGS.values()]
    if kind == BROKER:
        if not name.lstrip("-").isdecimal():
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
        if name != str(broker.node_id):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"Unexpected broker id, expected {broker.node_id} or empty string, but received {name}",
            )
        return broker.config.entries()
    raise BrokerError(ErrorCode.INVALID_REQUEST, INVALID_REQUEST_TEXT)


def _described(entry: Entry, *, is_read_only: bool, with_synonyms: bool) -> Message:
    synonyms = entry.synonyms if with_synonyms else ()
    return DescribedEntry(
        name=entry.definition.name,
        value=entry.value,
        read_only=is_read_only,
        config_source=entry.source,
        is_sensitive=False,
        synonyms=[DescribedSynonym(name=name, value=value, source=source) for name, value, source in synonyms],
        config_type=entry.definition.type,
        documentation=None,
    )


def incremental_alter_configs(broker: Broker, request: Request) -> Reply:
    """Change topics' configs (KIP-339)."""
    message = decode(IncrementalAlterConfigsRequest, request)
    counts = Counter((asked.resource_type, asked.resource_name) for asked in message.resources)
    results = []
    for asked in message.resources:
        kind, name = asked.resource_type, asked.resource_name
        code, text = ErrorCode.NONE, None
        try:
            topic = _altered(broker, asked, is_duplicate=counts[kind, name] > 1)
            if not message.validate_only:
                broker.reconfigure_topic(topic)
        except BrokerError as error:
            code, text = error.code, error.message or None
        results.append(Altered(error_code=code, error_message=text, resource_type=kind, resource_name=name))
    return encode(IncrementalAlterConfigsResponse(throttle_time_ms=0, responses=results), request)


def _altered(broker: Broker, asked: Message, *, is_duplicate: bool) -> Topic:
    """The topic with the changes asked for. Raises BrokerError."""
    if is_duplicate:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
    if asked.resource_type == BROKER:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "only the configuration of topics can be altered")
    if asked.resource_type != TOPIC:
        raise BrokerError(ErrorCode.INVALID_REQUEST, f"Unknown resource type {asked.resource_type}")
    changes = [ConfigChange(each.name, each.config_operation, each.value) for each in asked.configs]
    if len({change.name for change in changes}) < len(changes):
        raise BrokerError(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    return broker.catalog.change_configs(asked.resource_name, changes)
