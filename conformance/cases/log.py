"""LOG: appending to and reading from a partition."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from model.reference.batch import Batch, Record


@case("LOG-01")
def offsets_are_dense_from_zero(run: Run) -> None:
    """Produce batches of one, three and two records; each answer names the next offset, and a fetch shows them all."""
    topic = run.topic()
    for values in ((b"a",), (b"b", b"c", b"d"), (b"e", b"f")):
        run.produce(topic, batch_of(*values))
    run.fetch(topic, 0)


@case("LOG-02")
def bytes_come_out_as_they_went_in(run: Run) -> None:
    """Keys, values and headers of all kinds, nulls and empties among them, are read back as they were sent."""
    topic = run.topic()
    records = (
        Record(b"value", key=b"key", headers=(("h", b"1"), ("h", None), ("", b""))),
        Record(None, key=b"tombstone"),
        Record(b"", key=None),
        Record(bytes(range(256)), key=b""),
    )
    run.produce(topic, Batch(records=records))
    run.fetch(topic, 0)


@case("LOG-03")
def reading_around_the_ends(run: Run) -> None:
    """Fetch at the log end offset, one past it, and before the start."""
    topic = run.topic()
    run.produce(topic, batch_of(b"a", b"b"))
    for offset in (2, 3, -1):
        run.fetch(topic, offset)
