"""The named variants: designs that were tried, what Kafka did until some release, and failures that nothing withstands.

The first three are published machines as they are; the others change the replication machine.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, implies
from model.machines.published import base
from model.machines.replication import EPOCH, REPLICA
from properties.invariants.replication import LAST_MEMBER_KEEPS, NOTICES
from properties.variants.changes import Allowed, Change, LeftOut, Switched, Weakened
from properties.variants.searching import (
    ACKNOWLEDGED,
    COPYING,
    ELECTING,
    ELIGIBLE,
    FENCING,
    KNOWN,
    LAST,
    LOSING_DISKS,
    NO_FAILURES,
    ONLY_DISKS,
    ONLY_POWER,
    PAIR,
    PAIR_LATER,
    PAIR_LONGER,
    PAIR_ONCE,
    SURVIVOR,
    TRIO_LATER,
    of_positions_kept,
    only,
)
from properties.variants.variant import PUBLISHED, History, Kind, Search, Variant


def _design(name: str, about: str, history: History, search: Search, *changes: Change) -> Variant:
    return Variant(name, about, Kind.DESIGN, changes, (search,), history=history)


# -- published designs -----------------------------------------------------------------------------------------------

_PAIR_OF_OLD = base.sizes(replicas=2, log=2, records=2, epochs=2)
_TRIO_OF_OLD = base.sizes(replicas=3, log=2, records=2, epochs=2)

TRUNCATE_TO_HW = _design(
    "truncate-to-hw",
    "A follower truncates its log to its high watermark, which may lag behind its leader's.",
    History("until 0.11.0 (KIP-101)", "KIP-101; KAFKA-1211; hachikuji's KafkaTruncateToHighWatermark.tla"),
    Search(f"{PUBLISHED}:truncate_to_hw", _PAIR_OF_OLD),
)
KIP101 = _design(
    "kip101-without-kip279",
    "A follower truncates to where its last leader epoch ends at its leader, also if the leader never had that epoch.",
    History("0.11.0 to 1.1 (KIP-279)", "KIP-279; KAFKA-6361; hachikuji's Kip101.tla"),
    Search(f"{PUBLISHED}:kip101", _PAIR_OF_OLD),
)
KIP279 = _design(
    "kip279-without-fencing",
    "Followers truncate by leader epoch, and nobody looks at the leader epoch of a fetch.",
    History("2.0, until 2.1.0 (KIP-320)", "KIP-320; hachikuji's Kip279.tla"),
    Search(f"{PUBLISHED}:kip279", _TRIO_OF_OLD),
)
KIP320_FIRST_TRY = _design(
    "kip320-first-try",
    "Fetches are fenced by leader epoch, and a follower may join the ISR once it has reached the high watermark.",
    History("never released: KIP-320 as it was first proposed", "KIP-320; KAFKA-7128; hachikuji's Kip320FirstTry.tla"),
    Search(f"{PUBLISHED}:kip320_first_try", _TRIO_OF_OLD),
)

# -- Kafka until some release ----------------------------------------------------------------------------------------


def _committed_isr_has_the_record(s: State, leader: Any) -> Any:
    isr = s.decided_isr[s.knows[leader]]
    return s.every(REPLICA, lambda q: implies(allof(q != leader, isr.has(q)), s.fetched[leader, q] > s.hw[leader]))


def _was_sent_in_some_epoch(s: State, leader: Any, follower: Any, broker_epoch: Any, offset: Any) -> Any:  # noqa: ARG001
    return s.some(
        EPOCH,
        lambda e: allof(s.has_sent[e, follower, broker_epoch], offset <= s.sent_to[e, follower, broker_epoch]),
    )


EXPAND_WITHOUT_EPOCH_START = _design(
    "expand-without-epoch-start",
    "A follower joins the ISR once it has reached the high watermark, though it lacks what its leader had when its"
    " epoch began: the leader's high watermark may lag behind what is committed.",
    History("until 2.1.0 (KAFKA-7128)", "KAFKA-7128; Partition.isFollowerInSync"),
    KNOWN["leader_asks_to_add.it_has_fetched_to_the_epochs_start"],
    LeftOut("leader_asks_to_add", "it_has_fetched_to_the_epochs_start"),
)
ADVANCE_ON_THE_COMMITTED_ISR = _design(
    "advance-on-the-committed-isr",
    "A leader that has asked to add a follower to the ISR raises its high watermark without it until it hears the"
    " answer; the controller may have added it already.",
    History("never with AlterPartition: KIP-497 (2.7.0) brought the maximal ISR with it", "KIP-497"),
    Search(LAST, PAIR_LONGER, NO_FAILURES),
    Weakened("leader_advances_hw", "all_of_the_maximal_isr_have_the_record", _committed_isr_has_the_record),
)
UNCLEAN_ELECTION = _design(
    "unclean-election",
    "Somebody outside the ISR is elected when nobody in it has a session.",
    History("by default until 0.11.0 (KIP-106); still if unclean.leader.election.enable is true", "KIP-106"),
    Search(LAST, PAIR, NO_FAILURES),
    Allowed("controller_elects_unclean"),
)
HW_BELOW_MIN_ISR = _design(
    "hw-below-min-isr",
    "The high watermark rises though fewer than min.insync.replicas are in the ISR; eligible leader replicas then lack"
    " what is committed.",
    History("until 3.7.0 (KAFKA-15583)", "KAFKA-15583; KIP-966; Partition.maybeIncrementLeaderHW"),
    Search(ELIGIBLE, PAIR_LONGER, NO_FAILURES),
    LeftOut("leader_advances_hw", "enough_are_in_sync"),
)
LAST_REPLICA_STANDING = _design(
    "last-replica-standing",
    "Without eligible leader replicas the last member of the ISR is waited for, and elected though it lost its log.",
    History("until 4.0, and by default until 4.1 (KIP-966)", "KIP-966; KAFKA-15332"),
    Search(ELIGIBLE, PAIR_LONGER, ONLY_DISKS, theorem="ELIGIBLE-HOLD-COMMITTED"),
    Switched("has_elr", value=False),
)
FETCH_WITHOUT_EPOCH = _design(
    "fetch-without-epoch-fencing",
    "A leader heeds a fetch that was sent in another leader epoch.",
    History("until 2.1.0 (KIP-320)", "KIP-320; Fetch v9; Partition.checkCurrentLeaderEpoch"),
    Search(LAST, TRIO_LATER, only(*ELECTING, *COPYING, "follower_truncates")),
    Weakened("leader_handles_fetch", "it_was_sent_in_the_epoch", _was_sent_in_some_epoch),
)
DECISIONS_FROM_BEFORE_A_START = _design(
    "decisions-from-before-a-start",
    "A broker heeds a decision that the controller made before the broker last started.",
    History("until 2.2.0 (KIP-380)", "KIP-380; KAFKA-7235"),
    Search(LAST, PAIR_LATER, only(*ELECTING, *COPYING, *FENCING, *LOSING_DISKS, "controller_drops_leader")),
    LeftOut("become_leader", "it_is_not_from_before_its_start"),
    LeftOut("become_follower", "it_is_not_from_before_its_start"),
)
STALE_BROKER_EPOCH = _design(
    "stale-broker-epoch-joins",
    "A follower joins the ISR on the strength of what it fetched before it lost its log: nobody compares broker"
    " epochs.",
    History("until 3.5.0 (KIP-903)", "KIP-903; KAFKA-14139; Fetch v15 and AlterPartition v3 carry broker epochs"),
    Search(LAST, PAIR_ONCE, ONLY_DISKS),
    LeftOut("leader_asks_to_add", "it_fetches_as_it_is_registered"),
    LeftOut("controller_adds", "its_broker_epoch_is_the_one_named"),
)
ACKS_1 = _design(
    "acks-1",
    "A leader acknowledges a record as soon as it has it itself (acks=1).",
    History("the producer's default until 3.0 (KIP-679)", "KIP-679; KafkaProducer's acks"),
    Search(ACKNOWLEDGED, PAIR, NO_FAILURES),
    LeftOut("leader_acknowledges", "the_hw_is_past_it"),
)
REFUSED_REQUEST_AGAIN = _design(
    "refused-request-again",
    "The controller handles an AlterPartition request once more that it refused before.",
    History(
        "never: a broker has one request under way and waits for the answer; a network that repeats it would do",
        "DefaultAlterPartitionManager.maybePropagateIsrChanges; KIP-841",
    ),
    Search(LAST, PAIR, NO_FAILURES),
    LeftOut("controller_adds", "it_was_not_refused_before"),
)
REGISTERS_BEFORE_NOTICED = _design(
    "registers-before-its-death-is-noticed",
    "A broker comes back with an empty disk before the controller has dropped it from the ISR.",
    History(
        "as long as the metadata version does not know KIP-966, if the session ended but a moment ago",
        "KAFKA-14139; KIP-966; ClusterControlManager.registerBroker, ReplicationControlManager"
        ".handleBrokerUncleanShutdown",
    ),
    Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
    LeftOut("broker_registers", "the_controller_noticed_its_death"),
)
POSITIONS_KEPT = _design(
    "positions-kept",
    "A leader that is elected again, and has not heard that it was deposed in between, goes on with what it knew of its"
    " followers; but they may have dropped it since.",
    History(
        "since 0.9.0.0 (KAFKA-2721), and still",
        "Partition.makeLeader, Replica.resetReplicaState (isNewLeader says whether it led before);"
        " TopicDelta.localChanges and MetadataLoader.handleCommit, by which a broker may skip an epoch",
    ),
    of_positions_kept(LAST, "LAST-MEMBER"),
    Switched("keeps_positions", value=True),
)
ELECTION_OUTSIDE_THE_ISR = _design(
    "election-outside-the-isr",
    "The controller elects whoever has a session.",
    History("never", "PartitionChangeBuilder.isValidNewLeader"),
    Search(LAST, PAIR, NO_FAILURES),
    LeftOut("controller_elects", "it_is_in_the_isr"),
)

# -- failures that nothing withstands --------------------------------------------------------------------------------

_LAST_MEMBER_KEEPS = Weakened("broker_registers", LAST_MEMBER_KEEPS.guard, NOTICES.holds)
"""The others come back only after the controller noticed their death."""
POWER_LOSS_OF_ALL = _design(
    "power-loss-of-all",
    "All of the ISR lose power before the record was written to disk.",
    History("still: Kafka forces nothing to disk by default", "KIP-966; log.flush.interval.messages"),
    Search(LAST, PAIR, ONLY_POWER),
    _LAST_MEMBER_KEEPS,
)
DISK_OF_THE_LAST_MEMBER = _design(
    "disk-of-the-last-member",
    "The last member of the ISR loses its disk, comes back, and is elected.",
    History("until 4.0, and by default until 4.1 (KIP-966)", "KIP-966; KIP-858"),
    Search(LAST, PAIR, ONLY_DISKS),
    _LAST_MEMBER_KEEPS,
)

DESIGNS = (
    TRUNCATE_TO_HW,
    KIP101,
    KIP279,
    KIP320_FIRST_TRY,
    EXPAND_WITHOUT_EPOCH_START,
    ADVANCE_ON_THE_COMMITTED_ISR,
    UNCLEAN_ELECTION,
    HW_BELOW_MIN_ISR,
    LAST_REPLICA_STANDING,
    FETCH_WITHOUT_EPOCH,
    DECISIONS_FROM_BEFORE_A_START,
    STALE_BROKER_EPOCH,
    ACKS_1,
    REFUSED_REQUEST_AGAIN,
    REGISTERS_BEFORE_NOTICED,
    POSITIONS_KEPT,
    ELECTION_OUTSIDE_THE_ISR,
    POWER_LOSS_OF_ALL,
    DISK_OF_THE_LAST_MEMBER,
)
