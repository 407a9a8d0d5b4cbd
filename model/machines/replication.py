"""Replication of one partition, with fetches that happen in one step: what Kafka's replicas promise each other.

A controller elects leaders under ever new leader epochs and keeps the in-sync replicas (ISR); leaders append, count
what their followers have fetched, raise the high watermark when all of the ISR has a record, and change the ISR;
followers truncate what the leader does not have, and copy. LeaderAndIsr is never lost for good, and may come at any
time later: a replica may learn of any epoch that was ever issued, and a leader that was deposed goes on until it does.

An entry of the log is known by its offset and its leader epoch; what a record holds is not looked at. A replica may
crash and keep its log, or lose its disk. What was ever committed is kept as history: `committed` says under which
epoch the record at an offset was written, `committed_in` in which epoch a leader first raised its high watermark past
it.

Modelled: KIP-101 and KIP-279 (truncation by epoch), KIP-320 (fetches are fenced), KAFKA-7128 (the leader epoch's
start bounds who may join the ISR).
Not modelled yet: fetches and ISR changes as messages, broker epochs (KIP-380, KIP-903), pending ISR changes (KIP-497),
partition epochs, min.insync.replicas, unclean election, KIP-966, the loss of what was not flushed. Time is not
modelled: a step that never happens is a message that is lost.

Source: Partition.scala, AbstractFetcherThread.scala, ReplicationControlManager.java, KafkaController.scala.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import (
    BOOLEAN,
    NONE,
    Field,
    Guard,
    Machine,
    OptionOf,
    SetOf,
    Sizes,
    Sort,
    State,
    Step,
    allof,
    anyof,
    implies,
    ite,
    named,
    no,
    some,
)

REPLICA = named("Replica")
REPLICAS = SetOf(REPLICA)
OFFSET = Sort("Offset", unit="records")
EPOCH = Sort("Epoch", unit="epochs")


def sizes(*, replicas: int, log: int, epochs: int) -> Sizes:
    """The sizes of the sorts: number of replicas, greatest log end offset, greatest leader epoch (the first is 1)."""
    return {"Replica": replicas, "Offset": log + 1, "Epoch": epochs + 1}


def _start(zero: State) -> Mapping[str, Any]:
    """Everybody is alive and in the ISR, and nobody leads yet."""
    return {"isr": zero.all_of(REPLICAS), "alive": zero.alive.where(lambda _replica: True, lambda _replica: True)}


replication = Machine(
    "replication",
    fields={
        "leader": Field(OptionOf(REPLICA), "whom the controller made leader"),
        "leader_epoch": Field(EPOCH, "the controller's leader epoch"),
        "isr": Field(REPLICAS, "the in-sync replicas that the controller knows of"),
        "issued_leader": Field(OptionOf(REPLICA), "the leader that was issued with an epoch", (EPOCH,)),
        "issued_isr": Field(REPLICAS, "the ISR that was issued with an epoch", (EPOCH,)),
        "alive": Field(BOOLEAN, "whether the broker runs", (REPLICA,)),
        "incarnation": Field(EPOCH, "the controller's leader epoch when the broker last started", (REPLICA,)),
        "wiped": Field(BOOLEAN, "whether it lost its disk and has not yet heard of an epoch since", (REPLICA,)),
        "epoch": Field(EPOCH, "the leader epoch that the replica is in", (REPLICA,)),
        "leads": Field(BOOLEAN, "whether the replica takes itself for the leader", (REPLICA,)),
        "end": Field(OFFSET, "log end offset", (REPLICA,)),
        "log": Field(EPOCH, "the leader epoch of the record at an offset", (REPLICA, OFFSET)),
        "hw": Field(OFFSET, "high watermark", (REPLICA,)),
        "leader_isr": Field(REPLICAS, "the ISR that a leader knows of", (REPLICA,)),
        "fetched": Field(OFFSET, "how far, as a leader knows, a follower has fetched", (REPLICA, REPLICA)),
        "epoch_start": Field(OFFSET, "a leader's log end offset when its epoch began", (REPLICA,)),
        "survivor": Field(REPLICA, "the one replica that is assumed never to fail", is_history=True),
        "committed": Field(
            EPOCH, "the epoch of the record committed at an offset; 0: none", (OFFSET,), is_history=True
        ),
        "committed_in": Field(EPOCH, "the epoch in which it was first committed", (OFFSET,), is_history=True),
    },
    start=_start,
    about="Replication of one partition, with fetches that happen in one step.",
)


# -- words of the protocol -------------------------------------------------------------------------------------------


def follows(s: State, follower: Any, leader: Any) -> Any:
    """Whether a live follower is in the epoch in which the leader takes itself for the leader."""
    return allof(
        follower != leader,
        s.alive[follower],
        s.leads[leader],
        no(s.leads[follower]),
        s.epoch[follower] == s.epoch[leader],
    )


def tail_matches(s: State, follower: Any, leader: Any) -> Any:
    """Whether the follower's last record is the leader's at that offset."""
    end = s.end[follower]
    same = s.log[follower, end - 1] == s.log[leader, end - 1]
    return anyof(end == 0, allof(end <= s.end[leader], same))


def is_current(s: State, leader: Any) -> Any:
    """Whether it takes itself for the leader, in the controller's epoch."""
    return allof(s.leads[leader], s.leader == leader, s.leader_epoch == s.epoch[leader])


