"""The small files of a broker's data directory, each written whole and atomically.

`leader-epoch-checkpoint` and the checkpoints of offsets are in Kafka's checkpoint format (`CheckpointFile`: a
version line, a count line, then entries); `meta.properties` and `partition.metadata` are properties (KIP-516,
KIP-631). Whether and when they are written is for the callers to decide.
"""

import base64
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import attrs

from impl.storage.filesystem import FileSystem

logger = logging.getLogger(__name__)

LEADER_EPOCHS: Final = "leader-epoch-checkpoint"
LOG_START_OFFSETS: Final = "log-start-offset-checkpoint"
CLEANER_OFFSETS: Final = "cleaner-offset-checkpoint"
PARTITION_METADATA: Final = "partition.metadata"
META_PROPERTIES: Final = "meta.properties"
RECOVERY_POINTS: Final = "recovery-point-offset-checkpoint"
HIGH_WATERMARKS: Final = "replication-offset-checkpoint"
CLEAN_SHUTDOWN: Final = ".kafka_cleanshutdown"
CORRUPT: Final = ".corrupt"  # after the name of a file that was set aside
VERSION: Final = "0"
FIRST_ENTRY: Final = 2  # lines before it
OFFSET_MAX: Final = 2**63 - 1
INT32_MAX: Final = 2**31 - 1
NUMBER: Final = re.compile(r"-?[0-9]+")
METADATA_LINES: Final = (
    (re.compile(r"version:\s+\+?[0-9]+"), "version that can be"),
    (re.compile(r"topic_id:\s+[A-Za-z0-9_-]{22}(==)?"), "topic id"),
)
ADVICE: Final = "set the line right or put back a copy of the file, while the broker is stopped"


class CheckpointError(Exception):
    """A small file that can't be understood: which, where in it, why, and what an operator can do."""

    def __init__(self, path: Path, where: str, why: str) -> None:
        super().__init__(path, where, why)
        self.path = path
        self.what = f"{path} is damaged at {where}: {why}"

    def __str__(self) -> str:
        return f"{self.what}; {ADVICE}"


def read_checkpoint(files: FileSystem, path: Path) -> list[list[str]]:
    """The entries of a checkpoint, each split at spaces. Raises CheckpointError.

    There are none when the file is missing, or empty, as Kafka makes it before it first writes it.
    """
    lines = files.read_file(path).decode(errors="replace").splitlines() if files.exists(path) else []
    if not lines:
        return []
    if lines[0] != VERSION:
        raise CheckpointError(path, "line 1", f"not the version, {VERSION}")
    if len(lines) < 2 or lines[1] != str(len(lines) - FIRST_ENTRY):
        raise CheckpointError(path, "line 2", f"not the number of entries after it, {max(0, len(lines) - FIRST_ENTRY)}")
    return [line.split() for line in lines[FIRST_ENTRY:]]


def line_of(number: int) -> str:
    """Where a checkpoint's entry with a number (from 0) is."""
    return f"line {number + FIRST_ENTRY + 1}"


def number_in(text: str, least: int, most: int) -> int:
    """A decimal number within bounds. Raises ValueError.

    Kafka reads numbers by `Integer.parseInt` and `Long.parseLong`, and fails where one is too large.
    """
    number = int(text) if NUMBER.fullmatch(text) else None
    if number is None or not least <= number <= most:
        raise ValueError(text)
    return number


def read_offsets(files: FileSystem, path: Path) -> dict[tuple[str, int], int]:
    """`topic partition offset` lines (`OffsetCheckpointFile`). Raises CheckpointError.

    A log of the broker's own has partition -1. No offset is negative, and none is there twice: nobody writes that.
    """
    offsets: dict[tuple[str, int], int] = {}
    for number, entry in enumerate(read_checkpoint(files, path)):
        try:
            topic, index, offset = entry
            name = topic, number_in(index, -1, INT32_MAX)
            value = number_in(offset, 0, OFFSET_MAX)
        except ValueError:
            why = f"not `topic partition offset`, but {' '.join(entry)!r}"
            raise CheckpointError(path, line_of(number), why) from None
        if name in offsets:
            raise CheckpointError(path, line_of(number), f"{topic} {index} for the second time")
        offsets[name] = value
    return offsets


