"""The table of requests that this broker carries out: key, versions, and where the handler is.

Versions are those of Apache Kafka 3.9 as far as they are implemented here; nothing else is advertised. Handlers are
named by text and imported at their first request, because the generated codecs that most of them use take a third of
a second to load.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

import attrs

from impl.server.framing import Reply

if TYPE_CHECKING:
    from impl.server.broker import Broker

API_VERSIONS: Final = 18


@attrs.frozen(slots=True)
class Request:
    """A request: its header's fields and its body. The body is a view that is valid until the handler returns."""

    key: int
    version: int
    correlation_id: int
    client_id: str | None
    body: memoryview


Handler = Callable[["Broker", Request], Reply | Awaitable[Reply]]


@attrs.frozen(slots=True)
class Api:
    """A kind of request; `flexible` is the first version with tagged fields (KIP-482)."""

    key: int
    name: str
    oldest: int
    newest: int
    flexible: int
    handler: str


def _apis() -> dict[int, Api]:
    handlers = "impl.server.handlers."
    return {
        api.key: api
        for api in (
            Api(0, "Produce", 3, 11, 9, handlers + "produce:produce"),
            Api(1, "Fetch", 4, 17, 12, handlers + "fetch:fetch"),
            Api(2, "ListOffsets", 1, 9, 6, handlers + "positions:list_offsets"),
            Api(3, "Metadata", 0, 12, 9, handlers + "metadata:metadata"),
            Api(8, "OffsetCommit", 2, 9, 8, handlers + "offsets:offset_commit"),
            Api(9, "OffsetFetch", 1, 9, 6, handlers + "offsets:offset_fetch"),
            Api(10, "FindCoordinator", 0, 6, 3, handlers + "groups:find_coordinator"),
            Api(15, "DescribeGroups", 0, 5, 5, handlers + "groups:describe_groups"),
            Api(16, "ListGroups", 0, 5, 3, handlers + "groups:list_groups"),
            Api(API_VERSIONS, "ApiVersions", 0, 4, 3, handlers + "api_versions:api_versions"),
            Api(19, "CreateTopics", 2, 7, 5, handlers + "topics:create_topics"),
            Api(20, "DeleteTopics", 1, 6, 4, handlers + "topics:delete_topics"),
            Api(21, "DeleteRecords", 0, 2, 2, handlers + "positions:delete_records"),
            Api(22, "InitProducerId", 0, 5, 2, handlers + "producer_ids:init_producer_id"),
            Api(23, "OffsetForLeaderEpoch", 2, 4, 4, handlers + "positions:offset_for_leader_epoch"),
            Api(32, "DescribeConfigs", 1, 4, 4, handlers + "configs:describe_configs"),
            Api(37, "CreatePartitions", 0, 3, 2, handlers + "topics:create_partitions"),
            Api(42, "DeleteGroups", 0, 2, 2, handlers + "groups:delete_groups"),
            Api(44, "IncrementalAlterConfigs", 0, 1, 1, handlers + "configs:incremental_alter_configs"),
            Api(60, "DescribeCluster", 0, 1, 0, handlers + "metadata:describe_cluster"),
        )
    }


APIS: Final = _apis()


@cache
def handler_of(api: Api) -> Handler:
    """The function that carries out a kind of request."""
    module, _, function = api.handler.partition(":")
    found: Handler = getattr(import_module(module), function)
    return found
