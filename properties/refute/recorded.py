"""The proof of replication with history recorded otherwise, for what the usual invariant can not do without.

A broker that lost records and came back does nothing before it hears of a decision made since. If it did, if it sent a
fetch in the epoch that it was in, the usual invariant would be wrong, though no theorem is: it takes only who enters
an epoch for somebody who begins anew there. Here one begins anew by a fetch as well. What is in `HISTORY` is written
otherwise, and nothing that acts looks at it, nor does a theorem; all else happens as in the machine (a test compares).

Claims are made in `wide`, and by its name for each setting of `properties.invariants.replication`, within `wide`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from attrs import evolve

from model.language import BOOLEAN, Action, Field, Machine, State, Step, allof, anyof, greatest, implies, ite, no
from model.machines.replication import EPOCH, OFFSET, REPLICA
from properties.claims import Claims, Clause, Clauses
from properties.invariants.replication_words import every, has
from properties.prove.engine import MACHINES
from properties.prove.obligations import claims_in

HERE = "properties.refute.recorded"
WIDE = f"{HERE}:wide"
HISTORY = ("took", "entered_as", "first_to_go", "lacks")
"""What is recorded otherwise; `lacks` is not in the machine."""
_LACKS = Field(BOOLEAN, "whether it lost records and has begun anew in no epoch since", (REPLICA,), is_history=True)
_SETTINGS = {each.partition(":")[2]: each for each in MACHINES["replication"]}
SETTINGS = (WIDE, *(f"{HERE}:{name}" for name in _SETTINGS))
"""Where the theorems are claimed; in none is more assumed than where they usually are."""
NOT_NEEDED = (
    "follower_sends_fetch.it_follows.3",
    "leader_learns_isr.it_leads",
    "follower_copies.it_follows",
    "follower_copies.it_follows.1",
)
"""What is left out."""


# -- the machine -----------------------------------------------------------------------------------------------------


def _as_it_lacks(s: State) -> State:
    """The state, in which nobody lost records but who has not begun anew since."""
    return s.but(has_lost=s.lacks)


def _with_fetch(before: State, after: State, follower: Any) -> State:
    """A fetch is sent: who lacks records begins anew, or goes on with what it had if it is in too old an epoch."""
    at, end, lacks = (before.epoch[follower], follower), before.end[follower], before.lacks[follower]
    is_late = before.epoch[follower] < before.epoch_of[before.started_at[follower]]
    begun = ite(allof(lacks, no(is_late)), before.broker_epoch[follower], before.entered_as[at])
    return after.but(
        lacks=before.lacks.set(follower, allof(lacks, is_late)),
        entered_as=before.entered_as.set(at, begun),
        took=before.took.set(at, ite(allof(lacks, is_late), greatest(before.took[at], end), end)),
    )


def _recorded(action: Action, *, asks_less: bool) -> Action:
    def apply(state: State, **arguments: Any) -> Step:
        usual, other = action.apply(state, **arguments), action.apply(_as_it_lacks(state), **arguments)

        def effect() -> State:
            after = other.effect()
            after = after.but(lacks=after.has_lost, has_lost=usual.effect().has_lost)
            return _with_fetch(state, after, **arguments) if action.name == "follower_sends_fetch" else after

        return Step(other.guards if asks_less else usual.guards, effect)

    return evolve(action, apply=apply)


def recorded(machine: Machine, *, asks_less: bool = False) -> Machine:
    """The machine, with history recorded otherwise.

    Args:
        machine: of a setting of replication.
        asks_less: whether what is assumed of who lost records is assumed only of who has not begun anew since.
    """
    actions = {name: _recorded(action, asks_less=asks_less) for name, action in machine.actions.items()}
    return evolve(machine, fields={**machine.fields, "lacks": _LACKS}, actions=actions)


# -- the invariant ---------------------------------------------------------------------------------------------------

OTHERWISE = Clauses()
"""Clauses in the place of those of the same names, and further ones."""


@OTHERWISE.add
def who_shut_down_is_down(s: State) -> Any:
    """Who shut down by itself is down; what it copies while it is down need not be on disk."""
    return every(s, (REPLICA,), lambda q: implies(s.was_clean[q], no(s.alive[q])))


@OTHERWISE.add
def stays(s: State) -> Any:
    """A broker was in epochs up to its own, as registered by then; in its own, if that is not the first."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: allof(
            s.entered_as[e, q] >= 0,
            s.entered_as[e, q] <= s.broker_epoch[q],
            implies(s.entered_as[e, q] > 0, s.epoch[q] >= e),
            implies(allof(e > 0, s.epoch[q] == e), s.entered_as[e, q] > 0),
            s.took[e, q] >= 0,
            s.took[e, q] <= s.written_end[e],
            implies(s.took[e, q] > 0, s.entered_as[e, q] > 0),
        ),
    )


