"""A target that is one broker in a process of its own, started by us and ended by us.

Each start of the target has a scratch folder of its own for data and output, which a restart of the broker keeps
and the end of the target removes. Set TIDEGAUGE_KEEP=1 to keep it; it is always kept when a start failed.

Not covered: clusters of several brokers.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from conformance.targets import ports, probe
from conformance.targets.base import Address, Faults, Target, TargetError
from conformance.targets.processes import Child

_PORT_TAKEN = re.compile(r"address( is)? already in use|AddrInUse|EADDRINUSE|BindException", re.IGNORECASE)
_ATTEMPTS = 4


@frozen
class Launch:
    """How a broker's process is started."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(factory=dict)


class ProcessTarget(Target):
    """One broker, started as a child process on a free port of 127.0.0.1."""

    default_profile = "3.9-kraft"
    start_ceiling_s = 60.0
    stop_ceiling_s = 30.0
    keeps_data_over_restart = True
    is_thrown_away = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder: Path | None = None
        """The scratch folder, while the target is entered."""
        self._broker: Child | None = None
        self._helpers: list[Child] = []
        self._addresses: list[Address] = []
        self.faults: ProcessFaults = ProcessFaults(self)

    @abstractmethod
    def launch(self, folder: Path, address: Address) -> Launch:
        """Prepare `folder` (empty) for a broker that listens on `address`, and say how it is started.

        Raises:
            TargetError: something that it needs is missing; says what to install.
        """

    def is_ready(self, address: Address) -> bool:
        """Whether the broker can be used.

        Raises:
            NoAnswerError: not yet.
        """
        probe.api_versions(address)
        return True

    def before_start(self, ceiling_s: float) -> None:
        """Wait for whatever a broker that was killed has left behind."""

    def before_stop(self) -> None:
        """The broker is about to be stopped or killed by a fault."""

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        """The broker's only listener."""
        if not self._addresses:
            raise TargetError(f"{self.name} has not been started")
        return (self._addresses[0],)

    @property
    def broker(self) -> Child:
        """The broker's process."""
        if self._broker is None:
            raise TargetError(f"{self.name} has not been started")
        return self._broker

    def reserve_port(self) -> Address:
        """A free port, ours until the target is left."""
        self._addresses.append(ports.reserve())
        return self._addresses[-1]

    def help_by(self, child: Child) -> None:
        """Start a process that the broker needs; it ends with the target."""
        self.end_with_us(child)
        child.start()

    def end_with_us(self, child: Child) -> None:
        """See to it that a process, which may not run yet, ends with the target."""
        self._helpers.append(child)

    def start(self) -> None:
        """Start the broker, on another port if someone was quicker to take the chosen one."""
        if self._broker is not None:
            return
        self.folder = Path(tempfile.mkdtemp(prefix=f"tidegauge-{self.name.replace(':', '-')}-"))
        for attempt in range(1, _ATTEMPTS + 1):
            folder = self.folder / f"attempt-{attempt}"
            folder.mkdir()
            try:
                self._try_to_start(folder)
            except TargetError as error:
                logs = [child.log for child in self._children()]
                taken = any(_PORT_TAKEN.search(child.tail()) for child in self._children())
                self._end_children()
                if taken and attempt < _ATTEMPTS:
                    continue
                if not logs:  # nothing ran yet, so there is nothing to keep
                    raise
                self.folder = None
                raise TargetError(f"{error}\nIts output is kept in {folder}") from error
            return

    def _try_to_start(self, folder: Path) -> None:
        address = self.reserve_port()
        launch = self.launch(folder, address)
        self._broker = Child(
            self.name,
            launch.command,
            folder=folder,
            log=folder / "broker.log",
            environment=launch.environment,
        )
        self.start_broker()

    def start_broker(self) -> None:
        """Start the broker's process, unless it runs, and wait until it can be used.

        Raises:
            TargetError: it ended, or did not become ready; the message ends with its last output.
        """
        broker, address = self.broker, self.bootstrap[0]
        if not broker.alive:
            self.before_start(self.start_ceiling_s)
            broker.start()
        self.wait_until_ready(broker, address)

    def wait_until_ready(self, child: Child, address: Address) -> None:
        """Wait until the broker can be used."""
        self.wait_for(child, lambda: self.is_ready(address), f"{child.what} on {address}")

    def wait_for(self, child: Child, ready: Callable[[], bool], what: str) -> None:
        """Wait until `ready` says so (a NoAnswerError means not yet), as long as the process runs.

        Raises:
            TargetError: it ended, or it took too long; the message ends with its last output.
        """
        try:
            probe.wait_until(ready, what, self.start_ceiling_s, alive=lambda: child.alive)
        except TargetError as error:
            raise TargetError(f"{error}; the end of its output:\n{child.tail()}") from error

    def stop(self) -> None:
        """End the processes and remove the scratch folder."""
        self._end_children()
        folder, self.folder = self.folder, None
        if folder is not None and not os.environ.get("TIDEGAUGE_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)

    def _children(self) -> list[Child]:
        return [child for child in (self._broker, *reversed(self._helpers)) if child is not None]

    def _end_children(self) -> None:
        # Killed, not stopped: nobody will read the data, and a clean stop can take seconds.
        for child in self._children():
            child.kill()
        self._broker = None
        self._helpers.clear()
        for address in self._addresses:
            ports.release(address)
        self._addresses.clear()


class ProcessFaults(Faults):
    """Signals to the broker's process. There is only one broker, so its id doesn't matter."""

    actions = frozenset({"stop", "start", "kill", "restart", "pause", "resume"})

    def __init__(self, target: ProcessTarget) -> None:
        self._target = target
        self.keeps_data_over_restart = target.keeps_data_over_restart

    def do(self, action: str, broker: int) -> None:  # noqa: ARG002  there is only one
        """Do it to the only broker, whatever `broker` says."""
        if action not in self.actions:
            raise TargetError(f"{self._target.name} can't {action!r}; it can {', '.join(sorted(self.actions))}")
        getattr(self, f"_{action}")()

    def _stop(self) -> None:
        target = self._target
        target.before_stop()
        if not target.broker.stop(target.stop_ceiling_s):
            raise TargetError(
                f"{target.name} ignored SIGTERM for {target.stop_ceiling_s:g} s and was killed;"
                f" the end of its output:\n{target.broker.tail()}"
            )

    def _start(self) -> None:
        if self._target.broker.paused:
            raise TargetError(f"{self._target.name} is paused: resume it instead of starting it")
        self._target.start_broker()

    def _kill(self) -> None:
        self._target.before_stop()
        self._target.broker.kill()

    def _restart(self) -> None:
        self._stop()
        self._target.start_broker()

    def _pause(self) -> None:
        if not self._target.broker.alive:
            raise TargetError(f"{self._target.name} does not run, so it can't be paused: start it first")
        self._target.broker.pause()

    def _resume(self) -> None:
        broker = self._target.broker
        if not broker.alive:
            raise TargetError(f"{self._target.name} does not run, so it can't be resumed: start it first")
        broker.resume()
        self._target.wait_until_ready(broker, self._target.bootstrap[0])
