"""How the solver is asked: with which of the known facts, with how much effort, and what is tried next.

The solver has to find out which facts to put together, and too many of them lead it astray. Most questions need only
facts about the fields that they are about themselves; so those are given first, for a moment, and others are added
as long as the answer is unknown. A hint, where there is one, comes before all that. Effort is counted in the solver's
own steps, so that a busy machine changes nothing. Leaving facts out is safe: what follows from some of them follows
from all. That something does not follow is believed only if all were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3
from attrs import define, frozen

from model.language.symbols import Symbol, symbols_in
from model.readings.terms import Term


@frozen
class Fact:
    """What is known of every state: a clause or a lemma."""

    symbol: Symbol
    term: Term
    fields: frozenset[str]
    """What it looks at."""
    counts: bool = False
    """Whether it says that something holds for at least so many."""


@define
class Asked:
    """A question: whether there is a state in which the given holds, all facts hold, and the goal does not."""

    given: list[Term]
    goal: Term
    facts: Sequence[Fact]
    fields: frozenset[str]
    """What the goal and the given look at."""
    hinted: Sequence[Fact] = ()
    """Facts that are known to be enough; none: nobody knows."""


@frozen
class _Way:
    """A way of asking.

    Attributes:
        name: what reports call it.
        strangers: facts are left out that look at more than so many fields which the question does not; None: none.
        builds: whether the solver also tries to build a state (slow, and at times the only way to see that none is).
    """

    name: str
    strangers: int | None
    builds: bool
    seed: int
    effort: int
    """Thousands of the solver's steps; about as many milliseconds."""


HINTED = (
    _Way("hinted", None, builds=False, seed=0, effort=500),
    _Way("hinted, built", None, builds=True, seed=0, effort=2_000),
    _Way("hinted, built again", None, builds=True, seed=1, effort=2_000),
)
WAYS = (
    _Way("near", 0, builds=False, seed=0, effort=1_000),
    _Way("near, built", 0, builds=True, seed=1, effort=400),
    _Way("far", 1, builds=False, seed=0, effort=1_000),
    _Way("all, built", None, builds=True, seed=0, effort=2_500),
    _Way("farther", 2, builds=False, seed=0, effort=1_500),
    _Way("far, built", 1, builds=True, seed=1, effort=2_000),
    _Way("farther, built", 2, builds=True, seed=2, effort=3_000),
    _Way("all, built again", None, builds=True, seed=3, effort=5_000),
    _Way("all, built once more", None, builds=True, seed=5, effort=10_000),
)


PATIENCE = 50
"""How many milliseconds are given to a thousand of steps, before the solver is taken to hang."""


def ask(asked: Asked) -> tuple[str, str, Any]:
    """Ask in every way until one brings an answer: what was said, which way it was, and the state, if there is one."""
    ways = [(way, asked.hinted) for way in HINTED if asked.hinted] + [(way, _near(asked, way)) for way in WAYS]
    for way, facts in ways:
        solver = z3.Solver()
        solver.set("random_seed", way.seed)
        solver.set("rlimit", way.effort * 1_000)
        solver.set("timeout", way.effort * PATIENCE)
        if not way.builds:
            solver.set("auto_config", False)
            solver.set("mbqi", False)
        solver.add(*asked.given, *(each.term for each in facts), z3.Not(asked.goal))
        answer = solver.check()
        if answer == z3.unsat:
            return "unsat", way.name, None
        if answer == z3.sat and len(facts) == len(asked.facts):
            return "sat", way.name, solver.model()
    return "unknown", "", None


def _near(asked: Asked, way: _Way) -> Sequence[Fact]:
    """The facts that a way gives to the solver."""
    if way.strangers is None:
        return asked.facts
    return [each for each in asked.facts if len(each.fields - asked.fields) <= way.strangers]


def fields_in(symbol: Symbol) -> frozenset[str]:
    """The fields of the state that a condition looks at."""
    return frozenset(each.args[0].split(".")[0] for each in symbols_in(symbol) if each.op == "read")
