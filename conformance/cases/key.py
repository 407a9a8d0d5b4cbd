"""KEY: where records with keys go, by real clients."""

from __future__ import annotations

from conformance.case import Run, case
from model.reference.administration import CreatePartitions, PartitionIncrease
from model.reference.operations import KeyedClient, LocateKeys

PARTITIONS = 7
ORDINARY = (*tuple(b"key-%d" % number for number in range(40)), b"21", b"foobar", b"a", b"ab", b"abc", b"abcd")


def locate(run: Run, topic: str, *keys: bytes | None, client: KeyedClient = KeyedClient.JAVA_LIKE) -> None:
    """Let a client produce records with these keys, and look for them."""
    run.perform(LocateKeys(topic=topic, keys=keys, client=client))


@case("KEY-01")
def keys_by_murmur2(run: Run) -> None:
    """Let librdkafka, told to choose as Java's client does, produce many keys to seven partitions."""
    locate(run, run.topic(PARTITIONS), *ORDINARY)


@case("KEY-02")
def equal_keys(run: Run) -> None:
    """Produce each of a few keys several times, mixed; all of a key are together, in order."""
    locate(run, run.topic(PARTITIONS), *(ORDINARY[:6] * 5))


@case("KEY-03")
def no_key(run: Run) -> None:
    """Produce records without a key, among some that have one; each is in some partition, once."""
    locate(run, run.topic(PARTITIONS), *((None,) * 20), *ORDINARY[:3], None)


@case("KEY-04")
def keys_by_crc32(run: Run) -> None:
    """Let librdkafka choose as it does by default; the broker stores records where it is told."""
    locate(run, run.topic(PARTITIONS), *ORDINARY, client=KeyedClient.CRC32)


@case("KEY-05")
def keys_after_more_partitions(run: Run) -> None:
    """Produce keys, raise the partition count, produce them again: by the new count, and the old ones stay."""
    topic = run.topic(3)
    locate(run, topic, *ORDINARY)
    run.perform(CreatePartitions(topics=(PartitionIncrease(topic=topic, count=PARTITIONS),)))
    run.settle(topic, PARTITIONS)
    locate(run, topic, *ORDINARY)
    run.read_through(topic, 0, partition=0)


@case("KEY-06")
def unusual_keys(run: Run) -> None:
    """Produce the empty key, bytes above 127, zeros, and a key of every length up to 9."""
    high = tuple(bytes((200 + length + place) % 256 | 0x80 for place in range(length)) for length in range(1, 10))
    locate(run, run.topic(PARTITIONS), b"", b"\xff", b"\x80\x00\x00\x00", bytes(range(256)), *high)


@case("KEY-07")
def keys_by_kafka_python(run: Run) -> None:
    """Let kafka-python, which has a murmur2 of its own, produce many keys."""
    locate(run, run.topic(PARTITIONS), *ORDINARY, b"\xff\xfe", client=KeyedClient.KAFKA_PYTHON)


@case("KEY-08")
def chosen_partition(run: Run) -> None:
    """Tell the client the partition, against what the keys say."""
    topic = run.topic(PARTITIONS)
    for partition in (PARTITIONS - 1, 0):
        run.perform(LocateKeys(topic=topic, keys=(*ORDINARY[:8], None), partition=partition))
