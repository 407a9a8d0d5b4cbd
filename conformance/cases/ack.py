"""ACK: acknowledgements, and what is answered when nothing was appended."""

from __future__ import annotations

from attrs import evolve

from conformance.case import Run, batch_of, case, part_of
from conformance.wire.apis import Api
from model.reference.batch import Batch
from model.reference.operations import Metadata, Produce, ProduceUnanswered

GOOD = batch_of(b"one", b"two")
BAD = evolve(GOOD, crc_is_right=False)


def unanswered(run: Run, topic: str, batch: Batch, *, partition: int = 0) -> None:
    """Produce with acks=0 on a connection of its own and watch it."""
    run.perform(ProduceUnanswered(produce=Produce(parts=(part_of(topic, batch, partition=partition),), acks=0)))


@case("ACK-01")
def acks_0_appends_in_silence(run: Run) -> None:
    """Produce with acks=0 on a connection; the next answers on it are those to the next requests."""
    topic = run.topic()
    run.produce(topic, GOOD, acks=0)
    run.produce(topic, GOOD, acks=0)
    run.produce(topic, GOOD)
    run.produce(topic, GOOD, acks=0)
    run.fetch(topic)
    run.read_through(topic)


@case("ACK-01")
def acks_0_sends_nothing(run: Run) -> None:
    """Produce with acks=0 and watch the connection: no byte comes, and it stays open."""
    topic = run.topic()
    unanswered(run, topic, GOOD)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("ACK-02")
def acks_1(run: Run) -> None:
    """Produce with acks=1 and read at once."""
    topic = run.topic()
    for _ in range(3):
        offset = run.produce(topic, GOOD, acks=1).values().get("base_offset")
        run.fetch(topic, offset if isinstance(offset, int) else 0)


@case("ACK-03")
def acks_all(run: Run) -> None:
    """Produce with acks=-1 and read at once, on the same connection and on another."""
    topic = run.topic()
    for connection in ("main", "other", "main"):
        offset = run.produce(topic, GOOD).values().get("base_offset")
        run.fetch(topic, offset if isinstance(offset, int) else 0, connection=connection)


@case("ACK-04")
def acks_of_other_numbers(run: Run) -> None:
    """Produce with acks 2, -2, 3 and the largest and least there are, for one partition and for two."""
    topic = run.topic(partitions=2)
    run.produce(topic, GOOD)
    both = (part_of(topic, GOOD), part_of(topic, GOOD, partition=1))
    for acks in (2, -2, 3, 32767, -32768):
        run.produce(topic, GOOD, acks=acks)
        run.perform(Produce(parts=both, acks=acks))
    for partition in (0, 1):
        run.produce(topic, GOOD, partition=partition)
        run.read_through(topic, partition=partition)


@case("ACK-05")
def more_in_sync_replicas_than_there_are(run: Run) -> None:
    """On a topic of one replica and min.insync.replicas=2 or 3: produce with acks=-1."""
    for least in ("2", "3"):
        topic = run.topic(config={"min.insync.replicas": least})
        run.produce(topic, GOOD)
        run.produce(topic, GOOD, timeout_ms=1000)
        run.read_through(topic)


@case("ACK-06")
def in_sync_replicas_do_not_matter(run: Run) -> None:
    """On topics of one replica and min.insync.replicas=2 or 3: produce with acks=1."""
    for least in ("2", "3"):
        topic = run.topic(config={"min.insync.replicas": least})
        run.produce(topic, GOOD, acks=1)
        run.produce(topic, GOOD, acks=1)
        run.read_through(topic)


@case("ACK-07")
def any_timeout_will_do(run: Run) -> None:
    """Produce with the timeouts 0, -1 and the least there is, with acks=-1 and acks=1."""
    topic = run.topic()
    for timeout_ms in (0, -1, -(2**31), 2**31 - 1):
        for acks in (-1, 1):
            run.produce(topic, GOOD, acks=acks, timeout_ms=timeout_ms)
    run.read_through(topic)


@case("ACK-08")
def answers_after_acks_0_stay_aligned(run: Run) -> None:
    """Send produces with all kinds of acks without awaiting answers, then read the answers."""
    topic = run.topic()
    part = part_of(topic, GOOD)
    pending = [run.send(Produce(parts=(part,), acks=acks)) for acks in (-1, 0, 1, 0, 0, -1, 1, 0, -1)]
    for each in pending:
        run.finish(each)
    run.produce(topic, GOOD, acks=0)
    run.perform(Metadata(topics=(topic,)))
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("ACK-09")
def a_refused_acks_0_closes_the_connection(run: Run) -> None:
    """Produce with acks=0 a batch with a wrong checksum, one for a partition that does not exist, and a good one."""
    topic = run.topic()
    unanswered(run, topic, BAD)
    unanswered(run, topic, GOOD, partition=7)
    run.produce(topic, GOOD)
    run.read_through(topic)


@case("ACK-10")
def what_a_refusal_holds(run: Run) -> None:
    """The base offset and the time in answers for batches that were refused at different places."""
    topic = run.topic(config={"max.message.bytes": "1000", "message.timestamp.type": "LogAppendTime"})
    run.produce(topic, GOOD)
    for batch in (
        BAD,
        evolve(GOOD, magic=1),
        evolve(GOOD, is_control=True),
        evolve(GOOD, base_offset=2),
        batch_of(b"x" * 2000),
    ):
        run.produce(topic, batch)
    run.produce(topic, GOOD, acks=2)
    run.produce(topic, GOOD, GOOD)
    run.produce(topic, GOOD, partition=9)
    run.produce(topic, GOOD)


@case("ACK-11", versions={Api.PRODUCE: (5, None)})
def the_log_start_in_a_refusal(run: Run) -> None:
    """The log start offset in answers for batches that were refused at different places."""
    topic = run.topic(config={"max.message.bytes": "1000"})
    run.produce(topic, GOOD)
    for batch in (BAD, evolve(GOOD, is_control=True), evolve(GOOD, base_offset=2), batch_of(b"x" * 2000)):
        run.produce(topic, batch)
    run.produce(topic, GOOD, partition=9)
