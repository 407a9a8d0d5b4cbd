"""Reading partitions' logs: what a fetch returns for each of its partitions.

Modelled: which batches come back and how whole they are, the ends of the log, the limits on bytes, topic ids.
Not modelled: how many batches a broker returns beyond the first (it is free in that), compaction, tiered storage,
followers. How long a fetch may take is in `model.reference.waiting`; sessions are in `model.reference.sessions`.

Source: ReplicaManager.readFromLog, Partition.readRecords, LocalLog.read, LogSegment.read, KafkaApis.handleFetchRequest.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from model.reference import epochs
from model.reference.acknowledged import acknowledged
from model.reference.errors import ErrorCode
from model.reference.operations import Fetch, FetchPart
from model.reference.outcomes import (
    Between,
    Exactly,
    Expect,
    Meets,
    OneOf,
    Permitted,
    Section,
    declare,
    error,
    success,
)
from model.reference.refusals import refused_fetch
from model.reference.restart import rule_of_survival
from model.reference.returned import as_stored, learn_images
from model.reference.rules import Context, rule
from model.reference.settings import setting
from model.reference.state import Cluster, Partition, Stored, Topic
from model.reference.waiting import Volume, wait_of

FETCHED = declare("fetch.answered", "the request as a whole was answered")
RECORDS = declare("fetch.records", "batches from the one that holds the offset on")
NO_ROOM = declare("fetch.no_room", "the limits on bytes leave no room for the partition's first batch: no records")
NOTHING_YET = declare("fetch.nothing_yet", "the offset is the end of what can be read: no records, no error")
OUT_OF_RANGE = declare("fetch.out_of_range", "the offset is before the log's start or past its end")
FETCH_UNKNOWN = declare("fetch.unknown_partition", "no such topic or partition")
UNKNOWN_ID = declare("fetch.unknown_topic_id", "no topic has this id")
NEGATIVE_LIMIT = declare("fetch.negative_limit", "a limit on bytes is negative: refused, or taken for 0")
REPEATED = declare("fetch.repeated_partition", "the partition is named again later in the request: not judged here")

LEADER_EPOCH_FROM = 9
LAST_FETCHED_EPOCH_FROM = 12
FETCH_BY_ID_FROM = 13


@frozen
class Reading:
    """One partition of a fetch, as the broker comes to it: refused, or with batches that could be returned."""

    part: FetchPart
    topic: Topic | None
    partition: Partition | None
    refusal: Permitted | None
    readable: tuple[Stored, ...] = ()
    is_first: bool = False
    """Whether it is the first in the request that has something to return: its first batch goes past all limits."""
    bytes_before: int | None = 0
    """At most so many bytes the partitions before it take of the request's limit; None if that is not known."""

    @property
    def first_size(self) -> int | None:
        """Bytes of the batch that holds the offset."""
        return self.readable[0].stored_size if self.readable else 0

    @property
    def readable_bytes(self) -> int | None:
        """Bytes of all that could be returned, or None if that is not known."""
        sizes = [each.stored_size for each in self.readable]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@rule(Fetch)
def fetch(cluster: Cluster, operation: Fetch, context: Context) -> tuple[Section, ...]:
    """What a fetch may answer: its partitions one by one, whatever befalls the others."""
    readings = readings_of(cluster, operation, operation.parts, context)
    sections = {
        (each.part.topic, each.part.partition): part_section(cluster, operation, each, readings, context)
        for each in readings
    }
    repeated = Permitted(REPEATED, ())
    parts = [
        sections[part.topic, part.partition] if _is_last(operation.parts, index) else Section("repeated", (repeated,))
        for index, part in enumerate(operation.parts)
    ]
    asked = frozenset((part.topic, part.partition) for part in operation.parts)
    return (Section("request", (whole(operation, readings, asked),)), *parts)


