"""What a batch must be to be appended: the checks of a leader, in the order in which Kafka makes them.

A check looks at one partition's part of a produce and says how it is refused, or nothing. The first that objects
decides, as in Kafka. Some faults keep Kafka from reading the request at all, so that every partition of it is refused;
a broker that reads on is as good.

Not modelled: how transactions are verified (only that what was not begun is refused), ACLs, message formats before v2.

Source: ProduceRequest.validateRecords, KafkaApis.handleProduceRequest, ByteBufferLogInputStream.nextBatchSize,
UnifiedLog.analyzeAndValidateRecords, LogValidator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve, field, frozen

from model.reference import sizes, timestamps
from model.reference.batch import Batch, Compression
from model.reference.errors import ErrorCode
from model.reference.operations import Produce, ProducePart
from model.reference.outcomes import Exactly, Expect, Meets, OneOf, Permitted, declare, error
from model.reference.rules import Context
from model.reference.settings import setting
from model.reference.state import Cluster, Topic

CORRUPT = declare("produce.corrupt", "the checksum is wrong, or the bytes are no batch: refused")
INVALID = declare("produce.invalid", "the batch says what its records do not, or what no client may say: refused")
NO_BATCH = declare("produce.not_one_batch", "the records of a partition are not exactly one whole batch: refused")
BAD_CODEC = declare("produce.bad_codec", "the codec is unknown or not allowed, or the bytes do not decompress: refused")
TOO_LARGE = declare("produce.too_large", "the batch is larger than the topic allows: refused")
BAD_TIMESTAMP = declare("produce.bad_timestamp", "a record's timestamp is not allowed: refused")
NO_KEY = declare("produce.no_key", "a record without a key, in a compacted topic: refused")
BAD_ACKS = declare("produce.bad_acks", "acks is none of -1, 0 and 1: refused")
NO_TRANSACTION = declare("produce.no_transaction", "the batch is part of a transaction that was not begun: refused")
NO_SUCH_PARTITION = declare("produce.unknown_partition", "no such topic or partition")

CURRENT_MAGIC = 2
LEAST_BODY_BYTES = 14
"""The least that a length field may say (LegacyRecord.RECORD_OVERHEAD_V0)."""
FRAME_BYTES = 12
BYTES_TO_MAGIC = 17
HEADER_BYTES = 61
ZSTD_FROM = 7
ACKS = (-1, 0, 1)

_UNDECODABLE = (
    ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.INVALID_RECORD,
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
)
"""Kafka has no code for a payload that it cannot decode and lets the exception through (UNKNOWN_SERVER_ERROR)."""
_NOT_BEGUN = (
    ErrorCode.INVALID_TXN_STATE,
    ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    ErrorCode.UNKNOWN_PRODUCER_ID,
    ErrorCode.TRANSACTION_ABORTABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS,
)
"""The last one stands for "the coordinator can't say yet" (ReplicaManager.handleProduceAppend)."""


@frozen
class Refusal:
    """How a part is refused: with one of these codes, by this requirement."""

    outcome: str
    codes: tuple[ErrorCode, ...]
    requirement: str
    at_fault: tuple[frozenset[int], frozenset[int]] = field(factory=lambda: (frozenset(), frozenset()))
    """Indexes of the records that must be named, and of those that may be."""
    is_certain: bool = True
    """False: a broker may also take the batch."""
    fails_request: bool = False
    """Whether the other partitions of the request may be refused, too: it can't be read."""


@frozen
class Look:
    """One part of a produce, and what is needed to judge it."""

    topic: Topic
    part: ProducePart
    produce: Produce
    context: Context

    @property
    def batch(self) -> Batch:
        """The part's first batch."""
        return (self.part.batches or ())[0]

    @property
    def size(self) -> int:
        """Its bytes on the wire."""
        return self.part.sizes[0]


Check = Callable[[Look], Refusal | None]


