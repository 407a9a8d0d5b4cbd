"""Storage processes: what they answer, how they fail, and what is said of targets that have none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.case import CASES
from conformance.client import Client
from conformance.disk import one, segments_of
from conformance.engine import Bench, load_cases, run_case
from conformance.names import Names
from conformance.results import Verdict
from conformance.targets.bundled import Bundled
from conformance.targets.mock import Mock
from conformance.targets.process_target import Launch
from conformance.targets.storage import StorageFailedError, StorageProcess
from conformance.translate.disk import Disk
from model.profiles import profile_named
from model.reference.disk_steps import Damage, DiskHistory, Restart

HISTORY = DiskHistory(steps=(), limits=segments_of(2))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(Bundled().storage_process(), tmp_path, HISTORY)
    yield made
    made.close()


def test_what_is_seen_of_a_log(disk: Disk, tmp_path: Path) -> None:
    seen = [disk.take(one(at=each)) for each in range(3)][-1]
    assert (seen["names"], seen["log_end"], seen["rewritten"]) == ((0, 2), 3, ())
    assert seen["records"] == tuple((offset, b"k", b"v") for offset in range(3))
    assert sorted(each.name for each in (tmp_path / "t-0").glob("*.log")) == [f"{base:020d}.log" for base in (0, 2)]


@pytest.mark.parametrize(
    ("damage", "end"), [(Damage.NONE, 3), (Damage.TORN, 2), (Damage.ZEROS, 3), (Damage.INDEXES, 3)], ids=str
)
def test_damage_is_done_between_a_kill_and_a_start(disk: Disk, damage: Damage, end: int) -> None:
    for each in range(3):
        disk.take(one(at=each))
    assert disk.take(Restart(damage=damage))["log_end"] == end


@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_batch_can_be_flipped(disk: Disk, place: int) -> None:
    for each in range(3):
        disk.take(one(at=each))
    assert disk.take(Restart(damage=Damage.FLIPPED, place=place))["log_end"] == place


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    process = StorageProcess(Bundled().storage_process(), tmp_path)
    try:
        with pytest.raises(StorageFailedError, match="failed to flush: AssertionError"):
            process.ask("flush")
    finally:
        process.kill()


def test_a_process_that_ended_is_told(tmp_path: Path) -> None:
    process = StorageProcess(Launch([sys.executable, "-c", "raise SystemExit('no disk')"]), tmp_path)
    try:
        with pytest.raises(StorageFailedError, match=r"(?s)failed to flush: it ended.*no disk"):
            process.ask("flush")
    finally:
        process.kill()


def test_a_target_without_one_supports_none_of_its_cases() -> None:
    load_cases()
    with Mock() as target:
        bench = Bench(target, Client(target), profile_named("3.9-kraft"), Names("t"))
        result = run_case(CASES["SEG-01/segments_roll_by_size"], bench, "highest")
        bench.client.close()
    assert (result.verdict, "no storage process" in result.detail) == (Verdict.UNSUPPORTED, True)
