"""The benchmarks measure what they say, on a small scale; nothing is timed here."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import tracemalloc
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, Message

from conformance.benchmarks import __main__ as program
from conformance.benchmarks import broker, growth, limits, partitions, storage, traffic
from conformance.benchmarks.broker import StalledError
from conformance.benchmarks.figures import LESS_IS_BETTER, LIMIT, MORE_IS_BETTER, Figures, Notes, Row
from conformance.benchmarks.reader import BUFFER_BYTES, Reader
from conformance.targets.bundled import Bundled
from conformance.wire.batch import decode_batches


@pytest.mark.parametrize("batch_bytes", storage.BATCH_BYTES)
def test_a_log_is_written_as_a_leader_writes_it(tmp_path: Path, batch_bytes: int) -> None:
    path = tmp_path / "log"
    count = storage.write_log(path, batch_bytes, 10 * batch_bytes)
    found = decode_batches(path.read_bytes())
    assert not found.partial_tail
    assert [each.base_offset for each in found.batches] == list(range(count))
    assert all(each.crc_is_right and each.partition_leader_epoch == 0 for each in found.batches)
    assert path.stat().st_size / count == pytest.approx(batch_bytes, rel=0.01)


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_was_written_is_recovered_and_read(is_on_disk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "forget_pages", lambda _path: is_on_disk)
    figures: dict[str, float] = {}
    steps: list[str] = []
    storage.measure(Bundled(), Notes(figures.__setitem__, steps.append), log_bytes=1 << 20, partitions=3)
    of_disk = ("fetch cold", "limit: reading the file from the disk", "limit: sending the file from the disk")
    cold = dict.fromkeys(of_disk, 2) if is_on_disk else {}
    assert _kinds(figures) == {
        "recovery": 2, "fetch warm": 2, "opening 3 partitions (s)": 1,
        "memory of the broker alone (MiB)": 1, "memory added by 3 partitions (MiB)": 1,
        "limit: a copy in memory (GB/s)": 1, "limit: dd": 1, "limit: opening the files of 3 partitions (s)": 1,
        "limit: reading the file from the page cache": 2, "limit: sending the file from the page cache": 2, **cold,
    }  # fmt: skip
    assert sum("no cold fetches" in each for each in steps) == (0 if is_on_disk else 2)
    _every_unit_is_known(figures)


def test_a_short_measurement_copies_little() -> None:
    tracemalloc.start()
    try:
        limits.copy_speed(broker.MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * broker.MIB


def test_what_a_file_does_not_have_is_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(100))
    assert limits.seconds_to_send([(file, 0, 60), (file, 60, 40)]) > 0
    with pytest.raises(ConnectionError, match=r"1 bytes of .*file"):
        limits.seconds_to_send([(file, 0, 60), (file, 60, 41)])


def test_consuming_never_waits_for_more_records_than_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = traffic.Workload("16 KB batches", 16_384, 16_000, total_bytes=16_000 * 10)
    left = [workload.records]

    class Watched(Consumer):  # type: ignore[misc]
        def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
            assert num_messages <= left[0]
            messages: list[Message] = super().consume(num_messages, timeout)
            left[0] -= len(messages)
            return messages

    monkeypatch.setattr(traffic, "Consumer", Watched)
    monkeypatch.setattr(traffic, "RECORDS_AT_ONCE", 4)
    with Bundled() as target:
        broker.create_topic(target, "few")
        traffic.produce(target, [("few", 0)], workload)
        assert traffic.consume_once(target, [("few", 0)], workload, 0) > 0
    assert left == [0]


def test_dd_leaves_nothing_and_says_what_it_wrote(tmp_path: Path) -> None:
    assert limits.dd_speed(tmp_path, 3 * broker.MIB, is_flushed=True) > 0
    assert limits.dd_speed(tmp_path, 100, 16_384) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_pieces_that_are_sent_are_those_that_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "SEGMENT_BYTES", 10 * growth.VALUE_BYTES)
    records, _ = growth.write_sparse(tmp_path, 100 * growth.VALUE_BYTES)
    pieces = growth._pieces(tmp_path, records)
    found = [decode_batches(path.read_bytes()[start:][:size]).batches for path, start, size in pieces]
    assert [each[0].base_offset for each in found] == growth._starts(records)
    assert all(1 <= len(each) <= 8 for each in found)
    assert len({path for path, _, _ in pieces}) == 11


def test_files_in_memory_are_never_cold() -> None:
    if not any(each.mountpoint == "/dev/shm" and each.fstype == "tmpfs" for each in psutil.disk_partitions(all=True)):
        pytest.skip("no tmpfs at /dev/shm")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(bytes(broker.MIB))
        file.flush()
        assert not limits.forget_pages(Path(file.name))


def test_a_sparse_log_holds_what_a_whole_one_would(tmp_path: Path) -> None:
    count, size = growth.write_sparse(tmp_path, 3 * growth.VALUE_BYTES)
    (path,) = tmp_path.glob("*.log")
    for suffix in (".index", ".timeindex"):  # or Kafka would check the segment twice, which nobody could see
        assert path.with_suffix(suffix).stat().st_size == 0
    found = decode_batches(path.read_bytes())
    assert [each.base_offset for each in found.batches] == list(range(count)) == [0, 1]
    assert all(each.crc_is_right for each in found.batches)
    assert path.stat().st_size == size


def test_the_pieces_that_are_fetched_have_no_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "PIECE_BYTES", 2 * growth.VALUE_BYTES + 1_000)
    count, _ = growth.write_sparse(tmp_path, 9 * growth.VALUE_BYTES, pieces=2)
    (path,) = tmp_path.glob("*.log")
    found = decode_batches(path.read_bytes()).batches
    assert count == len(found) == 8
    assert all(each.crc_is_right for each in found)
    assert [number for number, each in enumerate(found) if any(each.records[0].value or b"")] == [0, 1, 4, 5]


def test_a_sparse_log_takes_little_of_a_disk_that_has_holes(tmp_path: Path) -> None:
    hole = tmp_path / "hole"
    hole.touch()
    os.truncate(hole, growth.VALUE_BYTES)
    if hole.stat().st_blocks:
        pytest.skip(f"files in {tmp_path} have no holes")
    _count, size = growth.write_sparse(tmp_path, 3 * growth.VALUE_BYTES)
    (path,) = tmp_path.glob("*.log")
    assert path.stat().st_blocks * 512 < size / 10


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_is_sparse_is_recovered_and_found_and_appended_to(
    is_on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "forget_pages", lambda _path: is_on_disk)
    figures: dict[str, float] = {}
    steps: list[str] = []
    growth.measure(
        Bundled(), Notes(figures.__setitem__, steps.append),
        log_bytes=(1 << 22,), whole_bytes=(1 << 20,), partitions=(3,), appended_bytes=10**6,
    )  # fmt: skip
    size, whole = (f"{each / growth.GIB:g} GiB" for each in (1 << 22, 1 << 20))
    assert list(figures) == [
        f"{LIMIT}reading {size}, sparse (GB/s)",
        f"recovery of {size} (GB/s)",
        f"fetch from all over {size}, warm (MB/s)",
        f"{LIMIT}sending from all over {size}, warm (MB/s)",
        *(
            [f"fetch from all over {size}, cold (MB/s)", f"{LIMIT}sending from all over {size}, cold (MB/s)"]
            if is_on_disk
            else []
        ),
        f"one record of 1 MB of {size} (ms)",
        f"opening {size} after a clean stop (s)",
        f"memory with {size} open (MiB)",
        f"{LIMIT}dd beside {size}, 16 KB batches (MB/s)",
        f"append to {size}, 16 KB batches (MB/s)",
        f"{LIMIT}dd beside {size}, 1 MB batches (MB/s)",
        f"append to {size}, 1 MB batches (MB/s)",
        f"{LIMIT}reading {whole}, 16 KB batches (GB/s)",
        f"recovery of {whole}, 16 KB batches (GB/s)",
        f"{LIMIT}reading {whole}, 1 KB batches (GB/s)",
        f"recovery of {whole}, 1 KB batches (GB/s)",
        "memory of the broker alone (MiB)",
        "opening 3 partitions (s)",
        f"{LIMIT}opening the files of 3 partitions (s)",
        "memory added by 3 partitions (MiB)",
        "produce to 3 partitions, 16 KB batches (MB/s)",
        "consume from 3 partitions, 16 KB batches (MB/s)",
        f"{LIMIT}sending from 3 partitions, 16 KB batches (MB/s)",
        "recovery of 3 partitions (s)",
    ]
    _every_unit_is_known(figures)
    assert f"recovery of {size}" in steps


def test_partitions_are_made_by_several_requests() -> None:
    assert partitions.topics_of(0) == {}
    assert partitions.topics_of(4_500) == {"many-0": 2_000, "many-2000": 2_000, "many-4000": 500}


def test_a_log_that_does_not_say_how_long_it_took_is_told() -> None:
    assert broker.seconds_to_load(b"x\nLoaded 2 logs of /d in 10ms\nLoaded 2 logs of /d in 1500ms (unclean)\n") == 1.5
    with pytest.raises(StalledError, match="does not say"):
        broker.seconds_to_load(b"listening\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((BUFFER_BYTES + 1).to_bytes(4, "big"), "more than the .* make BUFFER_BYTES .* larger"),
        ((8).to_bytes(4, "big") + bytes(8), "only 8 bytes"),
        (b"", "closed"),
    ],
)
def test_an_answer_that_a_reader_cannot_take_is_told(answer: bytes, said: str) -> None:
    ours, theirs = socket.socketpair()
    with Reader(ours, "topic") as reader, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(StalledError, match=said):
            reader.read_piece(0)


@pytest.mark.parametrize(
    ("figure", "ours", "theirs", "ratio", "ahead"),
    [
        ("produce (MB/s)", 2.0, 1.0, 2.0, "bundled"),
        ("opening (s)", 2.0, 1.0, 2.0, "apache-kafka"),
        ("opening (s)", 2.0, 0.0, None, "apache-kafka"),
        ("memory (MiB)", 1.0, None, None, None),
        (f"{LIMIT}dd (MB/s)", 2.0, 1.0, None, None),
    ],
)
def test_the_unit_says_who_is_ahead(
    figure: str, ours: float, theirs: float | None, ratio: float | None, ahead: str | None
) -> None:
    row = Row(figure, ours, theirs)
    assert (row.ratio, row.ahead) == (ratio, ahead)


def test_a_figure_without_a_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not end with a unit"):
        _ = Row("produce", 1.0, 1.0).ahead


def test_figures_are_medians_by_part() -> None:
    figures = Figures()
    for value in (1.0, 2.0, 30.0):
        figures.keep("traffic", "bundled", "produce (MB/s)", value)
    figures.keep("growth", "bundled", "produce (MB/s)", 4.0)
    assert [row.ours for part in figures.parts for row in figures.rows(part)] == [2.0, 4.0]


def test_what_was_measured_before_a_failure_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure(target: object, notes: Notes) -> None:
        notes.step("a step")
        notes.figure("opening (s)", 2.5)
        if target == "kafka":
            raise StalledError("not in time")

    monkeypatch.setattr(program, "PARTS", {"growth": program.Part(measure, rounds=1)})
    monkeypatch.setattr(program, "BROKERS", {"bundled": lambda: "ours", "apache-kafka": lambda: "kafka"})
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(program.main, ["--json", str(file)])
    assert result.exit_code == 1
    assert "growth, round 1 of 1, apache-kafka: a step" in result.output
    assert "growth, round 1 of 1, apache-kafka: not in time" in result.output
    assert "growth: one round" in result.output
    assert json.loads(file.read_text())["growth"]["opening (s)"]["rounds"] == {"bundled": [2.5], "apache-kafka": [2.5]}


def _kinds(figures: dict[str, float]) -> dict[str, int]:
    """How many figures there are of each kind, which is what comes before a comma."""
    kinds = [name.partition(",")[0] for name in figures]
    return {kind: kinds.count(kind) for kind in kinds}


def _every_unit_is_known(figures: dict[str, float]) -> None:
    assert {name.rpartition("(")[2][:-1] for name in figures} <= MORE_IS_BETTER | LESS_IS_BETTER
    assert all(each >= 0 for each in figures.values())
