"""What the five published designs have in common: the controller, and how leadership is taken and records are written.

One partition. The controller's state is changed in one step and seen by all at once (`quorum`). LeaderAndIsr requests
are never consumed: a replica may take any of them at any time, the newest or a stale one, or none. A leader that was
deposed and has not heard of it goes on as leader.

Not here: crashes and lost data, messages but for LeaderAndIsr, min.insync.replicas, unclean election, producers.
Not here either: how followers copy, truncate, and are counted; that is where the designs differ.

Source: hachikuji/kafka-specification, KafkaReplication.tla and FiniteReplicatedLog.tla.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model.language import (
    NONE,
    Field,
    Guard,
    Machine,
    OptionOf,
    Record,
    RecordOf,
    SequenceOf,
    SetOf,
    Sizes,
    Sort,
    State,
    Step,
    allof,
    implies,
    ite,
    named,
    no,
)

REPLICA = named("Replica")
REPLICAS = SetOf(REPLICA)
OFFSET = Sort("Offset", unit="records")
RECORD_ID = Sort("RecordId", unit="ids")
NEXT_RECORD_ID = Sort("NextRecordId", unit="ids")
EPOCH = Sort("Epoch", unit="epochs")
KNOWN_EPOCH = Sort("KnownEpoch", least=-1, unit="epochs")
"""The epoch that somebody is in; -1: none yet."""
NEXT_EPOCH = Sort("NextEpoch", unit="epochs")

ENTRY = RecordOf("Entry", {"id": RECORD_ID, "epoch": EPOCH})
REQUEST = RecordOf("Request", {"leader": OptionOf(REPLICA), "isr": REPLICAS})


def sizes(*, replicas: int, log: int, records: int, epochs: int) -> Sizes:
    """The sizes of the sorts: number of replicas, greatest log end offset, number of records, greatest leader epoch."""
    return {
        "Replica": replicas,
        "Offset": log + 1,
        "RecordId": records,
        "NextRecordId": records + 1,
        "Epoch": epochs + 1,
        "KnownEpoch": epochs + 2,
        "NextEpoch": epochs + 2,
    }


def _start(zero: State) -> Mapping[str, Any]:
    """Everybody is in the ISR, and nobody leads."""
    return {
        "quorum_epoch": -1,
        "quorum_isr": zero.all_of(REPLICAS),
        "epoch": zero.epoch.where(lambda _replica: True, lambda _replica: -1),
    }


base = Machine(
    "base",
    fields={
        "log": Field(SequenceOf(ENTRY, OFFSET), "each replica's log", (REPLICA,)),
        "hw": Field(OFFSET, "each replica's high watermark", (REPLICA,)),
        "epoch": Field(KNOWN_EPOCH, "the leader epoch that each replica is in", (REPLICA,)),
        "leader": Field(OptionOf(REPLICA), "whom each replica holds to be the leader", (REPLICA,)),
        "isr": Field(REPLICAS, "the ISR that each replica knows of", (REPLICA,)),
        "next_record": Field(NEXT_RECORD_ID, "the id of the next record that a producer writes"),
        "next_epoch": Field(NEXT_EPOCH, "the leader epoch of the controller's next decision"),
        "requests": Field(REQUEST, "the LeaderAndIsr request of each epoch that was decided on", (EPOCH,)),
        "quorum_leader": Field(OptionOf(REPLICA), "the leader that the controller chose"),
        "quorum_epoch": Field(KNOWN_EPOCH, "the controller's leader epoch"),
        "quorum_isr": Field(REPLICAS, "the ISR that the controller knows of"),
    },
    start=_start,
)


# -- words of the protocol -------------------------------------------------------------------------------------------


def presumes_leadership(s: State, replica: Any) -> Any:
    """Whether it holds itself to be the leader."""
    return s.leader[replica] == replica


def follows(s: State, leader: Any, follower: Any) -> Any:
    """Whether `follower` holds `leader` to be the leader, in whatever epoch."""
    return s.leader[follower] == leader


def follows_in_epoch(s: State, leader: Any, follower: Any) -> Any:
    """Whether both hold `leader` to be the leader, in the same epoch. True of a presumed leader and itself."""
    return allof(presumes_leadership(s, leader), follows(s, leader, follower), s.epoch[leader] == s.epoch[follower])


def is_true_leader(s: State, leader: Any) -> Any:
    """Whether it is the leader, and in the epoch, that the controller chose."""
    return allof(s.quorum_leader == leader, presumes_leadership(s, leader), s.epoch[leader] == s.quorum_epoch)


def has_entry_of(s: State, holder: Any, other: Any, offset: Any) -> Any:
    """Whether both hold the same record at an offset."""
    return allof(offset < s.log[holder].end, offset < s.log[other].end, s.log[holder][offset] == s.log[other][offset])


def was_requested(s: State, epoch: Any) -> Any:
    """Whether the controller has decided on anything under this epoch."""
    return epoch < s.next_epoch


def decided(s: State, leader: Any, isr: Any) -> State:
    """The controller decides on a leader and an ISR, under the next epoch, and tells everybody."""
    epoch = s.next_epoch
    return s.but(
        quorum_leader=leader,
        quorum_epoch=epoch,
        quorum_isr=isr,
        next_epoch=epoch + 1,
        requests=s.requests.set(epoch, Record(leader=leader, isr=isr)),
    )


def with_isr(s: State, leader: Any, isr: Any) -> State:
    """The leader changes the ISR, and the controller takes it over at once: no new epoch."""
    return s.but(quorum_isr=isr, isr=s.isr.set(leader, isr))


# -- the controller --------------------------------------------------------------------------------------------------


@base.action(replica=REPLICA)
def controller_elects(s: State, replica: Any) -> Step:
    """A member of the ISR is made leader.

    Who: the controller.
    When: at any time; another replica or nobody leads.
    Changes: leader and epoch of the quorum; everybody is sent a LeaderAndIsr request.
    Source: KafkaReplication.tla, ControllerElectLeader.
    """
    return Step(
        (
            Guard("it_is_in_the_isr", s.quorum_isr.has(replica), safety_critical=True),
            Guard("it_does_not_lead_yet", s.quorum_leader != replica),
        ),
        lambda: decided(s, replica, s.quorum_isr),
    )


@base.action(replica=REPLICA)
def controller_removes_leader(s: State, replica: Any) -> Step:
    """The leader is taken for dead.

    Who: the controller.
    When: at any time.
    Changes: nobody leads, under a new epoch; the leader leaves the ISR unless it is alone in it.
    Source: KafkaReplication.tla, ControllerShrinkIsr.
    """
    isr = s.quorum_isr
    return Step(
        (Guard("it_leads", s.quorum_leader == replica),),
        lambda: decided(s, NONE, ite(isr.is_only(replica), isr, isr.minus(replica))),
    )


@base.action(replica=REPLICA)
def controller_removes_follower(s: State, replica: Any) -> Step:
    """A follower is taken for dead.

    Who: the controller.
    When: at any time.
    Changes: it leaves the ISR, under a new epoch. While nobody leads the ISR can so become empty.
    Source: KafkaReplication.tla, ControllerShrinkIsr.
    """
    return Step(
        (
            Guard("it_does_not_lead", s.quorum_leader != replica),
            Guard("it_is_in_the_isr", s.quorum_isr.has(replica)),
        ),
        lambda: decided(s, s.quorum_leader, s.quorum_isr.minus(replica)),
    )


# -- leaders ---------------------------------------------------------------------------------------------------------


def is_asked(s: State, replica: Any, leader: Any, epoch: Any) -> tuple[Guard, ...]:
    """Whether the request of an epoch names this leader, and is news to the replica."""
    return (
        Guard("it_was_requested", was_requested(s, epoch)),
        Guard("the_request_names_the_leader", s.requests[epoch].leader == leader),
        Guard("the_epoch_is_newer", epoch > s.epoch[replica], safety_critical=True),
    )


@base.action(replica=REPLICA, epoch=EPOCH)
def become_leader(s: State, replica: Any, epoch: Any) -> Step:
    """A replica takes up leadership.

    Who: a replica that a LeaderAndIsr request names as leader; the request may be stale.
    When: the request's epoch is newer than its own.
    Changes: its epoch, leader and ISR are the request's. Its log and its high watermark stay.
    Source: KafkaReplication.tla, BecomeLeader.
    """
    return Step(
        is_asked(s, replica, replica, epoch),
        lambda: s.but(
            epoch=s.epoch.set(replica, epoch),
            leader=s.leader.set(replica, replica),
            isr=s.isr.set(replica, s.requests[epoch].isr),
        ),
    )


@base.action(leader=REPLICA)
def leader_writes(s: State, leader: Any) -> Step:
    """A leader appends a record.

    Who: whoever holds itself to be the leader, also if it was deposed.
    When: at any time.
    Changes: a record with a new id and the leader's epoch is at its log's end.
    Source: KafkaReplication.tla, LeaderWrite.
    """
    entry = Record(id=s.next_record, epoch=s.epoch[leader])
    return Step(
        (Guard("it_presumes_to_lead", presumes_leadership(s, leader)),),
        lambda: s.but(log=s.log.set(leader, s.log[leader].append(entry)), next_record=s.next_record + 1),
    )


# -- what must hold --------------------------------------------------------------------------------------------------


def _committed_is_held_by(s: State, leader: Any, members: Any) -> Any:
    return s.every(
        OFFSET,
        lambda offset: implies(
            offset < s.hw[leader], members.every(lambda member: has_entry_of(s, leader, member, offset))
        ),
    )


def weak_isr(s: State) -> Any:
    """Whoever presumes to lead holds all below its high watermark, and so does all of the ISR that it knows of."""
    return s.every(REPLICA, lambda r: implies(presumes_leadership(s, r), _committed_is_held_by(s, r, s.isr[r])))


def strong_isr(s: State) -> Any:
    """Whoever presumes to lead holds all below its high watermark, and so does all of the controller's ISR."""
    return s.every(REPLICA, lambda r: implies(presumes_leadership(s, r), _committed_is_held_by(s, r, s.quorum_isr)))


