"""Looking at whole partitions: ListOffsets for both ends, and fetches for everything between and just before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from conformance.client import Client
from conformance.translate.base import Conversation, VersionOf, register_conversation, translation_of
from conformance.translate.parts import numbered
from conformance.wire.apis import Api
from model.reference.batch import Batch
from model.reference.errors import ErrorCode
from model.reference.operations import (
    EARLIEST,
    LATEST,
    Fetch,
    FetchPart,
    ListOffsets,
    ListOffsetsPart,
    LookAtLogs,
    Operation,
)
from model.reference.outcomes import Values
from model.reference.state import Cluster


class Reader:
    """A reader of one partition."""

    def __init__(self, client: Client, cluster: Cluster, version_of: VersionOf, topic: str, partition: int) -> None:
        self._client, self._cluster, self._version_of = client, cluster, version_of
        self._topic, self._partition = topic, partition

    def _ask(self, operation: Operation) -> Values:
        """What an operation of one part is answered."""
        translation = translation_of(operation)
        version = self._version_of(translation.api)
        request = translation.encode(operation, version, self._cluster)
        link = self._client.connection("main", self._client.leader(self._topic, self._partition))
        exchange = link.call(translation.api, version, request)
        return translation.decode(operation, version, exchange, self._cluster)[1]

    def end(self, which: int) -> Values:
        """Where the partition starts, or ends."""
        part = ListOffsetsPart(topic=self._topic, partition=self._partition, timestamp=which)
        return self._ask(ListOffsets(parts=(part,)))

    def fetch(self, offset: int) -> Values:
        """What is there from an offset on."""
        part = FetchPart(topic=self._topic, partition=self._partition, offset=offset)
        return self._ask(Fetch(parts=(part,)))

    def batches(self, start: int, end: int) -> Iterator[Batch]:
        """All batches between two offsets."""
        while start < end:
            found = cast("tuple[Batch, ...]", self.fetch(start).get("records", ()))
            if not found or found[-1].next_offset <= start:
                return
            yield from found
            start = found[-1].next_offset

    def look(self) -> Values:
        """The whole partition."""
        ends = [self.end(which) for which in (EARLIEST, LATEST)]
        failed = [each.get("error") for each in ends if each.get("error") != ErrorCode.NONE]
        if failed:
            return {"error": failed[0]}
        start, end = (cast("int", each["offset"]) for each in ends)
        records = [
            (offset, record.key, record.value)
            for batch in self.batches(start, end)
            for offset, record in numbered(batch)
            if offset >= start
        ]
        there = [offset for offset, _, _ in records]
        gaps = [offset for offset in range(start, end) if offset not in there]
        below = {"below": self.fetch(start - 1).get("error")} if start > 0 else {}
        return {
            "error": ErrorCode.NONE,
            "start": start,
            "end": end,
            "records": tuple(records),
            "between": tuple((gap, next((o for o in there if o > gap), None), self._first_from(gap)) for gap in gaps),
            **below,
        }

    def _first_from(self, offset: int) -> int | None:
        """The first record that a reader at an offset is given; None if none is, or an error."""
        found = cast("tuple[Batch, ...]", self.fetch(offset).get("records", ()))
        return next((each for batch in found for each, _ in numbered(batch) if each >= offset), None)


def _look(operation: LookAtLogs, client: Client, cluster: Cluster, version_of: VersionOf) -> list[Values]:
    readers = [Reader(client, cluster, version_of, operation.topic, each) for each in operation.partitions]
    return [{}, *(reader.look() for reader in readers)]


register_conversation(LookAtLogs, Conversation((Api.LIST_OFFSETS, Api.FETCH), _look))
