"""What follows from the clauses about `model.machines.replication`, said for the solver's sake.

A lemma is proved once, from the clauses and the lemmas before it; then it is given to the solver along with them.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, implies, no
from model.machines.replication import EPOCH, OFFSET, REPLICA, VERSION, left_with
from model.machines.replication_state import reach, tail_matches
from properties.claims import Clauses
from properties.invariants.replication_words import (
    every,
    has,
    has_from_all,
    is_candidate,
    is_decided,
    is_eligible,
    may_commit,
)

LEMMAS = Clauses()
"""What follows from all clauses."""
LOG_LEMMAS = Clauses()
"""What follows from the clauses about decisions and logs alone."""


# -- what follows from decisions and logs ------------------------------------------------------------------------------


@LOG_LEMMAS.add
def who_leads_was_elected(s: State) -> Any:
    """Who leads was elected in the epoch that it is in, and took it up."""
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            s.leads[leader], allof(s.elected[s.epoch[leader]] == leader, s.has_begun[s.epoch[leader]])
        ),
    )


@LOG_LEMMAS.add
def a_leader_sends_all_it_has(s: State) -> Any:
    """A leader's log is what followers can fetch."""
    return every(
        s, (REPLICA,), lambda leader: implies(s.leads[leader], s.end[leader] == s.written_end[s.epoch[leader]])
    )


@LOG_LEMMAS.add
def a_leader_sends_what_it_has(s: State) -> Any:
    """A leader's records are what followers can fetch."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda leader, o: implies(
            allof(s.leads[leader], o < s.end[leader]), s.log[leader, o] == s.written[s.epoch[leader], o]
        ),
    )


@LOG_LEMMAS.add
def nobody_fetched_more_than_there_is(s: State) -> Any:
    """No follower fetched past its leader's log end."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: allof(reach(s, e, q) <= s.written_end[e], left_with(s, e, q) <= s.written_end[e]),
    )


@LOG_LEMMAS.add
def newer_decisions_are_of_no_older_epoch(s: State) -> Any:
    """What a replica may hear of is of no older epoch than its own."""
    return every(
        s,
        (REPLICA, VERSION),
        lambda r, v: implies(
            allof(is_decided(s, v), v >= s.started_at[r], v >= s.knows[r]), s.epoch_of[v] >= s.epoch[r]
        ),
    )


@LOG_LEMMAS.add
def followers_have_what_they_sent_for(s: State) -> Any:
    """A follower in office has fetched no further than its log reaches, under the broker epoch that it has."""
    return every(
        s,
        (REPLICA,),
        lambda q: implies(allof(s.alive[q], s.knows[q] > 0), s.sent_to[s.epoch[q], q, s.broker_epoch[q]] <= s.end[q]),
    )


# -- what follows from all clauses -------------------------------------------------------------------------------------


@LEMMAS.add
def somebody_went_before_a_later_epoch_began(s: State) -> Any:
    """If a later epoch has begun, somebody of an earlier one's last ISR is past it."""
    return every(s, (EPOCH, EPOCH), lambda e, f: implies(allof(e < f, s.has_begun[f]), s.first_to_go[e].exists))


@LEMMAS.add
def laggards_have_what_they_take_along(s: State) -> Any:
    """Who is not past an epoch, and lost nothing, has what it would take along."""
    return every(
        s,
        (EPOCH, REPLICA, OFFSET),
        lambda e, r, o: implies(
            allof(no(s.has_lost[r]), s.epoch[r] <= e, o < left_with(s, e, r)), has(s, r, o, s.written[e, o])
        ),
    )


@LEMMAS.add
def candidates_have_what_they_fetched(s: State) -> Any:
    """Who is about to join the ISR is in the newest epoch, and has what it fetched, unless it is down and lost it."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda q, o: implies(
            is_candidate(s, q),
            allof(
                s.epoch[q] == s.leader_epoch,
                implies(
                    allof(no(s.has_lost[q]), o < reach(s, s.leader_epoch, q)),
                    has(s, q, o, s.written[s.leader_epoch, o]),
                ),
            ),
        ),
    )


@LEMMAS.add
def candidates_have_what_may_be_committed(s: State) -> Any:
    """What an earlier epoch's leader may commit, whoever is about to join the ISR has."""
    return every(
        s,
        (EPOCH, REPLICA, OFFSET),
        lambda e, q, o: implies(
            allof(is_candidate(s, q), no(s.has_lost[q]), e < s.leader_epoch, may_commit(s, e, o)),
            has(s, q, o, s.written[e, o]),
        ),
    )


@LEMMAS.add
def what_may_be_committed_is_not_truncated(s: State) -> Any:
    """A follower whose last record an earlier epoch's leader may commit does not drop it."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, r: implies(
            allof(
                e < s.epoch[r],
                s.has_begun[s.epoch[r]],
                s.end[r] > 0,
                may_commit(s, e, s.end[r] - 1),
                s.log[r, s.end[r] - 1] == s.written[e, s.end[r] - 1],
            ),
            tail_matches(s, r),
        ),
    )


@LEMMAS.add
def who_went_first_has_no_more_than_the_leader(s: State) -> Any:
    """Who went on from a leader's epoch has not fetched what the leader has yet to append."""
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            allof(s.leads[leader], s.first_to_go[s.epoch[leader]].exists),
            allof(
                s.first_to_go[s.epoch[leader]].value != leader,
                reach(s, s.epoch[leader], s.first_to_go[s.epoch[leader]].value) <= s.end[leader],
            ),
        ),
    )


@LEMMAS.add
def one_thing_may_be_committed(s: State) -> Any:
    """What a leader may commit is what is committed there, if anything is."""
    return every(
        s,
        (EPOCH, OFFSET),
        lambda e, o: implies(
            allof(s.has_begun[e], may_commit(s, e, o), s.committed[o] != 0), s.written[e, o] == s.committed[o]
        ),
    )


@LEMMAS.add
def what_all_have_fetched_may_be_committed(s: State) -> Any:
    """What all that a leader counts have fetched may be committed."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda leader, o: implies(has_from_all(s, leader, o), may_commit(s, s.epoch[leader], o)),
    )


@LEMMAS.add
def nothing_is_committed_otherwise(s: State) -> Any:
    """If a leader may raise its high watermark past a record, no other was committed there."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda leader, o: implies(
            allof(has_from_all(s, leader, o), s.committed[o] != 0), s.log[leader, o] == s.committed[o]
        ),
    )


@LEMMAS.add
def eligible_hold_committed(s: State) -> Any:
    """Everybody in the ISR, or eligible beside it, that has its log has what is committed."""
    return every(
        s,
        (OFFSET, REPLICA),
        lambda o, r: implies(
            allof(s.committed[o] != 0, is_eligible(s, r), no(s.has_lost[r])), has(s, r, o, s.committed[o])
        ),
    )


@LEMMAS.add
def later_leaders_hold_committed(s: State) -> Any:
    """Every later leader has what is committed."""
    return every(
        s,
        (OFFSET, EPOCH),
        lambda o, e: implies(
            allof(s.committed[o] != 0, s.has_begun[e], s.committed_in[o] < e), s.written[e, o] == s.committed[o]
        ),
    )
