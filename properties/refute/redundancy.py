"""Whether the theorems are proved without a guard, or a conjunct of one.

It may follow from the others: then each step without it is a step with it. If not, all that the proof says of its
action is asked again. Only obligations of its action can be open without it. Where another invariant is tried
(`properties.refute.recorded`, and of other machines than that of replication) all is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from attrs import evolve

from model.language import State, allof, implies
from model.machines.replication import OFFSET, REPLICA, VERSION, replication
from properties.claims import Claims
from properties.invariants.replication import SMALL, unassumed
from properties.invariants.replication_words import every
from properties.prove.obligations import Obligation, Purpose, claims_in, discharge, obligations
from properties.refute.variants import guard_names
from properties.variants.changes import LeftOut
from properties.variants.variant import REPLICATION, setting_called

HERE = "properties.refute.redundancy"

further = Claims(replication, SMALL, clauses=dict(unassumed.clauses))
"""What the proof does not need, and what shows that guards follow from others."""


@further.clause
def nothing_is_said_of_what_is_not_decided(s: State) -> Any:
    """What is not decided yet is of no leader epoch."""
    return allof(s.partition_epoch >= 0, s.every(VERSION, lambda v: implies(v > s.partition_epoch, s.epoch_of[v] == 0)))


@further.clause
def before_the_first_decision_is_no_epoch(s: State) -> Any:
    """Before the first decision there is no leader epoch."""
    return allof(s.partition_epoch >= 0, s.epoch_of[0] == 0)


@further.clause
def logs_have_no_less_than_nothing(s: State) -> Any:
    """A log end offset is not negative."""
    return s.every(REPLICA, lambda r: s.end[r] >= 0)


@further.clause
def who_leads_has_what_it_sent(s: State) -> Any:
    """Who leads has the log that it sent."""
    return every(
        s,
        (REPLICA, OFFSET),
        lambda leader, o: implies(
            s.leads[leader],
            allof(
                s.end[leader] == s.written_end[s.epoch[leader]],
                implies(o < s.end[leader], s.log[leader, o] == s.written[s.epoch[leader], o]),
            ),
        ),
    )


def open_without(left_out: LeftOut, settings: Sequence[str]) -> tuple[str, ...]:
    """An obligation that is open without a guard in one of these settings, if there is one: one is enough to know."""
    ways = [_that_it_follows, _that_all_is_kept] if _are_of_replication(settings) else [_that_all_is_shown]
    if not left_out.safety_critical:
        ways.reverse()  # the likelier one first
    found: tuple[str, ...] = ()
    for way in ways:
        still_open = next((each.about for each in way(left_out, settings) if not _is_discharged(each)), None)
        if still_open is None:
            return ()
        found = (still_open,)
    return found


def _are_of_replication(settings: Sequence[str]) -> bool:
    return all(each.startswith(REPLICATION) for each in settings)


@cache
def _is_discharged(obligation: Obligation) -> bool:
    """Kept, because what is asked of the other actions is the same of many guards."""
    return discharge(obligation).is_discharged


def _that_all_is_shown(left_out: LeftOut, settings: Sequence[str]) -> Iterator[Obligation]:
    """All that is asked of every action, of one without the guard; what was reachable is so without it, too."""
    for each in (each for setting in settings for each in obligations(setting)):
        if each.purpose is not Purpose.SOMETIMES:
            too = each.purpose is Purpose.WITHIN and claims_in(each.claims).within in settings
            less = evolve(each, without=left_out.name, is_left_out_of_wider=too)
            yield less if each.action == left_out.action else each


def _that_it_follows(left_out: LeftOut, settings: Sequence[str]) -> Iterator[Obligation]:
    """That in every setting that has the guard it follows from the others."""
    about = (left_out.action, left_out.name)
    for name in further.clauses:
        yield Obligation(f"{HERE}:further", Purpose.START, name)
        yield from (Obligation(f"{HERE}:further", Purpose.KEPT, name, action) for action in further.machine.actions)
        if left_out.guard in guard_names(further.machine, left_out.action):
            yield Obligation(f"{HERE}:further", Purpose.KEPT, name, *about)
    for setting in settings:
        if left_out.guard in guard_names(claims_in(setting).machine, left_out.action):
            yield Obligation(f"{HERE}:in-{setting_called(setting)}", Purpose.WITHIN, "within", *about)


def __getattr__(name: str) -> Claims:
    """The claims of a setting with all that they rest on (`whole-SETTING`), and within these (`in-SETTING`)."""
    kind, _, called = name.partition("-")
    if kind not in ("in", "whole"):
        raise AttributeError(name)
    claims = claims_in(f"{REPLICATION}:{called}")
    wider = claims if claims.within is None else claims_in(claims.within)
    whole = evolve(
        claims,
        within=None,
        clauses={**wider.clauses, **claims.clauses},
        lemmas={**wider.lemmas, **claims.lemmas},
    )
    if kind == "whole":
        return whole
    return evolve(whole, within=f"{HERE}:whole-{called}", clauses={**whole.clauses, **further.clauses})


def _that_all_is_kept(left_out: LeftOut, settings: Sequence[str]) -> Iterator[Obligation]:
    """All that is asked of the action, in every setting that has the guard."""
    about = (left_out.action, left_out.name)
    for setting in settings:
        claims = claims_in(setting)
        guards = guard_names(claims.machine, left_out.action)
        if left_out.guard not in guards:
            continue
        if claims.within is not None:
            wider = guard_names(claims_in(claims.within).machine, left_out.action)
            # Where the wider claims are proved without it as well, and assume nothing more, each step is one of theirs.
            too = claims.within in settings and left_out.guard in wider
            if not (too and wider <= guards):
                yield Obligation(setting, Purpose.WITHIN, "within", *about, is_left_out_of_wider=too)
        yield from (Obligation(setting, Purpose.KEPT, name, *about) for name in claims.clauses)
        for name, theorem in claims.theorems.items():
            if theorem.of_step is not None:
                yield Obligation(setting, Purpose.STEP, name, *about)
