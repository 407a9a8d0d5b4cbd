"""What Produce and Fetch answers say about a partition's leader, in tagged fields (KIP-951).

Not here: LeaderAndIsr and the other requests by which brokers learn of leaders.
"""

from __future__ import annotations

from attrs import frozen

from conformance.wire.primitives import Reader


@frozen
class CurrentLeader:
    """The leader that a broker knows of when it is not the leader itself; -1 where it knows none."""

    leader_id: int
    leader_epoch: int


@frozen
class NodeEndpoint:
    """Where a leader named in the same answer is reached."""

    node_id: int
    host: str
    port: int
    rack: str | None


def read_current_leader(reader: Reader) -> CurrentLeader:
    """A `CurrentLeader` with the tagged fields that end it."""
    leader = CurrentLeader(reader.int32(), reader.int32())
    reader.tags()
    return leader


def read_node_endpoints(reader: Reader) -> tuple[NodeEndpoint, ...]:
    """An array of `NodeEndpoint`."""
    return reader.array(lambda: _read_node_endpoint(reader))


def _read_node_endpoint(reader: Reader) -> NodeEndpoint:
    endpoint = NodeEndpoint(reader.int32(), reader.string(), reader.int32(), reader.nullable_string())
    reader.tags()
    return endpoint