def _is_last(parts: Sequence[FetchPart], index: int) -> bool:
    """Whether the partition isn't named again later in the request; the last mention is the one that counts."""
    part = parts[index]
    return all((each.topic, each.partition) != (part.topic, part.partition) for each in parts[index + 1 :])


def whole(operation: Fetch, readings: Sequence[Reading], asked: frozenset[tuple[str, int]]) -> Permitted:
    """The answer as a whole: no error, every partition answered once, within the limits of bytes and time."""
    return Permitted(
        FETCHED,
        (
            success("LOG-17"),
            Expect("partitions", Exactly(tuple(sorted(asked))), "LOG-17"),
            Expect("throttle_time_ms", Exactly(0), "LOG-42", vital=False),
            *_total_bytes(operation, readings),
            *wait_of(operation, [_volume(operation, each) for each in readings]),
        ),
    )


def _total_bytes(operation: Fetch, readings: Sequence[Reading]) -> tuple[Expect, ...]:
    first = next((each for each in readings if each.is_first), None)
    if first is None or first.first_size is None:
        return ()
    most = max(operation.max_bytes, first.first_size)
    return (Expect("total_bytes", Between(None, most), "LOG-19", vital=False),)


def _volume(operation: Fetch, reading: Reading) -> Volume:
    size = reading.readable_bytes
    limit = max(0, min(reading.part.max_bytes, operation.max_bytes))
    least = 0 if size is None else min(size, limit)
    beyond = reading.first_size if reading.is_first else 0
    return Volume(
        refused=reading.refusal.name if reading.refusal is not None else None,
        least=least,
        most=None if size is None or beyond is None else max(least, beyond),
        fits=size is not None and size <= limit,
        is_in_one_segment=_is_in_one_segment(reading),
    )


# -- which partitions, in which order --------------------------------------------------------------------------------


def readings_of(
    cluster: Cluster, operation: Fetch, parts: Sequence[FetchPart], context: Context
) -> tuple[Reading, ...]:
    """The request's partitions in the order of the wire, topic by topic, each once."""
    by_topic: dict[str, dict[int, FetchPart]] = {}
    for part in parts:
        by_topic.setdefault(part.topic, {})[part.partition] = part
    readings: list[Reading] = []
    something_was_read = False
    taken: int | None = 0
    for part in (part for parts_of_topic in by_topic.values() for part in parts_of_topic.values()):
        reading = _reading(cluster, part, context, is_first=not something_was_read, bytes_before=taken)
        readings.append(reading)
        if reading.readable:
            something_was_read = True
            taken = _taken(operation, reading)
    return tuple(readings)


def _taken(operation: Fetch, reading: Reading) -> int | None:
    """At most so many bytes are taken of the request's limit once this partition has been read, too."""
    volume = _volume(operation, reading)
    return None if reading.bytes_before is None or volume.most is None else reading.bytes_before + volume.most


def _reading(
    cluster: Cluster, part: FetchPart, context: Context, *, is_first: bool, bytes_before: int | None
) -> Reading:
    topic, refusal = _resolve(cluster, part, context)
    partition = cluster.partition(topic.name, part.partition) if topic is not None else None
    if refusal is None and partition is None:
        refusal = refused_fetch(FETCH_UNKNOWN, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "LOG-14")
    if refusal is not None or partition is None:
        return Reading(part, topic, partition, refusal)
    epoch = part.current_leader_epoch if context.version >= LEADER_EPOCH_FROM else epochs.UNCHECKED
    refusal = epochs.fenced(partition, epoch)
    if refusal is None and not _has_diverged(partition, part, context):
        refusal = _out_of_range(partition, part.offset)
    if refusal is not None:
        return Reading(part, topic, partition, refusal)
    readable = () if _has_diverged(partition, part, context) else partition.from_offset(part.offset)
    return Reading(
        part, topic, partition, None, readable, is_first=is_first and bool(readable), bytes_before=bytes_before
    )