def write_offsets(files: FileSystem, path: Path, offsets: Mapping[tuple[str, int], int]) -> None:
    """Write `topic partition offset` lines durably."""
    write_checkpoint(files, path, (f"{topic} {index} {offset}" for (topic, index), offset in offsets.items()))


def set_aside(files: FileSystem, path: Path, error: CheckpointError, consequence: str) -> None:
    """Rename a file that can't be understood, so that it can be looked at, and say what follows from that."""
    aside = path.with_name(path.name + CORRUPT)
    files.rename(path, aside)
    logger.error("%s; it is kept as %s, and %s", error.what, aside.name, consequence)


def write_checkpoint(files: FileSystem, path: Path, entries: Iterable[str]) -> None:
    """Write a checkpoint durably."""
    lines = list(entries)
    files.replace_file(path, "\n".join([VERSION, str(len(lines)), *lines, ""]).encode())


def read_properties(files: FileSystem, path: Path, separator: str = "=") -> dict[str, str]:
    """`key=value` lines; empty when the file is missing. Lines that begin with # are comments.

    Raises CheckpointError when it is no text.
    """
    if not files.exists(path):
        return {}
    pairs = {}
    try:
        text = files.read_file(path).decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(path, f"byte {error.start}", "it holds bytes that are no text") from None
    for line in text.splitlines():
        key, found, value = line.partition(separator)
        if found and not line.startswith("#"):
            pairs[key.strip()] = value.strip()
    return pairs


def write_properties(files: FileSystem, path: Path, properties: Mapping[str, str], separator: str = "=") -> None:
    """Write `key=value` lines durably."""
    files.replace_file(path, "".join(f"{k}{separator}{v}\n" for k, v in properties.items()).encode())


def uuid_text(value: UUID) -> str:
    """A UUID as Kafka writes it: base64 for URLs, 22 characters (`org.apache.kafka.common.Uuid.toString`)."""
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def parse_uuid(text: str) -> UUID:
    """The inverse of `uuid_text`. Raises ValueError."""
    return UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def read_topic_id(files: FileSystem, path: Path) -> str | None:
    """Which topic's log a `partition.metadata` says that it is beside, as `uuid_text` writes it; None if it is missing.

    Raises CheckpointError unless there are a version, 0 or later, and an id, each in its line, as in
    `PartitionMetadataReadBuffer`.
    """
    if not files.exists(path):
        return None
    try:
        lines = files.read_file(path).decode().splitlines()
    except UnicodeDecodeError as error:
        raise CheckpointError(path, f"byte {error.start}", "it holds bytes that are no text") from None
    for number, (pattern, what) in enumerate(METADATA_LINES):
        if number >= len(lines) or pattern.fullmatch(lines[number]) is None:
            raise CheckpointError(path, f"line {number + 1}", f"there is no {what}")
    topic_id = parse_uuid(lines[1].partition(":")[2].strip().rstrip("="))
    if not topic_id.int:
        raise CheckpointError(path, "line 2", "no topic has the id of zeros")
    return uuid_text(topic_id)


@attrs.frozen(slots=True)
class EpochEntry:
    """A leader epoch and the offset of the first record that could be written in it."""

    epoch: int
    start_offset: int


