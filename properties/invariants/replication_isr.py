"""What holds of the ISR in `model.machines.replication`, as the controller knows it and as a leader does.

A leader counts at least the *last ISR* of its epoch, what the controller decided last in it, though it may not have
heard of it. Whoever started again with less than it had is in no ISR.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, anyof, implies, no
from model.machines.replication import BROKER_EPOCH, EPOCH, REPLICA, VERSION
from model.machines.replication_state import counts, reach
from properties.claims import Clauses
from properties.invariants.replication_words import (
    every,
    is_candidate,
    is_decided,
    is_eligible,
    is_its_epochs_leader,
    is_under_way,
    is_unheard,
)

ISR = Clauses()
"""Clauses that every step keeps."""


# -- the ISR as the controller and the leader know it -----------------------------------------------------------------


@ISR.add
def who_comes_back_with_less_is_out(s: State) -> Any:
    """Who lost records and started again is not eligible since."""
    return every(
        s,
        (REPLICA, EPOCH),
        lambda r, e: implies(
            allof(s.has_lost[r], s.alive[r], e >= s.epoch_of[s.started_at[r]], e <= s.leader_epoch),
            no(s.last_eligible[e].has(r)),
        ),
    )


@ISR.add
def who_lost_can_not_show_otherwise(s: State) -> Any:
    """Nobody who is eligible, or about to join the ISR, shut down by itself and has less than it had."""
    return every(
        s,
        (REPLICA,),
        lambda r: implies(allof(s.has_lost[r], anyof(is_eligible(s, r), is_candidate(s, r))), no(s.was_clean[r])),
    )


@ISR.add
def leaders_that_may_commit_count_the_eligible(s: State) -> Any:
    """A leader that may commit counts all that are eligible in the end, though it may not have heard of it."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: implies(
            allof(s.leads[leader], s.is_enough[s.knows[leader]], s.last_eligible[s.epoch[leader]].has(q)),
            counts(s, leader, q),
        ),
    )


@ISR.add
def unheard_decisions_only_shrink(s: State) -> Any:
    """While a leader has not heard of a decision under which it may commit, or none took it up, nobody is added."""
    return every(
        s,
        (VERSION, REPLICA),
        lambda v, q: implies(
            allof(is_decided(s, v), is_unheard(s, v), s.is_enough[v], s.last_eligible[s.epoch_of[v]].has(q)),
            s.decided_isr[v].has(q),
        ),
    )


@ISR.add
def nothing_is_asked_of_the_unheard(s: State) -> Any:
    """No leader asks for changes of an ISR that it has not heard of."""
    return every(
        s,
        (VERSION,),
        lambda v: implies(
            anyof(no(is_decided(s, v)), is_unheard(s, v)),
            no(is_under_way(s, v)),
        ),
    )


@ISR.add
def a_request_under_way_is_remembered(s: State) -> Any:
    """A leader whose request the controller may still grant waits for the answer."""
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            allof(
                s.leads[leader],
                s.epoch[leader] == s.leader_epoch,
                no(s.is_refused[s.partition_epoch]),
                is_under_way(s, s.partition_epoch),
            ),
            s.asking[leader],
        ),
    )


@ISR.add
def requests_name_registrations(s: State) -> Any:
    """A request names broker epochs that the follower and the leader have registered with."""
    return every(
        s,
        (VERSION,),
        lambda v: implies(
            anyof(s.asks_to_add[v].exists, s.asks_to_drop[v].exists),
            allof(
                implies(s.asks_to_add[v].exists, s.asks_as[v] <= s.broker_epoch[s.asks_to_add[v].value]),
                s.elected[s.epoch_of[v]].exists,
                s.asked_by[v] <= s.broker_epoch[s.elected[s.epoch_of[v]].value],
            ),
        ),
    )


@ISR.add
def refused_requests_changed_nothing(s: State) -> Any:
    """A leader that may commit, and whose request was refused, knows of all that are eligible in the end."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: implies(
            allof(
                s.leads[leader],
                s.is_refused[s.knows[leader]],
                s.is_enough[s.knows[leader]],
                s.last_eligible[s.epoch[leader]].has(q),
            ),
            s.decided_isr[s.knows[leader]].has(q),
        ),
    )


@ISR.add
def members_are_counted_as_they_are(s: State) -> Any:
    """Of an eligible replica, or one about to be, a leader knows no fetch from before it came back with less."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: implies(
            allof(
                s.leads[leader],
                q != leader,
                anyof(
                    s.last_eligible[s.epoch[leader]].has(q),
                    allof(s.epoch[leader] == s.leader_epoch, is_candidate(s, q)),
                ),
                s.fetched[leader, q] > 0,
            ),
            s.fetched_as[leader, q] >= s.entered_as[s.epoch[leader], q],
        ),
    )


@ISR.add
def members_earlier_fetches_are_refused(s: State) -> Any:
    """Of an eligible replica, or one about to be, a leader refuses fetches from before it came back with less.

    So will it once it has started again, and leads in the same epoch. Fetches from the log's start say nothing.
    """
    return every(
        s,
        (REPLICA, REPLICA, BROKER_EPOCH),
        lambda leader, q, b: implies(
            allof(
                is_its_epochs_leader(s, leader),
                q != leader,
                anyof(
                    s.last_eligible[s.epoch[leader]].has(q),
                    allof(s.epoch[leader] == s.leader_epoch, is_candidate(s, q)),
                ),
                s.sent_to[s.epoch[leader], q, b] > 0,
                b < s.entered_as[s.epoch[leader], q],
            ),
            s.cached[leader, q] > b,
        ),
    )


@ISR.add
def candidates_are_in_the_epoch(s: State) -> Any:
    """Who is about to join the ISR has fetched, as it is registered, up to the start of the epoch."""
    return every(
        s,
        (REPLICA,),
        lambda q: implies(
            is_candidate(s, q),
            allof(
                s.has_begun[s.leader_epoch],
                s.elected[s.leader_epoch] != q,
                s.entered_as[s.leader_epoch, q] > 0,
                s.has_sent[s.leader_epoch, q, s.broker_epoch[q]],
                reach(s, s.leader_epoch, q) >= s.began_at[s.leader_epoch],
            ),
        ),
    )
