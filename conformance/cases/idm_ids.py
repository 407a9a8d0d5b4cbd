"""IDM: producer ids, and what survives a restart of the broker."""

from __future__ import annotations

from conformance.case import Run, case
from conformance.producer import Producer, fresh_id, show_log
from conformance.wire.apis import Api
from model.reference.operations import InitProducerId

ASKS_BY_NAME = {Api.INIT_PRODUCER_ID: (3, None)}
"""Versions whose requests name a producer id and epoch (KIP-360)."""
OLD_MS = 3 * 24 * 3_600_000
"""Older than what a leader remembers of a producer (producer.id.expiration.ms, a day)."""


@case("IDM-01")
def every_id_is_new(run: Run) -> None:
    """Twelve producer ids are asked for, over two connections in turn."""
    for _ in range(6):
        for connection in ("main", "second"):
            fresh_id(run, connection)


@case("IDM-01", versions=ASKS_BY_NAME)
def new_id_for_one_that_has_one(run: Run) -> None:
    """A producer that names the id and epoch that it has gets another id, as in Kafka."""
    known = fresh_id(run)
    for epoch in (0, 5):
        fresh_id(run, producer_id=known, producer_epoch=epoch)


@case("IDM-06")
def epoch_is_zero(run: Run) -> None:
    """A producer id is asked for, with a timeout of 0 too, which means nothing without a transactional id."""
    fresh_id(run)
    fresh_id(run, transaction_timeout_ms=0)


@case("IDM-20")
def empty_transactional_id(run: Run) -> None:
    """The transactional id is the empty string."""
    run.perform(InitProducerId(transactional_id=""))


@case("IDM-21")
def transaction_timeouts_out_of_bounds(run: Run) -> None:
    """A transactional id with a timeout of 0, -1, and a millisecond more than the longest."""
    name = run.names.new("transactional")
    longest_ms = int(run.profile.value("transaction.max.timeout.ms"))
    for timeout_ms in (0, -1, min(longest_ms + 1, 2**31 - 1), 2**31 - 1):
        run.perform(InitProducerId(transactional_id=name, transaction_timeout_ms=timeout_ms))


@case("IDM-22", versions=ASKS_BY_NAME)
def half_of_a_producer(run: Run) -> None:
    """A producer id without an epoch, and an epoch without an id."""
    known = fresh_id(run)
    run.perform(InitProducerId(producer_id=known))
    run.perform(InitProducerId(producer_epoch=0))


# -- over a restart --------------------------------------------------------------------------------------------------


@case("IDM-17", needs=("restart", "durable"))
def newest_batch_again_after_a_restart(run: Run) -> None:
    """Three batches, a restart, the newest again, a gap, the one that is due, and the newest once more."""
    topic = run.topic()
    producer = Producer(run)
    for _ in range(3):
        newest = producer.send_next(topic, 2)
    run.do("restart")
    run.produce(topic, newest)
    run.produce(topic, producer.batch(9))
    show_log(run, topic)
    again = producer.send_next(topic)
    run.produce(topic, again)
    show_log(run, topic)


@case("IDM-17", needs=("restart", "durable"))
def epochs_of_producers_after_a_restart(run: Run) -> None:
    """A producer in epoch 2 and one past the wrap; after a restart an older epoch is refused, a newer one begins."""
    topic = run.topic()
    producer, wrapped = Producer(run, epoch=2), Producer(run)
    producer.send_next(topic, 2)
    newest = wrapped.batch(2**31 - 2, 4)
    run.produce(topic, newest)
    run.do("restart")
    run.produce(topic, producer.batch(2, epoch=1))
    run.produce(topic, producer.batch(2, epoch=3))
    run.produce(topic, newest)
    run.produce(topic, wrapped.batch(2))
    run.produce(topic, producer.batch(0, epoch=3))
    show_log(run, topic)


@case("IDM-17", needs=("kill", "start", "durable"))
def newest_batch_again_after_a_kill(run: Run) -> None:
    """Seven batches; the broker is killed and started; each is sent again, the newest first."""
    topic = run.topic()
    producer = Producer(run)
    batches = [producer.send_next(topic) for _ in range(7)]
    run.do("kill")
    run.do("start")
    for batch in reversed(batches):
        run.produce(topic, batch)
    producer.send_next(topic)
    show_log(run, topic)


@case("IDM-23", needs=("restart", "durable"))
def producers_of_old_records_after_a_restart(run: Run) -> None:
    """Records that are three days old, a restart; the newest batch again, and in another topic one after a gap."""
    repeating, leaping, recent = Producer(run), Producer(run), Producer(run)
    topics = [run.topic(config={"retention.ms": "-1"}) for _ in range(3)]
    batches = [producer.batch(0, 2, age_ms=OLD_MS) for producer in (repeating, leaping)]
    batches.append(recent.batch(0, 2))
    for topic, batch in zip(topics, batches, strict=True):
        run.produce(topic, batch)
    run.do("restart")
    run.produce(topics[0], batches[0])
    run.produce(topics[0], repeating.batch(2))
    run.produce(topics[1], leaping.batch(7, age_ms=OLD_MS))
    run.produce(topics[2], batches[2])  # of today, and not forgotten
    for topic in topics:
        show_log(run, topic)


@case("IDM-18", needs=("restart", "durable"))
def new_ids_after_a_restart(run: Run) -> None:
    """Three ids, a restart, and three more; then the broker is killed, if it can be, and hands out three more."""
    for action in ("restart", "kill"):
        for _ in range(3):
            fresh_id(run)
        faults = run.client.target.faults
        if faults is not None and {"kill", "start"} <= faults.actions and action == "kill":
            run.do("kill")
            run.do("start")
        else:
            run.do("restart")
    for _ in range(3):
        fresh_id(run)
