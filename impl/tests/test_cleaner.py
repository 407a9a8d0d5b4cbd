"""Compaction: what stays, what goes, when, and that a stop in the middle of it loses nothing."""

import os
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.storage.batch import DamagedBatchError, parse_header, split_batches
from impl.storage.cleaner import Cleanable, cleanable
from impl.storage.faults import Crash, Faults, crash_before
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.leftovers import SWAP
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.recovery import LogStart
from impl.storage.segment import INDEX, TIME_INDEX, TRANSACTION_INDEX
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.logs import COMPACTION, Pair, Stored, before_every_change, compact, contents, pairs_batch
from impl.tests.support import NOW, append, make_batch, open_log

LIMITS = SegmentLimits(bytes_max=300, age_ms_max=1 << 60, index_bytes_max=10 << 20, index_interval_bytes=100)


def filled(log: Log, *batches: list[Pair], closed: bool = True) -> Log:
    """Append batches; when `closed`, none of them is in the active segment."""
    for pairs in batches:
        append(log, pairs_batch(pairs))
    if closed:
        log.roll(NOW)
    return log


def expected(before: list[Stored], end: int) -> list[Stored]:
    """What must be left of records, of which those before `end` were compacted, without regard to tombstones' age."""
    newest = {key: offset for offset, key, _, _ in before if offset < end}
    return [each for each in before if each[0] >= end or (each[1] is not None and newest[each[1]] == each[0])]


