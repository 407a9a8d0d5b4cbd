"""Replication of one partition, as Kafka does it with KRaft: what its replicas promise each other.

A controller elects leaders under ever new leader epochs and keeps the in-sync replicas (ISR) under ever new partition
epochs. Leaders append, count what their followers have fetched, raise the high watermark when all of the ISR has a
record, and ask for changes of the ISR. Followers truncate what the leader does not have, copy, and fetch. Whoever is
deposed goes on until it hears of it. All messages may be late, repeated or lost (`model.machines.replication_state`
says how they are kept).

An entry of the log is known by its offset and its leader epoch; what a record holds is not looked at. Failures are in
`model.machines.replication_failures`, the controller in `model.machines.replication_controller`, what leaders ask of
it in `model.machines.replication_isr`.

Modelled: KIP-101, KIP-279 and KIP-320 (truncation by epoch, fetches are fenced), KAFKA-7128 (the leader epoch's start
bounds who may join the ISR), KIP-380 and KIP-903 (broker epochs), KIP-497 (pending ISR changes, the maximal ISR),
KAFKA-15021 (a changed ISR does not raise the leader epoch: 3.6 and later with KRaft; `bumps_epoch` for others),
min.insync.replicas (below it the high watermark stands still: 3.7 and later), KIP-966 (`has_elr`), acknowledgements,
leaders that are elected again and keep what they knew of their followers (`keeps_positions`).
Not modelled: KIP-966's election of the last known leader (it is an unclean one, and on by default), a request that
drops several followers at once, a fetch that was let in just before the leader took up a newer epoch and is counted
after it (`Partition.fetchRecords` looks at the epoch under another lock), a min.insync.replicas that changes, fetches
that are taken whatever their broker epoch while the broker is fenced, reassignment, the log's start, several records at
once. Time is not modelled: a step that never happens is a message that is lost.

Source: Partition.scala, Replica.scala, AbstractFetcherThread.scala, ReplicationControlManager.java (3.9).
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, greatest, implies, ite, least, no, some
from model.machines import replication_controller, replication_failures, replication_isr
from model.machines.replication_state import (
    BROKER_EPOCH,
    EPOCH,
    OFFSET,
    REPLICA,
    VERSION,
    counts,
    follows,
    reach,
    replication,
    sizes,
    tail_matches,
)

__all__ = [
    "BROKER_EPOCH",
    "EPOCH",
    "OFFSET",
    "REPLICA",
    "VERSION",
    "replication",
    "replication_controller",
    "replication_failures",
    "replication_isr",
    "sizes",
]


# -- the leader's log ------------------------------------------------------------------------------------------------


@replication.action(leader=REPLICA)
def leader_appends(s: State, leader: Any) -> Step:
    """A leader appends a record.

    Who: whoever takes itself for the leader, also if it was deposed.
    When: a producer sends it a record.
    Changes: the record is at its log end, under its epoch; followers can fetch it.
    Source: Partition.appendRecordsToLeader.
    """
    end, epoch = s.end[leader], s.epoch[leader]
    return Step(
        (Guard("it_leads", s.leads[leader], safety_critical=True),),
        lambda: s.but(
            log=s.log.set((leader, end), epoch),
            end=s.end.set(leader, end + 1),
            written=s.written.set((epoch, end), epoch),
            written_end=s.written_end.set(epoch, end + 1),
        ),
    )


@replication.action(leader=REPLICA, follower=REPLICA, broker_epoch=BROKER_EPOCH, offset=OFFSET)
def leader_handles_fetch(s: State, leader: Any, follower: Any, broker_epoch: Any, offset: Any) -> Step:
    """A leader learns how far a follower has fetched.

    Who: whoever takes itself for the leader.
    When: a fetch that was sent in its epoch comes in, from an offset at which both logs agree; it may be an old one.
    Changes: what it knows of the follower.
    Source: Partition.updateFollowerFetchState, Replica.updateFetchStateOrThrow (which refuses older broker epochs).
    """
    epoch = s.epoch[leader]
    return Step(
        (
            Guard("it_leads", s.leads[leader]),
            Guard("it_is_another", follower != leader),
            Guard(
                "it_was_sent_in_the_epoch",
                allof(s.has_sent[epoch, follower, broker_epoch], offset <= s.sent_to[epoch, follower, broker_epoch]),
                safety_critical=True,
            ),
            Guard("the_broker_epoch_is_not_stale", broker_epoch >= s.cached[leader, follower], safety_critical=True),
        ),
        lambda: s.but(
            fetched=s.fetched.set((leader, follower), offset),
            fetched_as=s.fetched_as.set((leader, follower), broker_epoch),
        ),
    )


@replication.action(leader=REPLICA)
def leader_advances_hw(s: State, leader: Any) -> Step:
    """A leader raises its high watermark by one.

    Who: whoever takes itself for the leader.
    When: all of the maximal ISR have fetched past it, and the ISR that it knows is no less than min.insync.replicas.
    Changes: its high watermark; the record below it is committed; followers can hear of it.
    Source: Partition.maybeIncrementLeaderHW. Kafka also waits for followers that are about to join the ISR. That it
        looks at min.insync.replicas here is of KIP-966, and on since 3.7 also without it.
    """
    hw, epoch = s.hw[leader], s.epoch[leader]
    entry = s.log[leader, hw]
    first = ite(s.committed[hw] == entry, least(s.committed_in[hw], epoch), epoch)
    return Step(
        (
            Guard("it_leads", s.leads[leader], safety_critical=True),
            Guard("it_has_the_record", hw < s.end[leader], safety_critical=True),
            Guard("enough_are_in_sync", s.is_enough[s.knows[leader]], safety_critical=True),
            Guard(
                "all_of_the_maximal_isr_have_the_record",
                s.every(
                    REPLICA, lambda q: implies(allof(q != leader, counts(s, leader, q)), s.fetched[leader, q] > hw)
                ),
                safety_critical=True,
            ),
        ),
        lambda: s.but(
            hw=s.hw.set(leader, hw + 1),
            announced=s.announced.set(epoch, greatest(s.announced[epoch], hw + 1)),
            committed=s.committed.set(hw, entry),
            committed_in=s.committed_in.set(hw, first),
        ),
    )


@replication.action(leader=REPLICA, offset=OFFSET)
def leader_acknowledges(s: State, leader: Any, offset: Any) -> Step:
    """A leader acknowledges a record to a producer that asked for acks=all.

    Who: whoever takes itself for the leader.
    When: its high watermark is past the record. With acks=1 it would not wait for that.
    Changes: the producer takes the record for safe.
    Source: DelayedProduce.tryComplete, Partition.checkEnoughReplicasReachOffset.
    """
    return Step(
        (
            Guard("it_leads", s.leads[leader]),
            Guard("it_has_the_record", offset < s.end[leader]),
            Guard("the_hw_is_past_it", offset < s.hw[leader], safety_critical=True),
        ),
        lambda: s.but(acked=s.acked.set(offset, s.log[leader, offset])),
    )


# -- followers -------------------------------------------------------------------------------------------------------


@replication.action(follower=REPLICA)
def follower_truncates(s: State, follower: Any) -> Step:
    """A follower drops its last record, which the leader does not have.

    Who: a follower.
    When: its last record is not the leader's at that offset. Kafka drops all such records at once, epoch by epoch.
    Changes: its log is one record shorter.
    Source: KIP-101, KIP-279; AbstractFetcherThread.truncateOnFetchResponse and getOffsetTruncationState.
    """
    last = s.end[follower] - 1
    return Step(
        (
            Guard("it_follows", follows(s, follower), safety_critical=True),
            Guard("its_last_record_is_not_the_leaders", no(tail_matches(s, follower)), safety_critical=True),
        ),
        lambda: s.but(
            end=s.end.set(follower, last),
            log=s.log.set((follower, last), 0),
            flushed=s.flushed.set(follower, least(s.flushed[follower], last)),
            hw=s.hw.set(follower, least(s.hw[follower], last)),
        ),
    )


@replication.action(follower=REPLICA)
def follower_copies(s: State, follower: Any) -> Step:
    """A follower copies the leader's next record.

    Who: a follower.
    When: a response comes in to a fetch from its log end, and its last record is the leader's.
    Changes: the record is at its log end.
    Source: KIP-320; AbstractFetcherThread.processFetchRequest (a response to another offset or epoch is not taken).
    """
    end, epoch = s.end[follower], s.epoch[follower]
    return Step(
        (
            Guard("it_follows", follows(s, follower)),
            Guard("its_last_record_is_the_leaders", tail_matches(s, follower), safety_critical=True),
            Guard("there_is_more", end < s.written_end[epoch], safety_critical=True),
        ),
        lambda: s.but(log=s.log.set((follower, end), s.written[epoch, end]), end=s.end.set(follower, end + 1)),
    )


@replication.action(follower=REPLICA, hw=OFFSET)
def follower_hears_hw(s: State, follower: Any, hw: Any) -> Step:
    """A follower hears of the leader's high watermark.

    Who: a follower.
    When: a response comes in to a fetch from its log end, and its last record is the leader's; it may be an old one.
    Changes: its high watermark, to what the leader's was, or its log end. It may fall.
    Source: ReplicaFetcherThread.processPartitionData, UnifiedLog.updateHighWatermark.
    """
    return Step(
        (
            Guard("it_follows", follows(s, follower), safety_critical=True),
            Guard("its_last_record_is_the_leaders", tail_matches(s, follower), safety_critical=True),
            Guard("the_leader_said_so", hw <= s.announced[s.epoch[follower]], safety_critical=True),
        ),
        lambda: s.but(hw=s.hw.set(follower, least(hw, s.end[follower]))),
    )


@replication.action(follower=REPLICA)
def follower_sends_fetch(s: State, follower: Any) -> Step:
    """A follower sends a fetch from its log end.

    Who: a follower.
    When: its last record is the leader's; the leader takes notice of no other fetch.
    Changes: the fetch is under way, with its leader epoch and its broker epoch.
    Source: ReplicaFetcherThread.buildFetch; KIP-320 (last fetched epoch), KIP-903 (broker epoch).
    """
    at = (s.epoch[follower], follower, s.broker_epoch[follower])
    return Step(
        (
            Guard("it_follows", follows(s, follower), safety_critical=True),
            Guard("its_last_record_is_the_leaders", tail_matches(s, follower), safety_critical=True),
        ),
        lambda: s.but(
            has_sent=s.has_sent.set(at, True),
            sent_to=s.sent_to.set(at, s.end[follower]),
            took=s.took.set((s.epoch[follower], follower), s.end[follower]),
        ),
    )


# -- learning of an epoch --------------------------------------------------------------------------------------------


def _hears(s: State, replica: Any, version: Any, *, leads: bool) -> tuple[Guard, ...]:
    """Whether a replica may hear of a decision. A leader is elected by what was decided: it need not look itself."""
    return (
        Guard("it_is_alive", s.alive[replica], safety_critical=True),
        Guard("it_was_decided", allof(version > 0, version <= s.partition_epoch), safety_critical=not leads),
        Guard("it_is_newer", version > s.knows[replica]),
        Guard("it_is_not_from_before_its_start", version >= s.started_at[replica], safety_critical=True),
    )


def _is_news(s: State, replica: Any, epoch: Any) -> Any:
    """Whether a leader epoch is another than the replica is in; who has just started is in none yet."""
    return anyof(s.epoch[replica] < epoch, s.knows[replica] == 0)


def _enters(s: State, replica: Any, version: Any) -> State:
    """A replica enters a decision's epoch; it is remembered who left earlier ones having fetched least."""
    epoch, old = s.epoch_of[version], s.epoch[replica]
    is_back_with_all = allof(s.entered_as[epoch, replica] > 0, no(s.has_lost[replica]))

    def goes_first(e: Any) -> Any:
        first = s.first_to_go[e]
        mine, least_so_far = left_with(s, e, replica), left_with(s, e, first.value)
        may_lead = s.last_eligible[e].has(replica)
        return allof(old <= e, e < epoch, may_lead, anyof(no(first.exists), mine < least_so_far))

    return s.but(
        epoch=s.epoch.set(replica, epoch),
        knows=s.knows.set(replica, version),
        asking=s.asking.set(replica, False),
        entered_as=s.entered_as.set(
            (epoch, replica), ite(is_back_with_all, s.entered_as[epoch, replica], s.broker_epoch[replica])
        ),
        took=s.took.set((epoch, replica), ite(is_back_with_all, s.took[epoch, replica], 0)),
        first_to_go=s.first_to_go.where(goes_first, lambda _epoch: some(replica)),
        has_lost=s.has_lost.set(replica, False),
    )


