"""EPO: leader epochs that requests claim, answers tell, and batches carry."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.elections import epoch_of, lead_anew
from conformance.producer import delete_records, list_offsets
from conformance.wire.apis import Api
from model.reference.operations import (
    EARLIEST,
    LATEST,
    Metadata,
    OffsetForLeaderEpoch,
    OffsetForLeaderEpochPart,
)

T = 1_700_000_000_000
METADATA = {Api.METADATA: (7, None)}
FETCH = {**METADATA, Api.FETCH: (9, None)}
LIST = {**METADATA, Api.LIST_OFFSETS: (4, None)}
ASK = {**METADATA, Api.OFFSET_FOR_LEADER_EPOCH: (2, None)}
DIVERGE = {**METADATA, Api.FETCH: (12, None)}


def ask(run: Run, topic: str, *epochs: int, current: int = -1, partition: int = 0) -> None:
    """Ask where each epoch of a partition ended."""
    for epoch in epochs:
        part = OffsetForLeaderEpochPart(
            topic=topic, partition=partition, leader_epoch=epoch, current_leader_epoch=current
        )
        run.perform(OffsetForLeaderEpoch(parts=(part,)))


@case("EPO-01", versions=METADATA)
def epoch_is_told(run: Run) -> None:
    """The epoch of a new topic's partitions, asked for twice, with records written in between."""
    topic = run.topic(partitions=2)
    run.produce(topic, batch_of(b"a"))
    run.perform(Metadata(topics=(topic,)))


@case("EPO-02", versions=METADATA, needs=("restart", "durable"))
def epoch_grows_with_a_restart(run: Run) -> None:
    """The epoch of a partition with records and of one without, before and after a restart, twice."""
    topic = run.topic(partitions=2)
    run.produce(topic, batch_of(b"a"))
    for _ in range(2):
        run.do("restart")
        run.perform(Metadata(topics=(topic,)))


@case("EPO-03", versions=FETCH, needs=("restart", "durable"))
def fetch_with_an_older_epoch(run: Run) -> None:
    """After a restart, fetches that claim the epoch from before it, at offsets in the log, at its end and past it."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    before = epoch_of(run, topic)
    lead_anew(run, topic)
    for offset in (0, 2, 99):
        run.fetch(topic, offset, current_leader_epoch=before)
    run.fetch(topic, 0, current_leader_epoch=epoch_of(run, topic))


@case("EPO-04", versions=FETCH)
def fetch_with_a_newer_epoch(run: Run) -> None:
    """Fetches that claim the next epoch and a far later one, at offsets in the log, at its end and past it."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    for offset in (0, 2, 99):
        for epoch in (epoch_of(run, topic) + 1, 2**31 - 1):
            run.fetch(topic, offset, current_leader_epoch=epoch)
    run.fetch(topic, 0, current_leader_epoch=epoch_of(run, topic))
    run.fetch(topic, 0)


@case("EPO-05", versions=LIST, needs=("restart", "durable"))
def lookup_with_an_older_epoch(run: Run) -> None:
    """After a restart, lookups that claim the epoch from before it, and the right one."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b", timestamp=T))
    before = epoch_of(run, topic)
    lead_anew(run, topic)
    list_offsets(run, topic, EARLIEST, LATEST, T, current_leader_epoch=before)
    list_offsets(run, topic, EARLIEST, LATEST, T, current_leader_epoch=epoch_of(run, topic))


@case("EPO-06", versions=LIST)
def lookup_with_a_newer_epoch(run: Run) -> None:
    """Lookups that claim the next epoch, and the right one."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b", timestamp=T))
    for epoch in (epoch_of(run, topic) + 1, epoch_of(run, topic)):
        list_offsets(run, topic, EARLIEST, LATEST, T, T + 9, current_leader_epoch=epoch)


@case("EPO-07", versions=ASK, needs=("restart", "durable"))
def question_with_an_older_epoch(run: Run) -> None:
    """After a restart, questions that claim the epoch from before it to be the current one."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    before = epoch_of(run, topic)
    lead_anew(run, topic)
    ask(run, topic, before, epoch_of(run, topic), current=before)
    ask(run, topic, before, current=epoch_of(run, topic))


@case("EPO-08", versions=ASK)
def question_with_a_newer_epoch(run: Run) -> None:
    """Questions that claim a later epoch to be the current one, and the right one."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    now = epoch_of(run, topic)
    ask(run, topic, now, now + 1, -1, current=now + 1)
    ask(run, topic, now, current=now)


@case("EPO-09", versions=METADATA)
def epoch_of_stored_batches(run: Run) -> None:
    """Batches whose producer claims epoch -1, 0, a later one and the greatest; what is stored has the leader's."""
    topic = run.topic()
    for epoch in (-1, 0, epoch_of(run, topic) + 7, 2**31 - 1):
        run.produce(topic, batch_of(b"a", partition_leader_epoch=epoch))
        run.fetch(topic, run.cluster.topics[topic].partitions[0].log_end_offset - 1)


