"""Why a batch is taken: the rule that a successful produce is an instance of, by what was special about it.

Every produce that is taken must be answered without an error. Which requirement a refusal would break depends on what
was asked: an edge of a limit, a setting that does not matter here, acknowledgements of one kind or another. The most
particular rule comes first.

Source: ReplicaManager.appendRecords, Partition.appendRecordsToLeader, Partition.effectiveMinIsr, DelayedProduce.
"""

from __future__ import annotations

from collections.abc import Callable

from model.reference import sizes, timestamps
from model.reference.batch import NO_LEADER_EPOCH, NO_TIMESTAMP
from model.reference.settings import setting
from model.reference.validation import Look


def rule_of_success(look: Look, otherwise: str) -> str:
    """The requirement that says that this part is taken; `otherwise` if there is nothing particular about it."""
    return next((requirement for requirement, applies in _PARTICULAR if applies(look)), otherwise)


def _number(look: Look, name: str) -> int:
    return int(setting(look.topic, look.context, name))


def _asks_for_more_replicas(look: Look) -> bool:
    # A broker's own setting is nothing particular: it is the same for every topic.
    return int(look.topic.config.get("min.insync.replicas", "1")) > 1


def _is_at_size_limit(look: Look) -> bool:
    return look.size == _number(look, "max.message.bytes")


def _is_small_only_compressed(look: Look) -> bool:
    plain = next(iter(look.part.plain_sizes), look.size)
    return plain > _number(look, "max.message.bytes") >= look.size


def _fills_a_segment(look: Look) -> bool:
    stored = sizes.stored(look.part, setting(look.topic, look.context, "compression.type"))
    return stored.most == _number(look, "segment.bytes")


def _is_outside_a_window_not_asked(look: Look) -> bool:
    return timestamps.is_stamped_by_broker(look.topic, look.context) and timestamps.outside_if_bounded(
        look.topic, look.batch, look.context
    )


def _lacks_timestamps(look: Look) -> bool:
    return timestamps.is_bounded(look.topic, look.context) and any(
        record.timestamp == NO_TIMESTAMP for record in look.batch.records
    )


def _is_bounded(look: Look) -> bool:
    return timestamps.is_bounded(look.topic, look.context)


def _has_keys_where_needed(look: Look) -> bool:
    return "compact" in look.topic.config.get("cleanup.policy", "")


def _follows_unacknowledged(look: Look) -> bool:
    entries = look.topic.partitions[look.part.partition].entries
    return bool(entries) and entries[-1].acks == 0


_PARTICULAR: tuple[tuple[str, Callable[[Look], bool]], ...] = (
    ("ACK-07", lambda look: look.produce.timeout_ms <= 0),
    ("ACK-05", lambda look: _asks_for_more_replicas(look) and look.produce.acks == -1),
    ("ACK-06", _asks_for_more_replicas),
    ("BAT-18", _is_at_size_limit),
    ("BAT-26", _is_small_only_compressed),
    ("BAT-19", _fills_a_segment),
    ("BAT-33", _is_outside_a_window_not_asked),
    ("BAT-31", _lacks_timestamps),
    ("BAT-22", _is_bounded),
    ("BAT-25", _has_keys_where_needed),
    ("BAT-17", lambda look: look.batch.partition_leader_epoch != NO_LEADER_EPOCH),
    ("ACK-08", _follows_unacknowledged),
    ("ACK-02", lambda look: look.produce.acks == 1),
)