def left_with(s: State, epoch: Any, replica: Any) -> Any:
    """How much of an epoch's log a replica had: its leader all, a follower what it fetched."""
    return ite(s.elected[epoch] == replica, s.written_end[epoch], reach(s, epoch, replica))


@replication.action(replica=REPLICA, version=VERSION)
def become_leader(s: State, replica: Any, version: Any) -> Step:
    """A replica takes up leadership.

    Who: a replica that was elected; the decision may be an old one.
    When: its epoch is newer than the one that the replica is in, or the replica has just started.
    Changes: it leads in that epoch, with the ISR decided, and knows of no follower how far it has fetched, unless it
        led already and keeps what it knew.
    Source: Partition.makeLeader, Replica.resetReplicaState (who leads already keeps what it knows of its followers);
        KIP-380 (nothing from before its start).
    """
    epoch, end = s.epoch_of[version], s.end[replica]
    forgets = no(allof(s.keeps_positions, s.leads[replica]))
    return Step(
        (
            *_hears(s, replica, version, leads=True),
            Guard("it_is_news", _is_news(s, replica, epoch)),
            Guard("it_was_elected", s.elected[epoch] == replica, safety_critical=True),
        ),
        lambda: _enters(s, replica, version).but(
            leads=s.leads.set(replica, True),
            has_begun=s.has_begun.set(epoch, True),
            began_at=s.began_at.set(epoch, end),
            written_end=s.written_end.set(epoch, end),
            written=s.written.where(lambda e, _offset: e == epoch, lambda _epoch, o: s.log[replica, o]),
            announced=s.announced.set(epoch, greatest(s.announced[epoch], s.hw[replica])),
            fetched=s.fetched.where(lambda leader, _q: allof(leader == replica, forgets), lambda _leader, _q: 0),
            fetched_as=s.fetched_as.where(lambda leader, _q: allof(leader == replica, forgets), lambda _leader, _q: 0),
        ),
    )


@replication.action(replica=REPLICA, version=VERSION)
def become_follower(s: State, replica: Any, version: Any) -> Step:
    """A replica follows.

    Who: a replica that hears of a decision in which another leads, or nobody; the decision may be an old one.
    When: its epoch is newer than the one that the replica is in, or the replica has just started.
    Changes: it is in that epoch, and does not lead.
    Source: Partition.makeFollower; KIP-380 (nothing from before its start).
    """
    epoch = s.epoch_of[version]
    return Step(
        (
            *_hears(s, replica, version, leads=False),
            Guard("it_is_news", _is_news(s, replica, epoch)),
            Guard("another_was_elected", s.elected[epoch] != replica),
        ),
        lambda: _enters(s, replica, version).but(leads=s.leads.set(replica, False)),
    )
