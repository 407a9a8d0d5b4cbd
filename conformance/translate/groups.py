"""OffsetCommit, OffsetFetch, FindCoordinator and a monitor's look at lag, between the model and the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.client import Client
from conformance.translate.base import (
    Conversation,
    Translation,
    Unsayable,
    VersionOf,
    register,
    register_conversation,
    translation_of,
)
from conformance.translate.parts import by_topic, grouped, id_of
from conformance.wire.apis import Api, message
from conformance.wire.connection import Exchange
from model.reference.errors import ErrorCode, error_of
from model.reference.operations import (
    CommitPart,
    FindCoordinator,
    GroupOffsets,
    ListOffsets,
    ListOffsetsPart,
    ObserveLag,
    OffsetCommit,
    OffsetFetch,
    Operation,
)
from model.reference.outcomes import Values
from model.reference.state import Cluster

COMMIT_EPOCHS_FROM = 6
FETCH_EPOCHS_FROM = 5
FETCH_ALL_FROM = 2
FETCH_ERROR_FROM = 2
FETCH_STABLE_FROM = 7
FETCH_GROUPS_FROM = 8
TOPIC_IDS_FROM = 10
RETENTION_VERSIONS = range(2, 5)
COORDINATORS_FROM = 4
GROUP_KEYS = 0


def _topic_key(cluster: Cluster, topic: str, version: int) -> dict[str, object]:
    """How a topic is named in a request."""
    return {"topic_id": id_of(cluster, topic)} if version >= TOPIC_IDS_FROM else {"name": topic}


def _name_of(cluster: Cluster, topic: Any, version: int) -> str:
    """The name of a topic in an answer; an id that nobody knows is shown as it is."""
    if version < TOPIC_IDS_FROM:
        return str(topic.name)
    known = cluster.named(topic.topic_id) if topic.topic_id is not None else None
    return known.name if known is not None else str(topic.topic_id)


# -- commit ----------------------------------------------------------------------------------------------------------


def _commit(operation: OffsetCommit, version: int, cluster: Cluster) -> object:
    if operation.retention_ms != -1 and version not in RETENTION_VERSIONS:
        raise Unsayable("OffsetCommit carries a retention time in v2 to v4 only")

    def partition(part: CommitPart) -> dict[str, object]:
        fields: dict[str, object] = {
            "partition_index": part.partition,
            "committed_offset": part.offset,
            "committed_metadata": part.metadata,
        }
        if version >= COMMIT_EPOCHS_FROM:
            fields["committed_leader_epoch"] = part.leader_epoch
        elif part.leader_epoch != -1:
            raise Unsayable(f"OffsetCommit carries leader epochs from v{COMMIT_EPOCHS_FROM}")
        return fields

    topics = by_topic(operation.parts, partition)
    return message(
        Api.OFFSET_COMMIT,
        version,
        group_id=operation.group,
        generation_id_or_member_epoch=operation.generation,
        member_id=operation.member,
        group_instance_id=operation.instance,
        retention_time_ms=operation.retention_ms,
        topics=[{**_topic_key(cluster, name, version), "partitions": parts} for name, parts in topics.items()],
    )


def _committed(operation: OffsetCommit, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    found = {
        (_name_of(cluster, topic, version), part.partition_index): error_of(part.error_code)
        for topic in answer.topics
        for part in topic.partitions
    }
    keys = [(part.topic, part.partition) for part in operation.parts]
    return [{}, *({"error": found[key]} if key in found else {} for key in keys)]


register(
    OffsetCommit,
    Translation(Api.OFFSET_COMMIT, _commit, _committed, coordinator=lambda operation: operation.group),
)


# -- fetch -----------------------------------------------------------------------------------------------------------


def _asked(asked: GroupOffsets, version: int, cluster: Cluster) -> list[dict[str, object]] | None:
    if asked.partitions is None:
        if version < FETCH_ALL_FROM:
            raise Unsayable(f"OffsetFetch asks for all partitions from v{FETCH_ALL_FROM}")
        return None
    return [
        {**_topic_key(cluster, topic, version), "partition_indexes": indexes}
        for topic, indexes in grouped(asked.partitions).items()
    ]


def _fetch(operation: OffsetFetch, version: int, cluster: Cluster) -> object:
    if operation.require_stable and version < FETCH_STABLE_FROM:
        raise Unsayable(f"OffsetFetch asks for stable offsets from v{FETCH_STABLE_FROM}")
    stable = {"require_stable": operation.require_stable} if version >= FETCH_STABLE_FROM else {}
    if version >= FETCH_GROUPS_FROM:
        groups = [{"group_id": each.group, "topics": _asked(each, version, cluster)} for each in operation.groups]
        return message(Api.OFFSET_FETCH, version, groups=groups, **stable)
    if len(operation.groups) != 1:
        raise Unsayable(f"OffsetFetch asks for several groups from v{FETCH_GROUPS_FROM}")
    (only,) = operation.groups
    return message(Api.OFFSET_FETCH, version, group_id=only.group, topics=_asked(only, version, cluster), **stable)


def _fetched(operation: OffsetFetch, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    if version >= FETCH_GROUPS_FROM:
        groups = {group.group_id: (group.error_code, group.topics) for group in answer.groups}
    else:
        code = answer.error_code if version >= FETCH_ERROR_FROM else ErrorCode.NONE
        groups = {operation.groups[0].group: (code, answer.topics)}
    sections: list[Values] = [{}]
    for asked in operation.groups:
        code, topics = groups.get(asked.group, (None, ()))
        parts = _parts(topics, version, cluster)
        sections.append({} if code is None else _group_values(code, parts))
        sections += [parts.get(key, {}) for key in asked.partitions or ()]
    return sections


def _parts(topics: Sequence[Any], version: int, cluster: Cluster) -> dict[tuple[str, int], Values]:
    parts: dict[tuple[str, int], Values] = {}
    for topic in topics:
        for part in topic.partitions:
            seen: dict[str, object] = {
                "error": error_of(part.error_code),
                "offset": part.committed_offset,
                "metadata": part.metadata,
            }
            if version >= FETCH_EPOCHS_FROM:
                seen["leader_epoch"] = part.committed_leader_epoch
            parts[_name_of(cluster, topic, version), part.partition_index] = seen
    return parts


def _group_values(code: int, parts: Mapping[tuple[str, int], Values]) -> Values:
    seen: dict[str, object] = {
        "error": error_of(code),
        "partitions": frozenset(parts),
        "offsets": {key: each["offset"] for key, each in parts.items()},
        "metadata": {key: each["metadata"] for key, each in parts.items()},
    }
    if all("leader_epoch" in each for each in parts.values()):
        seen["epochs"] = {key: each["leader_epoch"] for key, each in parts.items()}
    return seen


register(
    OffsetFetch,
    Translation(
        Api.OFFSET_FETCH,
        _fetch,
        _fetched,
        coordinator=lambda operation: operation.groups[0].group if operation.groups else None,
    ),
)


# -- coordinators and lag --------------------------------------------------------------------------------------------


def _find(operation: FindCoordinator, version: int, cluster: Cluster) -> object:
    kind = {"key_type": GROUP_KEYS} if version >= 1 else {}
    if version >= COORDINATORS_FROM:
        return message(Api.FIND_COORDINATOR, version, coordinator_keys=list(operation.groups), **kind)
    if len(operation.groups) != 1:
        raise Unsayable(f"FindCoordinator asks for several groups from v{COORDINATORS_FROM}")
    return message(Api.FIND_COORDINATOR, version, key=operation.groups[0], **kind)


def _found(operation: FindCoordinator, version: int, exchange: Exchange, cluster: Cluster) -> list[Values]:
    answer: Any = exchange.answer
    if version < COORDINATORS_FROM:
        found = {operation.groups[0]: answer}
    else:
        found = {each.key: each for each in answer.coordinators}
    return [
        {},
        *(
            {"error": error_of(each.error_code), "node": (each.node_id, each.host, each.port)}
            if (each := found.get(group)) is not None
            else {}
            for group in operation.groups
        ),
    ]


register(FindCoordinator, Translation(Api.FIND_COORDINATOR, _find, _found))


def _observe(operation: ObserveLag, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    """Ask the leader for the log's end and the coordinator for the offset, as a monitor does."""
    topic, partition = operation.topic, operation.partition

    def ask(question: Operation, broker: int) -> Values:
        translation = translation_of(question)
        version = version_of(translation.api)
        request = translation.encode(question, version, cluster)
        exchange = client.connection("main", broker).call(translation.api, version, request)
        return translation.decode(question, version, exchange, cluster)[-1]

    end = ask(ListOffsets(parts=(ListOffsetsPart(topic=topic, partition=partition),)), client.leader(topic, partition))
    asked = GroupOffsets(group=operation.group, partitions=((topic, partition),))
    kept = ask(OffsetFetch(groups=(asked,)), client.coordinator(operation.group))
    last, offset = end.get("offset"), kept.get("offset")
    errors = end.get("error"), kept.get("error")
    if errors != (ErrorCode.NONE, ErrorCode.NONE) or not isinstance(last, int) or not isinstance(offset, int):
        return [{"lag": errors}]
    return [{"error": ErrorCode.NONE, "lag": None if offset < 0 else last - offset}]


register_conversation(ObserveLag, Conversation((Api.LIST_OFFSETS, Api.OFFSET_FETCH), _observe))
