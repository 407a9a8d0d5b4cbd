"""Tests whose peers this machine can't have are skipped, and say why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.lending import why_not
from conformance.targets.base import TargetError

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    why_not.cache_clear()
    yield
    why_not.cache_clear()


@pytest.fixture
def _new_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of a program that is there."""
    path = tmp_path / "bin" / "a-program"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    return path.name


def test_what_is_there_can_be_had(program: str) -> None:
    assert why_not(program) is None


@pytest.mark.usefixtures("_new_machine")
@pytest.mark.parametrize(
    ("need", "why"), [("kcat", "there is no kcat on the path"), ("kafka-3.9", "there is no java on the path: install")]
)
def test_the_reason_is_told(need: str, why: str) -> None:
    assert why in (why_not(need) or "")


@pytest.mark.usefixtures("_new_machine")
def test_maven_that_fails_is_no_reason_to_skip(tmp_path: Path) -> None:
    for name in ("java", "mvn"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(TargetError, match=r"Maven, bringing kafka-3\.9 failed"):
        why_not("kafka-3.9")


def test_a_test_is_skipped_with_the_reason(pytester: pytest.Pytester, program: str) -> None:
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.real("{program}", "no-such-program")
        def test_real():
            assert False
    """)
    done = pytester.runpytest_subprocess(
        "-p", "conformance.lending", "-ra", "-W", "ignore::pytest.PytestUnknownMarkWarning"
    )
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*there is no no-such-program on the path*"])
