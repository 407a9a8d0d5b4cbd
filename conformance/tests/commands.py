"""The commands as people start them, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conformance.tests.seeded import ROOT


def tidegauge(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
