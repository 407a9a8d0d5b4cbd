"""What a log on a disk must be after each step of a history, and which requirement says so.

The log itself is `model.reference.disk_log`; here its fields become expectations. What is seen of a log: the first
offsets and sizes of its segments (`segment_base_offsets`, `sizes`), those of renamed files (`given_up`), where it
starts and ends, the recovery point, batches and records as they are read one by one, and the indexes of the segments
that are closed.

Not judged: files by their bytes, what other logs of the directory do, what a step says that fails.
"""

from __future__ import annotations

from model.reference.disk_compaction import compaction
from model.reference.disk_indexes import indexes
from model.reference.disk_log import DiskLog, begun, recovery_point_max, taken
from model.reference.disk_seen import expect, meets, records_of
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
from model.reference.outcomes import Between, Exactly, Expect, Permitted, Section, declare
from model.reference.retention import Breach, Policy, retained
from model.reference.rules import Context, rule
from model.reference.segments import (
    RollReason,
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
            return [expect("recovery_point", log.recovery_point, "DUR-10")]
        case Restart():
            return restarted(before, step, log)
        case RaiseStart():
            return [expect("log_start", log.log_start_offset, "RET-08")]
        case Retain():
            return retention(before, step, log)
        case Clean():
            return compaction(before, step, log)
        case FlushOverdue():
            return [Expect("recovery_point", _recovery_point_after_a_visit(before, log), "DUR-16", vital=False)]
        case Remove():
            return [_given_up(log), expect("records", records_of(log), "RET-11")]


def _recovery_point_after_a_visit(before: DiskLog, log: DiskLog) -> Exactly | Between:
    """The log's end if it was flushed; if not, no more than before (a start may have lowered it, a roll raised it)."""
    if log.recovery_point == log.log_end_offset:
        return Exactly(log.recovery_point)
    return Between(0, recovery_point_max(before))


def _base_offsets(log: DiskLog) -> tuple[int, ...]:
    return tuple(each.base_offset for each in log.segments)


def _segments(log: DiskLog, names: str, sizes: str) -> list[Expect]:
    """First offsets and sizes of the segments, as long as they are known."""
    if not log.sizes_are_known:
        return []
    return [
        expect("segment_base_offsets", _base_offsets(log), names),
        expect("sizes", tuple(each.size for each in log.segments), sizes),
    ]


# -- appends ---------------------------------------------------------------------------------------------------------


def appended(before: DiskLog, step: Append, log: DiskLog) -> list[Expect]:
    """A batch goes to the active segment or to a new one; closed segments stay as they are."""
    where = _roll_rule(before, step, log)
    if log.recovery_point == log.log_end_offset:
        point = expect("recovery_point", log.recovery_point, "DUR-11")
    else:
        point = Expect("recovery_point", Between(0, recovery_point_max(log)), "DUR-12", vital=False)
    return [
        *_segments(log, where, where),
        expect("rewritten", (), "SEG-09"),
        expect("log_end", log.log_end_offset, "SEG-10"),
        expect("records", records_of(log), "SEG-11"),
        *(indexes(log, "SEG-12", "SEG-13") if log.sizes_are_known else ()),
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
    begins_anew = step.log_start_offset is not None and step.log_start_offset > before.log_end_offset
    is_whole = step.clean and step.damage is Damage.NONE and not begins_anew
    found = "DUR-01" if is_whole else _FOUND[step.damage]
    if not before.sizes_are_known:
        found = "CMP-14"
    if begins_anew:
        found = "DUR-15"
    names = "DUR-07" if step.damage is Damage.FLIPPED else found
    flushed = {each.offset for each in before.records if each.offset < before.recovery_point}
    flushed_by_a_roll = min(before.segments[-1].base_offset, log.log_end_offset)
    point = Between(log.log_end_offset if is_whole else 0, max(log.recovery_point, flushed_by_a_roll))
    expects = [
        expect("records", records_of(log), found),
        *_segments(log, names, found),
        expect("log_end", log.log_end_offset, found),
        Expect("recovery_point", point, "DUR-13" if is_whole else "DUR-12", vital=False),
        expect("given_up", (), "RET-12"),
        expect("rewritten", (), "SEG-09"),  # what is damaged is the last segment, or is then
    ]
    if step.damage in (Damage.INDEXES, Damage.NO_INDEXES):
        expects += indexes(log, found, found)
    if flushed and found != "DUR-15":
        held = meets(
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
        expect("segment_base_offsets", _base_offsets(log), why),
        expect("log_start", log.log_start_offset, "RET-08"),
        expect("log_end", log.log_end_offset, "RET-07"),
        _given_up(log),
        expect("records", records_of(log), why),
    ]


def _given_up(log: DiskLog) -> Expect:
    """Of which segments that retention deleted there are still files, renamed."""
    return expect("given_up", tuple(base for base, _ in log.given_up), "RET-11")


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
