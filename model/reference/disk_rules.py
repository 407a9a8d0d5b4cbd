"""What a log on a disk must be after each step of a history, and which requirement says so.

The log itself is `model.reference.disk_log`; here its fields become expectations. What is seen of a log: the first
offsets and sizes of its segments (`names`, `sizes`), those of renamed files (`given_up`), where it starts and ends, the
recovery point, batches and records as they are read one by one, and the indexes of the segments that are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model.reference.compaction import NO_LAG_MAX
from model.reference.disk_log import DiskLog, begun, taken
from model.reference.disk_steps import (
    Append,
    Clean,
    Damage,
    DiskHistory,
    DiskStep,
    Flush,
    FlushOverdue,
    RaiseStart,
    Remove,
    Restart,
    Retain,
)
from model.reference.outcomes import Between, Exactly, Expect, Meets, Permitted, Section, declare
from model.reference.retention import Breach, Policy, retained
from model.reference.rules import Context, rule
from model.reference.segments import (
    NO_TIMESTAMP,
    Limits,
    RollReason,
    Segment,
    is_flush_due,
    offset_index,
    time_index,
)
from model.reference.state import Cluster

STARTED = declare("disk.started", "the log was made")
DONE = declare("disk.done", "the step was taken")

_ROLLED = {
    RollReason.SIZE: "SEG-01",
    RollReason.OFFSET_INDEX: "SEG-07",
    RollReason.TIME_INDEX: "SEG-08",
    RollReason.OFFSETS: "SEG-06",
}
_FOUND = {
    Damage.NONE: "DUR-02",
    Damage.TORN: "DUR-03",
    Damage.FLIPPED: "DUR-04",
    Damage.ZEROS: "DUR-05",
    Damage.NO_BATCH: "DUR-06",
    Damage.INDEXES: "DUR-08",
    Damage.NO_INDEXES: "DUR-09",
}
Seen = Sequence[tuple[int, bytes | None, bytes | None]]


@rule(DiskHistory)
def disk_history(_cluster: Cluster, operation: DiskHistory, _context: Context) -> tuple[Section, ...]:
    """What a log must be after each step of a history."""
    log = begun(operation)
    sections = [Section("request", (Permitted(STARTED, ()),))]
    for number, step in enumerate(operation.steps, 1):
        before, log = log, taken(log, step)
        judged = _expects(before, step, log)
        is_taken = Expect("error", Exactly(""), judged[0].requirement)  # vital: what fails shows nothing of other rules
        expects = (is_taken, *judged)
        sections.append(Section(f"step {number}, {type(step).__name__}", (Permitted(DONE, expects),)))
    return tuple(sections)


def _expects(before: DiskLog, step: DiskStep, log: DiskLog) -> list[Expect]:
    match step:
        case Append():
            return appended(before, step, log)
        case Flush():
            return [_expect("recovery_point", log.recovery_point, "DUR-10")]
        case Restart():
            return restarted(before, step, log)
        case RaiseStart():
            return [_expect("log_start", log.log_start_offset, "RET-08")]
        case Retain():
            return retention(before, step, log)
        case Clean():
            return compaction(before, step, log)
        case FlushOverdue():
            return [Expect("recovery_point", _recovery_point_after_a_visit(before, log), "DUR-16", vital=False)]
        case Remove():
            return [_given_up(log), _expect("records", _records(log), "RET-11")]


def _expect(field: str, value: object, requirement: str) -> Expect:
    return Expect(field, Exactly(value), requirement, vital=False)


def _meets(field: str, words: str, holds: Callable[[Seen], bool], requirement: str) -> Expect:
    return Expect(field, Meets(words, holds), requirement, vital=False)  # type: ignore[arg-type]  # what is seen has a type by its field


def _recovery_point_after_a_visit(before: DiskLog, log: DiskLog) -> Exactly | Between:
    """The log's end if it was flushed; if not, no more than before (a start may have lowered it)."""
    if log.recovery_point == log.log_end_offset:
        return Exactly(log.recovery_point)
    return Between(0, before.recovery_point)


def _names(log: DiskLog) -> tuple[int, ...]:
    return tuple(each.base_offset for each in log.segments)


def _records(log: DiskLog) -> tuple[tuple[int, bytes | None, bytes | None], ...]:
    return tuple((each.offset, each.key, each.value) for each in log.records)


def _segments(log: DiskLog, names: str, sizes: str) -> list[Expect]:
    """First offsets and sizes of the segments, as long as they are known."""
    if not log.sizes_are_known:
        return []
    return [
        _expect("names", _names(log), names),
        _expect("sizes", tuple(each.size for each in log.segments), sizes),
    ]


