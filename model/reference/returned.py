"""Batches that a fetch returned, held to those that lie in the log; every aspect is a rule of its own.

Also what is learnt by reading: the bytes of a batch, which every later reader must get again.

Source: DefaultRecordBatch.java; LogValidator.assignOffsetsNonCompressed and validateMessagesAndAssignOffsetsCompressed.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from model.reference.batch import Batch, Compression, TimestampType
from model.reference.outcomes import Effect, Exactly, Expect, Meets, Values
from model.reference.state import Cluster, Stored

COMPRESSION_TYPES = {
    "uncompressed": Compression.NONE,
    "gzip": Compression.GZIP,
    "snappy": Compression.SNAPPY,
    "lz4": Compression.LZ4,
    "zstd": Compression.ZSTD,
}
"""What a topic's `compression.type` can be, beside `producer` (BrokerCompressionType.java)."""


def codec_of(compression_type: str, produced: int) -> int:
    """The codec under which a batch is stored."""
    return COMPRESSION_TYPES.get(compression_type, produced)


def as_stored(
    offset: int, readable: tuple[Stored, ...], *, compression_type: str, offsets: str, payloads: str
) -> tuple[Expect, ...]:
    """The returned batches are the first few of `readable`, each whole and unchanged.

    `offsets` and `payloads` are the requirements that are broken by wrong offsets and wrong contents. Every field of
    a batch's header and of its records is held to one of the rules below, but for those without which it could not
    be read at all: lengths, unused attributes, the number of the format.
    """
    first = readable[0]
    return (
        _aspect(
            readable,
            f"first the batch that holds offset {offset}: {first.base_offset} to {first.batch.last_offset}",
            "LOG-04" if first.base_offset < offset and offsets == "LOG-01" else offsets,
            lambda got, stored: stored is not first or _offsets_agree(got, stored),
        ),
        _aspect(readable, "offsets as they were assigned, without a gap", offsets, _offsets_agree, since=1),
        _aspect(readable, "keys, values, headers and their order as produced", payloads, _payloads_agree),
        _aspect(readable, "timestamps as produced, or as stamped by the broker", "BAT-21", _timestamps_agree),
        *_as_labelled(readable, compression_type),
        *_as_bytes(readable),
    )


def _aspect(
    readable: tuple[Stored, ...],
    words: str,
    requirement: str,
    of: Callable[[Batch, Stored], bool],
    *,
    since: int = 0,
    vital: bool = True,
) -> Expect:
    """What must hold for each of the returned batches, beside the one that lies in the log."""

    def holds(seen: object) -> bool:
        return isinstance(seen, tuple) and all(
            of(got, stored) for got, stored in zip(seen[since:], readable[since:], strict=False)
        )

    return Expect("records", Meets(words, holds), requirement, vital)


def _as_labelled(readable: tuple[Stored, ...], compression_type: str) -> tuple[Expect, ...]:
    """What the header of a batch, and the numbers of its records, say beside what is in them."""

    def codecs_agree(got: Batch, stored: Stored) -> bool:
        return got.compression == codec_of(compression_type, stored.batch.compression)

    rules: tuple[tuple[str, str, Callable[[Batch, Stored], bool]], ...] = (
        ("records that are numbered from 0 in their order", "LOG-01", _numbers_agree),
        ("as many records as the header counts", "LOG-44", lambda got, _stored: got.count == len(got.records)),
        ("marked transactional, control or with a delete horizon as produced", "LOG-45", _marks_agree),
        ("the base timestamp and timestamps below it as sent", "LOG-46", _base_timestamps_agree),
        ("the greatest timestamp in the header", "BAT-27", _greatest_timestamps_agree),
        (f"the codec that compression.type={compression_type} asks for", "LOG-27", codecs_agree),
        ("a right checksum", "LOG-28", lambda got, _stored: got.crc_is_right),
        ("producer id, epoch and sequence number as produced", "LOG-30", _producers_agree),
        ("the leader epoch in which it was appended", "EPO-09", _epochs_agree),
    )
    labelled = (_aspect(readable, words, requirement, of, vital=False) for words, requirement, of in rules)
    return (*labelled, Expect("old_messages", Exactly(0), "LOG-47", vital=False))


