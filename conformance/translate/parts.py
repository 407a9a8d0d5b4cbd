"""What translations have in common: the parts of a request by topic, and what a topic or a reader is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from model.reference.batch import Batch, Record
from model.reference.state import Cluster

NO_ID = UUID(int=0)
"""The id of a topic that has none, or that is named."""
CONSUMER = -1
"""The replica id of a client that is no broker."""

Said = TypeVar("Said")


def by_topic(parts: Iterable[Any], said: Callable[[Any], Said]) -> dict[str, list[Said]]:
    """Parts by topic, in the order of first mention, each as it is `said`."""
    return grouped((part.topic, said(part)) for part in parts)


def grouped(pairs: Iterable[tuple[str, Said]]) -> dict[str, list[Said]]:
    """The second of each pair by the first, in the order of first mention."""
    found: dict[str, list[Said]] = {}
    for topic, each in pairs:
        found.setdefault(topic, []).append(each)
    return found


def place_of_first(operation: Any) -> tuple[str, int] | None:
    """The partition of the operation's first part, whose leader is asked for all."""
    return (operation.parts[0].topic, operation.parts[0].partition) if operation.parts else None


def id_of(cluster: Cluster, topic: str) -> UUID:
    """The topic's id, as far as an answer has told it."""
    found = cluster.topics.get(topic)
    return found.topic_id if found is not None and found.topic_id is not None else NO_ID


def numbered(batch: Batch) -> Iterator[tuple[int, Record]]:
    """The records of a batch with their offsets; compaction leaves gaps."""
    for place, record in enumerate(batch.records):
        yield batch.base_offset + (place if record.offset_delta is None else record.offset_delta), record