def offset_indexes(log: DiskLog) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The offset indexes of the closed segments."""
    return tuple(tuple(offset_index(each, log.limits)) for each in log.segments[:-1])


def time_indexes(log: DiskLog) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The time indexes of the closed segments."""
    return tuple(closed_time_index(each, log.limits) for each in log.segments[:-1])


def closed_time_index(segment: Segment, limits: Limits) -> tuple[tuple[int, int], ...]:
    """A closed segment's time index: the last entry is for its greatest timestamp (LogSegment.onBecomeInactive)."""
    entries = time_index(segment, limits)
    greatest = max((each.max_timestamp for each in segment.batches), default=NO_TIMESTAMP)
    if greatest > (entries[-1][0] if entries else NO_TIMESTAMP):
        entries.append((greatest, next(b.last_offset for b in segment.batches if b.max_timestamp == greatest)))
    return tuple(entries)


# -- appends ---------------------------------------------------------------------------------------------------------


def appended(before: DiskLog, step: Append, log: DiskLog) -> list[Expect]:
    """A batch goes to the active segment or to a new one; closed segments stay as they are."""
    where = _roll_rule(before, step, log)
    flushed = "DUR-11" if is_flush_due(log.log_end_offset - before.recovery_point, log.flush_messages) else ""
    point = (
        _expect("recovery_point", log.recovery_point, flushed)
        if flushed
        else Expect(
            "recovery_point",
            Between(0, max(before.recovery_point, log.segments[-1].base_offset)),
            "DUR-12",
            vital=False,
        )
    )
    indexes = [_expect("offset_indexes", offset_indexes(log), "SEG-12")] if log.sizes_are_known else []
    if log.sizes_are_known and not log.was_closed:
        indexes.append(_expect("time_indexes", time_indexes(log), "SEG-13"))
    return [
        *_segments(log, where, where),
        _expect("rewritten", (), "SEG-09"),
        _expect("log_end", log.log_end_offset, "SEG-10"),
        _expect("records", _records(log), "SEG-11"),
        *indexes,
        point,
    ]


def _roll_rule(before: DiskLog, step: Append, log: DiskLog) -> str:
    """Which rule says in which segment a batch lies."""
    active = before.segments[-1]
    if log.limits.segment_jitter_ms and log.rolled in (None, RollReason.AGE):
        return "SEG-14"
    if log.rolled is RollReason.AGE:
        return "SEG-04" if active.batches[0].max_timestamp >= 0 else "SEG-05"
    if log.rolled is not None:
        return _ROLLED[log.rolled]
    if active.size + step.size == log.limits.segment_bytes:
        return "SEG-02"
    return "SEG-03"


# -- starts ----------------------------------------------------------------------------------------------------------


def restarted(before: DiskLog, step: Restart, log: DiskLog) -> list[Expect]:
    """What is there after a stop, a kill, or a loss of power."""
    is_whole = step.clean and step.damage is Damage.NONE
    found = "DUR-01" if is_whole else _FOUND[step.damage]
    if not before.sizes_are_known:
        found = "CMP-14"
    if step.log_start_offset is not None and step.log_start_offset > before.log_end_offset:
        found = "DUR-15"
    names = "DUR-07" if step.damage is Damage.FLIPPED else found
    flushed = {each.offset for each in before.records if each.offset < before.recovery_point}
    flushed_by_a_roll = min(before.segments[-1].base_offset, log.log_end_offset)
    point = Between(log.log_end_offset if is_whole else 0, max(log.recovery_point, flushed_by_a_roll))
    expects = [
        _expect("records", _records(log), found),
        *_segments(log, names, found),
        _expect("log_end", log.log_end_offset, found),
        Expect("recovery_point", point, "DUR-13" if is_whole else "DUR-12", vital=False),
        _expect("given_up", (), "RET-12"),
    ]
    if step.damage in (Damage.INDEXES, Damage.NO_INDEXES):
        expects.append(_expect("offset_indexes", offset_indexes(log), found))
    if flushed and found != "DUR-15":
        held = _meets(
            "records",
            f"all {len(flushed)} that were flushed",
            lambda seen: flushed <= {each[0] for each in seen},
            "DUR-14",
        )
        expects.append(held)
    return expects


# -- retention -------------------------------------------------------------------------------------------------------


def retention(before: DiskLog, step: Retain, log: DiskLog) -> list[Expect]:
    """Which segments go, in two steps, and where the log starts then."""
    why = _retention_rule(before, step, log)
    return [
        _expect("names", _names(log), why),
        _expect("log_start", log.log_start_offset, "RET-08"),
        _expect("log_end", log.log_end_offset, "RET-07"),
        _given_up(log),
        _expect("records", _records(log), why),
    ]


def _given_up(log: DiskLog) -> Expect:
    """Of which segments that retention deleted there are still files, renamed."""
    return _expect("given_up", tuple(base for base, _ in log.given_up), "RET-11")


