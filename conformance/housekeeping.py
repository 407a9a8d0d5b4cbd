"""What the cases of retention and compaction at the wire have in common: logs of many segments, and waiting.

Segments end by the records' own times (`segment.ms`), so that a log of few records has several, on every release and
whatever the clock says. When a broker looks at its logs is its own affair: a look is repeated until it is right, or
time is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.broker_settings import need_brisk
from conformance.case import Run
from conformance.session import Performed
from conformance.wire.batch import encoded_size
from model.reference.administration import ConfigEdit, IncrementalAlterConfigs, TopicConfigEdits
from model.reference.batch import Batch, Record
from model.reference.operations import LookAtLogs

SECOND_MS, DAY_MS = 1_000, 86_400_000
TIME = 1_700_000_000_000
"""When the records of most logs begin, in milliseconds since 1970."""
COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
"""Settings of a topic that is compacted whenever a segment of it is full."""
BOTH = {**COMPACT, "cleanup.policy": "compact,delete"}
"""Settings of one that is also deleted from."""

Pair = tuple[bytes | None, bytes | None]


def log_of_segments(run: Run, config: Mapping[str, str] | None = None, partitions: int = 1) -> str:
    """A topic whose segments end where a batch is later by more than a second than their first.

    Raises:
        Unsupported: the broker runs retention or compaction too seldom.
    """
    need_brisk(run.client)
    return run.topic(partitions, {"segment.ms": str(SECOND_MS), **(config or {})})


def write(run: Run, topic: str, *pairs: Pair, at: int, partition: int = 0) -> int:
    """Append a batch of keys and values of a time; how many bytes it has."""
    batch = Batch(records=tuple(Record(value, key=key, timestamp=at) for key, value in pairs))
    run.produce(topic, batch, partition=partition)
    return encoded_size(batch)


def write_segments(
    run: Run, topic: str, batches: Sequence[Sequence[Pair]], *, at: int = TIME, partition: int = 0
) -> list[int]:
    """Append batches, each in a segment of its own; their sizes."""
    times = range(at, at + 10 * SECOND_MS * len(batches), 10 * SECOND_MS)
    return [
        write(run, topic, *pairs, at=time_ms, partition=partition)
        for time_ms, pairs in zip(times, batches, strict=True)
    ]


def change(run: Run, topic: str, settings: Mapping[str, str]) -> None:
    """Set a topic otherwise."""
    edits = tuple(ConfigEdit(key=key, value=value) for key, value in settings.items())
    run.perform(IncrementalAlterConfigs(topics=(TopicConfigEdits(topic=topic, edits=edits),)))


def look(run: Run, topic: str, *partitions: int) -> Performed:
    """Look at partitions until they are as the broker is to leave them."""
    return run.eventually(LookAtLogs(topic=topic, partitions=partitions or (0,)), ceiling_s=run.client.patience_s)
