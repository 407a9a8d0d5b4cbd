"""Batches that a fetch returned, held to those that lie in the log; every aspect is a rule of its own.

Also what is learnt by reading: the bytes of a batch, which every later reader must get again.

Source: DefaultRecordBatch.java; LogValidator.assignOffsetsNonCompressed and validateMessagesAndAssignOffsetsCompressed.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from model.reference.batch import Batch, Compression, TimestampType
from model.reference.outcomes import Effect, Expect, Meets, Values
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

    `offsets` and `payloads` are the requirements that are broken by wrong offsets and wrong contents.
    """
    first = readable[0]

    def aspect(
        words: str, requirement: str, of: Callable[[Batch, Stored], bool], *, since: int = 0, vital: bool = True
    ) -> Expect:
        def holds(seen: object) -> bool:
            return isinstance(seen, tuple) and all(
                of(got, stored) for got, stored in zip(seen[since:], readable[since:], strict=False)
            )

        return Expect("records", Meets(words, holds), requirement, vital)

    return (
        aspect(
            f"first the batch that holds offset {offset}: {first.base_offset} to {first.batch.last_offset}",
            "LOG-04" if first.base_offset < offset and offsets == "LOG-01" else offsets,
            lambda got, stored: stored is not first or _offsets_agree(got, stored),
        ),
        aspect("offsets as they were assigned, without a gap", offsets, _offsets_agree, since=1),
        aspect("keys, values, headers and their order as produced", payloads, _payloads_agree),
        aspect("timestamps as produced, or as stamped by the broker", "BAT-21", _timestamps_agree),
        aspect("the greatest timestamp in the header", "BAT-27", _greatest_timestamps_agree, vital=False),
        aspect(
            f"the codec that compression.type={compression_type} asks for",
            "LOG-27",
            lambda got, stored: got.compression == codec_of(compression_type, stored.batch.compression),
            vital=False,
        ),
        aspect("a right checksum", "LOG-28", lambda got, _stored: got.crc_is_right, vital=False),
        aspect("producer id, epoch and sequence number as produced", "LOG-30", _producers_agree, vital=False),
        aspect("the leader epoch in which it was appended", "EPO-09", _epochs_agree, vital=False),
        *_as_bytes(readable),
    )


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


def _greatest_timestamps_agree(got: Batch, stored: Stored) -> bool:
    return _is_stamped(stored) or got.max_timestamp == stored.batch.max_timestamp


def _is_stamped(stored: Stored) -> bool:
    return stored.batch.timestamp_type is TimestampType.LOG_APPEND_TIME


def _timestamps_agree(got: Batch, stored: Stored) -> bool:
    if got.timestamp_type is not stored.batch.timestamp_type:
        return False
    if _is_stamped(stored):
        return stored.append_time is None or got.max_timestamp == stored.append_time
    return [record.timestamp for record in got.records] == [record.timestamp for record in stored.batch.records]


def _epochs_agree(got: Batch, stored: Stored) -> bool:
    return stored.leader_epoch is None or got.partition_leader_epoch == stored.leader_epoch


def _producers_agree(got: Batch, stored: Stored) -> bool:
    sent = stored.batch
    return (got.producer_id, got.producer_epoch, got.base_sequence) == (
        sent.producer_id,
        sent.producer_epoch,
        sent.base_sequence,
    )
