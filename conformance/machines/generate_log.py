"""Steps on a log: produce (plain and idempotent, good and bad) and fetch."""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor, Place, Producer
from conformance.machines.steps import kind
from conformance.wire.batch import encoded_size
from model.reference.batch import SEQUENCE_LIMIT, Batch, Record
from model.reference.operations import Fetch, FetchPart, Isolation, Operation, Produce, ProducePart

TOPICS = st.integers(0, 3)
PARTITIONS = st.integers(0, 2)
PRODUCERS = st.integers(0, 1)
TIME_MS = 1_700_000_000_000

FLAWS = ("corrupt", "two_batches", "control", "wrong_count", "no_records")
"""What can be wrong with a batch that a client sends."""


def records_of(actor: Actor, count: int, *, keyed: bool = True) -> tuple[Record, ...]:
    """Records whose values no other record of the sequence has."""
    made = []
    for _ in range(count):
        number = actor.number()
        key = f"k{number % 3}".encode() if keyed else None
        made.append(Record(f"v{number}".encode(), key=key, timestamp=TIME_MS + (number * 7) % 50))
    return tuple(made)


def produce_to(place: Place, *batches: Batch, acks: int = -1) -> Operation:
    """A produce to one partition."""
    topic, partition = place
    sizes = tuple(encoded_size(batch) for batch in batches)
    part = ProducePart(topic=topic, partition=partition, batches=batches, sizes=sizes)
    return Produce(parts=(part,), acks=acks)


@kind(
    "LOG", "BAT", "ACK",
    topic=TOPICS, partition=PARTITIONS, count=st.integers(1, 4), codec=st.integers(0, 4),
    acks=st.sampled_from((-1, -1, 1, 0)),
)  # fmt: skip
def produce(actor: Actor, topic: int, partition: int, count: int, codec: int, acks: int) -> Operation:
    """A batch without a producer id."""
    name = actor.topic(topic)
    batch = Batch(records=records_of(actor, count), compression=codec)
    return produce_to((name, actor.partition(name, partition)), batch, acks=acks)


@kind("BAT", "LOG", topic=TOPICS, partition=PARTITIONS, flaw=st.sampled_from(FLAWS))
def produce_flawed(actor: Actor, topic: int, partition: int, flaw: str) -> Operation:
    """A batch that must be refused, with nothing appended."""
    name = actor.topic(topic)
    place = (name, actor.partition(name, partition))
    records = records_of(actor, 2)
    if flaw == "two_batches":
        return produce_to(place, Batch(records=records), Batch(records=records_of(actor, 1)))
    batch = {
        "corrupt": Batch(records=records, crc_is_right=False),
        "control": Batch(records=records, is_control=True),
        "wrong_count": Batch(records=records, claimed_count=3),
        "no_records": Batch(records=()),
    }[flaw]
    return produce_to(place, batch)


@kind("LOG", topic=TOPICS, count=st.integers(1, 3))
def produce_everywhere(actor: Actor, topic: int, count: int) -> Operation:
    """A batch to each partition of a topic, in one request."""
    name = actor.topic(topic)
    parts = []
    for index in range(len(actor.world.cluster.topics[name].partitions)):
        batch = Batch(records=records_of(actor, count))
        parts.append(ProducePart(topic=name, partition=index, batches=(batch,), sizes=(encoded_size(batch),)))
    return Produce(parts=tuple(parts))


@kind("ACK", topic=TOPICS, partition=PARTITIONS, acks=st.sampled_from((2, -2, 127)))
def produce_with_odd_acks(actor: Actor, topic: int, partition: int, acks: int) -> Operation:
    """Acks that Kafka does not know."""
    name = actor.topic(topic)
    return produce_to((name, actor.partition(name, partition)), Batch(records=records_of(actor, 1)), acks=acks)