# -- where epochs ended ----------------------------------------------------------------------------------------------


@case("EPO-10", versions=ASK)
def end_of_the_current_epoch(run: Run) -> None:
    """The current epoch ends where the log does, in an empty partition and after each of some batches."""
    topic = run.topic()
    ask(run, topic, epoch_of(run, topic))
    for count in (1, 3):
        run.produce(topic, batch_of(*[b"x"] * count))
        ask(run, topic, epoch_of(run, topic))


@case("EPO-11", versions=ASK)
def end_of_a_future_epoch(run: Run) -> None:
    """The next epoch and the greatest, in an empty partition and in one with records."""
    topic, empty = run.topic(), run.topic()
    run.produce(topic, batch_of(b"a"))
    for name in (topic, empty):
        ask(run, name, epoch_of(run, name) + 1, 2**31 - 1)


@case("EPO-12", versions=ASK)
def end_of_no_epoch(run: Run) -> None:
    """Epoch -1, in an empty partition and in one with records."""
    topic, empty = run.topic(), run.topic()
    run.produce(topic, batch_of(b"a"))
    for name in (topic, empty):
        ask(run, name, -1)


@case("EPO-13", versions=ASK, needs=("restart", "durable"))
def end_of_earlier_epochs(run: Run) -> None:
    """Three epochs with two, one and three records; the end of each is asked for, before and after more appends."""
    topic = run.topic()
    epochs: list[int] = []
    for count in (2, 1, 3):
        if epochs:
            lead_anew(run, topic)
        epochs.append(epoch_of(run, topic))
        run.produce(topic, batch_of(*[b"x"] * count))
        ask(run, topic, *epochs)
    run.produce(topic, batch_of(b"y"))
    ask(run, topic, *epochs)
    for offset in (0, 2, 3):
        run.fetch(topic, offset)


@case("EPO-14", versions=ASK, needs=("restart", "durable"))
def epochs_in_between(run: Run) -> None:
    """Restarts without an append leave epochs without a record: the one before them is the answer."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    first = epoch_of(run, topic)
    for _ in range(2):
        lead_anew(run, topic)
    run.produce(topic, batch_of(b"c"))
    ask(run, topic, *range(first, epoch_of(run, topic) + 2))


@case("EPO-15", versions=ASK, needs=("restart", "durable"))
def epochs_that_were_deleted(run: Run) -> None:
    """All records of the first epoch are deleted, then some of the second."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    first = epoch_of(run, topic)
    lead_anew(run, topic)
    run.produce(topic, batch_of(b"c", b"d"))
    for start in (1, 2, 3):
        delete_records(run, topic, start)
        ask(run, topic, first, epoch_of(run, topic))


@case("EPO-16", versions=ASK)
def question_for_an_unknown_partition(run: Run) -> None:
    """A topic that does not exist, a partition past the last, and one that exists, in one request."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a"))
    now = epoch_of(run, topic)
    wanted = ((run.names.new("missing"), 0), (topic, 0), (topic, 1))
    parts = tuple(
        OffsetForLeaderEpochPart(topic=name, partition=partition, leader_epoch=now) for name, partition in wanted
    )
    run.perform(OffsetForLeaderEpoch(parts=parts))


# -- readers whose log has diverged ----------------------------------------------------------------------------------


@case("EPO-17", versions=DIVERGE)
def reader_is_past_the_end_of_its_epoch(run: Run) -> None:
    """A reader claims to have read, in the current epoch, records past the log's end."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    for offset in (3, 99):
        run.fetch(topic, offset, last_fetched_epoch=epoch_of(run, topic))


@case("EPO-20", versions=DIVERGE, needs=("restart", "durable"))
def reader_comes_from_an_earlier_epoch(run: Run) -> None:
    """After a restart, readers that read more in the first epoch than there was, and in an epoch without a record."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    first = epoch_of(run, topic)
    for _ in range(2):
        lead_anew(run, topic)
    run.produce(topic, batch_of(b"c", b"d"))
    for offset in (0, 2, 3, 4, 9):
        for epoch in range(first, epoch_of(run, topic) + 1):
            run.fetch(topic, offset, last_fetched_epoch=epoch)


@case("EPO-18", versions=DIVERGE)
def reader_comes_from_a_future_epoch(run: Run) -> None:
    """A reader claims to have read records of the next epoch, within the log and past its end."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    for offset in (0, 2, 9):
        run.fetch(topic, offset, last_fetched_epoch=epoch_of(run, topic) + 1)


@case("EPO-19", versions=DIVERGE)
def reader_agrees_with_the_log(run: Run) -> None:
    """A reader names the epoch of what it read last, at the log's start, in it, and at its end."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    run.produce(topic, batch_of(b"c"))
    for offset in (0, 2, 3):
        run.fetch(topic, offset, last_fetched_epoch=epoch_of(run, topic))
        run.fetch(topic, offset, last_fetched_epoch=-1)
