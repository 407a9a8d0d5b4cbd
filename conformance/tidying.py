"""Removing what the suite has made on a target, and telling what could not be removed.

What is there is asked of the target, not remembered: a wrong target may have made what it said it refused. Only what
begins with the run's prefix is touched.

Not here: transactional ids, for which Kafka has no request; a broker forgets them in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.client import Client, NotReady, Unsupported, poll
from conformance.wire.apis import Api, message
from conformance.wire.connection import Connection
from conformance.wire.errors import WireError
from model.reference.errors import ErrorCode

AT_ONCE = 50
ATTEMPTS = 2
"""A request may be refused because the controller has changed."""
REMOVAL_CEILING_S = 10.0
"""How long topics may still be listed after they were deleted."""
DELETE_TOPICS_VERSION_MAX = 5
LIST_GROUPS_VERSION_MAX = 4
_GONE = {ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.GROUP_ID_NOT_FOUND}


def remove_topics(client: Client, beginning: str) -> None:
    """Delete all topics whose names begin so.

    Raises:
        WireError, Unsupported: the target does not answer, or deletes no topics.
    """
    version = client.version(Api.DELETE_TOPICS, DELETE_TOPICS_VERSION_MAX)
    for _ in range(ATTEMPTS):
        client.refresh(())
        codes: set[int] = set()
        for names in _in_portions(client.topics_named(beginning)):
            request = message(Api.DELETE_TOPICS, version, topic_names=names, timeout_ms=10_000)
            with client.fresh(client.controlling_broker()) as connection:
                answer: Any = connection.call(Api.DELETE_TOPICS, version, request).answer
            codes |= {each.error_code for each in answer.responses}
        if codes <= _GONE:
            return


def remove_groups(client: Client, beginning: str) -> None:
    """Delete all groups whose ids begin so, each at the broker that coordinates it.

    Raises:
        WireError, Unsupported: the target does not answer, or deletes no groups.
    """
    version = client.version(Api.DELETE_GROUPS)
    for broker in sorted(client.brokers):
        with client.fresh(broker) as connection:
            for names in _in_portions(_groups(client, connection, beginning)):
                connection.call(Api.DELETE_GROUPS, version, message(Api.DELETE_GROUPS, version, groups_names=names))


def clear(client: Client, beginning: str) -> tuple[str, ...]:
    """Remove topics and groups that begin so; what is left of them, in words."""
    try:
        return (*_clear_groups(client, beginning), *_clear_topics(client, beginning))
    except WireError as error:
        return (f"whatever begins with {beginning}, as the target did not answer: {error}",)


def _clear_topics(client: Client, beginning: str) -> Iterator[str]:
    try:
        remove_topics(client, beginning)
        poll("the end of topics", lambda: not client.topics_named(beginning), REMOVAL_CEILING_S)
    except (Unsupported, NotReady):
        yield from (f"topic {name}" for name in client.topics_named(beginning))


def _clear_groups(client: Client, beginning: str) -> Iterator[str]:
    if Api.OFFSET_COMMIT not in client.ranges:
        return
    try:
        remove_groups(client, beginning)
        for broker in sorted(client.brokers):
            with client.fresh(broker) as connection:
                yield from (f"group {name}" for name in _groups(client, connection, beginning))
    except Unsupported:
        yield f"groups that begin with {beginning} (the target can't list or delete groups)"


def _groups(client: Client, connection: Connection, beginning: str) -> list[str]:
    """The groups that this broker coordinates and that begin so."""
    version = client.version(Api.LIST_GROUPS, LIST_GROUPS_VERSION_MAX)
    answer: Any = connection.call(Api.LIST_GROUPS, version, message(Api.LIST_GROUPS, version)).answer
    return sorted(each.group_id for each in answer.groups if each.group_id.startswith(beginning))


def _in_portions(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]
