"""Targets that nobody here wrote, and the bundled broker: each starts, answers, takes every fault and ends."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from conformance.targets import probe
from conformance.targets.apache_kafka import EDITIONS, ApacheKafka
from conformance.targets.base import TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.mock import Mock
from conformance.targets.noida import Noida
from conformance.targets.process_target import ProcessTarget
from conformance.targets.tansu import Tansu
from conformance.targets.tests.test_bundled import exercise


@pytest.mark.parametrize("kind", [Tansu, Noida])
def test_peers(kind: type[ProcessTarget]) -> None:
    target = kind()  # type: ignore[call-arg]
    with target:
        assert len(probe.brokers(target.bootstrap[0])) == 1
        exercise(target)


@pytest.mark.parametrize("kind", [Tansu, Noida])
def test_peers_that_are_missing(kind: type[ProcessTarget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TargetError, match=r"pip install 'tidegauge\[peers\]'"), kind():  # type: ignore[call-arg]
        pass


def test_mock() -> None:
    with Mock(brokers=2) as target:
        assert list(probe.brokers(target.bootstrap[0])) == [1, 2]
        target.faults.do("stop", 2)
        with pytest.raises(probe.NoAnswerError):
            probe.api_versions(target.bootstrap[1])
        probe.api_versions(target.bootstrap[0])
        target.faults.do("start", 2)
        probe.api_versions(target.bootstrap[1])
        target.faults.do("restart", 1)
        with pytest.raises(TargetError, match="broker 9 down"):
            target.faults.do("stop", 9)
        with pytest.raises(TargetError, match="can't 'pause'"):
            target.faults.do("pause", 1)
    with pytest.raises(TargetError, match="not been started"):
        _ = target.bootstrap


def test_bundled() -> None:
    with Bundled(settings={"num.partitions": "3"}) as target:
        assert list(probe.brokers(target.bootstrap[0])) == [1]
        exercise(target)


@pytest.mark.parametrize(
    "edition", [pytest.param(name, marks=pytest.mark.real(edition.pom)) for name, edition in EDITIONS.items()]
)
def test_apache_kafka(edition: str) -> None:
    with ApacheKafka(edition) as target:
        assert list(probe.brokers(target.bootstrap[0])) == [1]
        exercise(target)


@pytest.mark.real("kafka-3.9")
def test_two_at_a_time() -> None:
    with ApacheKafka() as one, ApacheKafka() as other:
        assert one.bootstrap != other.bootstrap


@pytest.fixture
def _nothing_was_brought(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new machine, whatever this one's cache holds."""
    monkeypatch.setenv("TIDEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.usefixtures("_nothing_was_brought")
@pytest.mark.parametrize(("variable", "value"), [("JAVA_HOME", "/no/such/jdk"), ("PATH", "/no/such/bin")])
def test_no_java(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(TargetError, match=r"there is no java .*: install a JDK 17 and Maven"), ApacheKafka():
        pass


@pytest.mark.usefixtures("_nothing_was_brought")
def test_no_maven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match=r"there is no mvn .*: install a JDK 17 and Maven"), ApacheKafka():
        pass
