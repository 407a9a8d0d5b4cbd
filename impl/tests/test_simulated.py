"""The simulated disk keeps what was made durable, may lose anything else, and the real one obeys the same calls."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.errors import StorageError
from impl.storage.faults import Crash, Fault, Faults, crash_before
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.survivors import FileContent

HOME = Path("/disk")
FILE = HOME / "file"
SEEDS = range(200)


def disk(*faults: Fault, capacity: int | None = None) -> SimulatedFileSystem:
    files = SimulatedFileSystem()
    files.make_directory(HOME)
    files.sync_directory(Path("/"))
    files.faults = Faults(list(faults), capacity)
    return files


def durable_file(files: FileSystem, content: bytes) -> None:
    file = files.open(FILE, create=True)
    file.write_at(0, (content,))
    file.sync()
    files.sync_directory(HOME)


def outcomes(files: SimulatedFileSystem, page_size: int = 4096) -> set[bytes | None]:
    found = set()
    for seed in SEEDS:
        after = files.after_power_loss(Random(seed), page_size)
        found.add(after.read_file(FILE) if after.exists(FILE) else None)
    return found


def test_what_was_synced_survives() -> None:
    files = disk()
    durable_file(files, b"kept")
    files.open(FILE).write_at(4, (b" and lost",))
    assert {(found or b"")[:4] for found in outcomes(files)} == {b"kept"}
    assert files.read_file(FILE) == b"kept and lost"


def test_a_name_that_was_not_synced_may_be_lost() -> None:
    files = disk()
    file = files.open(FILE, create=True)
    file.write_at(0, (b"x",))
    file.sync()
    assert outcomes(files) == {None, b"x"}


def test_a_write_may_be_lost_torn_or_read_as_zeros() -> None:
    files = disk()
    durable_file(files, b"")
    files.open(FILE).write_at(0, (b"ab",))
    assert outcomes(files, page_size=2) == {b"", b"a", b"ab", b"\0\0", b"a\0"}


def test_pages_are_written_back_in_any_order() -> None:
    files = disk()
    durable_file(files, b"aabb")
    file = files.open(FILE)
    file.write_at(0, (b"AA",))
    file.write_at(2, (b"BB",))
    assert {b"aabb", b"AAbb", b"aaBB", b"AABB"} <= outcomes(files, page_size=2)


def test_a_truncation_may_be_lost_under_what_was_written_after_it() -> None:
    files = disk()
    durable_file(files, b"oldold")
    file = files.open(FILE)
    file.truncate(0)
    file.write_at(0, (b"new",))
    assert {b"oldold", b"new", b"newold"} <= outcomes(files, page_size=3)


def test_a_rename_survives_whole_or_not_at_all() -> None:
    files = disk()
    durable_file(files, b"old")
    beside = files.open(HOME / "beside", create=True)
    beside.write_at(0, (b"new",))
    beside.sync()
    files.move(HOME / "beside", FILE)
    assert outcomes(files) == {b"old", b"new"}


def test_a_file_that_is_replaced_has_the_old_content_or_the_new_at_every_change() -> None:
    for change in range(20):
        files = disk()
        durable_file(files, b"old")
        files.faults = Faults(before_change=crash_before(change))
        try:
            files.replace_file(FILE, b"new")
        except Crash:
            assert outcomes(files) <= {b"old", b"new"}
        else:
            assert outcomes(files) == {b"new"}
            return
    raise AssertionError("twenty changes were not enough")


def test_a_failed_sync_loses_what_it_should_have_kept_and_the_next_one_says_nothing() -> None:
    files = disk()
    durable_file(files, b"")
    files.faults = Faults([Fault("sync")])
    file = files.open(FILE)
    file.write_at(0, (b"ab",))
    with pytest.raises(StorageError):
        file.sync()
    file.write_at(2, (b"cd",))
    file.sync()
    assert files.read_file(FILE) == b"abcd"
    assert outcomes(files) == {b"\0\0cd"}


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("read", lambda files: files.read_file(FILE)),
        ("read", lambda files: files.open(FILE).read_at(1, 2)),
        ("write", lambda files: files.open(FILE).write_at(1, (b"x",))),
        ("truncate", lambda files: files.open(FILE).truncate(1)),
        ("sync", lambda files: files.open(FILE).sync()),
        ("sync directory", lambda files: files.sync_directory(HOME)),
        ("open", lambda files: files.open(HOME / "other", create=True)),
        ("make", lambda files: files.make_directory(HOME / "other")),
        ("move", lambda files: files.move(FILE, HOME / "other")),
        ("remove", lambda files: files.remove(FILE)),
        ("list", lambda files: files.list_names(HOME)),
    ],
)
def test_every_operation_can_fail_and_says_where(kind: str, act: Callable[[FileSystem], object]) -> None:
    files = disk()
    durable_file(files, b"content")
    files.faults = Faults([Fault(kind)])  # type: ignore[arg-type]
    with pytest.raises(StorageError) as failure:
        act(files)
    assert str(HOME) in str(failure.value)
    assert "check the disk" in str(failure.value)
    act(files)  # it failed once


def test_short_writes_are_continued() -> None:
    files = disk(Fault("write", lasts=True, is_short_write=True, bytes_taken=3))
    files.open(FILE, create=True).write_at(2, (b"ab", b"cdefgh", b"i"))
    assert files.read_file(FILE) == b"\0\0abcdefghi"


def test_a_full_disk_takes_what_fits() -> None:
    files = disk(capacity=5)
    file = files.open(FILE, create=True)
    with pytest.raises(StorageError) as failure:
        file.write_at(0, (b"abcdefgh",))
    assert failure.value.errno == errno.ENOSPC
    assert failure.value.position == 5
    assert files.read_file(FILE) == b"abcde"
    file.write_at(0, (b"ABCDE",))


def test_a_bit_flips_at_rest() -> None:
    files = disk()
    durable_file(files, b"a")
    files.content(FILE).flip(0, 1)
    assert files.read_file(FILE) == b"c"
    assert outcomes(files) == {b"c"}


def test_a_killed_process_leaves_everything_and_the_machine_may_still_lose_it() -> None:
    files = disk()
    durable_file(files, b"ab")
    files.move(FILE, HOME / "moved")
    files.open(HOME / "moved").write_at(2, (b"c",))
    after = files.after_kill()
    assert after.read_file(HOME / "moved") == b"abc"
    after.open(HOME / "moved").sync()
    assert outcomes(after) == {None, b"abc"}
    assert files.content(HOME / "moved").pending


@given(st.integers(0, 2**32), st.integers(1, 64))
def test_the_same_seed_loses_the_same(seed: int, page_size: int) -> None:
    content = FileContent(b"0123456789")
    for position in range(0, 40, 5):
        content.change((position, b"abcdefg"))
    content.change((11, None))
    first, second = (content.survivor(Random(seed), page_size) for _ in range(2))
    assert first == second


def test_a_real_disk_says_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RealFileSystem().open(tmp_path / "file", create=True)

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwritev", fail)
    with pytest.raises(StorageError) as failure:
        file.write_at(17, (b"x",))
    assert (failure.value.errno, failure.value.position) == (errno.ENOSPC, 17)
    assert str(failure.value) == (
        f"cannot write {tmp_path}/file at byte 17: No space left on device; "
        "free space on this file system, then restart the broker"
    )


def test_a_real_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RealFileSystem().open(tmp_path / "file", create=True)
    monkeypatch.setattr(os, "pwritev", lambda descriptor, buffers, at: os.pwrite(descriptor, bytes(buffers[0])[:1], at))
    assert file.write_at(1, (b"abc", b"def")) == 6
    assert file.read_at(0, 10) == b"\0abcdef"


def test_whole_files_are_written_without_anybodys_descriptor(tmp_path: Path) -> None:
    """Another thread may write a checkpoint while a segment's descriptor is in use."""
    files = RealFileSystem(descriptors_max=1)
    file = files.open(tmp_path / "segment", create=True)
    descriptor = file.fileno()
    files.replace_file(tmp_path / "checkpoint", b"1")
    assert file.fileno() == descriptor
    os.pwrite(descriptor, b"batch", 0)
    assert files.read_file(tmp_path / "segment") == b"batch"