def _resolve(cluster: Cluster, part: FetchPart, context: Context) -> tuple[Topic | None, Permitted | None]:
    """The topic that is meant: by name, or by id from v13 (KIP-516)."""
    by_name = cluster.topics.get(part.topic)
    if context.version < FETCH_BY_ID_FROM:
        return by_name, None
    topic_id: UUID | None = part.topic_id or (by_name.topic_id if by_name is not None else None)
    topic = cluster.named(topic_id) if topic_id is not None else by_name
    if topic is None:
        return None, refused_fetch(UNKNOWN_ID, ErrorCode.UNKNOWN_TOPIC_ID, "LOG-15")
    return topic, None


def _has_diverged(partition: Partition, part: FetchPart, context: Context) -> bool:
    return context.version >= LAST_FETCHED_EPOCH_FROM and epochs.diverged(partition, part, ()) is not None


def _out_of_range(partition: Partition, offset: int) -> Permitted | None:
    if 0 <= offset < partition.log_start_offset:
        return refused_fetch(OUT_OF_RANGE, ErrorCode.OFFSET_OUT_OF_RANGE, "LOG-37")
    if not partition.log_start_offset <= offset <= partition.log_end_offset:
        return refused_fetch(OUT_OF_RANGE, ErrorCode.OFFSET_OUT_OF_RANGE, "LOG-05")
    return None


def _is_in_one_segment(reading: Reading) -> bool:
    """Whether all that could be returned surely lies in one segment, by the topic's own settings of segments."""
    if reading.topic is None or reading.partition is None:
        return True
    entries, config = reading.partition.entries, reading.topic.config
    if "segment.ms" in config and len(entries) > 1:
        return False
    return "segment.bytes" not in config or sum(entry.size for entry in entries) <= int(config["segment.bytes"])


# -- one partition ---------------------------------------------------------------------------------------------------


def part_section(
    cluster: Cluster, operation: Fetch, reading: Reading, readings: Sequence[Reading], context: Context
) -> Section:
    """What may be answered for one partition."""
    where = f"{reading.part.topic}-{reading.part.partition}"
    partition, topic = reading.partition, reading.topic
    if reading.refusal is not None or partition is None or topic is None:
        return Section(where, () if reading.refusal is None else (reading.refusal,))
    cited = _Citation(cluster, reading, any(each.refusal is not None for each in readings))
    bounds = _bounds(partition, cited)
    if _has_diverged(partition, reading.part, context):
        diverged = epochs.diverged(partition, reading.part, bounds)
        return Section(where, () if diverged is None else (diverged,))
    bounds = (*bounds, epochs.not_diverged())
    if not reading.readable:
        nothing = Expect("records", Exactly(()), cited.of("LOG-03"))
        return Section(where, (Permitted(NOTHING_YET, (success(cited.of_success("LOG-03")), *bounds, nothing)),))
    choices = [_records(operation, reading, topic, bounds, cited, context)]
    least = min(reading.part.max_bytes, operation.max_bytes)
    if not reading.is_first and not _has_room(operation, reading):
        choices.append(
            Permitted(NO_ROOM, (success(cited.of_success("LOG-16")), *bounds, Expect("records", Exactly(()), "LOG-20")))
        )
    if least < 0:
        # Kafka fails with an internal error here, and no client asks for this.
        choices.append(Permitted(NEGATIVE_LIMIT, (error(ErrorCode.UNKNOWN_SERVER_ERROR, "LOG-18"),)))
        choices.append(Permitted(NEGATIVE_LIMIT, (error(ErrorCode.INVALID_REQUEST, "LOG-18"),)))
    return Section(where, tuple(choices))


