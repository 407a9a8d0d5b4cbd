"""LOG: deleting records from the start of a log."""

from __future__ import annotations

from conformance.case import Run, case, part_of
from conformance.session import Performed
from conformance.wire.apis import Api
from model.reference.batch import Batch, Record
from model.reference.operations import HIGH_WATERMARK, DeleteRecords, DeleteRecordsPart, Produce

NAMES_THE_START = {Api.PRODUCE: (5, None), Api.FETCH: (5, None)}
"""The versions from which answers carry the log start offset."""


def _batch(*values: bytes) -> Batch:
    """A batch that a compacted topic takes, too."""
    return Batch(records=tuple(Record(value, key=b"k", timestamp=1_700_000_000_000) for value in values))


def _filled(run: Run, policy: str = "delete") -> str:
    """A topic with ten records, in batches of one to four."""
    topic = run.topic(config={"cleanup.policy": policy} if policy != "delete" else None)
    for count in range(1, 5):
        run.produce(topic, _batch(*([b"x"] * count)))
    return topic


def _delete(run: Run, topic: str, offset: int, partition: int = 0) -> Performed:
    return run.perform(DeleteRecords(parts=(DeleteRecordsPart(topic=topic, partition=partition, offset=offset),)))


@case("LOG-32")
def deleting_up_to_an_offset(run: Run) -> None:
    """Delete to the border of a batch, into a batch, and to the log's end; read from each new start."""
    topic = _filled(run)
    for offset in (3, 4, 8, 10):
        _delete(run, topic, offset)
        run.fetch(topic, offset)
        run.fetch(topic, 10)


@case("LOG-33")
def deleting_all_that_is_committed(run: Run) -> None:
    """Delete to -1 in a log with records, and in one with nothing in it."""
    topic, empty = _filled(run), run.topic()
    _delete(run, topic, HIGH_WATERMARK)
    run.fetch(topic, 10)
    run.fetch(topic, 9)
    _delete(run, empty, HIGH_WATERMARK)
    run.produce(empty, _batch(b"a"))
    run.fetch(empty, 0)
    _delete(run, empty, HIGH_WATERMARK)


@case("LOG-34")
def deleting_what_is_not_there_yet(run: Run) -> None:
    """Delete past the end and at negative offsets; everything can still be read."""
    topic = _filled(run)
    for offset in (11, 2**63 - 1, -2, -5, -(2**63)):
        _delete(run, topic, offset)
    run.fetch(topic, 0)
    run.produce(topic, _batch(b"a"))


@case("LOG-35")
def deleting_again(run: Run) -> None:
    """Delete to the same offset twice, to an earlier one, and to 0; the log's start stays."""
    topic = _filled(run)
    _delete(run, topic, 0)
    run.fetch(topic, 0)
    _delete(run, topic, 5)
    for offset in (5, 3, 0):
        _delete(run, topic, offset)
        run.fetch(topic, 5)
    _delete(run, topic, HIGH_WATERMARK)


@case("LOG-36", "LOG-17")
def deleting_where_nothing_is(run: Run) -> None:
    """Delete in a topic and in partitions that do not exist, together with one that does."""
    topic = _filled(run)
    missing = run.names.new("missing")
    run.perform(
        DeleteRecords(
            parts=(
                DeleteRecordsPart(topic=topic, partition=1, offset=0),
                DeleteRecordsPart(topic=topic, partition=0, offset=4),
                DeleteRecordsPart(topic=topic, partition=-1, offset=0),
                DeleteRecordsPart(topic=missing, offset=0),
            )
        )
    )
    run.fetch(topic, 4)


@case("LOG-37")
def reading_what_was_deleted(run: Run) -> None:
    """Delete into a batch; fetch below the new start, in the same batch and before it, and from it on."""
    topic = _filled(run)
    _delete(run, topic, 8)
    for offset in (0, 5, 7):
        run.fetch(topic, offset)
    run.fetch(topic, 8)
    run.fetch(topic, 9)


@case("LOG-38")
def a_compacted_topic_refuses(run: Run) -> None:
    """Delete in a topic that is only compacted, and in one that is compacted and deleted from."""
    compacted = _filled(run, "compact")
    _delete(run, compacted, 5)
    _delete(run, compacted, HIGH_WATERMARK)
    run.fetch(compacted, 0, max_bytes=1)
    both = _filled(run, "compact,delete")
    _delete(run, both, 5)


@case("LOG-39")
def offsets_go_on_after_deletion(run: Run) -> None:
    """Delete everything, produce, and read; do it again."""
    topic = _filled(run)
    for _ in range(2):
        _delete(run, topic, HIGH_WATERMARK)
        run.perform(Produce(parts=(part_of(topic, _batch(b"a", b"b")),)))
        end = run.cluster.topics[topic].partitions[0].log_end_offset
        run.fetch(topic, end - 2)
        run.fetch(topic, 0)


@case("LOG-11", versions=NAMES_THE_START)
def answers_name_the_log_start(run: Run) -> None:
    """Delete step by step; the answers to produces and to fetches anywhere name the log's start."""
    topic = _filled(run)
    for offset in (0, 3, 8):
        _delete(run, topic, offset)
        run.fetch(topic, offset)
        run.produce(topic, _batch(b"a"))
        run.fetch(topic, run.cluster.topics[topic].partitions[0].log_end_offset)


@case("LOG-43")
def the_brokers_own_topics_are_spared(run: Run) -> None:
    """Delete nothing (to offset 0) in the topics of the group coordinator and of the transaction coordinator."""
    run.client.coordinator(run.names.new("group"))  # whose topic is made when it is first asked for
    for name in ("__consumer_offsets", "__transaction_state"):
        _delete(run, name, 0)
