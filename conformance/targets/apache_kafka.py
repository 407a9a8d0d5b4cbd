"""Apache Kafka itself, one node, started on loopback from Maven's artifacts: `apache-kafka[:PROFILE]`.

The configuration that is not Kafka's default is only what a single node needs (internal topics with one replica),
what saves time (one partition for each internal topic, no initial wait for group members, short sessions of the
broker with its controller) and where things are.
All else is left alone: Kafka's defaults are part of what the model states.

With ZooKeeper an election needs a second broker; it is there only meanwhile (`witness.py`).

Not covered: clusters, security, dedicated controllers.
"""

from __future__ import annotations

import base64
import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from conformance.targets import maven, probe, zookeeper
from conformance.targets.base import Address, TargetError
from conformance.targets.process_target import Launch, ProcessTarget
from conformance.targets.processes import Child, run
from conformance.targets.witness import WITNESS_ID, WitnessedFaults, has_seen_it_off, is_alone_again

NODE_ID = 1
_FORMAT_CEILING_S = 60.0
_TOPICS_CEILING_S = 3.0
_MAIN = "kafka.Kafka"
_SESSION_MS = 4_000
"""A broker that was killed can't come back before its session is over (by default 9 s); a pause should be shorter."""
QUICK_JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.net.preferIPv4Stack=true",
)
"""Quick to start and small: several of these run side by side in one test run."""
SERVER_JVM = (
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-Djava.net.preferIPv4Stack=true",
)
"""As Kafka's own start script runs it (kafka-server-start.sh, kafka-run-class.sh): for measurements."""
_LOG4J = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
"""
_SETTINGS: Mapping[str, str] = {
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


@frozen
class Edition:
    """One way in which Apache Kafka can be started."""

    pom: str
    """The folder under `maven/` whose pom pins the release."""
    zookeeper: bool
    profile: str
    """The profile that it is held to."""


EDITIONS: Mapping[str, Edition] = {
    "3.9-kraft": Edition("kafka-3.9", zookeeper=False, profile="3.9-kraft"),
    "3.9-zk": Edition("kafka-3.9", zookeeper=True, profile="3.9-zk"),
    "4.1-kraft": Edition("kafka-4.1", zookeeper=False, profile="4.1-kraft"),
    # The newest release, held to the newest profile there is: it tells what changed since.
    "4.4-kraft": Edition("kafka-4.4", zookeeper=False, profile="4.1-kraft"),
}
DEFAULT_EDITION = "3.9-kraft"
_SHORT = {"3.9": "3.9-kraft", "4.1": "4.1-kraft", "4.4": "4.4-kraft"}


class ApacheKafka(ProcessTarget):
    """A single broker of Apache Kafka."""

    start_ceiling_s = 90.0

    def __init__(
        self,
        edition: str = DEFAULT_EDITION,
        *,
        settings: Mapping[str, str] | None = None,
        jvm: Sequence[str] = QUICK_JVM,
    ) -> None:
        """`settings` are added to the broker's configuration; `jvm` are the options of its Java machine.

        Raises:
            TargetError: there is no such edition; lists those there are.
        """
        edition = _SHORT.get(edition, edition)
        if edition not in EDITIONS:
            raise TargetError(f"no apache-kafka:{edition}; there are {', '.join(EDITIONS)}")
        super().__init__(f"apache-kafka:{edition}")
        self._edition = EDITIONS[edition]
        self.default_profile = self._edition.profile
        self._settings = dict(settings or {})
        self._jvm = tuple(jvm)
        self._zookeeper: Address | None = None
        self._witness: tuple[Child, Address] | None = None
        self._topics = 0
        self._listed_at_s: float | None = None
        if self._edition.zookeeper:
            self.faults = WitnessedFaults(self, self._witnessed)

    def launch(self, folder: Path, address: Address) -> Launch:
        """Bring the jars, write the configuration, and format the storage or start ZooKeeper."""
        self._witness = None
        java = self._java(folder)
        plane = self._start_zookeeper(java, folder) if self._edition.zookeeper else self._kraft()
        configuration = self._configuration(folder, address, plane)
        if not self._edition.zookeeper:
            self._format(java, folder, configuration)
        return Launch([*java, _MAIN, str(configuration)])

    def _configuration(self, folder: Path, address: Address, plane: Mapping[str, str]) -> Path:
        """Write the configuration of a broker whose folder this is; `plane` is what its control plane needs."""
        settings = {
            "log.dirs": str(folder / "data"),
            "advertised.listeners": f"PLAINTEXT://{address}",
            "listeners": f"PLAINTEXT://{address}",
            **_SETTINGS,
        }
        for name, value in plane.items():  # KRaft's listener comes after the broker's
            settings[name] = f"{settings[name]},{value}" if name in settings else value
        configuration = folder / "server.properties"
        configuration.write_text("".join(f"{k}={v}\n" for k, v in {**settings, **self._settings}.items()))
        return configuration

    def is_ready(self, address: Address) -> bool:
        """The broker answers before it may serve: it must also be listed by its own metadata."""
        return NODE_ID in probe.brokers(address) and self._has_its_topics(address)

    def before_stop(self) -> None:
        """Remember how many topics there are; a broker that is down or paused has been asked before."""
        if self._zookeeper is not None and self.broker.alive and not self.broker.paused:
            self._listed_at_s = None
            with contextlib.suppress(probe.NoAnswerError):  # then what was known last must do
                self._topics = len(probe.view(self.bootstrap[0]).leaders)

    def _has_its_topics(self, address: Address) -> bool:
        """With ZooKeeper the broker learns of its topics a moment (0.1 s) later than of itself.

        Only so long, though: a topic may have been deleted since.
        """
        if self._zookeeper is None or len(probe.view(address).leaders) >= self._topics:
            return True
        now_s = time.monotonic()
        self._listed_at_s = self._listed_at_s or now_s
        return now_s - self._listed_at_s > _TOPICS_CEILING_S

    def before_start(self, ceiling_s: float) -> None:
        """Wait for the end of the session that a broker that was killed has left behind."""
        self._await_end_of_session(NODE_ID, ceiling_s)

    def _await_end_of_session(self, broker: int, ceiling_s: float) -> None:
        """A broker can't register in ZooKeeper while the registration from before it was killed is there."""
        registry = self._zookeeper
        if registry is not None:
            probe.wait_until(
                lambda: not zookeeper.is_registered(registry, broker),
                "the end of the old session",
                ceiling_s,
            )

    @contextlib.contextmanager
    def _witnessed(self) -> Iterator[None]:
        """See the broker off, which has ended; then let it come back, and leave the cluster to it."""
        self._witness = self._witness or self._prepare_witness()
        witness, address = self._witness
        self._await_end_of_session(WITNESS_ID, self.start_ceiling_s)
        try:
            witness.start()
            self.wait_for(witness, lambda: self._is_seen_off(address), "the witness")
            self._listed_at_s = None
            yield
        except BaseException:
            witness.kill()
            raise
        witness.stop(self.stop_ceiling_s)
        own = self.bootstrap[0]
        self.wait_for(self.broker, lambda: is_alone_again(probe.view(own), NODE_ID), "the end of the election")

    def _is_seen_off(self, witness: Address) -> bool:
        return has_seen_it_off(probe.view(witness)) and self._has_its_topics(witness)

    def _prepare_witness(self) -> tuple[Child, Address]:
        """A second broker, which has yet to be started."""
        if self.folder is None or self._zookeeper is None:
            raise TargetError(f"{self.name} has not been started")
        folder = Path(self.broker.log.parent, "witness")
        folder.mkdir()
        address = self.reserve_port()
        configuration = self._configuration(folder, address, _on_zookeeper(WITNESS_ID, self._zookeeper))
        command = [*self._java(folder), _MAIN, str(configuration)]
        witness = Child("the witness", command, folder=folder, log=folder / "witness.log")
        self.end_with_us(witness)
        return witness, address

    def _java(self, folder: Path) -> list[str]:
        log4j = folder / "log4j.properties"
        log4j.write_text(_LOG4J)
        return maven.java_command(self._edition.pom, [*self._jvm, f"-Dlog4j.configuration={log4j.as_uri()}"])

    def _kraft(self) -> dict[str, str]:
        controller = self.reserve_port()
        return {
            "process.roles": "broker,controller",
            "node.id": str(NODE_ID),
            "broker.session.timeout.ms": str(_SESSION_MS),
            "controller.quorum.voters": f"{NODE_ID}@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "listeners": f"CONTROLLER://{controller}",
        }

    def _start_zookeeper(self, java: list[str], folder: Path) -> dict[str, str]:
        address = self._zookeeper = self.reserve_port()
        server = zookeeper.server(java, folder / "zookeeper", address)
        self.help_by(server)
        probe.wait_until(
            lambda: zookeeper.is_up(address), "ZooKeeper", self.start_ceiling_s, alive=lambda: server.alive
        )
        return _on_zookeeper(NODE_ID, address)

    def _format(self, java: list[str], folder: Path, configuration: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster_id}",
            "-c",
            str(configuration),
        ]
        run(
            Child("kafka-storage format", command, folder=folder, log=folder / "format.log"),
            _FORMAT_CEILING_S,
        )


def _on_zookeeper(broker: int, registry: Address) -> dict[str, str]:
    """What a broker of ZooKeeper needs to be one."""
    return {"broker.id": str(broker), "zookeeper.connect": str(registry)}
