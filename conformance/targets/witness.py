"""Elections for a lone broker of ZooKeeper: a second broker, the witness, sees that the first is gone.

With ZooKeeper one of the brokers is the controller. A lone broker is its own: while it is away nobody takes the
leadership of its partitions from it, and when it is back it goes on in the leader epoch that it left. A witness that
is there meanwhile becomes the controller, finds that the leader is no more and writes that there is none, and elects
the broker when it is back: the controller adds one to the epoch each time.

The witness is a broker of Apache Kafka like the first. It is started when the first has ended, so that all it knows
of partitions is what it found as the controller, and it ends before the cluster is used again, so that no partition
is placed on it.

Not covered: partitions with a replica on the witness, and what the cluster does while the witness is there.

Source: KafkaController.onControllerFailover and onBrokerStartup, ReplicaStateMachine.doRemoveReplicasFromIsr,
Election.leaderForOffline, LeaderAndIsr.newLeaderAndIsr (Kafka 3.9).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from conformance.targets import probe
from conformance.targets.process_target import ProcessFaults, ProcessTarget

WITNESS_ID = 2


class WitnessedFaults(ProcessFaults):
    """Signals to the broker's process, and elections."""

    actions = ProcessFaults.actions | {"elect"}

    def __init__(self, target: ProcessTarget, witness: Callable[[], AbstractContextManager[None]]) -> None:
        """`witness` is entered when the broker has ended, and left when the broker is back."""
        super().__init__(target)
        self._witness = witness

    def _elect(self) -> None:
        self._stop()
        with self._witness():
            self._target.start_broker()


def has_seen_it_off(view: probe.View) -> bool:
    """Whether the witness, whose view this is, is alone and knows of no leader."""
    is_led = any(leader >= 0 for leaders in view.leaders.values() for leader in leaders)
    return set(view.brokers) == {WITNESS_ID} and not is_led


def is_alone_again(view: probe.View, broker: int) -> bool:
    """Whether the broker, whose view this is, has the cluster for itself and controls it."""
    return set(view.brokers) == {broker} and view.controller == broker
