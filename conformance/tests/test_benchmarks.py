"""The benchmarks measure what they say, on a small scale; nothing is timed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.benchmarks import growth, storage
from conformance.benchmarks.broker import StalledError
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


def test_what_was_written_is_recovered_and_read() -> None:
    figures = storage.measure(Bundled(), log_bytes=1 << 20, partitions=3)
    assert {name.partition(",")[0] for name in figures} >= {"recovery", "fetch warm", "fetch cold"}
    assert all(each >= 0 for each in figures.values())


def test_a_sparse_log_holds_what_a_whole_one_would(tmp_path: Path) -> None:
    count, size = growth.write_sparse(tmp_path, 3 * growth.VALUE_BYTES)
    (path,) = tmp_path.glob("*.log")
    found = decode_batches(path.read_bytes())
    assert [each.base_offset for each in found.batches] == list(range(count)) == [0, 1]
    assert all(each.crc_is_right for each in found.batches)
    assert path.stat().st_size == size
    assert path.stat().st_blocks * 512 < size / 10


def test_what_is_sparse_is_recovered_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "LOOKUPS", 3)  # at the end of so short a log each waits for the fetch before it
    figures = growth.measure(Bundled(), log_bytes=(3_000_000,), partitions=(3,))
    assert len(figures) == 5
    assert all(each >= 0 for each in figures.values())


def test_a_log_that_does_not_say_how_long_it_took_is_told() -> None:
    assert storage.seconds_to_load(b"x\nLoaded 2 logs of /d in 10ms\nLoaded 2 logs of /d in 1500ms (unclean)\n") == 1.5
    with pytest.raises(StalledError, match="does not say"):
        storage.seconds_to_load(b"listening\n")
