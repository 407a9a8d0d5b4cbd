"""What can be done to a log on a disk, step by step: appends, flushes, stops, damage, retention, compaction.

A history is one operation: it begins with an empty log in an empty directory, and what the log is after every step is
judged by `model.reference.disk_rules`. Times are given, so that no step waits for a clock. What is damaged was not
flushed: no log can withstand more.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from model.reference.batch import Batch
from model.reference.compaction import CleaningPolicy
from model.reference.operations import Operation
from model.reference.retention import Policy
from model.reference.segments import Limits

NO_LIMIT = 2**63 - 1
DELETE_DELAY_MS = 60_000
"""What file.delete.delay.ms is by default."""


@frozen(kw_only=True)
class Append:
    """Append a batch of that many bytes, at that time."""

    batch: Batch
    size: int
    now_ms: int = 0


@frozen
class Flush:
    """Flush the log."""


class Damage(StrEnum):
    """What is found amiss at a start that follows a kill, as after a loss of power."""

    NONE = "nothing"
    TORN = "the last batch lacks its last byte"
    FLIPPED = "a bit of a batch has flipped"
    ZEROS = "there are zeros after the last batch"
    NO_BATCH = "there are bytes after the last batch that are too few for one"
    INDEXES = "the index files of what was not flushed hold garbage"
    NO_INDEXES = "there are no index files"


@frozen(kw_only=True)
class Restart:
    """Stop the process, or kill it and damage files; start it again."""

    clean: bool = False
    damage: Damage = Damage.NONE
    place: int = -1
    """Which batch is flipped, counted from the log's first; negative: from its last."""
    log_start_offset: int | None = None
    """Where the log starts by what is written beside it; None: where it did."""
    now_ms: int = 0


@frozen
class RaiseStart:
    """Raise the log's start (DeleteRecords)."""

    offset: int


@frozen(kw_only=True)
class Retain:
    """Delete what need not be kept at that time; `high_watermark` None: all is committed."""

    policy: Policy
    now_ms: int
    high_watermark: int | None = None


@frozen(kw_only=True)
class Clean:
    """Compact, if it is worth it."""

    policy: CleaningPolicy
    now_ms: int
    stable_offset: int | None = None


@frozen(kw_only=True)
class Remove:
    """Remove the files of deleted segments whose wait is over at that time."""

    now_ms: int


@frozen(kw_only=True)
class FlushOverdue:
    """Flush the log if its last flush is too long ago at that time."""

    now_ms: int


DiskStep = Append | Flush | Restart | RaiseStart | Retain | Clean | Remove | FlushOverdue


@frozen(kw_only=True)
class DiskHistory(Operation):
    """One log on a disk from its beginning: its settings, and what is done to it."""

    steps: tuple[DiskStep, ...]
    limits: Limits = field(factory=Limits)
    flush_messages: int = NO_LIMIT
    flush_ms: int = NO_LIMIT
    delete_delay_ms: int = DELETE_DELAY_MS
    """How long the files of deleted segments stay (file.delete.delay.ms)."""
