"""Logs are opened at the same time: several in one directory, and all directories, each by threads of its own."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impl.server.log_directories import LogDirectories
from impl.storage import log_directory
from impl.storage.filesystem import FileSystem, RealFileSystem
from impl.storage.log import Log
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.durability import SETTINGS
from impl.tests.support import NOW

TOGETHER = 2
CEILING_S = 10.0


@pytest.mark.parametrize("system", [SimulatedFileSystem, RealFileSystem])
@pytest.mark.parametrize(("directories", "threads"), [(1, 2), (2, 1)])
def test_logs_are_opened_together(
    system: Callable[[], FileSystem], directories: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(TOGETHER)

    def opened(*arguments: Any) -> Log:
        barrier.wait(CEILING_S)  # raises if the other one is not being opened meanwhile
        return Log(*arguments)

    monkeypatch.setattr(log_directory, "Log", opened)
    paths = [tmp_path / f"{number}" for number in range(directories)]
    opening = LogDirectories(system(), paths, threads, lambda: NOW)
    names = [("t", number) for number in range(TOGETHER)]
    opening.open_all(dict.fromkeys(names, SETTINGS), NOW)
    assert sorted(name for each in opening.all for name in each.logs) == names
    assert all(len(each.logs) == TOGETHER // directories for each in opening.all)
    opening.close()