# -- leaders and followers -------------------------------------------------------------------------------------------


@replication.action(leader=REPLICA)
def leader_appends(s: State, leader: Any) -> Step:
    """A leader appends a record.

    Who: whoever takes itself for the leader, also if it was deposed.
    When: a producer sends it a record.
    Changes: the record is at its log end, under its epoch.
    Source: Partition.appendRecordsToLeader.
    """
    end = s.end[leader]
    return Step(
        (Guard("it_leads", s.leads[leader]),),
        lambda: s.but(log=s.log.set((leader, end), s.epoch[leader]), end=s.end.set(leader, end + 1)),
    )


@replication.action(follower=REPLICA, leader=REPLICA)
def follower_truncates(s: State, follower: Any, leader: Any) -> Step:
    """A follower drops its last record, which the leader does not have.

    Who: a follower.
    When: its last record is not the leader's at that offset. Kafka drops all such records at once, epoch by epoch.
    Changes: its log is one record shorter.
    Source: KIP-101, KIP-279; AbstractFetcherThread.truncateOnFetchResponse and getOffsetTruncationState.
    """
    last = s.end[follower] - 1
    return Step(
        (
            Guard("it_follows_in_the_epoch", follows(s, follower, leader), safety_critical=True),
            Guard("its_last_record_is_not_the_leaders", no(tail_matches(s, follower, leader)), safety_critical=True),
        ),
        lambda: s.but(end=s.end.set(follower, last), log=s.log.set((follower, last), 0)),
    )


@replication.action(follower=REPLICA, leader=REPLICA)
def follower_copies(s: State, follower: Any, leader: Any) -> Step:
    """A follower copies the leader's next record.

    Who: a follower.
    When: its last record is the leader's at that offset, and the leader has one more.
    Changes: the record is at its log end.
    Source: KIP-320; AbstractFetcherThread.processFetchRequest, UnifiedLog.appendAsFollower.
    """
    end = s.end[follower]
    return Step(
        (
            Guard("it_follows_in_the_epoch", follows(s, follower, leader), safety_critical=True),
            Guard("its_last_record_is_the_leaders", tail_matches(s, follower, leader), safety_critical=True),
            Guard("there_is_more", end < s.end[leader]),
        ),
        lambda: s.but(log=s.log.set((follower, end), s.log[leader, end]), end=s.end.set(follower, end + 1)),
    )


@replication.action(leader=REPLICA, follower=REPLICA)
def leader_sees_fetch(s: State, leader: Any, follower: Any) -> Step:
    """A leader learns how far a follower has fetched.

    Who: whoever takes itself for the leader.
    When: a fetch of a follower in its epoch comes in, from an offset at which both logs agree.
    Changes: what it knows of the follower.
    Source: Partition.updateFollowerFetchState, Replica.updateFetchStateOrThrow.
    """
    return Step(
        (
            Guard("it_follows_in_the_epoch", follows(s, follower, leader), safety_critical=True),
            Guard("its_last_record_is_the_leaders", tail_matches(s, follower, leader), safety_critical=True),
            Guard("it_is_news", s.fetched[leader, follower] < s.end[follower]),
        ),
        lambda: s.but(fetched=s.fetched.set((leader, follower), s.end[follower])),
    )


@replication.action(leader=REPLICA)
def leader_advances_hw(s: State, leader: Any) -> Step:
    """A leader raises its high watermark by one.

    Who: whoever takes itself for the leader.
    When: all of the ISR that it knows of have fetched past it.
    Changes: its high watermark; the record below it is committed.
    Source: Partition.maybeIncrementLeaderHW.
    """
    hw = s.hw[leader]
    entry = s.log[leader, hw]
    is_known = s.committed[hw] == entry
    return Step(
        (
            Guard("it_leads", s.leads[leader]),
            Guard("it_has_the_record", hw < s.end[leader], safety_critical=True),
            Guard(
                "all_of_the_isr_have_the_record",
                s.leader_isr[leader].every(lambda q: implies(q != leader, s.fetched[leader, q] > hw)),
                safety_critical=True,
            ),
        ),
        lambda: s.but(
            hw=s.hw.set(leader, hw + 1),
            committed=s.committed.set(hw, entry),
            committed_in=s.committed_in.set(hw, ite(is_known, s.committed_in[hw], s.epoch[leader])),
        ),
    )


