"""`tidegauge serve`: what it says and how it exits when it can't start."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from impl.errors import StorageError
from impl.server import cli
from impl.storage.checkpoints import PARTITION_METADATA
from impl.storage.faults import Fault
from impl.storage.filesystem import RealFileSystem
from impl.tests.directories import FIRST, SECOND, THIRD, filled

STARTED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def serve(*arguments: object) -> Result:
    """What `tidegauge serve` does in this process; it must not get as far as to serve."""
    return CliRunner().invoke(cli.serve, [str(each) for each in arguments])


def test_a_port_in_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--data", tmp_path, "--port", port)
    assert done.exit_code == FAILED
    assert done.output == (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; stop the process that listens there, or"
        " choose another --port (0 picks a free one)\n"
    )


@pytest.fixture
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is this machine's."""
    _refuse(monkeypatch, OSError(errno.EADDRNOTAVAIL, "not here"))


def _refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def create_server(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.create_server", create_server)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.EADDRNOTAVAIL, "not here"),
            "Cannot assign requested address; this machine has no such address: choose one of its own with --host",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known; choose another name or address with --host",
        ),
        (OSError("no address could be used"), "no address could be used; see --host and --port"),  # Python 3.12
    ],
    ids=["no-address", "no-name", "no-number"],
)
def test_an_address_of_nobody_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    _refuse(monkeypatch, error)
    done = serve("--data", tmp_path, "--port", 0, "--host", "there")
    assert done.exit_code == FAILED
    assert done.output == f"Error: cannot listen on there:0: {told}\n"


def test_a_name_that_is_none_is_told_with_what_to_do(tmp_path: Path) -> None:
    done = serve("--data", tmp_path, "--port", 0, "--host", "a..b")
    assert done.exit_code == FAILED
    assert done.output == (
        "Error: cannot listen on a..b:0: not a name of a host; choose another name or address with --host\n"
    )


@pytest.mark.usefixtures("no_address")
def test_a_directory_of_another_node_or_broker_is_told_with_what_to_do(tmp_path: Path) -> None:
    serve("--data", tmp_path)
    done = serve("--data", tmp_path, "--node-id", 7)
    assert done.exit_code == FAILED
    assert f"{tmp_path} belongs to node 1: give that --node-id, or another --data" in done.output
    lock = RealFileSystem().lock(tmp_path / ".lock")
    done = serve("--data", tmp_path)
    lock.close()
    assert done.exit_code == FAILED
    assert f"{tmp_path} is in use by another broker: stop it, or give another --data" in done.output


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "free space on this file system"), (errno.EACCES, "let the broker's user read and write")],
)
def test_a_disk_that_fails_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def full(_self: RealFileSystem, path: Path, *_more: Any, **_named: Any) -> NoReturn:
        raise StorageError("write", path, number)

    monkeypatch.setattr(RealFileSystem, "open", full)
    done = serve("--data", tmp_path)
    assert done.exit_code == FAILED
    assert done.output.startswith(f"Error: cannot write {tmp_path}")
    assert f": {os.strerror(number)}; {advice}" in done.output


def test_no_name_is_not_the_current_directory() -> None:
    done = serve("--data", "")
    assert done.exit_code == USAGE
    assert "Invalid value for '--data': an empty name; give a directory" in done.output


def test_a_directory_that_cannot_be_made_is_told_with_what_to_do() -> None:
    done = serve("--data", "/proc/nothing")
    assert done.exit_code == FAILED
    assert done.output == "Error: /proc/nothing cannot be made (No such file or directory): give another --data\n"


def test_directories_inside_each_other_are_a_wrong_choice(tmp_path: Path) -> None:
    done = serve("--data", tmp_path, "--data", tmp_path / "inside")
    assert done.exit_code == USAGE
    assert "are not apart" in done.output


def test_an_interruption_while_logs_are_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "Broker", interrupted)
    done = serve("--data", tmp_path)
    assert (done.exit_code, done.output) == (INTERRUPTED, "Interrupted.\n")


def test_the_help_says_the_exit_codes() -> None:
    said = " ".join(serve("--help").output.split())
    assert all(f"{code}: " in said.partition("Exit code ")[2] for code in (STARTED, FAILED, USAGE, INTERRUPTED))


def test_a_first_directory_that_fails_at_the_end_of_the_start_is_told_and_nobody_is_listened_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = filled()
    for name in files.list_names(FIRST):
        if name.startswith("t-"):
            files.remove(FIRST / name / PARTITION_METADATA)
    files.faults.planned.append(Fault("open", lasts=True, path_contains=PARTITION_METADATA, error=errno.EACCES))
    monkeypatch.setattr(cli, "RealFileSystem", lambda: files)
    done = serve("--data", FIRST, "--data", SECOND, "--data", THIRD, "--port", 0)
    assert done.exit_code == FAILED
    assert "listening on" not in done.output
    assert "stopped, because" in done.output
    assert "let the broker's user read and write this path" in done.output
