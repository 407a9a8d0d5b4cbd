"""Compaction of logs with transactions: what was aborted, markers, and what readers of committed records find then."""

from contextlib import suppress
from pathlib import Path
from random import Random

import attrs
import pytest

from impl.storage.faults import Crash, Faults, crash_before
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.committed import DrawnLog, Found, consumed, leader_of
from impl.tests.logs import COMPACTION, batches, before_every_change, compact, contents
from impl.tests.support import LIMITS, NOW, append, open_log
from impl.tests.transactions import HOME, aborted, end, plain, write

RETENTION_MS = COMPACTION.delete_retention_ms


def offsets(log: Log) -> list[int]:
    """Those of all batches, also empty ones."""
    return [header.base_offset for header, _ in batches(log)]


def roll_and_compact(log: Log, checkpoint: int | None = None, now_ms: int = NOW) -> int:
    """Begin a new segment, with a record of another key, and compact what is before it."""
    log.roll(NOW)
    append(log, plain(b"z", b"active"))
    return compact(log, checkpoint, now_ms=now_ms)[0]


def test_what_was_aborted_goes_and_lets_nothing_go(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, plain(b"k", b"1"))
    write(log, 1, pair=(b"k", b"2"))
    end(log, 1)
    write(log, 1, 1, pair=(b"other", b"3"))
    end(log, 1, aborts=False)
    roll_and_compact(log)
    assert [each[:3] for each in contents(log)] == [(0, b"k", b"1"), (3, b"other", b"3"), (5, b"z", b"active")]
    assert offsets(log) == [0, 2, 3, 4, 5]  # with both markers


