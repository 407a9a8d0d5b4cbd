"""Which partition a key goes to: the hash of Java's client, librdkafka's, and what more partitions break.

The choice is the client's; a broker stores a record where it is told. So this is what clients have to agree on, and
what a broker must not meddle with.

Not modelled: where records without a key go (anywhere; the sticky partitioner of KIP-480 and KIP-794), and
partitioners that an application brings.

Source: Utils.murmur2, BuiltInPartitioner.partitionForKey, librdkafka's rd_kafka_msg_partitioner_consistent.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from attrs import evolve

from model.reference.operations import KeyedClient, LocateKeys
from model.reference.outcomes import Between, Exactly, Expect, Permitted, Section, Values, declare
from model.reference.rules import Context, rule
from model.reference.state import Cluster, Stored

LOCATED = declare("keys.located", "a real client's record lies in the partition that its key says")
LOCATED_ALL = declare("keys.answered", "the records of a real client were looked for")

SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995
SHIFT = 24
WORD = 0xFFFFFFFF
POSITIVE = 0x7FFFFFFF
ASCII_MAX = 0x7F


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with Kafka's seed, as Java's signed int (Utils.murmur2)."""
    hashed = SEED ^ len(data)
    whole = len(data) & ~3
    for place in range(0, whole, 4):
        word = int.from_bytes(data[place : place + 4], "little") * MULTIPLIER & WORD
        word = (word ^ word >> SHIFT) * MULTIPLIER & WORD
        hashed = hashed * MULTIPLIER & WORD ^ word
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & WORD
    hashed = (hashed ^ hashed >> 13) * MULTIPLIER & WORD
    hashed ^= hashed >> 15
    return hashed - (1 << 32) if hashed > POSITIVE else hashed


def to_positive(number: int) -> int:
    """The number without its sign bit, which is not its absolute value (Utils.toPositive)."""
    return number & POSITIVE


def partition_for_key(key: bytes, partitions: int) -> int:
    """Where Java's client, and everyone who follows it, sends a record with this key."""
    return to_positive(murmur2(key)) % partitions


def partition_by_crc32(key: bytes, partitions: int) -> int:
    """Where librdkafka sends it by default (partitioner=consistent_random)."""
    return zlib.crc32(key) % partitions


def moved(keys: Iterable[bytes], before: int, after: int) -> tuple[bytes, ...]:
    """The keys whose new records go to another partition than the old ones, after the count was raised."""
    return tuple(key for key in keys if partition_for_key(key, before) != partition_for_key(key, after))


def expected_share_moved(before: int, after: int) -> float:
    """The share of keys that move when the count is raised, for keys whose hashes are spread evenly.

    A key stays if its hash leaves the same rest by both counts; over a period of both, as many rests agree.
    """
    return 1 - sum(1 for number in range(before * after) if number % before == number % after) / (before * after)


# -- what a real client's records must show --------------------------------------------------------------------------


@rule(LocateKeys)
def locate_keys(cluster: Cluster, operation: LocateKeys, context: Context) -> tuple[Section, ...]:
    """Where the records of a real client may lie: for each key in one place, and in the order of producing."""
    topic = cluster.topics.get(operation.topic)
    count = len(topic.partitions) if topic is not None else 0
    whole = Permitted(
        LOCATED_ALL,
        (Expect("out_of_order", Exactly(()), "KEY-02", vital=False),),
        lambda after, answer: _appended(after, operation.topic, answer),
    )
    return (
        Section("request", (whole,)),
        *(_located(cluster, operation, place, key, count) for place, key in enumerate(operation.keys)),
    )


def _located(cluster: Cluster, operation: LocateKeys, place: int, key: bytes | None, count: int) -> Section:
    requirement = _rule_of(cluster, operation, place, key)
    if operation.partition is not None:
        partition: Exactly | Between = Exactly(operation.partition)
    elif key is None or (not key and operation.client is KeyedClient.CRC32):
        partition = Between(0, count - 1)  # librdkafka's default takes an empty key for none
    elif count == 0:
        partition = Exactly(None)
    else:
        choose = partition_by_crc32 if operation.client is KeyedClient.CRC32 else partition_for_key
        partition = Exactly(choose(key, count))
    expects = (
        Expect("partition", partition, requirement, vital=False),
        Expect("copies", Exactly(1), requirement, vital=False),
    )
    return Section(f"record {place} with key {key!r}", (Permitted(LOCATED, expects),))


def _rule_of(cluster: Cluster, operation: LocateKeys, place: int, key: bytes | None) -> str:
    """Which rule says where this record lies."""
    if operation.partition is not None:
        return "KEY-08"
    if key is None:
        return "KEY-03"
    if cluster.noted.get(operation.topic) in ("MET-34", "MET-38"):
        return "KEY-05"
    if operation.client is KeyedClient.CRC32:
        return "KEY-04"
    if operation.client is KeyedClient.KAFKA_PYTHON:
        return "KEY-07"
    if not key or max(key) > ASCII_MAX:
        return "KEY-06"
    return "KEY-02" if key in operation.keys[:place] else "KEY-01"


def _appended(cluster: Cluster, topic: str, answer: Values) -> Cluster:
    """The records that were found are in the log from now on."""
    found = answer.get("batches")
    if not isinstance(found, Mapping):
        return cluster
    for index, batches in found.items():
        partition = cluster.partition(topic, index)
        if partition is None:
            continue
        stored = tuple(Stored(batch, size, partition.leader_epoch) for batch, size in batches)
        if stored:
            grown = evolve(partition, entries=(*partition.entries, *stored), log_end_offset=stored[-1].next_offset)
            cluster = cluster.with_partition(topic, index, grown)
    return cluster
