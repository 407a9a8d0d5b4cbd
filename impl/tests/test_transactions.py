"""`.txnindex`: what is in it after appends, recovery, truncation, deletion, compaction and a loss of power."""

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from impl.storage.batch import CONTROL_BIT, TRANSACTIONAL_BIT, parse_header
from impl.storage.faults import Crash, Faults, crash_before
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.recovery import LogStart
from impl.storage.segment import TRANSACTION_INDEX
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.transactions import ENTRY, MARKER_KEY, MARKER_VALUE, AbortedTransaction, read_marker
from impl.tests.logs import compact, pairs_batch
from impl.tests.support import LIMITS, NOW, append, make_batch, open_log, records
from impl.tests.transactions import EXPECTED, HOME, aborted, check_loss_of_power, check_restarts, end, filled, write


def indexes(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob(f"*{TRANSACTION_INDEX}*"))


def test_an_abort_is_indexed_in_the_segment_of_its_marker(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    assert [segment.aborted for segment in log.segments] == [[], EXPECTED[:1], EXPECTED[1:]]
    log.close()
    assert indexes(tmp_path) == [f"{base:020}.txnindex" for base in (2, 5)]
    content = (tmp_path / f"{2:020}.txnindex").read_bytes()
    assert content == bytes.fromhex("0000 0000000000000001 0000000000000000 0000000000000003 0000000000000001")


def test_a_commit_and_a_marker_alone_are_not_indexed(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    end(log, 1)
    write(log, 2)
    end(log, 2, aborts=False)
    end(log, 2)
    assert aborted(log) == []
    log.close()
    assert indexes(tmp_path) == []


def reopened(directory: Path, *, was_clean: bool = False, recovery_point: int = 0) -> Log:
    start = LogStart(was_clean=was_clean, recovery_point=recovery_point, producer_age_ms_max=1 << 60)
    return Log(RealFileSystem(), directory, LIMITS, NOW, start)


@pytest.mark.parametrize("was_clean", [True, False])
def test_a_start_finds_them(tmp_path: Path, *, was_clean: bool) -> None:
    log = filled(RealFileSystem(), tmp_path)
    if was_clean:
        log.close()
    else:
        log.abandon()
    log = reopened(tmp_path, was_clean=was_clean)
    assert aborted(log) == EXPECTED
    end(log, 4)
    assert aborted(log)[-1] == AbortedTransaction(4, 5, 7, 8)


@pytest.mark.parametrize("recovery_point", [0, 2, 5])
@pytest.mark.parametrize("content", [b"", b"\x00" * 10, ENTRY.pack(0, 9, 9, 9, 9) * 2])
def test_recovery_makes_indexes_again(tmp_path: Path, content: bytes, recovery_point: int) -> None:
    log = filled(RealFileSystem(), tmp_path)
    log.abandon()
    for base in (2, 5):
        if base >= recovery_point:
            (tmp_path / f"{base:020}.txnindex").write_bytes(content)
    assert aborted(reopened(tmp_path, recovery_point=recovery_point)) == EXPECTED


@pytest.mark.parametrize(
    "content",
    [
        b"\x00" * 10,
        ENTRY.pack(1, 1, 0, 3, 1),
        ENTRY.pack(0, 1, 0, 1, 1),
        ENTRY.pack(0, 1, 0, 5, 1),
        ENTRY.pack(0, 1, 0, 3, 1) * 2,
    ],
)
@pytest.mark.parametrize("was_clean", [True, False])
def test_what_does_not_fit_is_made_again(tmp_path: Path, content: bytes, *, was_clean: bool) -> None:
    filled(RealFileSystem(), tmp_path).close()
    (tmp_path / f"{2:020}.txnindex").write_bytes(content)
    assert aborted(reopened(tmp_path, was_clean=was_clean, recovery_point=5)) == EXPECTED


@pytest.mark.parametrize(("offset", "left"), [(7, 2), (6, 1), (5, 1), (4, 1), (3, 0), (0, 0)])
def test_truncation_forgets_what_it_cuts(tmp_path: Path, offset: int, left: int) -> None:
    log = filled(RealFileSystem(), tmp_path)
    log.truncate_to(offset, NOW)
    assert aborted(log) == EXPECTED[:left]
    log.close()
    log = reopened(tmp_path, was_clean=True)
    assert aborted(log) == EXPECTED[:left]
    if offset == 6:  # 2's transaction is open again
        end(log, 2)
        assert aborted(log) == EXPECTED


def test_deletion_takes_the_index_along(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    gone = log.delete_oldest(2, NOW)
    assert indexes(tmp_path) == [f"{2:020}.txnindex.deleted", f"{5:020}.txnindex"]
    for segment in gone:
        segment.remove()
    assert indexes(tmp_path) == [f"{5:020}.txnindex"]


def test_compaction_keeps_the_index(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    log.roll(NOW)
    for number in range(3):
        append(log, pairs_batch([(b"k", b"%d" % number)]))
        log.roll(NOW)
    _, replaced = compact(log, checkpoint=7)
    assert replaced
    assert aborted(log) == EXPECTED
    log.close()
    assert aborted(reopened(tmp_path, was_clean=True)) == EXPECTED


def compacted_until(crash_at: int | None) -> SimulatedFileSystem:
    """A log that is durable and then compacted, on a disk whose power fails before a change."""
    files = SimulatedFileSystem()
    files.make_directory(HOME.parent)
    files.sync_directory(Path("/"))
    log = filled(files, HOME)
    log.roll(NOW)
    for number in range(3):
        append(log, pairs_batch([(b"k", b"%d" % number)]))
        log.roll(NOW)
    log.flush()
    files.faults = Faults(before_change=None if crash_at is None else crash_before(crash_at))
    with suppress(Crash):
        compact(log, checkpoint=7)
    return files


def test_a_loss_of_power_during_compaction_leaves_the_index() -> None:
    changes = compacted_until(None).faults.changes
    assert changes > 10
    for crash_at in range(changes):
        files = compacted_until(crash_at)
        for left in (files.after_kill(), *(files.after_power_loss(Random(seed)) for seed in range(8))):
            found = Log(left, HOME, LIMITS, NOW, LogStart(recovery_point=10, may_have_gaps=True))
            assert aborted(found) == EXPECTED, crash_at


def test_the_snapshot_knows_open_transactions(tmp_path: Path) -> None:
    log = filled(RealFileSystem(), tmp_path)
    log.close()
    for path in tmp_path.glob("*.snapshot"):
        if int(path.stem) != 5:
            path.unlink()
    log = reopened(tmp_path, recovery_point=5)
    assert aborted(log) == EXPECTED


def test_what_was_flushed_survives_a_loss_of_power() -> None:
    for seed in range(20):
        check_loss_of_power(seed)


def test_kills_and_cuts() -> None:
    check_restarts()


def test_an_open_transaction_does_not_expire(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    write(log, 1)
    log.producers.expire(NOW + 1000, 1)
    end(log, 1)
    assert aborted(log) == [AbortedTransaction(1, 0, 1, 2)]
    log.producers.expire(NOW + 1000, 1)
    assert len(log.producers) == 0


def test_an_epoch_that_fences_a_producer_aborts_what_it_began(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    write(log, 1)
    batch = make_batch(
        [Record(0, 0, 0, MARKER_KEY.pack(0, 0), MARKER_VALUE.pack(0, 0), b"\x00")],
        producer_id=1,
        producer_epoch=1,
        attributes=TRANSACTIONAL_BIT | CONTROL_BIT,
    )
    append(log, batch)
    assert aborted(log) == [AbortedTransaction(1, 0, 1, 2)]


def test_a_control_batch_that_holds_no_marker_ends_nothing() -> None:
    for content in (records(b"x"), records(None), [Record(0, 0, 0, b"\0\0", b"\0\0", b"\x00")]):
        batch = bytes(make_batch(content, attributes=CONTROL_BIT | TRANSACTIONAL_BIT, producer_id=1))
        assert read_marker(batch, parse_header(batch)) is None
    for kind in (-1, 2, 6):  # types that Kafka has, too: a leader's change, voters
        content = [Record(0, 0, 0, MARKER_KEY.pack(0, kind), MARKER_VALUE.pack(0, 0), b"\x00")]
        batch = bytes(make_batch(content, attributes=CONTROL_BIT, producer_id=1))
        assert read_marker(batch, parse_header(batch)) is None
    torn = bytes(make_batch(records(b"x"), attributes=CONTROL_BIT))[:-3]
    assert read_marker(torn, parse_header(torn)) is None
