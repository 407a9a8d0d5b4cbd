"""What a deletion may take away under a flush and what not, and what is left open after it."""

import errno
from contextlib import nullcontext
from pathlib import Path

import pytest

from impl.errors import StorageError
from impl.storage.deletion import Deletions
from impl.storage.faults import Fault, Kind
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.segment import DELETED
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.support import NOW, append, make_batch, records

HOME = Path("/logs/t-0")
BATCH_BYTES = len(make_batch(records(b"v")))
ONE_BATCH = SegmentLimits(BATCH_BYTES, 1 << 60, 10 << 20, 4096)


def log_of(files: FileSystem, directory: Path, count: int) -> Log:
    """A log with one record a segment."""
    log = Log(files, directory, ONE_BATCH, NOW)
    for _ in range(count):
        append(log, make_batch(records(b"v")))
    return log


def open_in(directory: Path) -> list[str]:
    """The files below a directory that this process has open."""
    descriptors = Path("/proc/self/fd")
    targets = [str(each.readlink()) for each in descriptors.iterdir() if each.is_symlink()]
    return [target for target in targets if target.startswith(f"{directory}/")]


@pytest.mark.parametrize("kind", ["sync", "sync directory"])
@pytest.mark.parametrize(
    ("is_going", "error", "fails"),
    [(True, errno.ENOENT, False), (True, errno.EIO, True), (False, errno.ENOENT, True), (False, errno.EIO, True)],
)
def test_a_flush_misses_only_what_a_deletion_took_away(kind: Kind, error: int, *, is_going: bool, fails: bool) -> None:
    files = SimulatedFileSystem()
    log = log_of(files, HOME, 1)
    job = log.flush_job(1)
    if is_going:
        log.begin_deletion()
    fault = Fault(kind, error=error, path_contains=str(HOME))
    files.faults.planned.append(fault)
    with pytest.raises(StorageError) if fails else nullcontext():
        job()
    assert fault.seen
    assert log.recovery_point == (0 if fails else 1)


def test_a_flush_misses_segments_whose_names_a_deletion_has_just_changed() -> None:
    files = SimulatedFileSystem()
    log = log_of(files, HOME, 3)
    job = log.flush_job(2)
    log.segments[0].rename(DELETED)
    fault = Fault("sync", error=errno.ENOENT, path_contains=str(HOME))
    files.faults.planned.append(fault)
    job()
    assert fault.seen
    assert log.recovery_point == 2


@pytest.mark.parametrize("is_real", [False, True], ids=["simulated", "real"])
def test_a_flush_does_not_miss_segments_that_a_truncation_took_away(tmp_path: Path, *, is_real: bool) -> None:
    log = log_of(RealFileSystem() if is_real else SimulatedFileSystem(), tmp_path / "t-0", 3)
    job = log.flush_job(3)
    log.truncate_to(1, NOW)
    job()
    assert log.recovery_point <= 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells what is open on Linux only")
def test_nothing_stays_open_of_a_log_that_was_deleted(tmp_path: Path) -> None:
    files = RealFileSystem()
    log = log_of(files, tmp_path / "t-0", 3)
    assert len(open_in(tmp_path)) >= len(log.segments)
    log.begin_deletion()
    gone = tmp_path / "t-0.deleted"
    files.rename(log.directory, gone)
    log.moved_to(gone)
    deletions = Deletions(files)
    deletions.add_log(log, NOW)
    deletions.run(NOW)
    assert not files.exists(gone)
    assert not open_in(tmp_path)