def _as_bytes(readable: tuple[Stored, ...]) -> tuple[Expect, ...]:
    """What the bytes of the batches must be: those that were read before, and as many as were sent."""

    def same_as_before(seen: object) -> bool:
        return isinstance(seen, tuple) and all(
            stored.image is None or got == stored.image for got, stored in zip(seen, readable, strict=False)
        )

    def as_many_as_sent(seen: object) -> bool:
        return isinstance(seen, tuple) and all(
            stored.is_recompressed or len(got) == stored.size for got, stored in zip(seen, readable, strict=False)
        )

    size = Expect(
        "images", Meets("batches of the size in which they were sent", as_many_as_sent), "LOG-29", vital=False
    )
    if all(stored.image is None for stored in readable):
        return (size,)
    return (
        size,
        Expect("images", Meets("the same bytes as an earlier reader got", same_as_before), "LOG-07", vital=False),
    )


def learn_images(topic: str, index: int, readable: tuple[Stored, ...]) -> Effect:
    """Remember the bytes of batches that were read for the first time."""

    def then(cluster: Cluster, answer: Values) -> Cluster:
        images = answer.get("images")
        partition = cluster.partition(topic, index)
        if not isinstance(images, tuple) or partition is None:
            return cluster
        learnt = {
            stored.base_offset: image
            for stored, image in zip(readable, images, strict=False)
            if stored.image is None and isinstance(image, bytes)
        }
        if not learnt:
            return cluster
        entries = tuple(
            evolve(entry, image=learnt[entry.base_offset]) if entry.base_offset in learnt else entry
            for entry in partition.entries
        )
        return cluster.with_partition(topic, index, evolve(partition, entries=entries))

    return then


def _offsets_agree(got: Batch, stored: Stored) -> bool:
    return (got.base_offset, got.last_offset) == (stored.base_offset, stored.batch.last_offset)


def _payloads_agree(got: Batch, stored: Stored) -> bool:
    return _payloads(got) == _payloads(stored.batch)


def _payloads(batch: Batch) -> list[tuple[object, ...]]:
    return [(record.key, record.value, record.headers) for record in batch.records]


def _numbers_agree(got: Batch, stored: Stored) -> bool:
    """Each record says its place in the batch; what a client numbered wrongly may be kept so, or numbered anew."""
    if len(got.records) != len(stored.batch.records):
        return False
    pairs = zip(got.records, stored.batch.records, strict=True)
    return all(record.offset_delta in (None, index, sent.offset_delta) for index, (record, sent) in enumerate(pairs))


def _marks_agree(got: Batch, stored: Stored) -> bool:
    sent = stored.batch
    if got.has_delete_horizon and not sent.has_delete_horizon:
        return False
    return (got.is_transactional, got.is_control) == (sent.is_transactional, sent.is_control)


def _base_timestamps_agree(got: Batch, stored: Stored) -> bool:
    """What the broker stamps is the greatest timestamp; a batch that it builds anew begins with its first record's."""
    sent = stored.batch
    if stored.is_recompressed and got.compression != sent.compression:
        return got.claimed_base_timestamp is None
    return got.base_timestamp == sent.base_timestamp and _timestamps(got) == _timestamps(sent)


def _timestamps(batch: Batch) -> list[int]:
    return [record.timestamp for record in batch.records]


def _greatest_timestamps_agree(got: Batch, stored: Stored) -> bool:
    return _is_stamped(stored) or got.max_timestamp == stored.batch.max_timestamp


def _is_stamped(stored: Stored) -> bool:
    return stored.batch.timestamp_type is TimestampType.LOG_APPEND_TIME


def _timestamps_agree(got: Batch, stored: Stored) -> bool:
    if got.timestamp_type is not stored.batch.timestamp_type:
        return False
    if _is_stamped(stored):
        return stored.append_time is None or got.max_timestamp == stored.append_time
    return _timestamps(got) == _timestamps(stored.batch)


def _epochs_agree(got: Batch, stored: Stored) -> bool:
    return stored.leader_epoch is None or got.partition_leader_epoch == stored.leader_epoch


def _producers_agree(got: Batch, stored: Stored) -> bool:
    sent = stored.batch
    return (got.producer_id, got.producer_epoch, got.base_sequence) == (
        sent.producer_id,
        sent.producer_epoch,
        sent.base_sequence,
    )