# -- the ISR ---------------------------------------------------------------------------------------------------------


@replication.action(leader=REPLICA, follower=REPLICA)
def leader_shrinks_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader removes a follower from the ISR.

    Who: the leader that the controller knows.
    When: the follower is dead.
    Changes: the ISR of the leader and of the controller.
    Source: Partition.maybeShrinkIsr.
    """
    isr = s.leader_isr[leader].minus(follower)
    return Step(
        (
            Guard("it_is_the_leader", is_current(s, leader), safety_critical=True),
            Guard("it_is_another", follower != leader),
            Guard("it_is_in_the_isr", s.leader_isr[leader].has(follower)),
            Guard("it_is_dead", no(s.alive[follower]), safety_critical=True),
        ),
        lambda: s.but(isr=s.isr.minus(follower), leader_isr=s.leader_isr.set(leader, isr)),
    )


@replication.action(leader=REPLICA, follower=REPLICA)
def leader_expands_isr(s: State, leader: Any, follower: Any) -> Step:
    """A leader takes a follower into the ISR.

    Who: the leader that the controller knows.
    When: the follower has fetched up to the high watermark and up to where the leader's epoch began.
    Changes: the ISR of the leader and of the controller.
    Source: Partition.maybeExpandIsr, Partition.isFollowerInSync; KAFKA-7128; KIP-903 for those that lost their disk.
    """
    isr = s.leader_isr[leader].plus(follower)
    fetched = s.fetched[leader, follower]
    return Step(
        (
            Guard("it_is_the_leader", is_current(s, leader), safety_critical=True),
            Guard("it_is_another", follower != leader),
            Guard("it_is_alive", s.alive[follower]),
            Guard("its_disk_is_the_one_that_fetched", no(s.wiped[follower]), safety_critical=True),
            Guard("it_is_not_in_the_isr", no(s.leader_isr[leader].has(follower))),
            Guard("it_is_in_the_epoch", s.epoch[follower] == s.epoch[leader], safety_critical=True),
            Guard("it_has_fetched_to_the_hw", fetched >= s.hw[leader], safety_critical=True),
            Guard("it_has_fetched_to_the_epochs_start", fetched >= s.epoch_start[leader], safety_critical=True),
        ),
        lambda: s.but(isr=s.isr.plus(follower), leader_isr=s.leader_isr.set(leader, isr)),
    )


# -- failures --------------------------------------------------------------------------------------------------------


def _stopped(s: State, replica: Any) -> State:
    return s.but(alive=s.alive.set(replica, False), leads=s.leads.set(replica, False))


@replication.action(replica=REPLICA)
def broker_crashes(s: State, replica: Any) -> Step:
    """A broker stops and keeps its log.

    Who: any broker, but for the one that is assumed to survive.
    When: at any time.
    Changes: it does nothing more until it starts again.
    Source: the seeds' failure model.
    """
    return Step(
        (
            Guard("it_is_alive", s.alive[replica]),
            Guard("it_is_not_the_survivor", replica != s.survivor, safety_critical=True),
        ),
        lambda: _stopped(s, replica),
    )


@replication.action(replica=REPLICA)
def disk_is_lost(s: State, replica: Any) -> Step:
    """A broker stops and loses its log.

    Who: any broker, but for the one that is assumed to survive.
    When: at any time.
    Changes: its log is empty; it does nothing more until it starts again.
    Source: the seeds' failure model; KIP-858 for what Kafka does about it.
    """
    return Step(
        (
            Guard("it_is_alive", s.alive[replica]),
            Guard("it_is_not_the_survivor", replica != s.survivor, safety_critical=True),
        ),
        lambda: _stopped(s, replica).but(
            end=s.end.set(replica, 0),
            hw=s.hw.set(replica, 0),
            wiped=s.wiped.set(replica, True),
            log=s.log.where(lambda holder, _offset: holder == replica, lambda _holder, _offset: 0),
        ),
    )


@replication.action(replica=REPLICA)
def broker_starts(s: State, replica: Any) -> Step:
    """A broker starts again.

    Who: a broker that is down.
    When: the controller has dropped it from the ISR, or it is alone there.
    Changes: it is alive, and will heed no epoch from before its start.
    Source: ReplicationControlManager.handleBrokerFenced: a broker registers anew only after its old session is over.
    """
    return Step(
        (
            Guard("it_is_dead", no(s.alive[replica])),
            Guard(
                "the_controller_noticed_its_death",
                anyof(no(s.isr.has(replica)), s.isr.every(lambda q: q == replica)),
                safety_critical=True,
            ),
        ),
        lambda: s.but(alive=s.alive.set(replica, True), incarnation=s.incarnation.set(replica, s.leader_epoch)),
    )


# -- the controller --------------------------------------------------------------------------------------------------


def _issued(s: State, leader: Any, isr: Any) -> State:
    """The controller decides on a leader and an ISR under a new epoch, and tells everybody."""
    epoch = s.leader_epoch + 1
    return s.but(
        leader=leader,
        leader_epoch=epoch,
        isr=isr,
        issued_leader=s.issued_leader.set(epoch, leader),
        issued_isr=s.issued_isr.set(epoch, isr),
    )


@replication.action(replica=REPLICA)
def controller_elects(s: State, replica: Any) -> Step:
    """A live member of the ISR is made leader.

    Who: the controller.
    When: there is no leader, or it is dead.
    Changes: leader and leader epoch; everybody will be told.
    Source: PartitionChangeBuilder.electLeader, PartitionLeaderElectionAlgorithms.
    """
    return Step(
        (
            Guard("it_is_alive", s.alive[replica]),
            Guard("it_is_in_the_isr", s.isr.has(replica), safety_critical=True),
            Guard("nobody_leads", no(allof(s.leader.exists, s.alive[s.leader.value]))),
        ),
        lambda: _issued(s, some(replica), s.isr),
    )


@replication.action(replica=REPLICA)
def controller_drops(s: State, replica: Any) -> Step:
    """A dead replica is dropped from the ISR.

    Who: the controller.
    When: it noticed the death, and others are in the ISR: the last one stays.
    Changes: the ISR, under a new leader epoch; if it was the leader there is none.
    Source: ReplicationControlManager.handleBrokerFenced, PartitionChangeBuilder; fact 24 (the last member stays).
    """
    keeps = allof(s.leader.exists, s.leader.value != replica)
    return Step(
        (
            Guard("it_is_dead", no(s.alive[replica]), safety_critical=True),
            Guard("it_is_in_the_isr", s.isr.has(replica)),
            Guard("it_is_not_the_last", s.isr.some(lambda q: q != replica), safety_critical=True),
        ),
        lambda: _issued(s, ite(keeps, s.leader, NONE), s.isr.minus(replica)),
    )


# -- learning of an epoch --------------------------------------------------------------------------------------------


def _learns(s: State, replica: Any, epoch: Any) -> tuple[Guard, ...]:
    return (
        Guard("it_is_alive", s.alive[replica]),
        Guard("the_epoch_is_newer", s.epoch[replica] < epoch, safety_critical=True),
        Guard("it_was_issued", epoch <= s.leader_epoch),
        Guard("it_is_not_from_before_its_start", epoch >= s.incarnation[replica], safety_critical=True),
    )


@replication.action(replica=REPLICA, epoch=EPOCH)
def become_leader(s: State, replica: Any, epoch: Any) -> Step:
    """A replica takes up leadership.

    Who: a replica that was issued with an epoch as its leader; the epoch may be an old one.
    When: it is newer than the epoch that the replica is in.
    Changes: it leads in that epoch, with the ISR issued, and knows of no follower how far it has fetched.
    Source: Partition.makeLeader; KIP-380 (nothing from before its start).
    """
    return Step(
        (
            *_learns(s, replica, epoch),
            Guard("it_was_made_leader", s.issued_leader[epoch] == replica, safety_critical=True),
        ),
        lambda: s.but(
            wiped=s.wiped.set(replica, False),
            epoch=s.epoch.set(replica, epoch),
            leads=s.leads.set(replica, True),
            epoch_start=s.epoch_start.set(replica, s.end[replica]),
            leader_isr=s.leader_isr.set(replica, s.issued_isr[epoch]),
            fetched=s.fetched.where(lambda leader, _follower: leader == replica, lambda _leader, _follower: 0),
        ),
    )


@replication.action(replica=REPLICA, epoch=EPOCH)
def become_follower(s: State, replica: Any, epoch: Any) -> Step:
    """A replica follows.

    Who: a replica that hears of an epoch in which another replica leads, or nobody; the epoch may be an old one.
    When: it is newer than the epoch that the replica is in.
    Changes: it is in that epoch, and does not lead.
    Source: Partition.makeFollower; KIP-380 (nothing from before its start).
    """
    return Step(
        (*_learns(s, replica, epoch), Guard("another_was_made_leader", s.issued_leader[epoch] != replica)),
        lambda: s.but(
            wiped=s.wiped.set(replica, False),
            epoch=s.epoch.set(replica, epoch),
            leads=s.leads.set(replica, False),
        ),
    )
