"""What the suite needs to know of an implementation: where it listens, and how to stop and start its brokers.

A target is entered before the first operation and left after the last; whatever it started ends then.
It says nothing of what the implementation can do: that is asked on the wire (ApiVersions).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import frozen

from conformance.wire.security import Security

if TYPE_CHECKING:
    from conformance.targets.process_target import Launch


BRISK: Mapping[str, str] = {
    "log.retention.check.interval.ms": "200",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "0",
}
"""Settings of a broker with which retention and compaction run while someone waits for them."""
BRISK_MS = 1_000
"""How long a broker may leave its logs alone for that."""


class TargetError(Exception):
    """A target can't be had or can't be controlled; the message says what to do."""


class FaultFailedError(TargetError):
    """A fault that is offered could not be done: what needs it was not tried, and the run must not look green."""


@frozen
class Address:
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Faults(ABC):
    """What can be done to a single broker. `broker` is a node id as Metadata tells it."""

    actions: frozenset[str]
    """Which of stop, start, kill, restart, pause, resume and elect can be done.

    `elect` is a restart in order, at the end of which the broker leads its partitions in a new leader epoch. It is
    for a target whose brokers keep their epoch over a `restart`, and which can do something about that.
    """
    keeps_data_over_restart: bool = True
    """Whether what was acknowledged is still there after stop, or kill, and start; not so for brokers in memory."""

    @abstractmethod
    def do(self, action: str, broker: int) -> None:
        """Do it and return when it has been done (after a start: when the broker answers ApiVersions).

        Raises:
            TargetError: it failed, or `action` is not one of `actions`.
        """


def carry_out(faults: Faults, action: str, broker: int) -> None:
    """Do one of the actions that are offered, for whoever cannot go on without it.

    Raises:
        FaultFailedError: it failed; names the action, the broker and what went wrong.
    """
    try:
        faults.do(action, broker)
    except TargetError as error:
        raise FaultFailedError(f"{action} of broker {broker} failed: {error}") from error


class Target(ABC):
    """One way to reach an implementation."""

    name: str
    """What the report calls it, for instance `apache-kafka:3.9-kraft`."""
    default_profile: str
    """The profile it is held to unless the user names one, for instance `3.9-kraft`."""
    default_deviations: str | None = None
    """The stem of its file under `conformance/deviations/`, if it has one."""
    is_thrown_away: bool = False
    """Whether nothing of it remains once it was stopped, so that nothing need be removed from it."""
    security: Security | None = None
    faults: Faults | None = None

    @property
    @abstractmethod
    def bootstrap(self) -> tuple[Address, ...]:
        """Where its brokers listen; known once the target has been entered."""

    def storage_process(self) -> Launch | None:
        """How the process is started in which its log can be driven by itself (`conformance.targets.storage`)."""
        return None

    def start(self) -> None:  # noqa: B027  a target that runs already has nothing to do
        """Start what must be started, and return when it answers ApiVersions.

        Raises:
            TargetError: something that it needs is missing; says what to install.
        """

    def stop(self) -> None:  # noqa: B027
        """End whatever `start` started. Must not raise; safe to call twice."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
