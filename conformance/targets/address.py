"""Brokers that run already: `HOST:PORT[,HOST:PORT...]`, with `[::1]:PORT` for IPv6.

Security comes from a file of Kafka's client properties (`--command-config`), faults from a command
(`--fault-command`); without one there are none. Nothing is started and nothing is ended.
"""

from __future__ import annotations

import re
from pathlib import Path

from conformance.targets import probe
from conformance.targets.base import Address, Target, TargetError
from conformance.targets.command_faults import CommandFaults
from conformance.wire.errors import BadProperties
from conformance.wire.security import Security

_PORT_MAX = 65_535
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s:,\[\]/]+)):(?P<port>\d{1,5})")


def parse(text: str) -> tuple[Address, ...]:
    """The addresses of a bootstrap string.

    Raises:
        TargetError: a piece of it is not an address; names the piece.
    """
    return tuple(_parse_one(piece.strip()) for piece in text.split(","))


def _parse_one(piece: str) -> Address:
    found = _ADDRESS.fullmatch(piece)
    if found is None:
        raise TargetError(f"{piece!r} is not HOST:PORT or [IPV6]:PORT")
    port = int(found["port"])
    if not 0 < port <= _PORT_MAX:
        raise TargetError(f"{piece!r} has no port between 1 and {_PORT_MAX}")
    return Address(found["v6"] or found["host"], port)


class Running(Target):
    """Brokers that someone else started."""

    default_profile = "3.9-kraft"

    def __init__(self, bootstrap: str, *, command_config: Path | None = None, fault_command: str | None = None) -> None:
        """Nothing is asked of the brokers yet.

        Raises:
            TargetError: the bootstrap string, the file or the command is not as it should be.
        """
        self.name = bootstrap
        self._bootstrap = parse(bootstrap)
        self._brokers: dict[int, Address] = {}
        if command_config is not None:
            try:
                self.security = Security.from_properties(command_config)
            except (OSError, BadProperties) as error:
                raise TargetError(f"--command-config {command_config}: {error}") from error
        if fault_command is not None:
            self.faults = CommandFaults(fault_command, self._answers)

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        """As the user gave it."""
        return self._bootstrap

    def start(self) -> None:
        """Check that one of the addresses answers.

        Raises:
            TargetError: none does.
        """
        refusals = []
        for address in self._bootstrap:
            try:
                probe.api_versions(address, self.security)
            except probe.NoAnswerError as error:
                refusals.append(str(error))
            else:
                return
        raise TargetError(
            "no broker answers; start it, or check the address and --command-config:\n" + "\n".join(refusals)
        )

    def _answers(self, broker: int) -> bool:
        """Ask one broker, where it said last that it listens; a broker that was never seen is looked for first."""
        if broker not in self._brokers:
            self._look_for_brokers()
        if broker not in self._brokers:
            raise probe.NoAnswerError(f"Metadata tells of no broker {broker}")
        probe.api_versions(self._brokers[broker], self.security)
        return True

    def _look_for_brokers(self) -> None:
        refusals = []
        for address in self._bootstrap:
            try:
                self._brokers.update(probe.brokers(address, self.security))
            except probe.NoAnswerError as error:
                refusals.append(str(error))
        if len(refusals) == len(self._bootstrap):
            raise probe.NoAnswerError("; ".join(refusals))