def _is_back_with_less(s: State, replica: Any) -> Any:
    """Whether a replica started again with less, has not begun anew, and runs or has shut down by itself."""
    return allof(s.lacks[replica], anyof(s.alive[replica], s.was_clean[replica]))


@OTHERWISE.add
def who_has_heard_of_nothing_has_sent_nothing(s: State) -> Any:
    """Who came back with less and has not begun anew has sent no fetch in an epoch that it may yet enter."""
    return every(
        s,
        (EPOCH, REPLICA),
        lambda e, q: implies(
            allof(_is_back_with_less(s, q), e >= s.epoch_of[s.started_at[q]]), no(s.has_sent[e, q, s.broker_epoch[q]])
        ),
    )


@OTHERWISE.add
def who_lost_has_heard_of_nothing(s: State) -> Any:
    """Who came back with less and has not begun anew is in no newer epoch than when it started."""
    return every(s, (REPLICA,), lambda q: implies(_is_back_with_less(s, q), s.epoch[q] <= s.epoch_of[s.started_at[q]]))


@OTHERWISE.add
def the_known_decision_is_of_ones_epoch(s: State) -> Any:
    """A replica that knows a decision is in the epoch of that."""
    return every(s, (REPLICA,), lambda r: implies(s.knows[r] > 0, s.epoch[r] == s.epoch_of[s.knows[r]]))


def _sent_to(s: State, replica: Any) -> Any:
    return s.sent_to[s.epoch[replica], replica, s.broker_epoch[replica]]


@OTHERWISE.add
def what_is_before_a_fetch_is_held(s: State) -> Any:
    """A replica that runs has what is before the offset that its fetch asked for."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda q, o: implies(allof(s.alive[q], o < _sent_to(s, q)), has(s, q, o, s.written[s.epoch[q], o])),
    )


@OTHERWISE.add
def fetches_are_from_no_further_than_the_log(s: State) -> Any:
    """A replica that runs sent no fetch from an offset past its log."""
    return every(s, (REPLICA,), lambda q: implies(s.alive[q], _sent_to(s, q) <= s.end[q]))


@OTHERWISE.add
def who_lacks_records_lost_them(s: State) -> Any:
    """Who has not begun anew since it lost records lost some."""
    return every(s, (REPLICA,), lambda q: implies(s.lacks[q], s.has_lost[q]))


_HINT = (
    "sent_bounds",
    "stays",
    "who_has_heard_of_nothing_has_sent_nothing",
    "decisions_are_in_order",
    "bounds",
)
HINTS = {("sent_bounds", action): _HINT for action in ("become_leader", "become_follower")}


def _seen(clause: Clause) -> Clause:
    holds: Callable[[State], Any] = clause.holds
    return Clause(clause.name, clause.about, lambda s: holds(_as_it_lacks(s)))


@cache
def __getattr__(name: str) -> Claims:
    """The claims of `wide`, or of a setting."""
    if name != "wide" and name not in _SETTINGS:
        raise AttributeError(name)
    claims = claims_in(_SETTINGS["last" if name == "wide" else name])
    clauses = {each: _seen(clause) for each, clause in claims.clauses.items()}
    if name in ("wide", "anything"):
        clauses.update(OTHERWISE)
    lemmas = {each: _seen(lemma) for each, lemma in claims.lemmas.items()}
    made = evolve(claims, machine=recorded(claims.machine), clauses=clauses, lemmas=lemmas, sometimes={})
    match name:
        case "wide":
            return evolve(
                made,
                machine=recorded(claims.machine, asks_less=True),
                theorems={},
                hints={**claims.hints, **HINTS},
            )
        case "last":
            return evolve(made, clauses={}, lemmas={}, within=WIDE)
    return made if claims.within is None else evolve(made, within=WIDE)
