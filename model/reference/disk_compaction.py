"""What a log on a disk must be after a compaction, and which requirement says so (`disk_rules` has the other steps).

Not modelled: which of several logs is compacted first, and how segments are grouped while it is done.
"""

from __future__ import annotations

from attrs import frozen

from model.reference.compaction import NO_LAG_MAX, aborted, newest_offsets
from model.reference.disk_log import DiskLog
from model.reference.disk_seen import Seen, expect, meets, records_of
from model.reference.disk_steps import Clean
from model.reference.outcomes import Expect


@frozen
class _Cleaned:
    """A log before a cleaning and after it, by the offsets of records."""

    before: DiskLog
    after: DiskLog
    end: int

    @property
    def kept(self) -> frozenset[int]:
        """What is there afterwards."""
        return frozenset(each.offset for each in self.after.records)

    @property
    def held(self) -> frozenset[int]:
        """The newest values of keys."""
        values = (each.offset for each in self.after.records if each.value is not None and each.offset < self.end)
        return frozenset(values) - self.markers

    @property
    def tombstones(self) -> frozenset[int]:
        """Those that were there."""
        return frozenset(each.offset for each in self.before.records if each.value is None and each.offset < self.end)

    @property
    def newest_tombstones(self) -> frozenset[int]:
        """Those that no newer record outdated: what was aborted outdates nothing, nor does a marker."""
        others = self.aborted | self.markers
        found = (each for each in self.before.records if each.offset < self.end and each.offset not in others)
        return self.tombstones & frozenset(newest_offsets(found).values())

    @property
    def later(self) -> frozenset[int]:
        """What is not cleaned."""
        return frozenset(each.offset for each in self.before.records if each.offset >= self.end)

    @property
    def markers(self) -> frozenset[int]:
        """The ends of transactions that were there."""
        found = (each.base_offset for each in self.before.batches if each.ending is not None)
        return frozenset(each for each in found if each < self.end)

    @property
    def aborted(self) -> frozenset[int]:
        """What was aborted."""
        bases = aborted(self.before.batches)
        found = (record.offset for each in self.before.batches if each.base_offset in bases for record in each.records)
        return frozenset(each for each in found if each < self.end)

    def with_newer_in(self, offsets: frozenset[int]) -> frozenset[int]:
        """Values that stay though one of these records has their key, and is newer."""
        last = {each.key: each.offset for each in self.before.records if each.offset in offsets}
        found = (each for each in self.after.records if each.offset in self.held)
        return frozenset(each.offset for each in found if last.get(each.key, -1) > each.offset)


def compaction(before: DiskLog, step: Clean, log: DiskLog) -> list[Expect]:
    """What a cleaning keeps and what it drops."""
    if log.offsets_cleaned is None:
        return [expect("records", records_of(log), _why_not_cleaned(before, step))]
    found = _Cleaned(before, log, log.offsets_cleaned.end)
    allowed = found.kept | found.newest_tombstones | found.later | found.aborted | found.markers
    older = "CMP-27" if step.policy.max_compaction_lag_ms < NO_LAG_MAX else "CMP-02"
    was = set(records_of(before))
    spans = {(each.base_offset, each.last_offset) for each in before.batches}
    empty = {each.base_offset for each in log.batches if not each.records and each.ending is None}
    expects = [
        _there("the newest record of each key", found.held, "CMP-01"),
        meets("records", "no older record", lambda seen: offsets_of(seen) <= allowed, older),
        meets("records", "nothing but what was there, in order", lambda seen: in_order(seen, was), "CMP-03"),
        meets("batches", "the offsets of batches as they were", lambda seen: {b[:2] for b in seen} <= spans, "CMP-04"),
        _there("all of the active segment", found.later, "CMP-07"),
        expect("log_end", log.log_end_offset, "CMP-12"),
    ]
    if empty:
        text = "a producer's last batch, though it is empty"
        expects.append(meets("batches", text, lambda seen: empty <= {b[0] for b in seen}, "CMP-13"))
    return expects + _particular(found)


def _particular(found: _Cleaned) -> list[Expect]:
    """What only some logs can be held to: those with tombstones, or transactions."""
    kept = found.kept
    expects = [
        (_there, "tombstones that were not seen for long", found.tombstones & kept, "CMP-05"),
        (_gone, "tombstones that were seen for delete.retention.ms", found.newest_tombstones - kept, "CMP-06"),
        (_there, "what only the active segment has newer ones of", found.with_newer_in(found.later), "CMP-08"),
        (_gone, "records that were aborted", found.aborted, "CMP-28"),
        (_there, "what only aborted transactions have newer ones of", found.with_newer_in(found.aborted), "CMP-28"),
        (_there, "the markers that are needed, or were for a while", found.markers & kept, "CMP-29"),
        (_gone, "markers that were not needed for delete.retention.ms", found.markers - kept, "CMP-30"),
    ]
    return [make(words, offsets, requirement) for make, words, offsets, requirement in expects if offsets]


def _there(words: str, offsets: frozenset[int], requirement: str) -> Expect:
    return meets("records", words, lambda seen: offsets <= offsets_of(seen), requirement)


def _gone(words: str, offsets: frozenset[int], requirement: str) -> Expect:
    return meets("records", f"no {words}", lambda seen: not offsets & offsets_of(seen), requirement)


def _why_not_cleaned(before: DiskLog, step: Clean) -> str:
    if step.policy.min_compaction_lag_ms > 0:
        return "CMP-10"
    if step.stable_offset is not None and step.stable_offset < before.log_end_offset:
        return "CMP-11"
    return "CMP-27" if step.policy.max_compaction_lag_ms < NO_LAG_MAX else "CMP-09"


def offsets_of(seen: Seen) -> set[int]:
    """The offsets of what was read."""
    return {each[0] for each in seen}


def in_order(seen: Seen, was: set[tuple[int, bytes | None, bytes | None]]) -> bool:
    """Whether all that was read had been there so, at rising offsets."""
    found = [each[0] for each in seen]
    return found == sorted(set(found)) and set(seen) <= was
