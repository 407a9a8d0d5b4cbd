"""Fixtures of the broker's tests."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # kafka-python reads its schemas by a deprecated function while it is imported; once is enough.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.protocol.admin
    import kafka.protocol.consumer
    import kafka.protocol.metadata
    import kafka.protocol.producer  # noqa: F401

from impl.tests.quiet import quiet  # noqa: F401  a fixture
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
