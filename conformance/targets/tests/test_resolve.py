"""From a word to a target."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.targets.base import TargetError
from conformance.targets.resolve import STARTED, resolve

ADAPTER = """
from attrs import define
from conformance.targets.base import Address, Target

class Mine(Target):
    default_profile = "3.9-kraft"
    @property
    def bootstrap(self):
        return (Address("127.0.0.1", 1),)

class Other: ...
"""


@pytest.mark.parametrize(
    ("word", "name", "profile"),
    [
        ("bundled", "bundled", "3.9-kraft"),
        ("mock", "mock", "3.9-kraft"),
        ("tansu", "tansu", "3.9-kraft"),
        ("noida", "noida", "3.9-kraft"),
        ("apache-kafka", "apache-kafka:3.9-kraft", "3.9-kraft"),
        ("apache-kafka:3.9", "apache-kafka:3.9-kraft", "3.9-kraft"),
        ("apache-kafka:3.9-zk", "apache-kafka:3.9-zk", "3.9-zk"),
        ("apache-kafka:4.1", "apache-kafka:4.1-kraft", "4.1-kraft"),
        ("localhost:9092", "localhost:9092", "3.9-kraft"),
    ],
)
def test_names(word: str, name: str, profile: str) -> None:
    target = resolve(word)
    assert (target.name, target.default_profile) == (name, profile)


@pytest.mark.parametrize("word", STARTED)
def test_every_name_makes_a_target(word: str) -> None:
    assert resolve(word).faults is not None


def test_a_slip_is_noticed() -> None:
    with pytest.raises(TargetError, match=r"did you mean bundled\?.*HOST:PORT"):
        resolve("bundle")


@pytest.mark.parametrize("word", ["", "nonsense", "localhost", "apache-kafka:2.8", "apache-kafka-3.9"])
def test_unknown_names_are_told_what_there_is(word: str) -> None:
    with pytest.raises(TargetError, match=r"there are .*3\.9-zk"):
        resolve(word)


@pytest.mark.parametrize("option", ["command_config", "fault_command"])
@pytest.mark.parametrize("word", ["bundled", "apache-kafka:3.9", "adapter.py:Mine"])
def test_options_that_do_not_go_with_the_target(word: str, option: str, tmp_path: Path) -> None:
    value = tmp_path / "file" if option == "command_config" else "cmd {action}"
    with pytest.raises(TargetError, match="goes with HOST:PORT only"):
        resolve(word, **{option: value})  # type: ignore[arg-type]


def test_an_adapter_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "my adapter.py"
    path.write_text(ADAPTER)
    target = resolve(f"{path}:Mine")
    assert target.name == f"{path}:Mine"
    assert target.bootstrap[0].port == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("Min", r"did you mean Mine\?"), ("Other", "not a subclass of .*Target"), ("define", "not a sub")],
)
def test_adapters_that_are_none(name: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "adapter.py"
    path.write_text(ADAPTER)
    with pytest.raises(TargetError, match=said):
        resolve(f"{path}:{name}")


def test_an_adapter_that_can_not_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "adapter.py"
    with pytest.raises(TargetError, match="there is no file"):
        resolve(f"{path}:Mine")
    path.write_text("import no_such_module")
    with pytest.raises(TargetError, match="no_such_module"):
        resolve(f"{path}:Mine")
