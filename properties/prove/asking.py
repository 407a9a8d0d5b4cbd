"""How the solver is asked: with which of the known facts, with how much effort, and what is tried next.

The solver has to find out which facts to put together, and too many of them lead it astray. Most questions need only
facts about the fields that they are about themselves; so those are given first, for a moment, and others are added as
long as the answer is unknown. A hint, where there is one, comes before all that. Effort is counted in the solver's own
steps, so that a somewhat busier machine changes nothing. There is a limit of time as well (`PATIENCE`), for a solver
that hangs over a step; on a machine slower than that allows for, a way of asking may end without the answer that it has
elsewhere. What no way answers stays open. Leaving facts out is safe: what follows from some of them follows from all.
That something does not follow is believed only if all were given.
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

    name: str
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

    def without(self, name: str) -> Asked:
        """The same question with one fact less."""
        kept, hinted = ([each for each in facts if each.name != name] for facts in (self.facts, self.hinted))
        return Asked(self.given, self.goal, kept, self.fields, hinted)


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
"""How many milliseconds are given to a thousand of steps, before the solver is taken to hang: usually they take one."""


def _ways(asked: Asked) -> list[tuple[_Way, Sequence[Fact]]]:
    return [(way, asked.hinted) for way in HINTED if asked.hinted] + [(way, _near(asked, way)) for way in WAYS]


def _solver(asked: Asked, way: _Way) -> Any:
    """A solver that knows all of the question but the facts."""
    solver = z3.Solver()
    solver.set("random_seed", way.seed)
    solver.set("rlimit", way.effort * 1_000)
    solver.set("timeout", way.effort * PATIENCE)
    if not way.builds:
        solver.set("auto_config", False)
        solver.set("mbqi", False)
    solver.add(*asked.given, z3.Not(asked.goal))
    return solver


def used(asked: Asked, most: int) -> frozenset[str] | None:
    """The names of facts from which the goal follows; None: no such facts were found in so many ways of asking."""
    for way, facts in _ways(asked)[:most]:
        solver = _solver(asked, way)
        marks = {f"uses {each.name}": each.name for each in facts}
        for mark, each in zip(marks, facts, strict=True):
            solver.add(z3.Implies(z3.Bool(mark), each.term))
        if solver.check(*map(z3.Bool, marks)) == z3.unsat:
            return frozenset(marks[str(mark)] for mark in solver.unsat_core())
    return None


def ask(asked: Asked, most: int | None = None) -> tuple[str, str, Any]:
    """Ask in every way until one brings an answer: what was said, which way it was, and the state, if there is one.

    `most`: how many ways are tried; None: all.
    """
    for way, facts in _ways(asked)[:most]:
        solver = _solver(asked, way)
        solver.add(*(each.term for each in facts))
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
