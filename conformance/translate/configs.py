"""DescribeConfigs and IncrementalAlterConfigs between the model and the wire."""

from __future__ import annotations

from typing import Any

from conformance.translate.base import Translation, register
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.administration import (
    ConfigQuestion,
    DescribeConfigs,
    IncrementalAlterConfigs,
    ResourceType,
    TopicConfigEdits,
)
from model.reference.errors import error_of
from model.reference.outcomes import Values
from model.reference.state import Cluster


def _describe(operation: DescribeConfigs, version: int, cluster: Cluster) -> object:
    def resource(asked: ConfigQuestion) -> dict[str, object]:
        return {
            "resource_type": int(asked.kind),
            "resource_name": asked.name,
            "configuration_keys": None if asked.keys is None else list(asked.keys),
        }

    return message(
        Api.DESCRIBE_CONFIGS,
        version,
        resources=[resource(each) for each in operation.resources],
        include_synonyms=operation.include_synonyms,
    )


def _described(operation: DescribeConfigs, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer

    def values(result: Any) -> Values:
        return {
            "error": error_of(result.error_code),
            "configs": {each.name: (each.value, each.config_source) for each in result.configs},
            "synonyms": {
                each.name: tuple((other.name, other.value, other.source) for other in each.synonyms or ())
                for each in result.configs
            },
        }

    found = {(result.resource_type, result.resource_name): values(result) for result in answer.results}
    return [{}, *(found.get((int(each.kind), each.name), {}) for each in operation.resources)]


register(
    DescribeConfigs,
    Translation(
        Api.DESCRIBE_CONFIGS,
        _describe,
        _described,
        broker=lambda operation: next(
            (int(each.name) for each in operation.resources if each.kind is ResourceType.BROKER), None
        ),
    ),
)


def _alter(operation: IncrementalAlterConfigs, version: int, cluster: Cluster) -> object:
    def resource(asked: TopicConfigEdits) -> dict[str, object]:
        edits = [{"name": edit.key, "config_operation": int(edit.change), "value": edit.value} for edit in asked.edits]
        return {"resource_type": int(ResourceType.TOPIC), "resource_name": asked.topic, "configs": edits}

    return message(
        Api.INCREMENTAL_ALTER_CONFIGS,
        version,
        resources=[resource(each) for each in operation.topics],
        validate_only=operation.validate_only,
    )


def _altered(operation: IncrementalAlterConfigs, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {result.resource_name: {"error": error_of(result.error_code)} for result in answer.responses}
    return [{}, *(found.get(each.topic, {}) for each in operation.topics)]


register(IncrementalAlterConfigs, Translation(Api.INCREMENTAL_ALTER_CONFIGS, _alter, _altered))
