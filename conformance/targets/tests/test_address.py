"""Addresses as users write them, and brokers that run already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.targets.address import Running, parse
from conformance.targets.base import Address, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.ports import release, reserve
from conformance.targets.tests.stub_broker import write_stub


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Bundled]:
    with Bundled(source=write_stub(tmp_path)) as target:
        yield target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9092", [("localhost", 9092)]),
        ("a.example:1,10.0.0.1:65535", [("a.example", 1), ("10.0.0.1", 65535)]),
        (" a:1 , b:2 ", [("a", 1), ("b", 2)]),
        ("[::1]:9092", [("::1", 9092)]),
        ("[fe80::1%eth0]:9092,b:2", [("fe80::1%eth0", 9092), ("b", 2)]),
    ],
)
def test_addresses(text: str, expected: list[tuple[str, int]]) -> None:
    assert parse(text) == tuple(Address(host, port) for host, port in expected)


@pytest.mark.parametrize("text", ["", "localhost", "a:", ":1", "a:0", "a:65536", "a:x", "::1:9092", "a:1,", "[a:1"])
def test_not_addresses(text: str) -> None:
    with pytest.raises(TargetError):
        parse(text)


def test_an_ipv6_address_is_written_as_it_is_read() -> None:
    assert parse(str(Address("::1", 9092))) == (Address("::1", 9092),)


def test_one_address_that_answers_is_enough(stub: Bundled) -> None:
    silent = reserve()
    with Running(f"{silent},{stub.bootstrap[0]}") as target:
        assert target.bootstrap == (silent, stub.bootstrap[0])
        assert target.faults is None
    release(silent)


def test_nobody_answers() -> None:
    silent = reserve()
    with pytest.raises(TargetError, match=r"no broker answers(.|\n)*refused"):
        Running(str(silent)).start()
    release(silent)


def test_a_command_config_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="--command-config"):
        Running("a:1", command_config=tmp_path / "none.properties")


def test_a_command_config_that_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "client.properties"
    config.write_text("security.protocol=NONSENSE\n")
    with pytest.raises(TargetError, match="NONSENSE"):
        Running("a:1", command_config=config)


def test_a_broker_is_awaited_where_metadata_says_it_is(stub: Bundled) -> None:
    with Running(str(stub.bootstrap[0]), fault_command="true {action} {broker}") as target:
        assert target.faults is not None
        target.faults.do("start", 7)
        target.faults.do("stop", 7)
