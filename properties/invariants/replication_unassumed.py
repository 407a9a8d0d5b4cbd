"""What holds of `model.machines.replication` whatever happens, and with nothing assumed: `unassumed`.

That an epoch has one leader, and that its high watermark does not fall, needs little: who is elected in an epoch
stays elected, and who leads was elected. Logs are not looked at.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, implies, no
from model.machines.replication import REPLICA, replication, sizes
from properties.claims import Claims, Theorem, under
from properties.invariants.replication_decisions import DECISIONS
from properties.invariants.replication_theorems import leaders_hw_grows, leaders_stay_elected, one_leader_per_epoch
from properties.invariants.replication_words import every

SMALL = sizes(replicas=2, log=1, epochs=2, versions=3)
UNTOLD = "leader_acknowledges"
"""What producers are told changes nothing else; it is looked at where it matters."""

unassumed = Claims(
    under(replication, "Any failure, and unclean elections; nothing is assumed.", without=(UNTOLD,)),
    SMALL,
    clauses={name: DECISIONS[name] for name in ("controller_bounds", "newest_decision", "decisions_have_epochs")},
)


@unassumed.clause
def nobody_is_elected_in_the_first_epoch(s: State) -> Any:
    """In leader epoch 0, before the first election, there is no leader."""
    return no(s.elected[0].exists)


@unassumed.clause
def who_leads_is_alive(s: State) -> Any:
    """Who leads is alive, and was elected in the epoch that it is in."""
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            s.leads[leader],
            allof(
                s.alive[leader],
                s.epoch[leader] > 0,
                s.epoch[leader] <= s.leader_epoch,
                s.elected[s.epoch[leader]] == leader,
            ),
        ),
    )


unassumed.theorem(
    Theorem(
        "ONE-LEADER-PER-EPOCH",
        "No two replicas ever lead in the same leader epoch.",
        of_state=one_leader_per_epoch,
        of_step=leaders_stay_elected,
    )
)


unassumed.theorem(
    Theorem(
        "HW-MONOTONE",
        "As long as a replica leads in a leader epoch its high watermark does not fall.",
        of_step=leaders_hw_grows,
    )
)