def refusals(cluster: Cluster, produce: Produce, context: Context) -> tuple[Refusal | None, ...]:
    """For each part of a produce: how it is refused, or None if its batch is judged by its sequence alone."""
    first_looks = [_unreadable(part) for part in produce.parts]
    if produce.transactional_id is None and any(_is_transactional(part) for part in produce.parts):
        refusal = Refusal(NO_TRANSACTION, (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,), "BAT-29")
        return tuple(look or refusal for look in first_looks)
    return tuple(
        look or _refusal(cluster, part, produce, context) for look, part in zip(first_looks, produce.parts, strict=True)
    )


def _is_transactional(part: ProducePart) -> bool:
    return bool(part.batches) and part.batches is not None and part.batches[0].is_transactional


def _refusal(cluster: Cluster, part: ProducePart, produce: Produce, context: Context) -> Refusal | None:
    topic = cluster.topics.get(part.topic)
    if topic is None or cluster.partition(part.topic, part.partition) is None:
        return Refusal(NO_SUCH_PARTITION, (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,), "LOG-10")
    look = Look(topic, part, produce, context)
    perhaps: Refusal | None = None
    for check in CHECKS:
        found = check(look)
        if found is not None and found.is_certain:
            # What may be let pass by one check and is refused by a later one is refused, by either.
            return found if perhaps is None else evolve(found, codes=(*found.codes, *perhaps.codes))
        perhaps = perhaps or found
    return perhaps


# -- can it be read? -------------------------------------------------------------------------------------------------


def _claimed_size(batch: Batch, size: int) -> int:
    """How long the batch is by its length field."""
    return size + batch.missing_bytes + batch.claimed_length_excess


def _unreadable(part: ProducePart) -> Refusal | None:
    """Bytes at which Kafka gives up reading the request: a length or a format version that no batch has."""
    if part.batches is None:
        # Kafka 3.9 does not answer at all (KafkaApis.handleProduceRequest meets a null), and no client sends it.
        return Refusal(NO_BATCH, (ErrorCode.INVALID_RECORD, *_UNDECODABLE), "BAT-10", fails_request=True)
    if not part.batches:
        return None
    batch, size = part.batches[0], part.sizes[0]
    if size >= FRAME_BYTES and _claimed_size(batch, size) < FRAME_BYTES + LEAST_BODY_BYTES:
        return Refusal(CORRUPT, (ErrorCode.CORRUPT_MESSAGE,), "BAT-12", fails_request=True)
    if size >= BYTES_TO_MAGIC and not 0 <= batch.magic <= CURRENT_MAGIC:
        return Refusal(CORRUPT, (ErrorCode.CORRUPT_MESSAGE,), "BAT-03", fails_request=True)
    return None


def _one_whole_batch(look: Look) -> Refusal | None:
    """ProduceRequest.validateRecords: exactly one whole batch, of format v2, with a codec of this API version."""
    if not look.part.batches:
        return Refusal(NO_BATCH, (ErrorCode.INVALID_RECORD,), "BAT-10")
    batch = look.batch
    if look.size < BYTES_TO_MAGIC or _claimed_size(batch, look.size) > sum(look.part.sizes):
        return Refusal(NO_BATCH, (ErrorCode.INVALID_RECORD,), "BAT-11")
    if batch.magic != CURRENT_MAGIC:
        return Refusal(INVALID, (ErrorCode.INVALID_RECORD,), "BAT-02")
    if look.context.version < ZSTD_FROM and batch.compression == Compression.ZSTD:
        return Refusal(BAD_CODEC, (ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,), "BAT-14")
    if look.context.version < ZSTD_FROM and batch.compression not in set(Compression):
        return Refusal(BAD_CODEC, _UNDECODABLE, "BAT-13", fails_request=True)
    excess = _claimed_size(batch, look.size) - look.size
    if len(look.part.batches) > 1:
        odd: tuple[ErrorCode, ...] = () if excess == 0 else (ErrorCode.CORRUPT_MESSAGE,)
        return Refusal(NO_BATCH, (ErrorCode.INVALID_RECORD, *odd), "BAT-09")
    if excess < 0:
        # What is left after the claimed end may look like another batch.
        other: tuple[ErrorCode, ...] = () if -excess < FRAME_BYTES else (ErrorCode.INVALID_RECORD,)
        has_header = _claimed_size(batch, look.size) >= HEADER_BYTES
        return Refusal(CORRUPT, (ErrorCode.CORRUPT_MESSAGE, *other), "BAT-12", fails_request=not has_header)
    return None


