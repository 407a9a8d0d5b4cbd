"""Storage processes: what they answer, how they fail, and what is said of targets that have none."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.case import CASES, Run
from conformance.client import Client
from conformance.disk import one, play, segments_of, some
from conformance.engine import Bench, load_cases, run_case
from conformance.names import Names
from conformance.results import Verdict
from conformance.targets.base import Target, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.mock import Mock
from conformance.targets.process_target import Launch
from conformance.targets.storage import StorageFailedError, StorageProcess
from conformance.translate.disk import Disk, try_storage
from conformance.wire.batch import encode_batches
from model.profiles import profile_named
from model.reference.disk_steps import Damage, DiskHistory, DiskStep, Flush, Restart

HISTORY = DiskHistory(steps=(), limits=segments_of(2))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(Bundled().storage_process(), tmp_path, HISTORY)
    yield made
    made.close()


def test_what_is_seen_of_a_log(disk: Disk, tmp_path: Path) -> None:
    seen = [disk.take(one(at=each)) for each in range(3)][-1]
    assert (seen["segment_base_offsets"], seen["log_end"]) == ((0, 2), 3)
    assert seen["records"] == tuple((offset, b"k", b"v") for offset in range(3))
    assert sorted(each.name for each in (tmp_path / "t-0").glob("*.log")) == [f"{base:020d}.log" for base in (0, 2)]


def test_what_was_rewritten_is_told_of_segments_that_were_closed_before(disk: Disk, tmp_path: Path) -> None:
    assert ["rewritten" in disk.take(one(at=each)) for each in range(5)] == [False, False, False, True, True]
    assert disk.take(one(at=5))["rewritten"] == ()
    for base, written in ((0, True), (4, False)):
        path = tmp_path / "t-0" / f"{base:020d}.log"
        path.write_bytes(path.read_bytes() + b" ")
        assert disk.take(Flush())["rewritten"] == ((path.name,) if written else ())


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


def asked(launch: Launch, folder: Path, do: str = "flush", ceiling_s: float = 60.0) -> Mapping[str, Any]:
    """What a storage process answers to its first command."""
    process = StorageProcess(launch, folder, ceiling_s)
    try:
        process.start()
        return process.ask(do)
    finally:
        process.kill()


def saying(code: str) -> Launch:
    """A storage process that is no more than this."""
    return Launch([sys.executable, "-c", code])


def answering(answer: str) -> Launch:
    """A storage process that says the same to everything."""
    return saying(f"import sys\nfor _ in sys.stdin: print({answer!r}, flush=True)")


ENDED = saying("raise SystemExit('no disk')")
SILENT = saying("import sys; sys.stdin.read()")


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match="failed to flush: AssertionError"):
        asked(Bundled().storage_process(), tmp_path)


def test_a_process_that_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match=r"(?s)failed to flush: it ended.*no disk"):
        asked(ENDED, tmp_path)


def test_a_process_that_can_not_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match="can't run no-such-command"):
        asked(Launch(["no-such-command"]), tmp_path)


def test_a_process_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match=r"failed to flush: no answer within 0\.1 s"):
        asked(SILENT, tmp_path, ceiling_s=0.1)


def test_nor_is_one_that_takes_no_commands(tmp_path: Path) -> None:
    process = StorageProcess(saying("import signal; signal.pause()"), tmp_path, 0.1)
    process.start()
    with pytest.raises(StorageFailedError, match="no answer within"):
        process.ask("append", batch="A" * 1_000_000)
    process.kill()


@pytest.mark.parametrize(
    ("do", "answer", "said"),
    [
        ("flush", "hello", "its answer is no JSON object: b'hello"),
        ("flush", "[1]", "its answer is no JSON object"),
        ("flush", '{"log_start": 0, "recovery_point": 0}', "its answer has no offset 'log_end'"),
        ("flush", '{"log_start": 0, "log_end": "1", "recovery_point": 0}', "its answer has no offset 'log_end'"),
        ("flush", '{"log_start": 0, "log_end": -1, "recovery_point": 0}', "its answer has no offset 'log_end'"),
        ("flush", '{"log_start": true, "log_end": 1, "recovery_point": 0}', "its answer has no offset 'log_start'"),
        ("read", '{"batch": null}', "its answer has no text 'batch'"),
    ],
)
def test_an_answer_that_can_not_be_used_is_told(tmp_path: Path, do: str, answer: str, said: str) -> None:
    with pytest.raises(StorageFailedError, match=f"failed to {do}: {said}"):
        asked(answering(answer), tmp_path, do)


class Stored(Mock):
    """A target whose storage process is a certain one."""

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self._launch = launch

    def storage_process(self) -> Launch:
        return self._launch


@contextmanager
def bench_of(target: Target) -> Iterator[Bench]:
    load_cases()
    with target:
        bench = Bench(target, Client(target), profile_named("3.9-kraft"), Names("t"))
        yield bench
        bench.client.close()


EMPTY = '{"log_start": 0, "log_end": 0, "recovery_point": 0}'


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (Launch(["no-such-command"]), "can't run no-such-command"),
        (ENDED, "failed to open: it ended"),
        (answering("hello"), "failed to open: its answer is no JSON object"),
        (answering('{"log_start": 0}'), "failed to open: its answer has no offset"),
        (answering(EMPTY), "there is no segment on the disk"),
    ],
    ids=["no command", "ended", "no JSON", "no offset", "no segment"],
)
def test_a_bad_process_fails_the_case_of_its_first_step(launch: Launch, said: str) -> None:
    with bench_of(Stored(launch)) as bench:
        result = run_case(CASES["SEG-03/no_limit_is_reached"], bench, "highest")
    assert (result.verdict, said in result.detail) == (Verdict.FAIL, True), result.detail


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        (Launch(["no-such-command"]), "absolute.*can't run no-such-command"),
        (ENDED, "(?s)failed to open: it ended.*no disk"),
        (answering("hello"), "its answer is no JSON object"),
        (["no-such-command"], r"must return a Launch, and returned \['no-such-command'\]"),
    ],
    ids=["no command", "ended", "no JSON", "no Launch"],
)
def test_a_process_that_can_not_be_had_is_told_before_the_first_case(launch: Launch, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        try_storage(Stored(launch))


def test_what_a_process_says_that_it_can_not_do_is_left_to_the_cases() -> None:
    try_storage(Stored(answering('{"error": "not yet"}')))
    try_storage(Stored(answering(EMPTY)))


def test_no_case_passes_a_process_that_ended() -> None:
    with bench_of(Stored(ENDED)) as bench:
        results = [run_case(each, bench, "highest") for each in CASES.values() if "storage" in each.needs]
    assert len(results) > 40
    assert {each.verdict for each in results} == {Verdict.FAIL, Verdict.NOT_RUN}
    assert all("failed to open: it ended" in each.detail for each in results)


KAFKA_LIKE = Path(__file__).parents[2] / "tests" / "kafka_like_storage.py"


load_cases()


@pytest.mark.parametrize("case", [each.id for each in CASES.values() if "storage" in each.needs])
def test_a_log_that_does_no_more_than_kafkas_passes(case: str) -> None:
    launch = Launch([sys.executable, "-P", str(KAFKA_LIKE)], {"PYTHONPATH": str(KAFKA_LIKE.parents[2])})
    with bench_of(Stored(launch)) as bench:
        result = run_case(CASES[case], bench, "highest")
    assert (result.verdict, result.beside) == (Verdict.PASS, ()), result.detail


class Unrolled(Bundled):
    """A broker whose storage process begins no second segment."""

    def storage_process(self) -> Launch:
        made = super().storage_process()
        code = "from impl.storage.log import Log\nLog.roll_for = lambda *_: None\n"
        return Launch(
            [sys.executable, "-c", f"{code}from conformance.targets.storage_bundled import main; main()"],
            made.environment,
        )


def test_no_closed_segment_stays_as_it_is_if_there_is_none() -> None:
    with bench_of(Stored(Unrolled().storage_process())) as bench:
        result = run_case(CASES["SEG-09/closed_segments_stay_as_they_are"], bench, "highest")
    assert (result.verdict, result.missed) == (Verdict.NOT_RUN, frozenset({"SEG-09"})), result.detail


def test_what_the_model_leaves_open_is_not_run_and_says_why() -> None:
    def drive(run: Run) -> None:
        """Append so that it depends on a roll whether the log is flushed."""
        play(run, *some(3), limits=segments_of(2), flush_messages=3)

    left_open = evolve(CASES["DUR-11/appends_flush_by_themselves"], drive=drive)
    with bench_of(Stored(Bundled().storage_process())) as bench:
        result = run_case(left_open, bench, "highest")
    assert result.verdict is Verdict.NOT_RUN
    assert result.detail == "the append reaches flush.messages or not, by whether a roll has flushed the log"


TWICE = base64.b64encode(encode_batches((one().batch, one().batch))).decode()
TOO_LONG = bytes(8) + b"\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("name", "content", "batch", "step", "said"),
    [
        ("0.log", b"", "A", Flush(), "a read of offset 0 gave what is no base64"),
        ("0.log", b"", TWICE, Flush(), "a read of offset 0 gave 2 batches instead of one"),
        ("x.log", b"", "", Flush(), "a file is not named after an offset: x.log"),
        ("0.log", b"", "", Restart(damage=Damage.FLIPPED), "of 0 batches in the log there is none at -1"),
        ("0.log", TOO_LONG, "", Restart(damage=Damage.FLIPPED), "a batch on the disk claims a length of 1 bytes"),
    ],
    ids=["no base64", "two batches", "file name", "no batch", "length"],
)
def test_what_is_no_log_is_told(
    tmp_path: Path, name: str, content: bytes, batch: str, step: DiskStep, said: str
) -> None:
    (tmp_path / "t-0").mkdir()
    (tmp_path / "t-0" / name).write_bytes(content)
    answer = {"log_start": 0, "log_end": 1, "recovery_point": 0, "batch": batch}
    disk = Disk(answering(json.dumps(answer)), tmp_path, HISTORY)
    try:
        with pytest.raises(StorageFailedError, match=said):
            disk.take(step)
    finally:
        disk.close()


def test_a_target_without_one_supports_none_of_its_cases() -> None:
    with bench_of(Mock()) as bench:
        result = run_case(CASES["SEG-01/segments_roll_by_size"], bench, "highest")
    assert (result.verdict, "no storage process" in result.detail) == (Verdict.UNSUPPORTED, True)
