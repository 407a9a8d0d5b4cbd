"""librdkafka's mock cluster, as carried by the confluent-kafka wheel, in a process of its own.

Its brokers live in one process and keep what was written in memory, over stop and start too: a broker that is down
only refuses connections. So there is no kill here, and no pause, which would freeze all of them.
"""

from __future__ import annotations

import selectors
import shutil
import sys
import tempfile
from pathlib import Path

from conformance.targets import probe
from conformance.targets.address import parse
from conformance.targets.base import Address, Faults, Target, TargetError
from conformance.targets.processes import Child

_IMPORT_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_CEILING_S = 20.0
_GREETING = "listening on "


class Mock(Target):
    """A mock cluster of one broker, or of several, with the node ids 1, 2, ..."""

    name = "mock"
    default_profile = "3.9-kraft"
    default_deviations = "mock"
    is_thrown_away = True

    def __init__(self, *, brokers: int = 1) -> None:
        self._brokers = brokers
        self._folder: Path | None = None
        self._server: Child | None = None
        self._bootstrap: tuple[Address, ...] = ()
        self.faults: MockFaults = MockFaults(self)

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        """One address for each broker, in the order of their ids."""
        if not self._bootstrap:
            raise TargetError("mock has not been started")
        return self._bootstrap

    def start(self) -> None:
        """Start the process and learn its addresses."""
        if self._server is not None:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="tidegauge-mock-"))
        self._server = Child(
            "mock",
            [sys.executable, "-m", "conformance.targets.mock_server", str(self._brokers)],
            folder=self._folder,
            log=self._folder / "mock.log",
            environment={"PYTHONPATH": str(_IMPORT_ROOT)},
            talks=True,
        )
        self._server.start()
        greeting = self._hear()
        if not greeting.startswith(_GREETING):
            raise TargetError(f"mock said {greeting!r} instead of its address")
        self._bootstrap = parse(greeting.removeprefix(_GREETING))
        for address in self._bootstrap:
            self.wait_until_answers(address)

    def stop(self) -> None:
        """End the process."""
        server, self._server = self._server, None
        folder, self._folder = self._folder, None
        self._bootstrap = ()
        if server is not None:
            server.kill()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def wait_until_answers(self, address: Address) -> None:
        """Wait until the broker at `address` answers ApiVersions."""

        def answers() -> bool:
            probe.api_versions(address)
            return True

        probe.wait_until(answers, f"mock on {address}", _ANSWER_CEILING_S)

    def order(self, word: str, broker: int) -> None:
        """Have the process obey.

        Raises:
            TargetError: it refused or is gone.
        """
        if self._server is None or not self._server.alive:
            raise TargetError("mock does not run")
        commands, _ = self._server.pipes
        commands.write(f"{word} {broker}\n".encode())
        commands.flush()
        answer = self._hear()
        if answer != "done":
            raise TargetError(f"mock could not take broker {broker} {word}: {answer}")

    def _hear(self) -> str:
        """The next line that the process says; it says one at a time, so none waits in the buffer."""
        assert self._server is not None
        _, answers = self._server.pipes
        with selectors.DefaultSelector() as selector:  # select alone knows no descriptor above 1023
            selector.register(answers, selectors.EVENT_READ)
            ready = selector.select(_ANSWER_CEILING_S)
        line = answers.readline().decode().strip() if ready else ""
        if not line:
            raise TargetError(f"mock said nothing; the end of its output:\n{self._server.tail()}")
        return line


class MockFaults(Faults):
    """A broker refuses connections for a while."""

    actions = frozenset({"stop", "start", "restart"})

    def __init__(self, target: Mock) -> None:
        self._target = target

    def do(self, action: str, broker: int) -> None:
        """Take the broker down, or up, or both."""
        if action not in self.actions:
            raise TargetError(f"mock can't {action!r}; it can {', '.join(sorted(self.actions))}")
        if action in {"stop", "restart"}:
            self._target.order("down", broker)
        if action in {"start", "restart"}:
            self._target.order("up", broker)
            self._target.wait_until_answers(self._target.bootstrap[broker - 1])
