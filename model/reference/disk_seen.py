"""How what is seen of a log on a disk becomes expectations; the rules are in `disk_rules` and `disk_compaction`.

Not here: how it is looked at, which is the suite's (`conformance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model.reference.disk_log import DiskLog
from model.reference.outcomes import Exactly, Expect, Meets

Seen = Sequence[tuple[int, bytes | None, bytes | None]]
"""Records: offset, key, value."""


def expect(field: str, value: object, requirement: str) -> Expect:
    """A field is exactly so."""
    return Expect(field, Exactly(value), requirement, vital=False)


def meets(field: str, words: str, holds: Callable[[Seen], bool], requirement: str) -> Expect:
    """A field has a property."""
    return Expect(field, Meets(words, holds), requirement, vital=False)  # type: ignore[arg-type]  # what is seen has a type by its field


def records_of(log: DiskLog) -> tuple[tuple[int, bytes | None, bytes | None], ...]:
    """All records that can be read."""
    return tuple((each.offset, each.key, each.value) for each in log.records)
