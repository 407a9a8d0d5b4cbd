"""Apache Kafka with two brokers, for tests: `conformance/targets/tests/two_brokers.py:TwoBrokers` is a target, too.

The first is the controller as well. Faults are done to the first, which is the suite's home broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.targets import probe
from conformance.targets.apache_kafka import NODE_ID, ApacheKafka
from conformance.targets.base import Address, TargetError
from conformance.targets.process_target import Launch, ProcessFaults
from conformance.targets.processes import Child, run

SECOND_ID = 2


class FaultsOfTheFirst(ProcessFaults):
    """What can be done to the first broker."""

    def do(self, action: str, broker: int) -> None:
        """Refuse to do it to the other one."""
        if broker != NODE_ID:
            raise TargetError(f"a fault was to be done to broker {broker}, which leads no topic of the suite")
        super().do(action, broker)


class TwoBrokers(ApacheKafka):
    """Two brokers, KRaft. Groups are spread over both."""

    def __init__(self) -> None:
        super().__init__(settings={"offsets.topic.num.partitions": "4"})
        self.name = "apache-kafka:two-brokers"
        self.faults = FaultsOfTheFirst(self)
        self._second: Address | None = None

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        """The second first: nothing may depend on which one is named first."""
        (first,) = super().bootstrap
        return (self._second, first) if self._second is not None else (first,)

    def launch(self, folder: Path, address: Address) -> Launch:
        """Prepare both, and start the second, which waits for the first."""
        launch = super().launch(folder, address)
        first = _settings(folder / "server.properties")
        other = folder / "second"
        other.mkdir()
        self._second = self.reserve_port()
        plane = {
            "process.roles": "broker",
            "node.id": str(SECOND_ID),
            **{
                name: first[name]
                for name in (
                    "broker.session.timeout.ms",
                    "controller.quorum.voters",
                    "controller.listener.names",
                    "listener.security.protocol.map",
                )
            },
        }
        configuration = self._configuration(other, self._second, plane)
        java = self._java(other)
        cluster_id = _settings(folder / "data" / "meta.properties")["cluster.id"]
        _format(java, other, configuration, cluster_id)
        self.help_by(
            Child("the second broker", [*java, "kafka.Kafka", str(configuration)], folder=other, log=other / "log")
        )
        return launch

    def start_broker(self) -> None:
        """Wait for both."""
        super().start_broker()
        own = super().bootstrap[0]
        self.wait_for(self.broker, lambda: {NODE_ID, SECOND_ID} <= set(probe.brokers(own)), "the second broker")


def _settings(file: Path) -> dict[str, str]:
    lines = (line for line in file.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def _format(java: Sequence[str], folder: Path, configuration: Path, cluster_id: str) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(configuration)]
    run(Child("kafka-storage format", command, folder=folder, log=folder / "format.log"), 60)
