"""Apache Kafka for the tests of rooms that know nothing of the suite: pytest fixtures, loaded by pyproject.toml.

A test asks for a fixture by its name, and need not import where it comes from. Nothing is started, nor anything of the
suite imported, unless a test asks.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.targets.apache_kafka import ApacheKafka

POM = "kafka-3.9"
TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def apache_kafka() -> Iterator[ApacheKafka]:
    """A broker of Apache Kafka 3.9 that compacts often; tests may stop and start it."""
    from conformance.targets.apache_kafka import ApacheKafka  # noqa: PLC0415  every pytest run gets here

    with ApacheKafka("3.9-kraft", settings={"log.cleaner.backoff.ms": "100"}) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a class of Apache Kafka 3.9 with arguments; raises CalledProcessError if it fails."""
    from conformance.targets import maven  # noqa: PLC0415
    from conformance.targets.apache_kafka import QUICK_JVM  # noqa: PLC0415

    command = maven.java_command(POM, QUICK_JVM)

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [*command, name, *arguments]
        return subprocess.run(  # noqa: S603  Kafka's own programs
            whole, check=True, timeout=TIMEOUT_S, capture_output=True, text=True
        )

    return run
