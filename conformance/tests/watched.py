"""A simulated disk whose operations the durability machine is told of (`stepped`)."""

from __future__ import annotations

from pathlib import Path

from conformance.tests.stepped import Beside
from impl.storage.faults import READING, Fault, Faults, Kind


class Watched(Faults):
    """What goes wrong with a disk, while the machine is told of each operation once it is done."""

    def __init__(self, beside: Beside) -> None:
        super().__init__()
        self.beside = beside
        self._doing: tuple[Kind, Path] | None = None

    def meet(self, kind: Kind, path: str) -> Fault | None:
        """See `Faults`."""
        self.settle()
        fault = super().meet(kind, path)
        if kind not in READING:
            self._doing = kind, Path(path)
        return fault

    def settle(self) -> None:
        """Tell the machine of the last operation, which is done."""
        if self._doing is not None:
            (kind, path), self._doing = self._doing, None
            self.beside.after(kind, path)
