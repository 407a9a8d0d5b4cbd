"""Kinds of states of `model.machines.replication` that must remain possible, so that nothing is proved of nothing."""

from __future__ import annotations

from typing import Any

from model.language import State, allof, no
from model.machines.replication import OFFSET, REPLICA


def a_deposed_leader(s: State) -> Any:
    """A leader that has committed something goes on in an old epoch while another leads in a newer one."""
    return s.some(
        REPLICA,
        lambda leader: s.some(
            REPLICA, lambda m: allof(s.leads[leader], s.leads[m], s.epoch[leader] < s.epoch[m], s.hw[leader] > 0)
        ),
    )


def a_shrunk_isr(s: State) -> Any:
    """Something is committed, and somebody is out of the ISR."""
    return s.some(REPLICA, lambda r: allof(no(s.isr.has(r)), s.some(OFFSET, lambda o: s.committed[o] != 0)))


def a_log_that_differs(s: State) -> Any:
    """A follower has a record that its leader does not have at that offset."""
    return s.some(
        REPLICA,
        lambda leader: s.some(
            REPLICA,
            lambda f: allof(
                s.leads[leader], s.epoch[f] == s.epoch[leader], s.end[f] > 0, s.log[f, 0] != s.log[leader, 0]
            ),
        ),
    )


def an_eligible_leader_replica(s: State) -> Any:
    """Something is committed, the leader alone is in the ISR, and another is eligible."""
    return allof(
        s.committed[0] != 0,
        s.leader.exists,
        s.isr.is_only(s.leader.value),
        no(s.elr.is_empty()),
    )


def an_empty_isr(s: State) -> Any:
    """Nobody is in the ISR, and somebody is eligible."""
    return allof(s.isr.is_empty(), no(s.elr.is_empty()))


def an_acknowledged_record(s: State) -> Any:
    """A record was acknowledged."""
    return s.acked[0] != 0


def a_replica_that_lost_what_was_committed(s: State) -> Any:
    """Somebody lost a record that is committed."""
    return s.some(REPLICA, lambda r: allof(s.has_lost[r], s.end[r] == 0, s.committed[0] != 0))
