"""Fixtures of the broker's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from impl.tests.support import BrokerProcess


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker of its own for one test."""
    process = BrokerProcess(tmp_path / "data")
    yield process
    process.close()


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker for tests that only add topics of their own."""
    process = BrokerProcess(tmp_path_factory.mktemp("shared") / "data")
    yield process
    process.close()
