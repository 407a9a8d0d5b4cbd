"""Offsets that consumers have committed, in a log of their own.

Keys and values are encoded as in Kafka's `__consumer_offsets` (`OffsetCommitKey` v1, `OffsetCommitValue` v3), one
batch per request, with a null value as the tombstone; the state is replayed from the log at start. Only what a
simple consumer needs is here: no members, generations or expiry of offsets, and the log is not compacted yet.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Final

import attrs

from impl.cluster.state_log import StateLog
from impl.storage.log import Log

INT16 = Struct(">h")
INT32 = Struct(">i")
KEY_VERSION: Final = 1
VALUE_VERSION: Final = 3
VALUE_START = Struct(">hqi")  # version, offset, leader epoch
VALUE_TIME = Struct(">q")


class OffsetsLogError(ValueError):
    """A record in the offsets' log that can't be understood."""


@attrs.frozen(slots=True)
class CommittedOffset:
    """A committed position: the next offset to read, the epoch of the record before it (-1: not given)."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_time_ms: int


TopicPartition = tuple[str, int]


class CommittedOffsets:
    """All groups' offsets, and the log that they are kept in."""

    def __init__(self, log: Log) -> None:
        """Replay the log. Raises DataDirectoryError."""
        self._log = StateLog(log, "committed offsets are lost")
        self._groups: dict[str, dict[TopicPartition, CommittedOffset]] = {}
        self._log.replay(self._replay)

    def groups(self) -> list[str]:
        """The groups that have offsets."""
        return list(self._groups)

    def of_group(self, group: str) -> Mapping[TopicPartition, CommittedOffset]:
        """What a group has committed; empty for an unknown one."""
        return self._groups.get(group, {})

    def commit(self, group: str, offsets: Mapping[TopicPartition, CommittedOffset], now_ms: int) -> None:
        """Keep offsets; all of a request go in one batch."""
        if offsets:
            self._log.append([(encode_key(group, *tp), encode_value(entry)) for tp, entry in offsets.items()], now_ms)
            self._groups.setdefault(group, {}).update(offsets)

    def remove_group(self, group: str, now_ms: int) -> bool:
        """Forget a group; false when it was not known."""
        entries = self._groups.pop(group, None)
        if entries is None:
            return False
        self._forget(group, list(entries), now_ms)
        return True

    def remove_topic(self, topic: str, now_ms: int) -> None:
        """Forget the offsets of a deleted topic in all groups, durably: another of its name may follow at once."""
        is_any = False
        for group, entries in list(self._groups.items()):
            gone = [partition for partition in entries if partition[0] == topic]
            self._forget(group, gone, now_ms)
            is_any = is_any or bool(gone)
            for partition in gone:
                del entries[partition]
            if not entries:
                del self._groups[group]
        if is_any:
            self._log.flush()

    def _forget(self, group: str, gone: Sequence[TopicPartition], now_ms: int) -> None:
        if gone:
            self._log.append([(encode_key(group, *tp), None) for tp in gone], now_ms)

    def _replay(self, key: bytes, value: bytes | None) -> None:
        group, topic, partition = decode_key(key)
        if value is not None:
            self._groups.setdefault(group, {})[topic, partition] = decode_value(value)
        elif entries := self._groups.get(group):
            entries.pop((topic, partition), None)
            if not entries:
                del self._groups[group]


def _encode_string(text: str) -> bytes:
    data = text.encode()
    return INT16.pack(len(data)) + data


def _decode_string(data: bytes, position: int) -> tuple[str, int]:
    (size,) = INT16.unpack_from(data, position)
    end = position + INT16.size + size
    if size < 0 or end > len(data):
        raise OffsetsLogError("a string is cut off")
    return data[position + INT16.size : end].decode(), end


def encode_key(group: str, topic: str, partition: int) -> bytes:
    """`OffsetCommitKey` version 1."""
    return b"".join(_encode_all(group, topic, partition))


def _encode_all(group: str, topic: str, partition: int) -> Iterable[bytes]:
    yield INT16.pack(KEY_VERSION)
    yield _encode_string(group)
    yield _encode_string(topic)
    yield INT32.pack(partition)


def decode_key(key: bytes) -> tuple[str, str, int]:
    """Group, topic and partition. Raises OffsetsLogError."""
    try:
        (version,) = INT16.unpack_from(key)
        if version not in (0, KEY_VERSION):
            raise OffsetsLogError(f"unknown key version {version}")
        group, position = _decode_string(key, INT16.size)
        topic, position = _decode_string(key, position)
        return group, topic, int(INT32.unpack_from(key, position)[0])
    except struct.error as error:
        raise OffsetsLogError(str(error)) from error


def encode_value(entry: CommittedOffset) -> bytes:
    """`OffsetCommitValue` version 3."""
    start = VALUE_START.pack(VALUE_VERSION, entry.offset, entry.leader_epoch)
    return start + _encode_string(entry.metadata) + VALUE_TIME.pack(entry.commit_time_ms)


def decode_value(value: bytes) -> CommittedOffset:
    """A committed offset. Raises OffsetsLogError."""
    try:
        version, offset, leader_epoch = VALUE_START.unpack_from(value)
        if version != VALUE_VERSION:
            raise OffsetsLogError(f"unknown value version {version}")
        metadata, position = _decode_string(value, VALUE_START.size)
        return CommittedOffset(offset, leader_epoch, metadata, VALUE_TIME.unpack_from(value, position)[0])
    except struct.error as error:
        raise OffsetsLogError(str(error)) from error
