"""Operations: what a client asks of a cluster, as data. One class a Kafka request, one entry a partition or topic.

`None` in a field means that the request carries Kafka's null, or that the field is left to its default; each
class says which. How a request is encoded, and at which API version, is no business of the model.

Not here: what may be answered (`model.reference.rules` finds the function for each class).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from uuid import UUID

from attrs import field, frozen

from model.reference.batch import Batch


class Isolation(IntEnum):
    """Which records a reader wants (`isolation.level`, KIP-98)."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


EARLIEST = -2
LATEST = -1
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4


@frozen(kw_only=True)
class Operation:
    """What every operation has: a name for reports."""

    @property
    def kind(self) -> str:
        """The operation's name, for instance `Produce`."""
        return type(self).__name__


@frozen(kw_only=True)
class ProducePart:
    """Batches for one partition, and the bytes that each takes on the wire. `batches` None: null records."""

    topic: str
    partition: int = 0
    batches: tuple[Batch, ...] | None = ()
    sizes: tuple[int, ...] = ()


@frozen(kw_only=True)
class Produce(Operation):
    """Append batches. `timeout_ms` bounds the wait for replicas (`request.timeout.ms`)."""

    parts: tuple[ProducePart, ...]
    acks: int = -1
    timeout_ms: int = 30_000
    transactional_id: str | None = None


@frozen(kw_only=True)
class FetchPart:
    """What to read of one partition. `current_leader_epoch` -1: not checked."""

    topic: str
    partition: int = 0
    offset: int = 0
    max_bytes: int = 1 << 20
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1
    log_start_offset: int = -1
    topic_id: UUID | None = None
    """Overrides the id that the topic is known by (from Fetch v13)."""


@frozen(kw_only=True)
class Fetch(Operation):
    """Read batches. Session id 0 and epoch -1: no fetch session (KIP-227)."""

    parts: tuple[FetchPart, ...]
    max_wait_ms: int = 0
    min_bytes: int = 0
    max_bytes: int = 50 << 20
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    session_id: int = 0
    session_epoch: int = -1
    forgotten: tuple[tuple[str, int], ...] = ()


@frozen(kw_only=True)
class TopicSpec:
    """A topic to be created. -1 leaves partitions or replication factor to the broker's default (KIP-464)."""

    name: str
    partitions: int = 1
    replication_factor: int = 1
    assignments: tuple[tuple[int, tuple[int, ...]], ...] = ()
    config: Mapping[str, str | None] = field(factory=dict)


@frozen(kw_only=True)
class CreateTopics(Operation):
    """Create topics; `validate_only` checks and creates nothing."""

    topics: tuple[TopicSpec, ...]
    validate_only: bool = False
    timeout_ms: int = 30_000


@frozen(kw_only=True)
class Metadata(Operation):
    """Ask for topics, by name or (from v10) by id; `topics` None asks for all of them."""

    topics: tuple[str | UUID, ...] | None
    allow_auto_topic_creation: bool = False


@frozen(kw_only=True)
class DeleteTopics(Operation):
    """Delete topics, by name or (from v6) by id."""

    topics: tuple[str | UUID, ...]
    timeout_ms: int = 30_000
