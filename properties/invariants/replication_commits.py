"""Why the replication machine loses nothing that is committed: the heart of the proof.

It is said by leader epochs, not by leaders. Nobody joins the last ISR of an epoch but in the epoch itself, having
fetched all before it (`laggards_were_eligible`). So of the last ISR whoever goes on to a later epoch takes along
what it fetched; what the first to go had not fetched can never be committed by that epoch's leader, though it may not
know that it was deposed; and what all who went on had fetched (`may_commit`) is kept by all later leaders and by
everybody in the ISR. No clause says that there is somebody: all are about all, which is what solvers are good at.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, anyof, implies
from model.machines.replication import EPOCH, OFFSET, REPLICA, left_with
from model.machines.replication_state import reach
from properties.claims import Clauses
from properties.invariants.replication_words import every, has, is_candidate, is_intact, may_commit

COMMITS = Clauses()
"""Clauses that every step keeps."""


# -- who was in the ISR, and who went on ------------------------------------------------------------------------------


@COMMITS.add
def laggards_were_eligible(s: State) -> Any:
    """Who is in an epoch's last ISR and not past an earlier epoch was in the last ISR of that one as well."""
    return every(
        s,
        (EPOCH, EPOCH, REPLICA),
        lambda e, f, r: implies(
            allof(e <= f, f <= s.leader_epoch, s.last_eligible[f].has(r), s.epoch[r] <= e), s.last_eligible[e].has(r)
        ),
    )


@COMMITS.add
def somebody_went_first(s: State) -> Any:
    """If somebody of a later ISR is past an epoch, so is somebody of the epoch's own last ISR."""
    return every(
        s,
        (EPOCH, EPOCH, REPLICA),
        lambda e, f, r: implies(
            allof(e <= f, f <= s.leader_epoch, s.last_eligible[f].has(r), s.epoch[r] > e), s.first_to_go[e].exists
        ),
    )


@COMMITS.add
def who_went_first(s: State) -> Any:
    """Who is said to have gone first was in the epoch's last ISR, and is past it."""
    return every(
        s,
        (EPOCH,),
        lambda e: implies(
            s.first_to_go[e].exists,
            allof(
                s.last_eligible[e].has(s.first_to_go[e].value), s.epoch[s.first_to_go[e].value] > e, e < s.leader_epoch
            ),
        ),
    )


@COMMITS.add
def who_went_first_had_least(s: State) -> Any:
    """Of an epoch's last ISR nobody went on with less than the one who is said to have had least."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: implies(
            allof(s.last_eligible[e].has(q), e <= s.leader_epoch, s.epoch[q] > e),
            left_with(s, e, s.first_to_go[e].value) <= left_with(s, e, q),
        ),
    )


# -- what may be committed --------------------------------------------------------------------------------------------


@COMMITS.add
def members_keep_what_may_be_committed(s: State) -> Any:
    """What an earlier epoch's leader may commit, all of a last ISR that are past that epoch have."""
    return every(
        s,
        (EPOCH, EPOCH, REPLICA, OFFSET),
        lambda e, f, r, o: implies(
            allof(
                e < f,
                f <= s.leader_epoch,
                s.last_eligible[f].has(r),
                is_intact(s, r, f),
                s.epoch[r] > e,
                may_commit(s, e, o),
            ),
            has(s, r, o, s.written[e, o]),
        ),
    )


@COMMITS.add
def leaders_begin_with_what_may_be_committed(s: State) -> Any:
    """What an earlier epoch's leader may commit, every later leader had when it began."""
    return every(
        s,
        (EPOCH, EPOCH, OFFSET),
        lambda e, f, o: implies(
            allof(e < f, s.has_begun[f], may_commit(s, e, o)),
            allof(o < s.began_at[f], s.written[f, o] == s.written[e, o]),
        ),
    )


@COMMITS.add
def committed_by_a_leader(s: State) -> Any:
    """What is committed is in the log of the leader who first committed it, below a high watermark that it told of."""
    return every(
        s,
        (OFFSET,),
        lambda o: implies(
            s.committed[o] != 0,
            allof(
                s.committed_in[o] > 0,
                s.has_begun[s.committed_in[o]],
                o < s.announced[s.committed_in[o]],
                may_commit(s, s.committed_in[o], o),
                s.written[s.committed_in[o], o] == s.committed[o],
            ),
        ),
    )


@COMMITS.add
def committed_by_all(s: State) -> Any:
    """What is committed, all of the last ISR of that epoch had fetched, and whoever is about to join."""
    return every(
        s,
        (OFFSET, REPLICA),
        lambda o, q: implies(
            allof(
                s.committed[o] != 0,
                s.elected[s.committed_in[o]] != q,
                anyof(
                    s.last_eligible[s.committed_in[o]].has(q),
                    allof(s.committed_in[o] == s.leader_epoch, is_candidate(s, q)),
                ),
            ),
            o < reach(s, s.committed_in[o], q),
        ),
    )


@COMMITS.add
def what_is_announced_is_committed(s: State) -> Any:
    """All that is below a leader's high watermark is committed, and is in its log."""
    return every(
        s,
        (EPOCH, OFFSET),
        lambda e, o: implies(
            o < s.announced[e],
            allof(
                s.committed[o] != 0,
                s.committed_in[o] <= e,
                o < s.written_end[e],
                s.written[e, o] == s.committed[o],
            ),
        ),
    )


@COMMITS.add
def below_hw_is_committed(s: State) -> Any:
    """All that is below anybody's high watermark is committed, and is in its log."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda r, o: implies(
            o < s.hw[r],
            allof(s.committed[o] != 0, s.committed_in[o] <= s.epoch[r], has(s, r, o, s.committed[o])),
        ),
    )