def _retention_rule(before: DiskLog, step: Retain, log: DiskLog) -> str:
    """Which rule says which segments go."""
    policy, end = step.policy, before.log_end_offset
    if step.high_watermark is not None and step.high_watermark < end:
        whole = retained(before.segments, before.log_start_offset, end, policy, step.now_ms)
        if len(whole.gone) > len(log.gone):
            return "RET-13"
    if Breach.LOG_START in log.gone:
        return "RET-09"
    if len(log.gone) == len(before.segments):
        return "RET-07"
    if not policy.deletes:
        return "RET-06"
    if policy.retention_bytes < 0 and policy.retention_ms < 0:
        return "RET-05"
    if Breach.SIZE in log.gone or policy.retention_bytes >= 0:
        return "RET-01" if log.gone else "RET-02"
    return _time_rule(before, policy, step.now_ms)


def _time_rule(before: DiskLog, policy: Policy, now_ms: int) -> str:
    is_old = [now_ms - each.largest_timestamp > policy.retention_ms for each in before.segments]
    if any(is_old[is_old.index(False) :] if False in is_old else ()):
        return "RET-04"
    has_times = any(batch.max_timestamp >= 0 for batch in before.batches)
    return "RET-03" if has_times else "RET-10"


# -- compaction ------------------------------------------------------------------------------------------------------


def compaction(before: DiskLog, step: Clean, log: DiskLog) -> list[Expect]:
    """What a cleaning keeps and what it drops."""
    if log.offsets_cleaned is None:
        return [_expect("records", _records(log), _why_not_cleaned(before, step))]
    end = log.offsets_cleaned.end
    kept = {each.offset for each in log.records}
    held = {each.offset for each in log.records if each.value is not None and each.offset < end}
    markers = {each.offset for each in before.records if each.value is None and each.offset < end}
    later = {each.offset for each in before.records if each.offset >= end}
    newer = {each.key for each in before.records if each.offset >= end}
    witnessed = {each.offset for each in log.records if each.offset in held and each.key in newer}
    was = set(_records(before))
    spans = {(each.base_offset, each.last_offset) for each in before.batches}
    empty = {each.base_offset for each in log.batches if not each.records}

    older = "CMP-27" if step.policy.max_compaction_lag_ms < NO_LAG_MAX else "CMP-02"

    def offsets(seen: Seen) -> set[int]:
        return {each[0] for each in seen}

    expects = [
        _meets("records", "the newest record of each key", lambda seen: held <= offsets(seen), "CMP-01"),
        _meets("records", "no older record", lambda seen: offsets(seen) <= kept | markers | later, older),
        _meets("records", "nothing but what was there, in order", lambda seen: _in_order(seen, was), "CMP-03"),
        _meets("batches", "the offsets of batches as they were", lambda seen: {b[:2] for b in seen} <= spans, "CMP-04"),
        _meets("records", "all of the active segment", lambda seen: later <= offsets(seen), "CMP-07"),
        _expect("log_end", log.log_end_offset, "CMP-12"),
    ]
    if markers & kept:
        text = "tombstones that were not seen for long"
        expects.append(_meets("records", text, lambda seen: markers & kept <= offsets(seen), "CMP-05"))
    if gone := {each for each in markers - kept if _is_newest(before, each, end)}:
        text = "no tombstones that were seen for delete.retention.ms"
        expects.append(_meets("records", text, lambda seen: not gone & offsets(seen), "CMP-06"))
    if witnessed:
        text = "records that only the active segment has newer ones of"
        expects.append(_meets("records", text, lambda seen: witnessed <= offsets(seen), "CMP-08"))
    if empty:
        text = "a producer's last batch, though it is empty"
        expects.append(_meets("batches", text, lambda seen: empty <= {b[0] for b in seen}, "CMP-13"))
    return expects


def _why_not_cleaned(before: DiskLog, step: Clean) -> str:
    if step.policy.min_compaction_lag_ms > 0:
        return "CMP-10"
    if step.stable_offset is not None and step.stable_offset < before.log_end_offset:
        return "CMP-11"
    return "CMP-27" if step.policy.max_compaction_lag_ms < NO_LAG_MAX else "CMP-09"


def _in_order(seen: Seen, was: set[tuple[int, bytes | None, bytes | None]]) -> bool:
    found = [each[0] for each in seen]
    return found == sorted(set(found)) and set(seen) <= was


def _is_newest(log: DiskLog, offset: int, end: int) -> bool:
    """Whether a record is the newest of its key before an offset."""
    keys = {each.offset: each.key for each in log.records if each.offset < end}
    return not any(each > offset and key == keys[offset] for each, key in keys.items())
