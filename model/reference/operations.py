"""Operations: what a client asks of a cluster, as data. One class a Kafka request, one entry a partition or topic.

`None` in a field means that the request carries Kafka's null, or that the field is left to its default; each
class says which. How a request is encoded, and at which API version, is no business of the model.

Not here: what may be answered (`model.reference.rules` finds the function for each class).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from uuid import UUID

from attrs import frozen

from model.reference.batch import Batch


class Isolation(IntEnum):
    """Which records a reader wants (`isolation.level`, KIP-98)."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


EARLIEST = -2
LATEST = -1
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5


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
    plain_sizes: tuple[int, ...] = ()
    """The bytes that each would take without compression, for topics whose `compression.type` undoes it."""


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
    """Read batches. Session id 0 and epoch -1: no fetch session (KIP-227).

    With the defaults a broker answers at once, as no bytes are asked for; the short wait is for those that look
    for records only while there is time left.
    """

    parts: tuple[FetchPart, ...]
    max_wait_ms: int = 100
    min_bytes: int = 0
    max_bytes: int = 50 << 20
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    session_id: int = 0
    session_epoch: int = -1
    forgotten: tuple[tuple[str, int], ...] = ()


@frozen(kw_only=True)
class Metadata(Operation):
    """Ask for topics, by name or (from v10) by id; `topics` None asks for all of them."""

    topics: tuple[str | UUID, ...] | None
    allow_auto_topic_creation: bool = False


# -- committed offsets -----------------------------------------------------------------------------------------------

NO_GENERATION = -1
NO_MEMBER = ""


@frozen(kw_only=True)
class CommitPart:
    """An offset to be kept for one partition. `leader_epoch` -1: not known; `metadata` None: Kafka's null."""

    topic: str
    partition: int = 0
    offset: int = 0
    leader_epoch: int = -1
    metadata: str | None = ""


@frozen(kw_only=True)
class OffsetCommit(Operation):
    """Keep offsets for a group. Generation -1 and no member id: a simple consumer, which no group manages."""

    group: str
    parts: tuple[CommitPart, ...]
    generation: int = NO_GENERATION
    member: str = NO_MEMBER
    instance: str | None = None
    retention_ms: int = -1
    """Carried by versions 2 to 4 only; -1 leaves it to the broker (KIP-211)."""


@frozen(kw_only=True)
class GroupOffsets:
    """Which offsets of a group are asked for; `partitions` None: all that it has (from v2)."""

    group: str
    partitions: tuple[tuple[str, int], ...] | None = None


@frozen(kw_only=True)
class OffsetFetch(Operation):
    """Ask for committed offsets, of one group or (from v8) of several."""

    groups: tuple[GroupOffsets, ...]
    require_stable: bool = False
    """Wait for open transactions (from v7, KIP-447)."""


@frozen(kw_only=True)
class FindCoordinator(Operation):
    """Ask who keeps the offsets of groups: of one, or (from v4) of several."""

    groups: tuple[str, ...]


@frozen(kw_only=True)
class ObserveLag(Operation):
    """What a monitor does: log end offset (ListOffsets) less committed offset (OffsetFetch), for one partition."""

    group: str
    topic: str
    partition: int = 0


# -- connections -----------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ApiVersions(Operation):
    """Ask what the broker speaks, in any version, also one that it does not know, as the first word of a client."""

    version: int = 0
    software_name: str = "tidegauge"
    software_version: str = "1"


class Flaw(StrEnum):
    """What is wrong, or only unusual, with a frame on the wire."""

    NEGATIVE_LENGTH = "a length of -1"
    OVERSIZED_LENGTH = "a length of 2^31 - 1"
    EMPTY_FRAME = "a length of 0"
    SHORT_HEADER = "a frame that ends within the request's header"
    UNKNOWN_API = "an API key that does not exist"
    UNKNOWN_VERSION = "a version of Metadata that does not exist"
    OVERRUNNING_COUNT = "a Metadata request whose array claims more topics than there are bytes"
    CUT_BODY = "a Metadata request that ends within a topic's name"
    GARBAGE = "an HTTP request"
    GONE_CLIENT = "half of a frame, after which the client goes away"
    IN_PIECES = "a right request that arrives byte by byte"
    UNKNOWN_TAGS = "a right request with tagged fields that nobody has defined"
    NO_CLIENT_ID = "a right request whose client id is null"
    NO_GREETING = "a right request before ApiVersions was asked"