def _transaction(look: Look) -> Refusal | None:
    """A transactional batch needs a transaction that its coordinator knows of (KIP-890)."""
    if not look.batch.is_transactional:
        return None
    return Refusal(NO_TRANSACTION, _NOT_BEGUN, "BAT-30", is_certain=look.batch.is_idempotent)


def _acks(look: Look) -> Refusal | None:
    if look.produce.acks in ACKS:
        return None
    return Refusal(BAD_ACKS, (ErrorCode.INVALID_REQUIRED_ACKS,), "ACK-04")


# -- does its header hold true? --------------------------------------------------------------------------------------


def _base_offset(look: Look) -> Refusal | None:
    return _invalid("BAT-16") if look.batch.base_offset != 0 else None


def _checksum(look: Look) -> Refusal | None:
    if look.batch.crc_is_right:
        return None
    return Refusal(CORRUPT, (ErrorCode.CORRUPT_MESSAGE,), "BAT-01")


def _known_codec(look: Look) -> Refusal | None:
    if look.batch.compression in set(Compression):
        return None
    return Refusal(BAD_CODEC, _UNDECODABLE, "BAT-13")


def _counts(look: Look) -> Refusal | None:
    """LogValidator.validateBatch: the header's count and its last offset delta."""
    batch = look.batch
    if batch.count <= 0 or batch.last_offset_delta < 0:
        return _invalid("BAT-05")
    return _invalid("BAT-04") if batch.count != batch.last_offset_delta + 1 else None


def _control(look: Look) -> Refusal | None:
    return _invalid("BAT-08") if look.batch.is_control else None


def _sequence(look: Look) -> Refusal | None:
    return _invalid("BAT-28") if look.batch.is_idempotent and look.batch.base_sequence < 0 else None


def _invalid(requirement: str) -> Refusal:
    return Refusal(INVALID, (ErrorCode.INVALID_RECORD,), requirement)


# -- are its records in order? ---------------------------------------------------------------------------------------


def _payload(look: Look) -> Refusal | None:
    batch = look.batch
    if batch.payload is not None and batch.compression != Compression.NONE:
        return Refusal(BAD_CODEC, _UNDECODABLE, "BAT-15")
    if batch.payload is not None:
        return _invalid("BAT-07")
    return _invalid("BAT-06") if batch.count != len(batch.records) else None


def _records(look: Look) -> Refusal | None:
    """LogValidator.validateRecord: keys where the topic is compacted, then timestamps."""
    compacted = "compact" in setting(look.topic, look.context, "cleanup.policy")
    keyless = {index for index, record in enumerate(look.batch.records) if compacted and record.key is None}
    timed = timestamps.at_fault(look.topic, look.batch, look.context)
    surely, perhaps = timed.surely - keyless, timed.perhaps - keyless
    named = (surely | keyless, perhaps | keyless)
    if surely or (perhaps and not keyless):
        return Refusal(BAD_TIMESTAMP, (ErrorCode.INVALID_TIMESTAMP,), timed.requirement, named, is_certain=bool(surely))
    if keyless:
        also: tuple[ErrorCode, ...] = (ErrorCode.INVALID_TIMESTAMP,) if perhaps else ()
        return Refusal(NO_KEY, (ErrorCode.INVALID_RECORD, *also), "BAT-25", named)
    return None