# -- changes of the ISR, for designs that differ in who has caught up --------------------------------------------------

CaughtUp = Callable[[State, Any, Any, Any], Any]
"""Whether, for a leader, a follower has everything before an offset."""


def shrink(s: State, leader: Any, follower: Any, is_caught_up: CaughtUp) -> Step:
    """A leader removes a follower that has not caught up with its log end."""
    return Step(
        (
            Guard("it_is_the_leader", is_true_leader(s, leader), safety_critical=True),
            Guard("it_is_another", follower != leader),
            Guard("it_is_in_the_isr", s.isr[leader].has(follower)),
            Guard("it_lags_behind", no(is_caught_up(s, leader, follower, s.log[leader].end))),
        ),
        lambda: with_isr(s, leader, s.isr[leader].minus(follower)),
    )


def expand(s: State, leader: Any, follower: Any, is_caught_up: CaughtUp, *more: Guard) -> Step:
    """A leader takes a follower into the ISR that has caught up with its high watermark, if `more` allows it."""
    return Step(
        (
            Guard("it_is_the_leader", is_true_leader(s, leader), safety_critical=True),
            Guard("it_is_not_in_the_isr", no(s.isr[leader].has(follower))),
            Guard("it_reaches_the_hw", is_caught_up(s, leader, follower, s.hw[leader]), safety_critical=True),
            *more,
        ),
        lambda: with_isr(s, leader, s.isr[leader].plus(follower)),
    )


INVARIANTS = {"WeakIsr": weak_isr, "StrongIsr": strong_isr}

__all__ = [
    "ENTRY",
    "EPOCH",
    "INVARIANTS",
    "OFFSET",
    "REPLICA",
    "base",
    "expand",
    "follows",
    "follows_in_epoch",
    "has_entry_of",
    "is_asked",
    "is_true_leader",
    "presumes_leadership",
    "shrink",
    "sizes",
    "was_requested",
    "with_isr",
]
