"""Elections, as far as a suite can make them happen: by a restart of the broker that leads, or as the target knows to.

Not here: elections among several replicas.
"""

from __future__ import annotations

from conformance.case import Run
from conformance.client import Unsupported


def epoch_of(run: Run, topic: str) -> int:
    """The leader epoch of the topic's first partition, as Metadata told it; 0 if it told none."""
    return run.cluster.topics[topic].partitions[0].leader_epoch or 0


def lead_anew(run: Run, topic: str) -> None:
    """Have the broker elected anew, so that the topic's leader is in a new epoch.

    The target's own way to an election comes first (`elect`): where it has one, a restart would not do.

    Raises:
        Unsupported: the epoch is what it was.
    """
    before = epoch_of(run, topic)
    run.do("elect" if run.can("elect") else "restart")
    if epoch_of(run, topic) <= before:
        raise Unsupported("the leader epoch outlives a restart (as of a lone broker of ZooKeeper)")
