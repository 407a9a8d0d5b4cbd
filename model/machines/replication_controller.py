"""The controller's actions in `model.machines.replication`: sessions, elections, and changes of the ISR.

KRaft's controller writes several changes at once: it fences a broker and takes it out of every ISR in one step. Here
these are steps of their own, which allows all that Kafka does and more.

With KIP-966 whoever leaves an ISR that becomes smaller than min.insync.replicas stays eligible: as long as it is,
nothing is committed without it. Only who did not shut down by itself is eligible no more.

Source: ReplicationControlManager.java, PartitionChangeBuilder.java, ClusterControlManager.java (3.9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.language import NONE, Guard, State, Step, allof, anyof, ite, no, some
from model.machines.replication_state import REPLICA, REPLICAS, replication


def _is_eligible(s: State, replica: Any) -> Any:
    """Whether a replica is in the ISR or among the eligible leader replicas."""
    return anyof(s.isr.has(replica), s.elr.has(replica))


def _decided(s: State, leader: Any, isr: Any, epoch: Any, *, stays: Callable[[Any], Any] | None = None) -> State:
    """The controller decides on a leader and an ISR, under a new partition epoch, and tells everybody.

    Who is no longer in the ISR remains eligible as long as the ISR is too small (PartitionChangeBuilder
    .maybePopulateTargetElr), if `stays` says so; if it is not given, whoever was eligible does.
    """
    version = s.partition_epoch + 1
    is_enough = s.at_least(s.min_isr, REPLICA, isr.has)

    def is_eligible(q: Any) -> Any:
        keeps = _is_eligible(s, q) if stays is None else stays(q)
        return allof(s.has_elr, no(is_enough), keeps, no(isr.has(q)))

    elr = s.set_of(REPLICAS, is_eligible)
    return s.but(
        leader=leader,
        leader_epoch=epoch,
        partition_epoch=version,
        isr=isr,
        elr=elr,
        elected=s.elected.set(epoch, leader),
        epoch_of=s.epoch_of.set(version, epoch),
        decided_isr=s.decided_isr.set(version, isr),
        is_enough=s.is_enough.set(version, is_enough),
        last_eligible=s.last_eligible.set(epoch, s.set_of(REPLICAS, lambda q: anyof(isr.has(q), elr.has(q)))),
    )


def _epoch_after_shrink(s: State) -> Any:
    """The leader epoch after the ISR became smaller and the leader stayed."""
    return ite(s.bumps_epoch, s.leader_epoch + 1, s.leader_epoch)


# -- sessions --------------------------------------------------------------------------------------------------------


@replication.action(replica=REPLICA)
def controller_fences(s: State, replica: Any) -> Step:
    """The controller takes a broker's session for over.

    Who: the controller.
    When: it heard nothing from the broker for too long. The broker may be dead, or alive and know nothing of it.
    Changes: the broker is fenced.
    Source: ReplicationControlManager.handleBrokerFenced, BrokerHeartbeatManager.findOneStaleBroker.
    """
    return Step(
        (Guard("it_has_a_session", no(s.fenced[replica])),),
        lambda: s.but(fenced=s.fenced.set(replica, True)),
    )


@replication.action(replica=REPLICA)
def controller_unfences(s: State, replica: Any) -> Step:
    """The controller hears from a fenced broker.

    Who: the controller.
    When: the broker is alive and sends a heartbeat.
    Changes: the broker is fenced no more.
    Source: ReplicationControlManager.handleBrokerUnfenced.
    """
    return Step(
        (Guard("it_is_fenced", s.fenced[replica]), Guard("it_is_alive", s.alive[replica])),
        lambda: s.but(fenced=s.fenced.set(replica, False)),
    )


# -- leaders ---------------------------------------------------------------------------------------------------------


@replication.action(replica=REPLICA)
def controller_elects(s: State, replica: Any) -> Step:
    """A member of the ISR is made leader.

    Who: the controller.
    When: at any time: there is no leader, or another is preferred.
    Changes: leader and leader epoch; everybody will be told. The leader before may not hear of it for long.
    Source: PartitionChangeBuilder.electLeader.
    """
    return Step(
        (
            Guard("it_has_a_session", no(s.fenced[replica])),
            Guard("it_is_in_the_isr", s.isr.has(replica), safety_critical=True),
            Guard("it_is_another", s.leader != replica),
        ),
        lambda: _decided(s, some(replica), s.isr, s.leader_epoch + 1),
    )


@replication.action(replica=REPLICA)
def controller_elects_unclean(s: State, replica: Any) -> Step:
    """A replica outside the ISR is made leader.

    Who: the controller, if unclean.leader.election.enable is true.
    When: nobody in the ISR has a session.
    Changes: leader and leader epoch; the new leader alone is the ISR.
    Source: PartitionChangeBuilder.electLeader; KIP-106, KIP-704.
    """
    return Step(
        (
            Guard("it_has_a_session", no(s.fenced[replica])),
            Guard("it_is_not_in_the_isr", no(s.isr.has(replica))),
            Guard("nobody_in_the_isr_has_a_session", s.isr.every(lambda q: s.fenced[q]), safety_critical=True),
        ),
        lambda: _decided(
            s, some(replica), s.none_of(REPLICAS).plus(replica), s.leader_epoch + 1, stays=lambda _q: False
        ),
    )


@replication.action(replica=REPLICA)
def controller_elects_eligible(s: State, replica: Any) -> Step:
    """An eligible leader replica is made leader.

    Who: the controller, with KIP-966.
    When: nobody is in the ISR.
    Changes: leader and leader epoch; the new leader alone is the ISR, the others remain eligible.
    Source: PartitionChangeBuilder.isValidNewLeader and tryElection; KIP-966.
    """
    return Step(
        (
            Guard("it_has_a_session", no(s.fenced[replica])),
            Guard("the_isr_is_empty", s.isr.is_empty(), safety_critical=True),
            Guard("it_is_eligible", s.elr.has(replica), safety_critical=True),
        ),
        lambda: _decided(s, some(replica), s.none_of(REPLICAS).plus(replica), s.leader_epoch + 1),
    )


@replication.action(replica=REPLICA)
def controller_gives_up_leader(s: State, replica: Any) -> Step:
    """The leader is fenced, and nobody else is in the ISR: there is no leader.

    Who: the controller.
    When: the leader's session is over.
    Changes: the leader epoch. The ISR stays: its last member is never dropped.
    Source: PartitionChangeBuilder.tryElection.
    """
    return Step(
        (
            Guard("it_is_fenced", s.fenced[replica]),
            Guard("it_leads", s.leader == replica),
            Guard("it_is_alone_in_the_isr", s.isr.is_only(replica)),
        ),
        lambda: _decided(s, NONE, s.isr, s.leader_epoch + 1),
    )


# -- the ISR ---------------------------------------------------------------------------------------------------------


def _others_are_left(s: State, replica: Any) -> Guard:
    """With KIP-966 the ISR may be empty: who leaves it last remains eligible."""
    others = anyof(s.has_elr, s.isr.some(lambda q: q != replica))
    return Guard("it_is_not_the_last", others)


@replication.action(replica=REPLICA)
def controller_drops_leader(s: State, replica: Any) -> Step:
    """A fenced leader is dropped from the ISR.

    Who: the controller.
    When: the leader's session is over, and others are in the ISR.
    Changes: the ISR; there is no leader, under a new leader epoch.
    Source: ReplicationControlManager.generateLeaderAndIsrUpdates.
    """
    return Step(
        (
            Guard("it_is_fenced", s.fenced[replica], safety_critical=True),
            Guard("it_leads", s.leader == replica),
            _others_are_left(s, replica),
        ),
        lambda: _decided(s, NONE, s.isr.minus(replica), s.leader_epoch + 1),
    )


@replication.action(replica=REPLICA)
def controller_drops(s: State, replica: Any) -> Step:
    """A fenced follower is dropped from the ISR.

    Who: the controller.
    When: the follower's session is over, and others are in the ISR.
    Changes: the ISR. The leader epoch stays what it is.
    Source: ReplicationControlManager.generateLeaderAndIsrUpdates; KAFKA-15021.
    """
    return Step(
        (
            Guard("it_is_fenced", s.fenced[replica], safety_critical=True),
            Guard("it_does_not_lead", s.leader != replica, safety_critical=True),
            Guard("it_is_in_the_isr", s.isr.has(replica)),
            _others_are_left(s, replica),
        ),
        lambda: _decided(s, s.leader, s.isr.minus(replica), _epoch_after_shrink(s)),
    )


@replication.action(replica=REPLICA)
def controller_drops_unclean(s: State, replica: Any) -> Step:
    """A broker that did not shut down by itself is eligible no more.

    Who: the controller, with KIP-966.
    When: the broker is about to register again, and can't show that it shut down by itself. It does not lead any more.
    Changes: the ISR and the eligible leader replicas.
    Source: ReplicationControlManager.handleBrokerUncleanShutdown; KIP-966. That a broker shows how it shut down is of
        4.0; before, whoever registers anew is dropped.
    """
    return Step(
        (
            Guard("there_are_eligible_leader_replicas", s.has_elr),
            Guard("it_is_dead", no(s.alive[replica])),
            Guard("its_session_is_over", s.fenced[replica]),
            Guard("it_did_not_shut_down_by_itself", no(s.was_clean[replica])),
            Guard("it_does_not_lead", s.leader != replica, safety_critical=True),
            Guard("it_is_eligible", _is_eligible(s, replica)),
        ),
        lambda: _decided(
            s,
            s.leader,
            s.isr.minus(replica),
            s.leader_epoch,
            stays=lambda q: allof(_is_eligible(s, q), q != replica),
        ).but(was_dropped=s.was_dropped.set(replica, True)),
    )


def _is_asked_now(s: State, *, adds: bool) -> tuple[Guard, ...]:
    """What the controller looks at in any AlterPartition request that it grants; its partition epoch says the rest.

    It is safety-critical only where the request adds to the ISR.
    """
    is_the_same = allof(s.leader.exists, s.asked_by[s.partition_epoch] == s.broker_epoch[s.leader.value])
    return (
        Guard("it_was_not_refused_before", no(s.is_refused[s.partition_epoch]), safety_critical=adds),
        Guard("the_leader_is_registered_as_it_was", is_the_same, safety_critical=adds),
    )


@replication.action(replica=REPLICA)
def controller_adds(s: State, replica: Any) -> Step:
    """The controller grants a leader's request to add a follower to the ISR.

    Who: the controller.
    When: the request starts from its newest decision, and the follower is registered as the request says.
    Changes: the ISR. The leader epoch stays what it is.
    Source: ReplicationControlManager.alterPartition, validateAlterPartitionData and ineligibleReplicasForIsr.
    """
    version = s.partition_epoch
    return Step(
        (
            Guard("the_leader_asked", s.asks_to_add[version] == replica, safety_critical=True),
            *_is_asked_now(s, adds=True),
            Guard("it_has_a_session", no(s.fenced[replica])),
            Guard(
                "its_broker_epoch_is_the_one_named", s.asks_as[version] == s.broker_epoch[replica], safety_critical=True
            ),
        ),
        lambda: _decided(s, s.leader, s.isr.plus(replica), s.leader_epoch),
    )


@replication.action(replica=REPLICA)
def controller_removes(s: State, replica: Any) -> Step:
    """The controller grants a leader's request to drop a follower from the ISR.

    Who: the controller.
    When: the request starts from its newest decision.
    Changes: the ISR. The leader epoch stays what it is.
    Source: ReplicationControlManager.alterPartition; KAFKA-15021.
    """
    return Step(
        (
            Guard("the_leader_asked", s.asks_to_drop[s.partition_epoch] == replica, safety_critical=True),
            *_is_asked_now(s, adds=False),
        ),
        lambda: _decided(s, s.leader, s.isr.minus(replica), _epoch_after_shrink(s)),
    )


@replication.action(replica=REPLICA)
def controller_refuses(s: State, replica: Any) -> Step:
    """The controller refuses a leader's request to change the ISR.

    Who: the controller.
    When: the request starts from its newest decision, but somebody in the ISR asked for, whoever it is, is fenced or
        has registered anew. Here it may refuse any request, whatever the reason.
    Changes: the leader will be told (INELIGIBLE_REPLICA).
    Source: ReplicationControlManager.validateAlterPartitionData, ineligibleReplicasForIsr; KIP-841, KIP-903.
    """
    version = s.partition_epoch
    return Step(
        (
            Guard("the_leader_asked", anyof(s.asks_to_add[version] == replica, s.asks_to_drop[version] == replica)),
            Guard("it_was_not_refused_before", no(s.is_refused[version])),
        ),
        lambda: s.but(is_refused=s.is_refused.set(version, True)),
    )
