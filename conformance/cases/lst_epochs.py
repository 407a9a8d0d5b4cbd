"""LST: the leader epochs that go with offsets."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.elections import lead_anew
from conformance.producer import delete_records, list_offsets
from conformance.wire.apis import Api
from model.reference.operations import EARLIEST, LATEST, MAX_TIMESTAMP

T = 1_700_000_000_000
TELLS_EPOCHS = {Api.LIST_OFFSETS: (4, None), Api.METADATA: (7, None)}


@case("LST-15", "LST-16", versions=TELLS_EPOCHS)
def epochs_of_offsets(run: Run) -> None:
    """The epochs of the log's ends, empty and not, and of records found by time."""
    topic = run.topic()
    list_offsets(run, topic, EARLIEST, LATEST)
    run.produce(topic, batch_of(b"a", b"b", timestamp=T))
    list_offsets(run, topic, EARLIEST, LATEST, T, T + 1, T + 2)


@case("LST-19", versions={**TELLS_EPOCHS, Api.LIST_OFFSETS: (7, None)}, needs=("restart", "durable"))
def epochs_of_offsets_after_a_restart(run: Run) -> None:
    """Records from before and after a restart, found by time; then the older ones are deleted."""
    topic, empty = run.topic(), run.topic()
    run.produce(topic, batch_of(b"a", b"b", timestamp=T))
    run.produce(topic, batch_of(b"late", timestamp=T + 100))
    lead_anew(run, topic)
    list_offsets(run, topic, EARLIEST, LATEST, T, T + 50, MAX_TIMESTAMP)
    run.produce(topic, batch_of(b"c", b"d", timestamp=T + 50))
    run.produce(topic, batch_of(b"e", timestamp=T + 200))
    list_offsets(run, topic, EARLIEST, LATEST, T, T + 10, T + 101, MAX_TIMESTAMP)
    list_offsets(run, empty, EARLIEST, LATEST)
    delete_records(run, topic, 3)
    list_offsets(run, topic, EARLIEST, LATEST)
