"""What tests need from outside of Python, loaded by pyproject.toml: Apache Kafka as fixtures, and who can have what.

A test asks for a fixture by its name, and need not import where it comes from, as rooms that know nothing of the suite
can't. Nothing is started, nor anything of the suite imported, unless a test asks. A test that is marked
`real("kcat", "kafka-3.9")` needs those programs, or releases of Apache Kafka (the folders under `targets/maven`), and
is skipped, with the reason, where a program is missing. Maven that is there and can't bring a release is a failure.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.targets.apache_kafka import ApacheKafka

POM = "kafka-3.9"
RELEASE = "kafka-"
TIMEOUT_S = 120.0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test of what this machine does not have, and say what that is."""
    for mark in item.iter_markers("real"):
        for need in mark.args:
            if (why := why_not(need)) is not None:
                pytest.skip(why)


@cache
def why_not(need: str) -> str | None:
    """Which program is missing, of those that are needed; None if none is, and a release of Kafka is brought then.

    Raises TargetError if Maven could not bring it.
    """
    if not need.startswith(RELEASE):
        return None if shutil.which(need) else f"there is no {need} on the path"
    from conformance.targets import maven  # noqa: PLC0415  every pytest run gets here

    try:
        maven.java_command(need, ())
    except maven.MissingProgramError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def apache_kafka() -> Iterator[ApacheKafka]:
    """A broker of Apache Kafka 3.9 that compacts often; tests may stop and start it."""
    from conformance.targets.apache_kafka import ApacheKafka  # noqa: PLC0415

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
