"""What commands print is the same for tests on every machine, loaded by pytest: no colours, and no width of somebody's.

Rich and Click look at these variables when they are asked to print; a test that wants one sets it itself.
"""

from __future__ import annotations

import os

OF_TERMINALS = ("FORCE_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "TTY_COMPATIBLE")


def pytest_configure() -> None:
    """Forget what this terminal is like; processes that tests start do, too."""
    for name in OF_TERMINALS:
        os.environ.pop(name, None)
