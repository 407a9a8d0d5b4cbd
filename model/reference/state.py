"""The state of a cluster as a client can know it.

What a target chooses for itself (topic ids, producer ids, leader epochs, append times) is `None` until an answer
has told it, and fixed from then on. One broker leads every partition here and is its only replica, so the high
watermark equals the log end offset whenever no produce is under way; clusters come with a later machine.

Not modelled here: tiered storage, quotas, ACLs, share groups, group membership.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from attrs import evolve, field, frozen

from model.language import State
from model.reference.batch import Batch


@frozen
class Stored:
    """A batch as it lies in the log: offsets assigned, `size` in bytes as sent, leader epoch if it is known."""

    batch: Batch
    size: int
    leader_epoch: int | None = None
    append_time: int | None = None
    """Milliseconds at which the broker says that it appended it (LogAppendTime only)."""
    acks: int = -1
    """The acknowledgements that its producer asked for."""
    is_recompressed: bool = False
    """Whether the topic's `compression.type` makes the broker write it anew, so that `size` is not what is stored."""
    image: bytes | None = None
    """Its bytes as the first reader got them; None until one did."""

    @property
    def stored_size(self) -> int | None:
        """Its bytes in the log; None if the broker chose them and nobody has seen them yet."""
        if self.image is not None:
            return len(self.image)
        return None if self.is_recompressed else self.size

    @property
    def base_offset(self) -> int:
        return self.batch.base_offset

    @property
    def next_offset(self) -> int:
        return self.batch.next_offset


@frozen
class Memory:
    """What a partition's leader remembers of an idempotent producer."""

    states: tuple[State, ...]
    """The states that its entry may be in (`model.machines.producer`): one, but for after a restart."""
    timestamp: int
    """Milliseconds: the greatest timestamp of the newest batch, from which the entry ages."""
    is_stale: bool = False
    """Whether that batch was too old to be remembered when it was appended (`producer.id.expiration.ms`)."""


@frozen
class Partition:
    """A partition's log, and what its leader remembers of producers (by producer id)."""

    log_start_offset: int = 0
    log_end_offset: int = 0
    entries: tuple[Stored, ...] = ()
    producers: Mapping[int, Memory] = field(factory=dict)
    """What the leader remembers of each producer, by producer id."""
    not_appended_by: str | None = None
    """The requirement by which the last batch that was sent here was not appended; None once one is appended."""
    leader_epoch: int | None = None
    """The leader epoch, if an answer has told it since the leader was last elected."""
    epoch_starts: tuple[tuple[int, int], ...] = ()
    """(leader epoch, its first offset), oldest first, as far as it is known (leader-epoch-checkpoint)."""
    is_led_anew: bool = False
    """Whether there was surely an election since the leader epoch was told."""
    current_epoch_start: int = 0
    """Where the log ended when the current leader was elected."""
    restarts: int = 0
    """How often the brokers had been restarted when this partition was last written to."""
    compacted_to: int = 0
    """Up to where compaction was seen to have run; `entries` keeps all that was appended nevertheless."""

    @property
    def high_watermark(self) -> int:
        """First offset that is not committed: with one replica, the log end offset."""
        return self.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """First offset of an open transaction, or the high watermark (no transactions here)."""
        return self.high_watermark

    def from_offset(self, offset: int) -> tuple[Stored, ...]:
        """The stored batches that hold `offset` or a later one, oldest first."""
        return tuple(entry for entry in self.entries if entry.next_offset > offset)


@frozen
class Topic:
    """A topic: its partitions by number, its id (KIP-516) and the configuration given for it."""

    name: str
    partitions: tuple[Partition, ...]
    topic_id: UUID | None = None
    config: Mapping[str, str] = field(factory=dict)
    is_recreated: bool = False
    """Whether a topic of this name was deleted before."""
    is_counted: bool = True
    """False: the broker chose the number of partitions, and nobody has told it yet."""
    replication_factor: int | None = None
    """How many replicas each partition has, if it is known."""
    assignment: Mapping[int, tuple[int, ...]] = field(factory=dict)
    """Replicas by partition, where a client chose them."""

    def with_partition(self, index: int, partition: Partition) -> Topic:
        """This topic with one partition replaced."""
        return evolve(self, partitions=(*self.partitions[:index], partition, *self.partitions[index + 1 :]))