@kind("LOG", partition=st.integers(0, 3))
def produce_to_nowhere(actor: Actor, partition: int) -> Operation:
    """A produce to a partition that there is not."""
    return produce_to((actor.topic(0), 100 + partition), Batch(records=records_of(actor, 1)))


@kind(
    "IDM",
    producer=PRODUCERS, topic=TOPICS, partition=PARTITIONS, count=st.integers(1, 3),
    sequence=st.sampled_from(("next", "next", "next", "gap", "overlap", "zero", "near_the_limit")),
    epoch=st.sampled_from((0, 0, 0, 1, 1, -1, -1)),
)  # fmt: skip
def produce_idempotent(
    actor: Actor, producer: int, topic: int, partition: int, count: int, sequence: str, epoch: int
) -> Operation:
    """A batch of an idempotent producer, with the right sequence number or another one."""
    who = actor.producer(producer)
    name = actor.topic(topic)
    place = (name, actor.partition(name, partition))
    sent_epoch = max(0, who.epoch + epoch)
    if epoch > 0:
        who.epoch = sent_epoch
        who.sent.clear()
    batch = Batch(
        records=records_of(actor, count),
        producer_id=who.producer_id,
        producer_epoch=sent_epoch,
        base_sequence=_sequence(who, place, sequence),
    )
    if epoch >= 0:
        who.sent.setdefault(place, []).append(batch)
    return produce_to(place, batch)


def _sequence(who: Producer, place: Place, choice: str) -> int:
    """The base sequence number that a choice means after what was sent so far."""
    sent = who.sent.get(place)
    last = sent[-1].last_sequence if sent else -1
    following = (last + 1) % SEQUENCE_LIMIT
    return {
        "next": following,
        "gap": (following + 2) % SEQUENCE_LIMIT,
        "overlap": max(last, 0),
        "zero": 0,
        "near_the_limit": SEQUENCE_LIMIT - 2,
    }[choice]


@kind(
    "IDM", producer=PRODUCERS, topic=TOPICS, partition=PARTITIONS, back=st.integers(0, 6), acks=st.sampled_from((-1, 1))
)
def produce_again(actor: Actor, producer: int, topic: int, partition: int, back: int, acks: int) -> Operation | None:
    """A batch that this producer has sent before: the last, or one up to six before it."""
    who = actor.producer(producer)
    name = actor.topic(topic)
    place = (name, actor.partition(name, partition))
    sent = who.sent.get(place, [])
    if back >= len(sent):
        return None
    return produce_to(place, sent[-1 - back], acks=acks)


@kind(
    "LOG",
    topic=TOPICS, partition=PARTITIONS, back=st.integers(-2, 9), max_bytes=st.sampled_from((1 << 20, 1 << 20, 1, 150)),
    committed=st.booleans(),
)  # fmt: skip
def fetch(actor: Actor, topic: int, partition: int, back: int, max_bytes: int, committed: bool) -> Operation:
    """A read from some way before the end of the log, or past it."""
    name = actor.topic(topic)
    index = actor.partition(name, partition)
    known = actor.world.cluster.partition(name, index)
    end = known.log_end_offset if known is not None else 0
    part = FetchPart(topic=name, partition=index, offset=max(end - back, -1), max_bytes=max_bytes)
    return Fetch(parts=(part,), isolation=Isolation(int(committed)))


@kind("LOG", most=st.sampled_from((1 << 20, 1, 150)), most_each=st.sampled_from((1 << 20, 1, 150)))
def fetch_everything(actor: Actor, most: int, most_each: int) -> Operation:
    """A read of every partition from its start, with limits on bytes for the whole and for each partition."""
    actor.topic(0)
    parts = [
        FetchPart(topic=name, partition=index, offset=partition.log_start_offset, max_bytes=most_each)
        for name in actor.topics
        for index, partition in enumerate(actor.world.cluster.topics[name].partitions)
    ]
    return Fetch(parts=tuple(parts), max_bytes=most)
