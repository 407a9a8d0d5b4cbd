"""Tests whose peers this machine can't have are skipped, and say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.lending import why_not

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


def test_what_is_there_can_be_had() -> None:
    assert why_not("python3") is None


@pytest.mark.usefixtures("_new_machine")
@pytest.mark.parametrize(
    ("need", "why"), [("kcat", "there is no kcat on the path"), ("kafka-3.9", "there is no java on the path: install")]
)
def test_the_reason_is_told(need: str, why: str) -> None:
    assert why in (why_not(need) or "")


def test_a_test_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.real("python3", "no-such-program")
        def test_real():
            assert False
    """)
    done = pytester.runpytest_subprocess(
        "-p", "conformance.lending", "-ra", "-W", "ignore::pytest.PytestUnknownMarkWarning"
    )
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*there is no no-such-program on the path*"])
