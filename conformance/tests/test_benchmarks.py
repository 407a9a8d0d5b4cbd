"""The benchmarks measure what they say, on a small scale; nothing is timed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.benchmarks import storage
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
