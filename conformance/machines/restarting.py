"""What a restart of a broker means to a sequence: which one is done, what is lost, and when the broker leads again."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from conformance.case import IMPATIENT_S
from conformance.client import Client, NotReady, poll
from conformance.history.explain import World
from model.reference.operations import DeleteRecords, Operation
from model.reference.restart import restarted
from model.reference.state import Cluster

Place = tuple[str, int]
"""A topic and a partition of it."""


def steps_of_fault(action: str) -> tuple[str, ...]:
    """What is done to the broker, one after the other, so that it serves again in the end."""
    return (action, "start") if action in {"stop", "kill"} else (action,)


def fault_to_do(action: str, cluster: Cluster, under_way: Sequence[Operation]) -> str:
    """The fault to be done. A broker whose log starts were raised is not killed, but restarted.

    Kafka keeps a raised start from its next checkpoint on (log.flush.start.offset.checkpoint.interval.ms, by
    default a minute; LogManager.checkpointLogStartOffsets) or when it stops in order, which is what LOG-09 asks
    for. After a kill deleted records may be back.
    """
    starts = [each.log_start_offset for topic in cluster.topics.values() for each in topic.partitions]
    is_raised = any(starts) or any(isinstance(each, DeleteRecords) for each in under_way)
    return "restart" if action == "kill" and is_raised else action


def restarted_world(world: World, places: Sequence[Place], *, is_elected: bool, is_killed: bool) -> World:
    """The world after the broker was restarted: every connection was lost, and another leader epoch may have begun."""
    for sent in world.pending:
        world = world.without_connection(sent.connection)
    return evolve(world, cluster=restarted(world.cluster, places, is_elected=is_elected, is_killed=is_killed))


def await_leaders(client: Client, topics: Sequence[str], before: Cluster, places: Sequence[Place], newer: int) -> None:
    """Wait until the broker leads again: at first it may tell, and even serve, what was before.

    `newer` is by how much leader epochs must have grown.
    """
    known = {place: before.partition(*place) for place in places}

    def lead_again() -> bool:
        now = client.leader_epochs(tuple(topics))
        return all(
            place in now and now[place] >= (partition.leader_epoch or 0) + newer and client.leads_in(*place, now[place])
            for place, partition in known.items()
            if partition is not None and partition.leader_epoch is not None
        )

    try:
        poll("producer ids", client.hands_out_ids, ceiling_s=client.patience_s)
        poll("leaders in their epoch", lead_again, ceiling_s=client.patience_s)
    except NotReady:
        client.patience_s = IMPATIENT_S
