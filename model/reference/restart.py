"""What a client may count on after a broker was stopped, or killed, and started again.

The log is as it was, and a new leader epoch has begun. Of each producer the leader still remembers the newest batch;
of the older ones it may remember some or none, because a producer snapshot keeps one batch of each producer and only
the batches after it are read again. Which of them it is shows when such a batch is sent again.

Not modelled: records that a killed broker had not flushed (one broker keeps what its operating system was given).

Source: ProducerStateManager.takeSnapshot and loadFromSnapshot, UnifiedLog.rebuildProducerState; KIP-101.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from model.machines import producer as machine
from model.readings import values
from model.reference.state import Cluster, Memory, Partition


def restarted(cluster: Cluster, places: Iterable[tuple[str, int]]) -> Cluster:
    """The cluster after the leader of these partitions (topic, number) has been restarted."""
    for topic, index in places:
        partition = cluster.partition(topic, index)
        if partition is not None:
            cluster = cluster.with_partition(topic, index, _led_anew(partition))
    return evolve(cluster, former_producer_ids=cluster.producer_ids, sessions={}, restarts=cluster.restarts + 1)


def _led_anew(partition: Partition) -> Partition:
    return evolve(
        partition,
        producers={producer_id: _recalled(memory) for producer_id, memory in partition.producers.items()},
        leader_epoch=None,
        current_epoch_start=partition.log_end_offset,
    )


def _recalled(memory: Memory) -> Memory:
    """The producer's entry after the leader has read it back."""
    steps = (step for state in memory.states for step in values.ways(machine.recall, state))
    return evolve(memory, states=tuple(dict.fromkeys(step.take() for step in steps)))
