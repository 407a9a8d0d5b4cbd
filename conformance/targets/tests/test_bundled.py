"""The machinery of a broker's process, by a stand-in for the bundled broker; and the bundled broker itself."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import psutil
import pytest

from conformance.targets import ports, probe
from conformance.targets.base import Address, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.process_target import ProcessTarget
from conformance.targets.tests.stub_broker import write_stub


def exercise(target: ProcessTarget) -> None:
    """Every fault, and what must hold after it."""
    faults = target.faults
    (address,) = target.bootstrap
    probe.api_versions(address)
    first = target.broker.pid
    faults.do("restart", 1)
    assert target.broker.pid != first
    for end in ("stop", "kill"):
        faults.do(end, 1)
        assert not target.broker.alive
        with pytest.raises(probe.NoAnswerError):
            probe.api_versions(address)
        faults.do(end, 1)
        faults.do("start", 1)
        assert target.bootstrap == (address,)
        probe.api_versions(address)
    faults.do("start", 1)
    faults.do("pause", 1)
    with pytest.raises(TargetError, match="resume it"):
        faults.do("start", 1)
    faults.do("resume", 1)
    probe.api_versions(address)
    with pytest.raises(TargetError, match="explode"):
        faults.do("explode", 1)


def kept_by(error: TargetError) -> Path:
    return Path(str(error).rpartition("kept in ")[2])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_stub(tmp_path / "source")


def test_every_fault(source: Path) -> None:
    with Bundled(source=source) as target:
        exercise(target)
        assert target.folder is not None
        # Started four times in one folder: data is kept.
        assert [path.read_text() for path in target.folder.rglob("starts")] == ["xxxx"]


def test_nothing_is_left(source: Path) -> None:
    with Bundled(source=source) as target:
        folder, pid, (address,) = target.folder, target.broker.pid, target.bootstrap
        assert folder is not None
        assert pid is not None
    target.stop()
    assert not folder.exists()
    assert not psutil.pid_exists(pid)
    with pytest.raises(probe.NoAnswerError):
        probe.api_versions(address)
    with pytest.raises(TargetError, match="not been started"):
        _ = target.bootstrap
    with pytest.raises(TargetError, match="not been started"):
        target.faults.do("stop", 1)


def test_a_target_can_be_entered_again(source: Path) -> None:
    target = Bundled(source=source)
    for _ in range(2):
        with target:
            probe.api_versions(target.bootstrap[0])


def test_pausing_keeps_connections(source: Path) -> None:
    with Bundled(source=source) as target:
        (address,) = target.bootstrap
        target.faults.do("pause", 1)
        with socket.create_connection((address.host, address.port), timeout=5):
            pass
        with pytest.raises(probe.NoAnswerError, match="no whole answer"):
            probe.api_versions(address)


def test_what_is_down_can_not_be_paused(source: Path) -> None:
    with Bundled(source=source) as target:
        target.faults.do("stop", 1)
        for action in ("pause", "resume"):
            with pytest.raises(TargetError, match="start it first"):
                target.faults.do(action, 1)


def test_a_broker_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    source = write_stub(tmp_path, before="import sys\nsys.exit('no room for a log')")
    with (
        pytest.raises(TargetError, match=r"no room for a log\nIts output is kept in ") as caught,
        Bundled(source=source),
    ):
        pass
    kept = kept_by(caught.value)
    assert "no room" in (kept / "broker.log").read_text()
    shutil.rmtree(kept.parent)


def test_a_broker_that_says_nothing_is_not_awaited_for_ever(tmp_path: Path) -> None:
    source = write_stub(tmp_path, before="import time\ntime.sleep(60)")
    target = Bundled(source=source)
    target.start_ceiling_s = 0.5
    with pytest.raises(TargetError, match=r"not ready within 0\.5 s") as caught, target:
        pass
    shutil.rmtree(kept_by(caught.value).parent)


def test_another_port_when_someone_was_quicker(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as quicker:
        quicker.bind(("127.0.0.1", 0))
        quicker.listen()
        taken = Address("127.0.0.1", quicker.getsockname()[1])
        queue = [taken, ports.reserve()]
        monkeypatch.setattr(ports, "reserve", lambda: queue.pop(0))
        with Bundled(source=source) as target:
            assert target.bootstrap != (taken,)


def test_reserved_ports_differ() -> None:
    reserved = [ports.reserve() for _ in range(20)]
    assert len(set(reserved)) == 20
    for address in reserved:
        ports.release(address)
