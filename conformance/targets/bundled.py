"""The bundled broker (`impl/`), as a process of its own.

Outside its own tests the suite meets `impl/` only here: by its command line, and by a process for its storage alone
(`storage_bundled.py`). Data lives in the scratch folder and is kept over restarts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from conformance.targets.base import Address
from conformance.targets.process_target import Launch, ProcessTarget

_IMPORT_ROOT = Path(__file__).resolve().parents[2]
_STORAGE = Path(__file__).with_name("storage_bundled.py")


class Bundled(ProcessTarget):
    """Our broker."""

    def __init__(self, *, source: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """`source` holds the `impl` package, if not the one beside this package; `settings` are added to its config."""
        super().__init__("bundled")
        self._source = (source or _IMPORT_ROOT).resolve()
        self._settings = dict(settings or {})

    def launch(self, folder: Path, address: Address) -> Launch:
        """`python -m impl` with the scratch folder as its working directory, so that only `source` provides `impl`."""
        command = [sys.executable, "-m", "impl", "--data", str(folder / "data"), "--port", str(address.port)]
        command += ["--log-level", "info"]
        for name, value in self._settings.items():
            command += ["--config", f"{name}={value}"]
        return Launch(command, {"PYTHONPATH": str(self._source), "PYTHONUNBUFFERED": "1"})

    def storage_process(self) -> Launch:
        """A log of `impl.storage`, driven by commands; `-P`, so that only `source` provides `impl`."""
        return Launch([sys.executable, "-P", str(_STORAGE)], {"PYTHONPATH": str(self._source)})