def _odd(look: Look) -> Refusal | None:
    """What Kafka takes, or fails at in its own way, and no client sends: a broker is free to refuse it.

    Records that number themselves wrongly (Kafka stores them so, or fails if they are compressed), a delete horizon
    (KIP-534), a negative epoch beside a producer id, timestamps before 1970 other than -1.
    """
    batch = look.batch
    is_odd = (
        any(record.offset_delta not in (None, index) for index, record in enumerate(batch.records))
        or batch.has_delete_horizon
        or (batch.is_idempotent and batch.producer_epoch < 0)
        or any(record.timestamp < -1 for record in batch.records)
    )
    return Refusal(INVALID, _UNDECODABLE, "BAT-06", is_certain=False) if is_odd else None


# -- is it small enough? ---------------------------------------------------------------------------------------------


def _size_as_sent(look: Look) -> Refusal | None:
    limit = int(setting(look.topic, look.context, "max.message.bytes"))
    return _too_large(ErrorCode.MESSAGE_TOO_LARGE, "BAT-18") if look.size > limit else None


def _size_as_stored(look: Look) -> Refusal | None:
    """Recompressed batches are measured again; then the segment must be able to hold the batch."""
    compression_type = setting(look.topic, look.context, "compression.type")
    stored = sizes.stored(look.part, compression_type)
    limit = int(setting(look.topic, look.context, "max.message.bytes"))
    if stored.is_rewritten and stored.most > limit:
        return _too_large(ErrorCode.MESSAGE_TOO_LARGE, "BAT-32", is_certain=stored.least > limit)
    segment_bytes = int(setting(look.topic, look.context, "segment.bytes"))
    if stored.most > segment_bytes:
        return _too_large(ErrorCode.RECORD_LIST_TOO_LARGE, "BAT-19", is_certain=stored.least > segment_bytes)
    return None


def _too_large(code: ErrorCode, requirement: str, *, is_certain: bool = True) -> Refusal:
    return Refusal(TOO_LARGE, (code,), requirement, is_certain=is_certain)


CHECKS: tuple[Check, ...] = (
    _one_whole_batch,
    _transaction,
    _acks,
    _base_offset,
    _size_as_sent,
    _checksum,
    _known_codec,
    _counts,
    _control,
    _sequence,
    _payload,
    _records,
    _odd,
    _size_as_stored,
)
"""In Kafka's order."""


# -- what is answered ------------------------------------------------------------------------------------------------


def refused(name: str, code: ErrorCode, requirement: str) -> Permitted:
    """A partition's part of a produce that was refused: an error, no offset, and nothing has changed."""
    return Permitted(name, (error(code, requirement), *_no_offset()))


def _no_offset() -> Iterator[Expect]:
    yield Expect("base_offset", Exactly(-1), "ACK-10", vital=False)
    yield Expect("log_append_time_ms", Exactly(-1), "ACK-10", vital=False)


def answer(refusal: Refusal, log_start_offset: int | None) -> Permitted:
    """What is answered for a part that is refused."""
    starts = (-1,) if log_start_offset is None else (-1, log_start_offset)
    expects = [
        Expect(
            "error", OneOf(refusal.codes) if len(refusal.codes) > 1 else Exactly(refusal.codes[0]), refusal.requirement
        ),
        *_no_offset(),
        Expect("log_start_offset", OneOf(starts), "ACK-11", vital=False),
        Expect("record_errors", _names(*refusal.at_fault), "BAT-23", vital=False),
    ]
    if refusal.at_fault[1]:
        expects.append(Expect("error_message", Meets("a text", bool), "BAT-35", vital=False))
    return Permitted(refusal.outcome, tuple(expects))


def _names(surely: frozenset[int], perhaps: frozenset[int]) -> Meets:
    def holds(seen: object) -> bool:
        return isinstance(seen, tuple) and surely <= set(seen) <= perhaps and len(seen) == len(set(seen))

    words = f"the records {sorted(surely)}" if surely == perhaps else f"records {sorted(surely)} to {sorted(perhaps)}"
    return Meets(words if perhaps else "no records", holds)