@frozen
class Committed:
    """A committed offset as a group keeps it (OffsetAndMetadata), or what is known where none is kept."""

    offset: int
    metadata: str = ""
    leader_epoch: int = -1
    rule: str = "OFF-01"
    """The requirement that says why this is kept, or that the last commit is not."""
    is_kept: bool = True
    """False: nothing is committed, although a commit was tried."""
    number: int = 0
    """Which commit of the run it was; a later one is for another group or partition."""
    restarts: int = 0
    """How often the broker had been restarted by then."""


@frozen
class Cluster:
    """All that a client can know. Immutable: an operation yields the next one."""

    topics: Mapping[str, Topic] = field(factory=dict)
    groups: Mapping[str, Mapping[tuple[str, int], Committed]] = field(factory=dict)
    producer_ids: frozenset[int] = frozenset()
    """Producer ids handed out so far: none may be handed out twice."""
    former_producer_ids: frozenset[int] = frozenset()
    """Those of them that were handed out before the last restart of a broker."""
    topic_ids: frozenset[UUID] = frozenset()
    """Topic ids seen so far: a re-created topic must get another."""
    sessions: Mapping[int, object] = field(factory=dict)
    """Open fetch sessions (KIP-227) by id."""
    restarts: int = 0
    """How often the brokers have been restarted; whatever is older must have survived it."""
    killed: int = 0
    """The number of the last of these restarts for which a broker was killed; 0 if none was."""
    brokers: Mapping[int, tuple[str, int]] = field(factory=dict)
    """Host and port of each broker, once an answer has told them."""
    cluster_id: str | None = None
    broker_config: Mapping[str, str] = field(factory=dict)
    """Broker settings that an answer has told: a cluster in use need not have the profile's defaults."""
    api_ranges: Mapping[int, tuple[int, int]] | None = None
    """Least and greatest version of each API, once an answer has told them."""
    commits: int = 0
    """How many offsets were committed."""
    noted: Mapping[str, str] = field(factory=dict)
    """For a topic's name, or `topic/setting`: the requirement by which it was last created, changed or left alone."""
    gone: frozenset[str] = frozenset()
    """Names of topics that were deleted and not created again."""

    def partition(self, topic: str, index: int) -> Partition | None:
        """A partition, or None if there is no such topic or partition."""
        found = self.topics.get(topic)
        return found.partitions[index] if found is not None and 0 <= index < len(found.partitions) else None

    def with_topic(self, topic: Topic) -> Cluster:
        """This cluster with `topic` added or replaced."""
        return evolve(self, topics={**self.topics, topic.name: topic}, gone=self.gone - {topic.name})

    def without_topic(self, name: str) -> Cluster:
        """This cluster without the topic; offsets committed for it go with it."""
        groups = {
            group: {key: value for key, value in offsets.items() if key[0] != name}
            for group, offsets in self.groups.items()
        }
        return evolve(
            self,
            topics={key: value for key, value in self.topics.items() if key != name},
            groups=groups,
            gone=self.gone | {name},
        )

    def noting(self, name: str, requirement: str) -> Cluster:
        """This cluster, where what is seen of `name` from now on is the matter of this requirement."""
        return evolve(self, noted={**self.noted, name: requirement})

    def with_partition(self, topic: str, index: int, partition: Partition) -> Cluster:
        """This cluster with one partition replaced."""
        return self.with_topic(self.topics[topic].with_partition(index, partition))

    def named(self, topic_id: UUID) -> Topic | None:
        """The topic with this id, if it is known."""
        return next((topic for topic in self.topics.values() if topic.topic_id == topic_id), None)
