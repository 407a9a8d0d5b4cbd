"""What a client may count on after a broker was stopped, or killed, and started again.

The log is as it was, and a new leader epoch may have begun. Of each producer the leader still remembers the newest
batch; of the older ones it may remember some or none, because a producer snapshot keeps one batch of each producer and
only the batches after it are read again. Which of them it is shows when such a batch is sent again.

Not modelled: records that a killed broker had not flushed (one broker keeps what its operating system was given).

Source: ProducerStateManager.takeSnapshot and loadFromSnapshot, UnifiedLog.rebuildProducerState; KIP-101;
ReplicationControlManager.handleBrokerInControlledShutdown; PartitionStateMachine.initializePartitionState,
KafkaController.onControllerFailover and onBrokerStartup, ReplicaStateMachine.doRemoveReplicasFromIsr,
LeaderAndIsr.newLeaderAndIsr.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from model.machines import producer as machine
from model.profiles import ControlPlane, Profile
from model.readings import values
from model.reference.idempotence import forgotten
from model.reference.state import Cluster, Memory, Partition


def elects(profile: Profile, *, in_order: bool, is_witnessed: bool = False) -> bool:
    """Whether a partition's only replica is surely elected anew when its broker was restarted.

    KRaft's controller takes the leadership from a broker that leaves in order, and gives it back. From one that was
    killed it takes it only if it finds out before the broker is back. With ZooKeeper the controller is a broker: a
    lone one leaves the leadership to itself, in the epoch that it had; another one that finds out that it is gone
    (`is_witnessed`) takes it, and gives it back. Taking and giving each begin an epoch, so that the broker leads
    again in one that is newer by two; all that the rule (EPO-02) asks for is a newer one.
    """
    return is_witnessed or (in_order and profile.control_plane is ControlPlane.KRAFT)


def restarted(
    cluster: Cluster, places: Iterable[tuple[str, int]], *, is_elected: bool = False, is_killed: bool = False
) -> Cluster:
    """The cluster after the leader of these partitions (topic, number) has been restarted.

    `is_elected`: whether there was surely an election of it; `is_killed`: whether its process was not stopped in order.
    """
    for topic, index in places:
        partition = cluster.partition(topic, index)
        if partition is not None:
            led = _led_anew(partition, is_elected=is_elected, is_killed=is_killed)
            cluster = cluster.with_partition(topic, index, led)
    number = cluster.restarts + 1
    killed = number if is_killed else cluster.killed
    return evolve(cluster, former_producer_ids=cluster.producer_ids, sessions={}, restarts=number, killed=killed)


def rule_of_survival(cluster: Cluster, partition: Partition) -> str | None:
    """The requirement by which what was written must still be there; None if the broker was not restarted since."""
    if not partition.log_end_offset or partition.restarts >= cluster.restarts:
        return None
    return "DUR-17" if partition.restarts < cluster.killed else "LOG-08"


def _led_anew(partition: Partition, *, is_elected: bool, is_killed: bool) -> Partition:
    return evolve(
        partition,
        producers={each: _recalled(memory, is_killed=is_killed) for each, memory in partition.producers.items()},
        leader_epoch=None,
        is_led_anew=is_elected,
        current_epoch_start=partition.log_end_offset,
    )


def _recalled(memory: Memory, *, is_killed: bool) -> Memory:
    """The producer's entry after the leader has read it back.

    A stop in order leaves a snapshot, from which producers are not taken whose time is over (`loadFromSnapshot`).
    After a kill they are read from batches, whose age nobody looks at (`UnifiedLog.loadProducersFromRecords`).
    """
    if memory.is_stale and not is_killed:
        return forgotten(memory)
    steps = (step for state in memory.states for step in values.ways(machine.recall, state))
    return evolve(memory, states=tuple(dict.fromkeys(step.take() for step in steps)))
