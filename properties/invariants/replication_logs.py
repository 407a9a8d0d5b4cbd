"""What holds of logs in `model.machines.replication`: whose they are, up to which record.

Every record is its leader's who wrote it, and so is the log up to it. Nothing here needs an assumption but that who
comes back without its log does not take up its epoch again, which both `NOTICES` and `LAST_MEMBER_KEEPS` say
(`properties.invariants.replication`); unclean elections break none of it.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, implies, no
from model.machines.replication import EPOCH, OFFSET, REPLICA
from model.machines.replication_state import reach
from properties.claims import Clauses
from properties.invariants.replication_words import every, has, was_written_in

LOGS = Clauses()
"""Clauses that every step keeps."""


# -- logs -------------------------------------------------------------------------------------------------------------


@LOGS.add
def records_are_their_epochs_leaders(s: State) -> Any:
    """Every record was written by its epoch's leader, at that offset."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda r, o: implies(
            o < s.end[r],
            allof(
                was_written_in(s, s.log[r, o], o),
                s.log[r, o] <= s.epoch[r],
            ),
        ),
    )


@LOGS.add
def logs_match_leaders(s: State) -> Any:
    """A replica's log is, up to any record that a leader has as well, that leader's."""
    return every(
        s,
        (REPLICA, EPOCH, OFFSET, OFFSET),
        lambda r, e, i, j: implies(
            allof(i <= j, j < s.end[r], j < s.written_end[e], s.log[r, j] == s.written[e, j]),
            s.log[r, i] == s.written[e, i],
        ),
    )


@LOGS.add
def leaders_records_are_their_epochs_leaders(s: State) -> Any:
    """Every record of a leader's log was written by its epoch's leader, at that offset."""
    return every(
        s,
        (EPOCH, OFFSET),
        lambda e, o: implies(
            o < s.written_end[e],
            allof(
                was_written_in(s, s.written[e, o], o),
                s.written[e, o] <= e,
                implies(s.written[e, o] < e, o < s.began_at[e]),
            ),
        ),
    )


@LOGS.add
def leaders_logs_match(s: State) -> Any:
    """Two leaders' logs are the same up to any record that both have."""
    return every(
        s,
        (EPOCH, EPOCH, OFFSET, OFFSET),
        lambda e, f, i, j: implies(
            allof(i <= j, j < s.written_end[e], j < s.written_end[f], s.written[e, j] == s.written[f, j]),
            s.written[e, i] == s.written[f, i],
        ),
    )


def _leads_or_did(s: State, replica: Any) -> Any:
    """Whether a replica leads in its epoch, or stopped leading and lost nothing."""
    epoch = s.epoch[replica]
    return allof(s.has_begun[epoch], s.elected[epoch] == replica, no(s.has_lost[replica]))


@LOGS.add
def leaders_keep_their_log(s: State) -> Any:
    """Who leads, or stopped leading and lost nothing, has the log that it sent."""
    return every(
        s,
        (REPLICA,),
        lambda leader: implies(
            _leads_or_did(s, leader),
            s.end[leader] == s.written_end[s.epoch[leader]],
        ),
    )


@LOGS.add
def leaders_keep_their_records(s: State) -> Any:
    """Every record that a leader sent it has, as long as it is in the epoch and lost nothing."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda leader, o: implies(
            allof(_leads_or_did(s, leader), o < s.end[leader]),
            s.log[leader, o] == s.written[s.epoch[leader], o],
        ),
    )


@LOGS.add
def what_was_fetched_is_held(s: State) -> Any:
    """A follower has what it fetched, as long as it is in the epoch and lost nothing."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda q, o: implies(
            allof(no(s.has_lost[q]), o < reach(s, s.epoch[q], q)), has(s, q, o, s.written[s.epoch[q], o])
        ),
    )


@LOGS.add
def fetches_are_less_than_the_log(s: State) -> Any:
    """A follower fetched no further than its log reaches, as long as it is in the epoch and lost nothing."""
    return every(s, (REPLICA,), lambda q: implies(no(s.has_lost[q]), reach(s, s.epoch[q], q) <= s.end[q]))


@LOGS.add
def what_is_known_was_sent(s: State) -> Any:
    """What a leader knows of a fetch was sent in its epoch, if it forgets what it knew when it is elected again."""
    return every(
        s,
        (REPLICA, REPLICA),
        lambda leader, q: implies(
            allof(no(s.keeps_positions), s.leads[leader]),
            allof(
                s.fetched[leader, q] <= s.sent_to[s.epoch[leader], q, s.fetched_as[leader, q]],
                implies(s.fetched_as[leader, q] > 0, s.has_sent[s.epoch[leader], q, s.fetched_as[leader, q]]),
            ),
        ),
    )