def test_the_last_batch_of_a_producer_stays_without_its_aborted_records(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    write(log, 1)
    end(log, 1)
    roll_and_compact(log)
    headers = [header for header, _ in batches(log)]
    assert [(each.base_offset, each.record_count) for each in headers] == [(0, 0), (1, 1), (2, 1)]
    assert headers[0].is_transactional
    clean_to = roll_and_compact(log, 2, NOW + 10 * RETENTION_MS)
    assert offsets(log) == [0, 1, 2, 3]  # and as long as it is there, so is its marker
    assert [header.delete_horizon_ms for header, _ in batches(log)] == [None] * 4
    log.producers.clear()
    roll_and_compact(log, clean_to)
    assert offsets(log)[0] == 1


@pytest.mark.parametrize("aborts", [True, False])
def test_a_marker_stays_for_a_while_after_its_transaction(tmp_path: Path, *, aborts: bool) -> None:
    log = open_log(tmp_path)
    write(log, 1)
    marker = end(log, 1, aborts=aborts)
    append(log, plain(b"k", b"newer"))
    log.producers.clear()
    clean_to, horizon_ms = None, NOW + RETENTION_MS
    for now_ms, has_horizon in ((NOW - 1, False), (NOW, True), (horizon_ms - 1, True)):
        clean_to = roll_and_compact(log, clean_to, now_ms)
        (found,) = (header for header, _ in batches(log) if header.is_control)
        assert found.base_offset == marker
        assert found.delete_horizon_ms == (horizon_ms if has_horizon else None)
        assert len(aborted(log)) == (aborts and not has_horizon)
    roll_and_compact(log, clean_to, horizon_ms)
    assert not [header for header, _ in batches(log) if header.is_control]


def test_each_marker_is_about_its_own_transaction(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for sequence, key in enumerate((b"there", b"k")):
        write(log, 1, sequence, pair=(key, b"v"))
        end(log, 1, aborts=False)
    append(log, plain(b"k", b"newer"))
    log.producers.clear()
    clean_to = roll_and_compact(log)
    roll_and_compact(log, clean_to)
    markers = [header for header, _ in batches(log) if header.is_control]
    assert [(each.base_offset, each.delete_horizon_ms is None) for each in markers] == [(1, True), (3, False)]


def test_a_marker_that_is_all_that_tells_an_epoch_stays_without_its_record(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    write(log, 1)
    end(log, 1, epoch=1)
    clean_to: int | None = None
    for now_ms in (NOW, NOW, NOW + RETENTION_MS):
        clean_to = roll_and_compact(log, clean_to, now_ms)
    (left,) = (header for header, _ in batches(log) if header.is_control)
    assert (left.base_offset, left.record_count, left.producer_epoch) == (1, 0, 1)
    clean_to = roll_and_compact(log, clean_to, NOW + RETENTION_MS)
    log.producers.clear()
    roll_and_compact(log, clean_to, NOW + RETENTION_MS)
    assert offsets(log)[0] > 1


def test_a_transaction_over_several_segments_is_followed_from_one_to_the_next(tmp_path: Path) -> None:
    """Also from one group of segments to the next."""
    log = open_log(tmp_path, attrs.evolve(LIMITS, bytes_max=150))
    for sequence in range(6):
        write(log, 1, sequence, pair=(b"%d" % sequence, b"v"))
        log.roll(NOW)
    end(log, 1)
    append(log, plain(b"0", b"v"))
    log.producers.clear()
    roll_and_compact(log)
    assert offsets(log) == [6, 7, 8]
    assert [each.first_offset for each in aborted(log)] == [0]


def test_nothing_undecided_is_compacted(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, plain(b"k", b"1"))
    append(log, plain(b"k", b"2"))
    log.roll(NOW)
    write(log, 1)
    append(log, plain(b"k", b"3"))
    roll_and_compact(log)
    assert offsets(log) == [1, 2, 3, 4]


def test_what_was_aborted_before_a_pass_begins_is_over(tmp_path: Path) -> None:
    """The first pass ends inside a segment, after the abort of a producer that then deletes a key."""
    log = open_log(tmp_path)
    append(log, plain(b"k", b"old"))
    write(log, 1, pair=(b"x", b"aborted"))
    end(log, 1)
    append(log, plain(b"a", b"1"))
    append(log, plain(b"b", b"1"))
    tombstone = write(log, 1, 1, pair=(b"k", None))
    end(log, 1, aborts=False)
    log.roll(NOW)
    append(log, plain(b"z", b"active"))
    clean_to, _ = compact(log, keys_max=3)
    assert clean_to == tombstone
    compact(log, clean_to, keys_max=3)
    assert [each[:3] for each in contents(log) if each[1] == b"k"] == [(tombstone, b"k", None)]


def left_of(committed: list[Found], clean_to: int) -> list[Found]:
    """What compaction leaves of records that were committed."""
    newest = {key: offset for offset, key, _ in committed if offset < clean_to}
    return [each for each in committed if each[0] >= clean_to or newest[each[1]] == each[0]]


@pytest.mark.parametrize("keys_max", [2, 3, 5, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_a_reader_finds_what_is_committed_after_every_compaction(tmp_path: Path, seed: int, keys_max: int) -> None:
    drawn = DrawnLog(tmp_path, seed)
    clean_to: int | None = None
    for round_ in range(4):
        drawn.go_on()
        now_ms = NOW + round_ * RETENTION_MS // 2
        clean_to, _ = compact(drawn.log, clean_to, now_ms=now_ms, keys_max=keys_max)
        expected, partition = left_of(drawn.committed, clean_to), leader_of(drawn.log)
        for offset in (0, clean_to // 2, clean_to):
            for bytes_max in (1, 300, 1 << 20):
                assert list(consumed(partition, offset, bytes_max)) == [each for each in expected if each[0] >= offset]


# -- losses of power -------------------------------------------------------------------------------------------------


def compacted_until(crash_at: int | None) -> SimulatedFileSystem:
    """A log whose index of aborted transactions loses all that is in it, on a disk that fails before a change."""
    files = SimulatedFileSystem()
    files.make_directory(HOME.parent)
    files.sync_directory(Path("/"))
    log = Log(files, HOME, LIMITS, NOW)
    write(log, 1)
    end(log, 1)
    append(log, plain(b"k", b"newer"))
    log.producers.clear()
    clean_to = roll_and_compact(log)
    log.roll(NOW)
    append(log, plain(b"z", b"active"))
    log.flush()
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    with suppress(Crash):
        compact(log, clean_to)
    return files


def test_an_index_that_is_out_of_date_is_not_beside_newer_batches_after_a_loss_of_power() -> None:
    def look(change: int) -> None:
        files = compacted_until(change)
        for left in (files.after_kill(), *(files.after_power_loss(Random(seed)) for seed in range(8))):
            log = Log(left, HOME, LIMITS, NOW, LogStart(recovery_point=4, may_have_gaps=True))
            markers = [header.delete_horizon_ms for header, _ in batches(log) if header.is_control]
            assert len(markers) == 1
            assert len(aborted(log)) == (markers[0] is None)

    changes = compacted_until(None).faults.changes
    assert changes > 10
    before_every_change(changes, look)
