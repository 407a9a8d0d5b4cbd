"""The broker with kcat, which must be on the PATH."""

import subprocess

import pytest

from impl.tests.support import BrokerProcess

pytestmark = pytest.mark.real("kcat")

TIMEOUT_S = 30.0


def kcat(broker: BrokerProcess, *arguments: str, content: str = "") -> str:
    """Run kcat and give what it prints."""
    command = ["kcat", "-b", broker.address, *arguments]
    return subprocess.run(command, input=content, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout


@pytest.mark.parametrize("idempotent", ["false", "true"])
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_go_there_and_back(shared_broker: BrokerProcess, codec: str, idempotent: str) -> None:
    topic = f"kcat-{codec}-{idempotent}"
    lines = [f"line {number} " * 20 for number in range(500)]
    settings = ("-z", codec, "-X", f"enable.idempotence={idempotent}")
    kcat(shared_broker, "-P", "-t", topic, "-p", "0", *settings, content="\n".join(lines) + "\n")
    printed = kcat(shared_broker, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q")
    assert printed.splitlines() == lines


def test_metadata_is_listed(shared_broker: BrokerProcess) -> None:
    assert shared_broker.address in kcat(shared_broker, "-L")


def test_an_offset_is_found_by_timestamp(shared_broker: BrokerProcess) -> None:
    kcat(shared_broker, "-P", "-t", "kcat-time", "-p", "0", content="a\nb\n")
    assert "offset 0" in kcat(shared_broker, "-Q", "-t", "kcat-time:0:1000")