@frozen
class _Citation:
    """Which requirement a rule is an instance of, given what the partition has been through."""

    cluster: Cluster
    reading: Reading
    another_is_refused: bool

    @property
    def rule_of_survival(self) -> str | None:
        partition = self.reading.partition
        return None if partition is None else rule_of_survival(self.cluster, partition)

    def of(self, requirement: str) -> str:
        """The requirement, or that logs survive a restart if this one has been through it."""
        return self.rule_of_survival or requirement

    def of_start(self) -> str:
        """Who says where the log starts: a start that was never raised has nothing to survive."""
        partition = self.reading.partition
        was_raised = partition is not None and partition.log_start_offset > 0
        return "LOG-09" if self.rule_of_survival is not None and was_raised else "LOG-11"

    def of_success(self, requirement: str) -> str:
        """Who says that this partition is answered without an error."""
        return "LOG-16" if self.another_is_refused else self.of(requirement)

    def of_end(self) -> str:
        """Who says where the log ends: also who refused the last batch that came."""
        partition = self.reading.partition
        if partition is not None and partition.not_appended_by is not None:
            return partition.not_appended_by
        return self.of("LOG-12")

    def of_progress(self) -> str:
        """Who says that at least one batch comes."""
        if not _is_in_one_segment(self.reading):
            return "LOG-26"
        return self.of("LOG-04")


def _bounds(partition: Partition, cited: _Citation) -> tuple[Expect, ...]:
    return (
        Expect("high_watermark", Exactly(partition.high_watermark), cited.of_end(), vital=False),
        *acknowledged(partition),
        Expect("last_stable_offset", Exactly(partition.last_stable_offset), "LOG-13", vital=False),
        Expect("log_start_offset", Exactly(partition.log_start_offset), cited.of_start(), vital=False),
        Expect("aborted_transactions", OneOf((None, ())), "LOG-40", vital=False),
        Expect("preferred_read_replica", Exactly(-1), "LOG-41", vital=False),
    )


def _records(
    operation: Fetch,
    reading: Reading,
    topic: Topic,
    bounds: tuple[Expect, ...],
    cited: _Citation,
    context: Context,
) -> Permitted:
    most = len(reading.readable)

    def some_of_them(seen: object) -> bool:
        return isinstance(seen, tuple) and 1 <= len(seen) <= most

    progress = _progress(operation, reading, cited)
    return Permitted(
        RECORDS,
        (
            success(cited.of_success(progress)),
            *bounds,
            Expect("records", Meets(f"1 to {most} whole batches", some_of_them), progress, progress != "LOG-21"),
            *_bytes_of(operation, reading),
            *as_stored(
                reading.part.offset,
                reading.readable,
                compression_type=setting(topic, context, "compression.type"),
                offsets="LOG-26" if not _is_in_one_segment(reading) else cited.of("LOG-01"),
                payloads=cited.of("LOG-02"),
            ),
        ),
        learn_images(topic.name, reading.part.partition, reading.readable),
    )


def _progress(operation: Fetch, reading: Reading, cited: _Citation) -> str:
    """Who says that at least one batch comes for this partition."""
    limit = min(reading.part.max_bytes, operation.max_bytes)
    if reading.is_first:
        fits = reading.first_size is not None and reading.first_size <= limit
        return cited.of_progress() if fits else "LOG-18"
    return "LOG-21"


def _has_room(operation: Fetch, reading: Reading) -> bool:
    """Whether the partition's first batch surely fits into what earlier partitions leave of the limits."""
    size = reading.first_size
    if size is None or reading.bytes_before is None or size > reading.part.max_bytes:
        return False
    return reading.bytes_before + size <= operation.max_bytes


def _bytes_of(operation: Fetch, reading: Reading) -> tuple[Expect, ...]:
    """How many bytes may come, a cut batch at the end included."""
    if reading.first_size is None:
        return ()
    limit = max(0, min(reading.part.max_bytes, operation.max_bytes))
    if reading.is_first:
        return (Expect("records_bytes", Between(None, max(limit, reading.first_size)), "LOG-19", vital=False),)
    return (Expect("records_bytes", Between(None, limit), "LOG-20", vital=False),)