def test_the_last_value_of_each_key_stays_with_its_offset_and_timestamp(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")], [(b"c", b"1"), (b"b", b"2")])
    end, _ = compact(log)
    assert end == 5
    assert contents(log) == [(2, b"a", b"2", NOW + 2), (3, b"c", b"1", NOW), (4, b"b", b"2", NOW + 1)]
    assert (log.log_start_offset, log.log_end_offset) == (0, 5)


def test_the_active_segment_is_not_touched(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1")], [(b"a", b"2")])
    filled(log, [(b"a", b"3")], [(b"a", b"4")], closed=False)
    assert compact(log)[0] == 2
    assert [each[0] for each in contents(log)] == [1, 2, 3]


def test_records_without_a_key_go(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(None, b"1"), (b"a", b"1"), (None, b"2")])
    compact(log)
    assert [each[0] for each in contents(log)] == [1]


@pytest.mark.parametrize("codec", range(5))
def test_a_batch_keeps_its_codec_and_an_untouched_one_all_its_bytes(tmp_path: Path, codec: int) -> None:
    log = open_log(tmp_path, LIMITS)
    append(log, pairs_batch([(b"a", b"1"), (b"b", b"1")], codec=codec), epoch=3)
    append(log, pairs_batch([(b"b", b"2")], codec=codec), epoch=3)
    untouched = log.active.read(log.active.find(2).position, 1000)  # type: ignore[union-attr]
    log.roll(NOW)
    compact(log)
    first, second = split_batches(log.segments[0].read(0, 10_000))
    header = parse_header(first)
    assert (header.compression, header.record_count, header.partition_leader_epoch) == (codec, 1, 3)
    assert (header.base_offset, header.last_offset) == (0, 1)
    assert bytes(second) == untouched


def test_a_tombstone_stays_for_its_time_and_then_goes(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1"), (b"b", b"1")], [(b"a", None)])
    end, _ = compact(log)
    tombstone = (2, b"a", None, NOW)
    assert contents(log) == [(1, b"b", b"1", NOW + 1), tombstone]
    horizon = [parse_header(each).delete_horizon_ms for each in split_batches(log.segments[0].read(0, 10_000))]
    assert horizon == [None, NOW + COMPACTION.delete_retention_ms]
    filled(log, [(b"c", b"1")])
    end, _ = compact(log, end, now_ms=NOW + 999)
    assert tombstone in contents(log)
    filled(log, [(b"d", b"1")])
    compact(log, end, now_ms=NOW + 1000)
    assert [each[0] for each in contents(log)] == [1, 3, 4]


def test_a_log_without_records_left_still_has_its_offsets(tmp_path: Path) -> None:
    config = attrs.evolve(COMPACTION, delete_retention_ms=0)
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1")], [(b"a", None)])
    for left in ([1], [], []):  # the checkpoint is lost each time
        assert compact(log, None, config)[0] == 2
        assert [each[0] for each in contents(log)] == left
    filled(log, [(b"b", b"1")])
    compact(log, 2, config)
    assert [each[0] for each in contents(log)] == [2]
    log.close()
    for was_clean in (True, False):
        again = Log(RealFileSystem(), tmp_path, LIMITS, NOW, LogStart(0, was_clean, may_have_gaps=True))
        assert (again.log_start_offset, again.log_end_offset) == (0, 3)
        assert [each[0] for each in contents(again)] == [2]
        again.close()


def test_the_last_batch_of_a_producer_keeps_its_header(tmp_path: Path) -> None:
    log = open_log(tmp_path, LIMITS)
    for sequence in range(2):
        append(log, pairs_batch([(b"a", b"1")], producer_id=4, producer_epoch=1, base_sequence=sequence))
    append(log, pairs_batch([(b"a", b"2")]))
    log.roll(NOW)
    compact(log)
    left = [parse_header(each) for each in split_batches(log.segments[0].read(0, 10_000))]
    assert [(each.base_offset, each.producer_id, each.record_count) for each in left] == [(1, 4, 0), (2, -1, 1)]
    log.abandon()
    for path in tmp_path.glob("*.snapshot"):
        path.unlink()
    again = open_log(tmp_path, LIMITS)
    duplicate = again.producers.find_duplicate(
        parse_header(pairs_batch([(b"a", b"1")], producer_id=4, producer_epoch=1, base_sequence=1))
    )
    assert duplicate is not None
    assert duplicate.last_offset == 1


def test_small_segments_become_one_that_is_not_too_large(tmp_path: Path) -> None:
    log = open_log(tmp_path, LIMITS)
    for number in range(12):
        filled(log, [(b"%d" % (number % 6), b"x" * 20)])
    assert len(log.segments) == 13
    _, replaced = compact(log)
    assert len(replaced) == 12
    assert [each[0] for each in contents(log)] == [6, 7, 8, 9, 10, 11]
    assert all(segment.size <= LIMITS.bytes_max for segment in log.segments)
    assert len(log.segments) < 8


def test_with_room_for_few_keys_a_log_is_compacted_bit_by_bit(tmp_path: Path) -> None:
    numbered: list[list[Pair]] = [[(b"%d" % (number % 5) if number % 7 else None, b"x")] for number in range(20)]
    log = filled(open_log(tmp_path, LIMITS), *numbered)
    before = contents(log)
    end: int | None = None
    ends = []
    while end != 20:
        end, _ = compact(log, end, keys_max=3)
        ends.append(end)
        assert contents(log) == expected(before, end)
    assert len(ends) > 1
    assert ends == sorted(set(ends))


def test_a_reader_goes_on_with_what_was_replaced(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1")], [(b"a", b"2")])
    part = log.read(0, 1 << 20, 2, at_least_one=True)
    assert part is not None
    before = part.file.read_at(part.position, part.size)
    _, replaced = compact(log)
    assert part.file.read_at(part.position, part.size) == before
    for segment in replaced:
        segment.remove()
    assert {path.name for path in tmp_path.glob("*.log*")} == {f"{0:020d}.log", f"{2:020d}.log"}


def test_a_segment_stays_as_old_as_it_was(tmp_path: Path) -> None:
    log = open_log(tmp_path, LIMITS)
    for _ in range(2):
        append(log, make_batch([Record(0, 0, 0, b"a", b"1", b"\x00")], time_ms=-1))  # without a time of its own
    log.roll(NOW)
    os.utime(tmp_path / f"{0:020d}.log", (5, 5))
    compact(log)
    assert [segment.largest_timestamp() for segment in log.segments[:-1]] == [5000]


def test_what_a_failed_compaction_could_not_remove_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    log = filled(open_log(tmp_path, LIMITS), [(b"a", b"1")], [(b"a", b"2")])
    for suffix in ("log", "index", "timeindex"):
        (tmp_path / f"{0:020d}.{suffix}.cleaned").write_bytes(b"x" * 120)
    compact(log)
    assert [each[0] for each in contents(log)] == [1]


@pytest.mark.parametrize("suffix", [INDEX, TIME_INDEX, TRANSACTION_INDEX])
def test_an_index_that_came_further_than_its_batches_replaces_none(tmp_path: Path, suffix: str) -> None:
    log = filled(open_log(tmp_path), [(b"a", b"1")], [(b"b", b"1")])
    log.close()
    index = log.segments[0].path(suffix)
    before = index.read_bytes() if index.exists() else None
    swap = index.with_name(index.name + SWAP)
    swap.write_bytes(b"\0" * 12)
    open_log(tmp_path, was_clean=True).close()
    assert (index.read_bytes() if index.exists() else None) == before
    assert not swap.exists()


def test_what_is_due_follows_from_ratio_and_lags(tmp_path: Path) -> None:
    log = open_log(tmp_path, LIMITS)
    for number in range(4):
        append(log, pairs_batch([(b"a", b"x")], time_ms=NOW + 1000 * number))
        log.roll(NOW)
    size = log.segments[0].size

    def part(checkpoint: int | None, now_ms: int = NOW + 3000, **changes: int) -> Cleanable:
        return cleanable(log, checkpoint, attrs.evolve(COMPACTION, **changes), 4, now_ms)

    assert part(None) == Cleanable(0, 4, 0, 4 * size, is_overdue=False)
    assert part(2) == Cleanable(2, 4, 2 * size, 2 * size, is_overdue=False)
    assert part(9) == part(None)
    assert not part(2).is_due(COMPACTION)
    assert part(1).is_due(COMPACTION)
    assert part(2, lag_ms_min=1000).end == 3
    assert part(None, lag_ms_min=3000).end == 1
    assert not part(3, lag_ms_max=0, now_ms=NOW + 3000).is_overdue
    assert part(3, lag_ms_max=0, now_ms=NOW + 3001).is_due(COMPACTION)
    assert cleanable(log, None, COMPACTION, 2, NOW).end == 2


operation = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.one_of(st.none(), st.binary(max_size=30))),
    min_size=1,
    max_size=4,
)


@given(st.lists(operation, min_size=1, max_size=12), st.integers(0, 4), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_compaction_loses_only_what_is_superseded(batches: list[list[Pair]], codec: int, keys_max: int) -> None:
    files = SimulatedFileSystem()
    log = Log(files, Path("/t-0"), LIMITS, NOW)
    for pairs in batches:
        append(log, pairs_batch(pairs, codec=codec))
    before = contents(log)
    last = log.active.base_offset
    end: int | None = None
    while end is None or end < last:
        end, replaced = compact(log, end, keys_max=keys_max)
        for segment in replaced:
            segment.remove()
        assert contents(log) == expected(before, end)
        if last == 0:
            break
    log.close()
    for was_clean in (True, False):
        again = Log(files, Path("/t-0"), LIMITS, NOW, LogStart(0, was_clean, may_have_gaps=True))
        assert contents(again) == expected(before, end)
        assert again.log_end_offset == log.log_end_offset
        again.abandon()


def compact_until(crash_at: int | None) -> tuple[SimulatedFileSystem, list[Stored], list[Stored], int]:
    """Fill, flush and compact a log on a simulated disk, whose power fails before operation `crash_at`.

    Its segments hold a batch each, and become fewer.
    """
    files = SimulatedFileSystem()
    log = Log(files, Path("/t-0"), attrs.evolve(LIMITS, bytes_max=1), NOW)
    batches: list[list[Pair]] = [[(b"%d" % (each % 3), b"x" * 20), (b"k", b"%d" % each)] for each in range(6)]
    filled(log, *batches)
    log.close()
    files.sync_directory(Path("/"))
    log = Log(files, Path("/t-0"), LIMITS, NOW, LogStart(0, was_clean=True))
    before = contents(log)
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    try:
        _, replaced = compact(log)
        for segment in replaced:
            segment.remove()
    except Crash:
        pass
    return files, before, expected(before, 12), files.faults.changes


def look_after_a_loss(crash_at: int) -> None:
    """Whether every record is the old one or the new one, whatever is left on the disk."""
    files, before, after, _ = compact_until(crash_at)
    newest = {key: offset for offset, key, _, _ in before}
    survivors: list[FileSystem] = [files.after_kill()]
    survivors += [files.after_power_loss(Random(seed)) for seed in range(5)]
    for number, left in enumerate(survivors):
        log = Log(left, Path("/t-0"), LIMITS, NOW, LogStart(0, was_clean=False, may_have_gaps=True))
        found = contents(log)
        assert {each for each in before if newest[each[1]] == each[0]} <= set(found) <= set(before), number
        assert found == sorted(set(found))
        offsets = [header.base_offset for header, _, _ in log.batches(0)]
        assert offsets == sorted(set(offsets))
        assert log.log_end_offset == 12
        assert not [name for name in left.list_names(Path("/t-0")) if name.endswith((".swap", ".cleaned", ".deleted"))]
        compact(log)
        assert contents(log) == after


def test_a_loss_of_power_at_any_operation_leaves_the_old_log_or_the_new() -> None:
    changes = compact_until(None)[3]
    assert changes > 20
    before_every_change(changes, look_after_a_loss)


@pytest.mark.parametrize("fields", [{"record_count": 2}, {"attributes": 1}], ids=["records", "compression"])
@pytest.mark.parametrize("checkpoint", [None, 2], ids=["dirty", "clean"])
def test_records_that_cannot_be_read_are_told_with_their_file_and_byte(
    tmp_path: Path, fields: dict[str, int], checkpoint: int | None
) -> None:
    log = open_log(tmp_path)
    good = make_batch([Record(0, 0, 0, b"k", b"v", b"\0")])
    append(log, good)
    append(log, make_batch([Record(0, 0, 0, b"k", b"v", b"\0")], **fields))
    log.roll(NOW)
    append(log, good)
    log.roll(NOW)
    with pytest.raises(DamagedBatchError, match=f"{log.segments[0].path('.log')} at byte {len(good)}: "):
        compact(log, checkpoint)
    assert len(log.segments) == 3
    assert not list(tmp_path.glob("*.cleaned"))
