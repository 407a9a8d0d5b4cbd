"""noida-db, many databases in one executable, of which only its Kafka service is started here.

Its warning about a weak symbol of a newer C library is harmless.
"""

from __future__ import annotations

from pathlib import Path

from conformance.targets import peers
from conformance.targets.base import Address
from conformance.targets.process_target import Launch, ProcessTarget


class Noida(ProcessTarget):
    """noida-db's Kafka service."""

    default_deviations = "noida"

    def __init__(self) -> None:
        super().__init__("noida")

    def launch(self, folder: Path, address: Address) -> Launch:
        """The executable itself: its Python launcher would stand between us and our signals."""
        binary = peers.executable("noida_db", "noida-db", "noida-db")
        where = ["--host", address.host, "--kafka-port", str(address.port), "--data-dir", str(folder / "data")]
        return Launch([str(binary), "start", "--only", "kafka", *where])
