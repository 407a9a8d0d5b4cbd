"""The state of `model.machines.replication`, and the words that its actions share.

A decision of the controller has a *partition epoch*; it says in which *leader epoch* the partition is, and who is in
the ISR. The leader of a leader epoch never changes. Messages are not taken out of a mailbox: the state says what was
ever sent, so that any of it may arrive late, twice or never.

- A decision, sent to all: `epoch_of`, `decided_isr` and `elected`. A replica may learn any newer than it knows.
- A fetch: `has_sent` and `sent_to`, by the leader epoch, the follower and its broker epoch. A leader may handle one at
  any later time, also after others that were sent later. Only fetches whose last record is the leader's are told of:
  the others are answered with where to truncate, and the leader takes no notice of them. Of a broker epoch's
  fetches in a leader epoch the last offset is kept, which is the greatest unless the follower lost records in between.
- A fetch response: `written` and `announced`, what the leader of an epoch has had to send. A follower takes one only
  if it answers its present offset and last epoch; whenever it was sent, the next record in it is the same.
- An AlterPartition request, by the partition epoch that it starts from: `asks_to_add`, `asks_as`, `asks_to_drop`,
  `asked_by`; its refusal: `is_refused`. A request may be handled at any time as long as no newer decision was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import (
    BOOLEAN,
    Field,
    Machine,
    OptionOf,
    SetOf,
    Sizes,
    Sort,
    State,
    allof,
    anyof,
    named,
    no,
)

REPLICA = named("Replica")
REPLICAS = SetOf(REPLICA)
OFFSET = Sort("Offset", unit="records")
EPOCH = Sort("Leader epoch", unit="leader epochs")
VERSION = Sort("Partition epoch", unit="partition epochs")
BROKER_EPOCH = Sort("Broker epoch", unit="broker epochs")
COUNT = Sort("Number of replicas", unit="replicas")


def sizes(*, replicas: int, log: int, epochs: int, versions: int | None = None, registrations: int = 2) -> Sizes:
    """The sizes of the sorts.

    Args:
        replicas: how many there are.
        log: the greatest log end offset.
        epochs: the greatest leader epoch; the first is 1.
        versions: the greatest partition epoch; two more than `epochs` if it is not given.
        registrations: the greatest broker epoch; the first is 1.
    """
    return {
        REPLICA.name: replicas,
        OFFSET.name: log + 1,
        EPOCH.name: epochs + 1,
        VERSION.name: (epochs + 2 if versions is None else versions) + 1,
        BROKER_EPOCH.name: registrations + 1,
        COUNT.name: replicas + 1,
    }


def _start(zero: State) -> Mapping[str, Any]:
    """Everybody is registered and in the ISR, and nobody leads yet."""
    everybody = zero.all_of(REPLICAS)
    return {
        "isr": everybody,
        "decided_isr": zero.decided_isr.set(0, everybody),
        "min_isr": 1,
        "is_enough": zero.is_enough.set(0, True),
        "last_eligible": zero.last_eligible.set(0, everybody),
        "alive": zero.alive.where(lambda _replica: True, lambda _replica: True),
        "broker_epoch": zero.broker_epoch.where(lambda _replica: True, lambda _replica: 1),
    }


replication = Machine(
    "replication",
    fields={
        # Settings.
        "min_isr": Field(COUNT, "min.insync.replicas, or how many replicas there are if that is less", is_setting=True),
        "has_elr": Field(BOOLEAN, "whether the controller keeps eligible leader replicas (KIP-966)", is_setting=True),
        "bumps_epoch": Field(
            BOOLEAN, "whether a smaller ISR raises the leader epoch, as with KRaft before 3.6", is_setting=True
        ),
        "keeps_positions": Field(
            BOOLEAN,
            "whether a leader that takes up a newer epoch while it leads goes on with what it knew of its followers, as"
            " Kafka's does",
            is_setting=True,
        ),
        # The controller.
        "leader": Field(OptionOf(REPLICA), "whom the controller made leader"),
        "leader_epoch": Field(EPOCH, "the controller's leader epoch"),
        "partition_epoch": Field(VERSION, "the controller's partition epoch"),
        "isr": Field(REPLICAS, "the in-sync replicas that the controller knows of"),
        "elr": Field(REPLICAS, "who may be elected as well, once the ISR is empty: the eligible leader replicas"),
        "fenced": Field(BOOLEAN, "whether the controller takes the broker's session for over", (REPLICA,)),
        # Its decisions.
        "elected": Field(OptionOf(REPLICA), "the leader of a leader epoch", (EPOCH,)),
        "epoch_of": Field(EPOCH, "the leader epoch of a decision", (VERSION,)),
        "decided_isr": Field(REPLICAS, "the ISR of a decision", (VERSION,)),
        "is_enough": Field(BOOLEAN, "whether that is at least min.insync.replicas", (VERSION,)),
        # AlterPartition requests.
        "asks_to_add": Field(OptionOf(REPLICA), "whom the leader asked to add to the ISR of a decision", (VERSION,)),
        "asks_as": Field(BROKER_EPOCH, "the broker epoch that the request names for it", (VERSION,)),
        "asks_to_drop": Field(OptionOf(REPLICA), "whom the leader asked to drop from the ISR", (VERSION,)),
        "asked_by": Field(BROKER_EPOCH, "the leader's own broker epoch when it asked", (VERSION,)),
        "is_refused": Field(BOOLEAN, "whether the controller refused the request", (VERSION,)),
        # Brokers.
        "alive": Field(BOOLEAN, "whether the broker runs", (REPLICA,)),
        "was_clean": Field(BOOLEAN, "whether it is down and shut down by itself, with all that it had", (REPLICA,)),
        "broker_epoch": Field(BROKER_EPOCH, "the broker epoch under which it last registered", (REPLICA,)),
        "started_at": Field(VERSION, "the controller's partition epoch when it last registered", (REPLICA,)),
        # Replicas.
        "knows": Field(VERSION, "the newest decision it has heard of since it started; 0: none", (REPLICA,)),
        "epoch": Field(EPOCH, "the leader epoch that it is in, or was in before it stopped", (REPLICA,)),
        "leads": Field(BOOLEAN, "whether it takes itself for the leader", (REPLICA,)),
        "end": Field(OFFSET, "log end offset", (REPLICA,)),
        "log": Field(EPOCH, "the leader epoch of the record at an offset", (REPLICA, OFFSET)),
        "flushed": Field(OFFSET, "how much of the log is on disk for certain", (REPLICA,)),
        "hw": Field(OFFSET, "high watermark", (REPLICA,)),
        # What a leader knows.
        "asking": Field(BOOLEAN, "whether it waits for an answer to an AlterPartition request", (REPLICA,)),
        "fetched": Field(OFFSET, "how far, as a leader knows, a follower has fetched", (REPLICA, REPLICA)),
        "fetched_as": Field(BROKER_EPOCH, "the broker epoch that the fetch named; 0: no fetch", (REPLICA, REPLICA)),
        "cached": Field(BROKER_EPOCH, "a broker's epoch in the metadata of another", (REPLICA, REPLICA)),
        # What was sent in a leader epoch.
        "has_begun": Field(BOOLEAN, "whether its leader took it up", (EPOCH,)),
        "began_at": Field(OFFSET, "its leader's log end offset then", (EPOCH,)),
        "written_end": Field(OFFSET, "its leader's log end offset, as long as that leads", (EPOCH,)),
        "written": Field(EPOCH, "its leader's log, as long as that leads", (EPOCH, OFFSET)),
        "announced": Field(OFFSET, "its leader's high watermark, as long as that leads", (EPOCH,)),
        "has_sent": Field(BOOLEAN, "whether a follower has sent a fetch", (EPOCH, REPLICA, BROKER_EPOCH)),
        "sent_to": Field(OFFSET, "the offset from which it did last", (EPOCH, REPLICA, BROKER_EPOCH)),
        # History.
        "last_eligible": Field(
            REPLICAS,
            "who may lead by the last decision of a leader epoch: its ISR, and the eligible leader replicas",
            (EPOCH,),
            is_history=True,
        ),
        "entered_as": Field(
            BROKER_EPOCH,
            "the broker epoch in which a replica entered an epoch, or came back to it with less than it had",
            (EPOCH, REPLICA),
            is_history=True,
        ),
        "took": Field(OFFSET, "how far it fetched in an epoch since then", (EPOCH, REPLICA), is_history=True),
        "first_to_go": Field(
            OptionOf(REPLICA),
            "of those eligible at the end of a leader epoch, who took least along to a later epoch",
            (EPOCH,),
            is_history=True,
        ),
        "has_lost": Field(
            BOOLEAN, "whether it lost records and has heard of no decision since", (REPLICA,), is_history=True
        ),
        "was_dropped": Field(
            BOOLEAN,
            "whether it was ever dropped from ISR and ELR because it did not shut down by itself",
            (REPLICA,),
            is_history=True,
        ),
        "committed": Field(
            EPOCH, "the epoch of the record committed at an offset; 0: none", (OFFSET,), is_history=True
        ),
        "committed_in": Field(EPOCH, "the first epoch in which it was committed", (OFFSET,), is_history=True),
        "acked": Field(
            EPOCH, "the epoch of the record acknowledged to acks=all at an offset; 0: none", (OFFSET,), is_history=True
        ),
        "survivor": Field(REPLICA, "the one replica that N-1 is about", is_history=True, is_setting=True),
    },
    start=_start,
    about="Replication of one partition.",
)


# -- words of the protocol -------------------------------------------------------------------------------------------


def follows(s: State, follower: Any) -> Any:
    """Whether a replica follows the leader of the epoch that it is in."""
    return allof(s.alive[follower], no(s.leads[follower]), s.knows[follower] > 0, s.has_begun[s.epoch[follower]])


def tail_matches(s: State, follower: Any) -> Any:
    """Whether a follower's last record is its leader's at that offset."""
    end, epoch = s.end[follower], s.epoch[follower]
    return anyof(end == 0, allof(end <= s.written_end[epoch], s.log[follower, end - 1] == s.written[epoch, end - 1]))


def counts(s: State, leader: Any, follower: Any) -> Any:
    """Whether a follower is in the maximal ISR: that of the newest decision that the leader knows, and what it asked.

    While it asks to add a follower it counts it already; while it asks to drop one it counts it still (KIP-497).
    """
    known = s.knows[leader]
    return anyof(s.decided_isr[known].has(follower), allof(s.asking[leader], s.asks_to_add[known] == follower))


def reach(s: State, epoch: Any, replica: Any) -> Any:
    """How far a follower fetched in an epoch, and kept it."""
    return s.took[epoch, replica]