@frozen(kw_only=True)
class SendFrame(Operation):
    """Send a frame with a flaw on a connection of its own, while another client's connection stays open."""

    flaw: Flaw


class Question(StrEnum):
    """A request of a pipeline."""

    API_VERSIONS = "ApiVersions"
    METADATA = "Metadata"
    SLOW_FETCH = "a Fetch that waits for records that do not come"


@frozen(kw_only=True)
class Pipeline(Operation):
    """Send requests one after the other without awaiting answers: (what, its correlation id)."""

    questions: tuple[tuple[Question, int], ...]
    topic: str
    """What the fetch waits on."""


@frozen(kw_only=True)
class FetchInSession(Operation):
    """A fetch that opens (epoch 0), continues or closes (epoch -1) a fetch session (KIP-227)."""

    parts: tuple[FetchPart, ...]
    session_id: int = 0
    session_epoch: int = 0
    forgotten: tuple[tuple[str, int], ...] = ()


# -- partitioning ----------------------------------------------------------------------------------------------------


class KeyedClient(StrEnum):
    """A real client and the way in which it chooses partitions by keys."""

    JAVA_LIKE = "librdkafka, partitioner=murmur2_random"
    CRC32 = "librdkafka, partitioner=consistent_random"
    KAFKA_PYTHON = "kafka-python, DefaultPartitioner"


@frozen(kw_only=True)
class LocateKeys(Operation):
    """Let a real client produce a record for each key, in order, and look where each of them lies.

    `partition` given: the client is told where to, whatever the key.
    """

    topic: str
    keys: tuple[bytes | None, ...]
    client: KeyedClient = KeyedClient.JAVA_LIKE
    partition: int | None = None


# -- producer ids ----------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class InitProducerId(Operation):
    """Ask for a producer id; transactional id None: for idempotence only. Id and epoch travel from v3 (KIP-360)."""

    transactional_id: str | None = None
    transaction_timeout_ms: int = 60_000
    producer_id: int = -1
    producer_epoch: int = -1


# -- offsets by time and by epoch ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ListOffsetsPart:
    """Which offset of a partition: a timestamp, or EARLIEST, LATEST, ...; `current_leader_epoch` -1: not checked."""

    topic: str
    partition: int = 0
    timestamp: int = LATEST
    current_leader_epoch: int = -1


@frozen(kw_only=True)
class ListOffsets(Operation):
    """Look up offsets by time."""

    parts: tuple[ListOffsetsPart, ...]
    isolation: Isolation = Isolation.READ_UNCOMMITTED


@frozen(kw_only=True)
class OffsetForLeaderEpochPart:
    """Of which epoch of a partition the end is wanted. `current_leader_epoch` -1: unchecked."""

    topic: str
    partition: int = 0
    leader_epoch: int
    current_leader_epoch: int = -1


@frozen(kw_only=True)
class OffsetForLeaderEpoch(Operation):
    """Ask where epochs ended, as a consumer does to find out whether its log was truncated (KIP-320)."""

    parts: tuple[OffsetForLeaderEpochPart, ...]


# -- deleting records ------------------------------------------------------------------------------------------------

HIGH_WATERMARK = -1
"""The offset that stands for the high watermark in DeleteRecords (DeleteRecordsRequest.HIGH_WATERMARK)."""


@frozen(kw_only=True)
class DeleteRecordsPart:
    """Up to where records of one partition are deleted; `HIGH_WATERMARK`: all that are committed."""

    topic: str
    partition: int = 0
    offset: int = HIGH_WATERMARK


@frozen(kw_only=True)
class DeleteRecords(Operation):
    """Raise log start offsets (KIP-107)."""

    parts: tuple[DeleteRecordsPart, ...]
    timeout_ms: int = 30_000


# -- what a broker does unasked ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class LookAtLogs(Operation):
    """Look at whole partitions: where they start and end, all that a reader gets, and what one gets before or between.

    It says nothing of when: whoever performs it does so until retention, or compaction, has run.
    """

    topic: str
    partitions: tuple[int, ...] = (0,)


# -- acknowledgements ------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ProduceUnanswered(Operation):
    """A produce with acks=0 on a connection of its own, which is watched for `watch_ms` afterwards."""

    produce: Produce
    watch_ms: int = 500
