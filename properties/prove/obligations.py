"""What has to be shown for a machine's claims, one question to the solver at a time.

An obligation says that something can't be: a first state in which a clause fails (`start`), a step from a state in
which all clauses hold to one in which a clause fails (`kept`), a step that breaks a theorem (`step`), a state in
which all clauses hold and a theorem does not (`implied`). The solver is asked for such a state; `unsat` discharges
the obligation. That certain states are not ruled out (`sometimes`) is shown by reaching them, in a small machine.

An answer of `unknown` often turns into another one with another random seed, so several are tried. Obligations are
known by name, so that they can be handed to processes, each of which reads the machine for itself.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import z3
from attrs import define, field, frozen

from model.language import State, no
from model.language.symbols import lifted
from model.language.tracing import Unbounded, first_conditions, parameters_of, symbolic_state, trace
from model.readings.terms import Term, Terms
from properties.claims import Claims, Clause
from properties.explore.engine import Explorer
from properties.refute.variants import variant

SEEDS = 6
FIRST_MS = 4_000
LATER_MS = 2_000


class Sort(StrEnum):
    """What an obligation is about."""

    START = "start"
    KEPT = "kept"
    STEP = "step"
    IMPLIED = "implied"
    SOMETIMES = "sometimes"


@frozen
class Obligation:
    """One question. `name` is the clause, the theorem or the kind of state; `action` is empty where none is taken."""

    claims: str
    """The module of the claims."""
    sort: Sort
    name: str
    action: str = ""
    without: str = ""
    """The variant whose guard is left out; empty: none is."""

    @property
    def about(self) -> str:
        """What reports call it."""
        return f"{self.name} / {self.action}" if self.action else f"{self.name} ({self.sort})"


@frozen
class Answer:
    """What the solver said."""

    obligation: Obligation
    is_discharged: bool
    said: str
    """`sat`, `unsat` or `unknown`; of what must be reachable, where."""
    seconds: float
    seed: int
    """The seed that brought the answer."""


def claims_in(module: str) -> Claims:
    """The claims that a module makes."""
    found = importlib.import_module(module).claims
    if not isinstance(found, Claims):
        raise TypeError(f"{module} makes no claims")
    return found


def obligations(module: str, theorem: str | None = None) -> Iterator[Obligation]:
    """All that has to be shown for one theorem, or for all.

    The invariant is shared: each of its clauses has to be kept by every action, whichever theorem is meant.
    """
    claims = claims_in(module)
    theorems = [each for each in claims.theorems.values() if theorem in (None, each.name)]
    for clause in claims.clauses:
        yield Obligation(module, Sort.START, clause)
    for action in claims.machine.actions:
        for clause in claims.clauses:
            yield Obligation(module, Sort.KEPT, clause, action)
        for each in theorems:
            if each.of_step is not None:
                yield Obligation(module, Sort.STEP, each.name, action)
    for each in theorems:
        if each.of_state is not None:
            yield Obligation(module, Sort.IMPLIED, each.name)
    for kind in claims.sometimes:
        yield Obligation(module, Sort.SOMETIMES, kind)


@define
class _Question:
    """A machine's claims as terms, made once a process."""

    claims: Claims
    terms: Terms = field(init=False)
    state: State = field(init=False)
    invariant: list[Term] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.terms = Terms()
        self.state = symbolic_state(self.claims.machine, Unbounded())
        self.invariant = [self.term(clause.holds(self.state)) for clause in self.claims.clauses.values()]

    def term(self, condition: Any) -> Term:
        return self.terms.term(lifted(condition))

    def asked(self, obligation: Obligation) -> list[Term]:
        """What the solver is asked to satisfy."""
        claims, name = self.claims, obligation.name
        match obligation.sort:
            case Sort.START:
                first = [self.term(each) for each in first_conditions(claims.machine, self.state)]
                return [*first, z3.Not(self.term(claims.clauses[name].holds(self.state)))]
            case Sort.IMPLIED:
                held = claims.theorems[name].of_state
                assert held is not None
                return [*self.invariant, z3.Not(self.term(held(self.state)))]
        action = claims.machine.actions[obligation.action]
        arguments = parameters_of(action)
        after = action.apply(self.state, **arguments).effect()
        traced = trace(claims.machine, action, self.state, arguments)
        if obligation.without:
            guards = variant(claims.machine, obligation.without).kept(traced)
        else:
            guards = [guard.holds for guard in traced.guards]
        taken = [self.term(each) for each in guards] + self.terms.in_range(arguments)
        if obligation.sort is Sort.KEPT:
            goal = self.term(claims.clauses[name].holds(after))
        else:
            change = claims.theorems[name].of_step
            assert change is not None
            goal = self.term(change(self.state, after))
        return [*self.invariant, *taken, z3.Not(goal)]


@lru_cache(maxsize=4)
def _question(module: str) -> _Question:
    return _Question(claims_in(module))


@lru_cache(maxsize=4)
def reached(module: str) -> Mapping[str, int]:
    """The levels at which the kinds of states that must be possible are first reached, in a small machine."""
    claims = claims_in(module)
    kinds = {name: _never(kind) for name, kind in claims.sometimes.items()}
    result = Explorer(claims.machine, claims.small, kinds).run(keep_going=True, workers=1)
    return {each.invariant: each.level for each in result.violations}


def _never(kind: Clause) -> Callable[[State], Any]:
    return lambda state: no(kind.holds(state))


def discharge(obligation: Obligation) -> Answer:
    """Ask the solver, with several seeds if need be; look for what must be reachable."""
    began = time.monotonic()
    if obligation.sort is Sort.SOMETIMES:
        level = reached(obligation.claims).get(obligation.name)
        said = "never reached" if level is None else f"reached at level {level}"
        return Answer(obligation, level is not None, said, time.monotonic() - began, 0)
    asked = _question(obligation.claims).asked(obligation)
    answer, seed = z3.unknown, 0
    for seed in range(SEEDS):
        solver = z3.Solver()
        solver.set("timeout", LATER_MS if seed else FIRST_MS)
        solver.set("random_seed", seed)
        solver.add(*asked)
        answer = solver.check()
        if answer != z3.unknown:
            break
    return Answer(obligation, answer == z3.unsat, str(answer), time.monotonic() - began, seed)