class LeaderEpochs:
    """The leader epochs of one log (`LeaderEpochFileCache`, KIP-101). Entries ascend in both fields.

    Entries that the log has outlived are forgotten in memory; the next `assign` or `save` writes what is left. A
    checkpoint that can't be understood is set aside (`was_damaged`).
    """

    def __init__(self, files: FileSystem, path: Path) -> None:
        self._files = files
        self._path = path
        self.was_damaged = False
        try:
            self.entries = self._read()
        except CheckpointError as error:
            set_aside(files, path, error, "the epochs are found again in the whole log")
            self.was_damaged = True
            self.entries = []
        self._saved = self.entries
        self._is_named = bool(self.entries)  # the directories that logs are found in are durable before they are opened

    def _read(self) -> list[EpochEntry]:
        """The checkpoint's entries. Raises CheckpointError."""
        entries: list[EpochEntry] = []
        for number, entry in enumerate(read_checkpoint(self._files, self._path)):
            try:
                first, second = entry
                epoch, offset = number_in(first, 0, INT32_MAX), number_in(second, 0, OFFSET_MAX)
            except ValueError:
                why = f"not `epoch offset`, but {' '.join(entry)!r}"
                raise CheckpointError(self._path, line_of(number), why) from None
            if entries and (entries[-1].epoch >= epoch or entries[-1].start_offset > offset):
                raise CheckpointError(self._path, line_of(number), "epochs and offsets that don't ascend")
            entries.append(EpochEntry(epoch, offset))
        return entries

    @property
    def latest(self) -> int | None:
        """The newest epoch; None when none is known."""
        return self.entries[-1].epoch if self.entries else None

    def assign(self, epoch: int, start_offset: int) -> None:
        """Note that `epoch` begins at `start_offset`; entries that this contradicts go. Durable on return."""
        if self.entries and self.entries[-1].epoch == epoch:
            return
        kept = [e for e in self.entries if e.epoch < epoch and e.start_offset < start_offset]
        self.entries = [*kept, EpochEntry(epoch, start_offset)]
        self.save()

    def note(self, epoch: int, start_offset: int) -> None:
        """Learn of an epoch from a batch that recovery reads; only `save` makes it durable."""
        if not self.entries or epoch > self.entries[-1].epoch:
            self.entries = [
                *(e for e in self.entries if e.start_offset < start_offset),
                EpochEntry(epoch, start_offset),
            ]

    def save(self) -> None:
        """Make the entries durable, if they are not."""
        if self.entries != self._saved:
            write_checkpoint(self._files, self._path, (f"{e.epoch} {e.start_offset}" for e in self.entries))
            if not self._is_named:  # the log's directory may be as new as its first checkpoint
                self._files.sync_directory(self._path.parent.parent)
                self._is_named = True
            self._saved = self.entries

    def end_offset_for(self, requested: int, log_end_offset: int) -> tuple[int, int]:
        """The epoch at or before `requested` and where it ends; (-1, -1) when that is not known.

        `LeaderEpochFileCache.endOffsetFor`, KIP-279: an epoch before the first known one ends where that begins.
        """
        if requested < 0 or not self.entries:
            return -1, -1
        if requested == self.entries[-1].epoch:
            return requested, log_end_offset
        above = [entry for entry in self.entries if entry.epoch > requested]
        if not above:
            return -1, -1
        below = [entry for entry in self.entries if entry.epoch <= requested]
        return (below[-1].epoch if below else requested), above[0].start_offset

    def epoch_for_offset(self, offset: int) -> int | None:
        """The epoch in which `offset` was or would have been written."""
        fitting = [entry.epoch for entry in self.entries if entry.start_offset <= offset]
        return fitting[-1] if fitting else None

    def truncate_from_start(self, log_start_offset: int) -> None:
        """Forget epochs that end before the log begins; the first that is left begins with the log."""
        before = [entry for entry in self.entries if entry.start_offset <= log_start_offset]
        if before:
            after = self.entries[len(before) :]
            self.entries = [EpochEntry(before[-1].epoch, log_start_offset), *after]

    def truncate_from_end(self, log_end_offset: int) -> None:
        """Forget epochs that begin at or after the log's end."""
        self.entries = [entry for entry in self.entries if entry.start_offset < log_end_offset]
