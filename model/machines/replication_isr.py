"""What leaders do about the ISR in `model.machines.replication`: they ask the controller to change it.

A leader asks for one change at a time. Until it knows the answer it counts whoever may be in the ISR: a follower that
it asked to add already, one that it asked to drop still (KIP-497).

Source: Partition.scala (3.9).
"""

from __future__ import annotations

from typing import Any

from model.language import NONE, Guard, State, Step, allof, no, some
from model.machines.replication_state import BROKER_EPOCH, REPLICA, VERSION, replication


@replication.action(leader=REPLICA, follower=REPLICA)
def leader_asks_to_add(s: State, leader: Any, follower: Any) -> Step:
    """A leader asks the controller to add a follower to the ISR; from now on it counts it.

    Who: whoever takes itself for the leader, and asks for nothing else.
    When: the follower has fetched up to the high watermark and up to where the leader's epoch began, with the broker
        epoch that the leader has in its metadata.
    Changes: the request is under way.
    Source: Partition.maybeExpandIsr, isFollowerInSync and isReplicaIsrEligible; KAFKA-7128, KIP-497, KIP-903.
    """
    known, fetched = s.knows[leader], s.fetched[leader, follower]
    named = s.fetched_as[leader, follower]
    return Step(
        (
            Guard("it_leads", s.leads[leader], safety_critical=True),
            Guard("it_asks_for_nothing_else", no(s.asking[leader]), safety_critical=True),
            Guard("it_is_another", follower != leader),
            Guard("it_is_not_in_the_isr", no(s.decided_isr[known].has(follower))),
            Guard(
                "it_fetches_as_it_is_registered",
                allof(named > 0, named == s.cached[leader, follower]),
                safety_critical=True,
            ),
            Guard("it_has_fetched_to_the_hw", fetched >= s.hw[leader], safety_critical=True),
            Guard("it_has_fetched_to_the_epochs_start", fetched >= s.began_at[s.epoch[leader]], safety_critical=True),
        ),
        lambda: s.but(
            asking=s.asking.set(leader, True),
            asks_to_add=s.asks_to_add.set(known, some(follower)),
            asks_as=s.asks_as.set(known, named),
            asks_to_drop=s.asks_to_drop.set(known, NONE),
            asked_by=s.asked_by.set(known, s.broker_epoch[leader]),
            is_refused=s.is_refused.set(known, False),
        ),
    )


@replication.action(leader=REPLICA, follower=REPLICA)
def leader_asks_to_drop(s: State, leader: Any, follower: Any) -> Step:
    """A leader asks the controller to drop a slow follower from the ISR; until it hears of it it counts it.

    Who: whoever takes itself for the leader, and asks for nothing else.
    When: the follower is slow, or dead: a leader sees no difference.
    Changes: the request is under way.
    Source: Partition.maybeShrinkIsr; KIP-497.
    """
    known = s.knows[leader]
    return Step(
        (
            Guard("it_leads", s.leads[leader], safety_critical=True),
            Guard("it_asks_for_nothing_else", no(s.asking[leader]), safety_critical=True),
            Guard("it_is_another", follower != leader, safety_critical=True),
            Guard("it_is_in_the_isr", s.decided_isr[known].has(follower)),
        ),
        lambda: s.but(
            asking=s.asking.set(leader, True),
            asks_to_add=s.asks_to_add.set(known, NONE),
            asks_to_drop=s.asks_to_drop.set(known, some(follower)),
            asked_by=s.asked_by.set(known, s.broker_epoch[leader]),
            is_refused=s.is_refused.set(known, False),
        ),
    )


@replication.action(leader=REPLICA)
def leader_reverts(s: State, leader: Any) -> Step:
    """A leader hears that its request was refused, and goes back to the ISR that it knows.

    Who: whoever takes itself for the leader.
    When: the controller answered that somebody in the ISR asked for is not eligible (INELIGIBLE_REPLICA).
    Changes: it counts whoever is in the ISR that it knows, and may ask for something else.
    Source: Partition.handleAlterPartitionError.
    """
    return Step(
        (
            Guard("it_leads", s.leads[leader]),
            Guard("it_asks", s.asking[leader]),
            Guard("the_request_was_refused", s.is_refused[s.knows[leader]], safety_critical=True),
        ),
        lambda: s.but(asking=s.asking.set(leader, False)),
    )


@replication.action(leader=REPLICA, version=VERSION)
def leader_learns_isr(s: State, leader: Any, version: Any) -> Step:
    """A leader hears of a newer decision of its own epoch: an answer to its request, or metadata.

    Who: whoever takes itself for the leader.
    When: at any time after the decision, newer ones may have been made.
    Changes: the ISR that it knows; whatever it asked for it asks no more.
    Source: Partition.handleAlterPartitionUpdate, Partition.makeLeader.
    """
    return Step(
        (
            Guard("it_leads", s.leads[leader]),
            Guard("it_was_decided", version <= s.partition_epoch),
            Guard("it_is_newer", version > s.knows[leader], safety_critical=True),
            Guard("it_is_of_its_epoch", s.epoch_of[version] == s.epoch[leader], safety_critical=True),
        ),
        lambda: s.but(knows=s.knows.set(leader, version), asking=s.asking.set(leader, False)),
    )


@replication.action(replica=REPLICA, other=REPLICA, broker_epoch=BROKER_EPOCH)
def replica_learns_registration(s: State, replica: Any, other: Any, broker_epoch: Any) -> Step:
    """A broker hears of another's registration.

    Who: any broker that runs.
    When: at any time after the registration; there may be newer ones.
    Changes: the other's broker epoch in its metadata.
    Source: KRaftMetadataCache.getAliveBrokerEpoch.
    """
    return Step(
        (
            Guard("it_is_alive", s.alive[replica]),
            Guard("it_was_registered", broker_epoch <= s.broker_epoch[other]),
            Guard("it_is_newer", broker_epoch > s.cached[replica, other], safety_critical=True),
        ),
        lambda: s.but(cached=s.cached.set((replica, other), broker_epoch)),
    )
