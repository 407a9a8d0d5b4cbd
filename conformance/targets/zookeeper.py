"""A ZooKeeper server for one broker, from the classes that come with Kafka 3.9.

Sessions are kept short: a broker that was killed can't come back before its old session is gone. The server caps
what the broker asks for, so that the broker's own configuration stays at Kafka's default.

Not covered: ensembles, and faults of the server itself.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from conformance.targets.base import Address
from conformance.targets.probe import NoAnswerError
from conformance.targets.processes import Child

_MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
_TICK_MS = 200
_SESSION_MS_MAX = 4_000
_ANSWER_CEILING_S = 2.0


def server(java: Sequence[str], folder: Path, address: Address) -> Child:
    """A server that has yet to be started; `java` is the command line up to the main class."""
    folder.mkdir()
    configuration = folder / "zookeeper.properties"
    settings = {
        "dataDir": folder / "data",
        "clientPort": address.port,
        "clientPortAddress": address.host,
        "tickTime": _TICK_MS,
        "maxSessionTimeout": _SESSION_MS_MAX,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok,dump",
    }
    configuration.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return Child("ZooKeeper", [*java, _MAIN, str(configuration)], folder=folder, log=folder / "zookeeper.log")


def is_up(address: Address) -> bool:
    """Whether the server serves clients.

    Raises:
        NoAnswerError: it doesn't answer.
    """
    return _word(address, b"ruok") == "imok"


def is_registered(address: Address, broker: int) -> bool:
    """Whether the node by which the broker is known is there, be its session alive or not yet expired.

    Raises:
        NoAnswerError: it doesn't answer.
    """
    return f"/brokers/ids/{broker}" in _word(address, b"dump").split()


def _word(address: Address, word: bytes) -> str:
    """The answer to one of ZooKeeper's four-letter words."""
    answer = b""
    try:
        with socket.create_connection((address.host, address.port), timeout=_ANSWER_CEILING_S) as connection:
            connection.sendall(word)
            while more := connection.recv(65_536):
                answer += more
    except OSError as error:
        raise NoAnswerError(f"ZooKeeper on {address}: {error}") from error
    return answer.decode(errors="replace")
