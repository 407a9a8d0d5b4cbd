"""What has to be shown for a machine's claims, one question to the solver at a time.

An obligation says that something can't be: a first state in which a clause fails (`start`), a step from a state in
which all clauses hold to one in which a clause fails (`kept`), a state in which all clauses hold and a lemma does not
(`lemma`), a step that the machine of wider claims can't take (`within`), a step that breaks a theorem (`step`), a
state in which all clauses hold and a theorem does not (`implied`). The solver is asked for such a state; `unsat`
discharges the obligation. That certain states are not ruled out (`sometimes`) is shown by reaching them, in a small
machine.

Obligations are known by name, so that they can be handed to processes, each of which reads the machine for itself.
How the solver is asked is in `properties.prove.asking`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from attrs import define, field, frozen

from model.language import Action, State, no
from model.language.symbols import Symbol, conjunction, equal, lifted, symbols_in
from model.language.tracing import Unbounded, change_alike, first_conditions, parameters_of, symbolic_state, trace
from model.readings.terms import Terms
from properties.claims import Claims, Clause
from properties.explore.engine import Explorer
from properties.prove.asking import Asked, Fact, ask, fields_in
from properties.prove.telling import tell
from properties.refute.variants import variant

LEVELS = (6, 9, 12, 15, 18)
"""How many levels of a small machine are searched for what must be reachable, before giving up."""


class Purpose(StrEnum):
    """What an obligation is about."""

    START = "start"
    KEPT = "kept"
    LEMMA = "lemma"
    WITHIN = "within"
    STEP = "step"
    IMPLIED = "implied"
    SOMETIMES = "sometimes"


@frozen
class Obligation:
    """One question. `name` is the clause, the theorem or the kind of state; `action` is empty where none is taken."""

    claims: str
    """Where the claims are: a module, or `module:name`."""
    purpose: Purpose
    name: str
    action: str = ""
    without: str = ""
    """The variant whose guard is left out; empty: none is."""
    is_left_out_of_wider: bool = False
    """Whether it is left out of the wider claims' machine as well, of which all must be shown without it too."""

    @property
    def about(self) -> str:
        """What reports call it."""
        return f"{self.name} / {self.action}" if self.action else f"{self.name} ({self.purpose})"


@frozen
class Answer:
    """What the solver said."""

    obligation: Obligation
    is_discharged: bool
    said: str
    """`sat`, `unsat` or `unknown`, or `untouched`; of what must be reachable, where."""
    seconds: float
    how: str = ""
    """Which way of asking brought the answer."""
    found: tuple[str, ...] = ()
    """The state and the step that the solver found, in words."""


def claims_in(where: str) -> Claims:
    """The claims that a module makes, or those of that name in it (`module:name`)."""
    module, _, name = where.partition(":")
    found = getattr(importlib.import_module(module), name or "claims")
    if not isinstance(found, Claims):
        raise TypeError(f"{where} makes no claims")
    return found


def obligations(where: str, theorem: str | None = None) -> Iterator[Obligation]:
    """All that has to be shown for one theorem, or for all.

    The invariant is shared: each of its clauses has to be kept by every action, whichever theorem is meant.
    """
    claims = claims_in(where)
    theorems = [each for each in claims.theorems.values() if theorem in (None, each.name)]
    for lemma in claims.lemmas:
        yield Obligation(where, Purpose.LEMMA, lemma)
    for clause in claims.clauses:
        yield Obligation(where, Purpose.START, clause)
    changes = [each.name for each in theorems if each.of_step is not None]
    for action in claims.machine.actions:
        yield from (Obligation(where, Purpose.KEPT, clause, action) for clause in claims.clauses)
        if claims.within is not None:
            yield Obligation(where, Purpose.WITHIN, "within", action)
        yield from (Obligation(where, Purpose.STEP, name, action) for name in changes)
    for each in theorems:
        if each.of_state is not None:
            yield Obligation(where, Purpose.IMPLIED, each.name)
    for kind in claims.sometimes:
        yield Obligation(where, Purpose.SOMETIMES, kind)


@define
class _Question:
    """A machine's claims as symbols and terms, made once a process."""

    claims: Claims
    wider: Claims | None = field(init=False)
    terms: Terms = field(init=False, factory=Terms)
    state: State = field(init=False)
    clauses: dict[str, Fact] = field(init=False)
    lemmas: dict[str, Fact] = field(init=False)

    def __attrs_post_init__(self) -> None:
        within = None if self.claims.within is None else claims_in(self.claims.within)
        self.wider = within
        if within is not None:
            _refuse_what_is_not_within(self.claims, within)
        self.state = symbolic_state(self.claims.machine, Unbounded())
        every = [self.claims] if within is None else [within, self.claims]
        self.clauses = {name: self.fact(each) for claims in every for name, each in claims.clauses.items()}
        self.lemmas = {name: self.fact(each) for claims in every for name, each in claims.lemmas.items()}

    def fact(self, clause: Clause) -> Fact:
        symbol = lifted(clause.holds(self.state))
        counts = any(each.op == "at_least" for each in symbols_in(symbol))
        return Fact(clause.name, symbol, self.terms.term(symbol), fields_in(symbol), counts)

    def hinted(self, obligation: Obligation) -> tuple[Fact, ...]:
        """The facts that are known to be enough for it."""
        hints, name = self.claims.hints, obligation.name
        known = {**self.clauses, **self.lemmas}
        named = hints.get((name, obligation.action), hints.get((name, ""), ()))
        return tuple(known[each] for each in dict.fromkeys(named))  # groups of hints may overlap

    def asked(self, obligation: Obligation) -> Asked | None:
        """What the solver is asked; None: the step touches nothing that the clause looks at."""
        name, claims = obligation.name, self.claims
        match obligation.purpose:
            case Purpose.START:
                first = [lifted(each) for each in first_conditions(claims.machine, self.state)]
                if claims.at_first is not None:
                    first.append(lifted(claims.at_first(self.state)))
                return self._asked(first, self.clauses[name].symbol, facts=())
            case Purpose.LEMMA:
                before = list(self.lemmas)[: list(self.lemmas).index(name)]
                facts = (*self.clauses.values(), *(self.lemmas[each] for each in before))
                return self._asked([], self.lemmas[name].symbol, facts=facts)
            case Purpose.IMPLIED:
                held = claims.theorems[name].of_state
                assert held is not None
                return self._asked([], lifted(held(self.state)))
        return self._asked_of_step(obligation)

    def _asked_of_step(self, obligation: Obligation) -> Asked | None:
        claims, name = self.claims, obligation.name
        action = claims.machine.actions[obligation.action]
        arguments = parameters_of(action)
        after = action.apply(self.state, **arguments).effect()
        traced = trace(claims.machine, action, self.state, arguments)
        if obligation.purpose is Purpose.KEPT:
            changed = {each for each in claims.machine.fields if getattr(after, each) is not getattr(self.state, each)}
            if not changed & self.clauses[name].fields:
                return None
            goal = claims.clauses[name].holds(after)
        elif obligation.purpose is Purpose.WITHIN:
            goal = self._allowed(action, arguments, after, obligation)
        else:
            change = claims.theorems[name].of_step
            assert change is not None
            goal = change(self.state, after)
        if obligation.without:
            guards = variant(claims.machine, obligation.without).kept(traced)
        else:
            guards = [guard.holds for guard in traced.guards]
        asked = self._asked(guards, lifted(goal))
        asked.given.extend(self.terms.in_range(arguments))
        return asked

    def _asked(self, given: list[Symbol], goal: Symbol, *, facts: tuple[Fact, ...] | None = None) -> Asked:
        known = (*self.clauses.values(), *self.lemmas.values()) if facts is None else facts
        fields = frozenset().union(fields_in(goal), *(fields_in(each) for each in given))
        said = [*given, goal, *(each.symbol for each in known if each.counts)]
        counted = {id(each): each for one in said for each in symbols_in(one) if each.op == "at_least"}
        settings = [equal(lifted(getattr(self.state, name)), lifted(value)) for name, value in self.given_settings]
        terms = [*map(self.terms.term, (*given, *settings)), *self.terms.at_least_axioms(counted.values())]
        return Asked(terms, self.terms.term(goal), known, fields)

    @property
    def given_settings(self) -> Iterable[tuple[str, Any]]:
        """The settings that the machine gives: no action changes them, so that they hold in every state."""
        return self.claims.machine.settings.items()

    def _allowed(self, action: Action, arguments: Mapping[str, Any], after: State, obligation: Obligation) -> Any:
        """Whether the machine of the wider claims can take a step, or need not: what they look at stays the same.

        What its action changes was compared when the question was made.
        """
        assert self.wider is not None
        if action.name in self.wider.machine.actions:
            machine = self.wider.machine
            traced = trace(machine, machine.actions[action.name], self.state, arguments)
            if obligation.is_left_out_of_wider:
                return conjunction(tuple(variant(machine, obligation.without).kept(traced)))
            return conjunction(tuple(guard.holds for guard in traced.guards))
        looked_at = frozenset().union(*(self.clauses[name].fields for name in self.wider.clauses))
        return not any(getattr(after, each) is not getattr(self.state, each) for each in looked_at)


def _refuse_what_is_not_within(claims: Claims, wider: Claims) -> None:
    """What every first state of the wider claims has must be known of these, and steps of one name change the same.

    Raises:
        TypeError: the wider claims assume something else of first states, or are themselves within others; an action
            of their machine changes a state in another way, or has other arguments.
    """
    given = claims.machine.settings
    others = [name for name, value in wider.machine.settings.items() if name not in given or given[name] != value]
    assumes_more = wider.at_first is not None and wider.at_first is not claims.at_first
    if others or assumes_more or wider.within is not None:
        raise TypeError(f"claims can't be within {wider.machine.about!r}: it assumes more of first states")
    if claims.machine.fields != wider.machine.fields:
        raise TypeError(f"claims can't be within {wider.machine.about!r}: its states have other fields")
    for name, action in claims.machine.actions.items():
        if name in wider.machine.actions and not change_alike(claims.machine, action, wider.machine.actions[name]):
            raise TypeError(f"claims can't be within {wider.machine.about!r}: {name} is another step there")


@lru_cache(maxsize=8)
def _question(where: str) -> _Question:
    return _Question(claims_in(where))


def asked_for(obligation: Obligation) -> Asked | None:
    """What the solver is asked; None: the step touches nothing that the clause looks at."""
    question = _question(obligation.claims)
    asked = question.asked(obligation)
    if asked is not None:
        given = {id(each) for each in asked.facts}  # of a first state nothing is known, of a lemma what is before it
        asked.hinted = [each for each in question.hinted(obligation) if id(each) in given]
    return asked


@lru_cache(maxsize=4)
def reached(where: str) -> Mapping[str, int]:
    """The levels at which the kinds of states that must be possible are first reached, in a small machine."""
    claims = claims_in(where)
    kinds = {name: _never(kind) for name, kind in claims.sometimes.items()}
    found: Mapping[str, int] = {}
    for levels in LEVELS:
        result = Explorer(claims.explored, claims.small, kinds).run(keep_going=True, workers=1, levels=levels)
        found = {each.invariant: each.level for each in result.violations}
        if len(found) == len(kinds) or result.is_complete:
            break
    return found


def _never(kind: Clause) -> Callable[[State], Any]:
    return lambda state: no(kind.holds(state))


def discharge(obligation: Obligation) -> Answer:
    """Ask the solver, in several ways if need be; look for what must be reachable."""
    began = time.monotonic()
    if obligation.purpose is Purpose.SOMETIMES:
        level = reached(obligation.claims).get(obligation.name)
        said = "never reached" if level is None else f"reached at level {level}"
        return Answer(obligation, level is not None, said, time.monotonic() - began)
    asked = asked_for(obligation)
    if asked is None:
        return Answer(obligation, True, "untouched", time.monotonic() - began)
    said, how, model = ask(asked)
    found: tuple[str, ...] = ()
    if model is not None:
        question = _question(obligation.claims)
        found = tell(model, question.terms, question.claims.machine, asked.fields, obligation.action)
    return Answer(obligation, said == "unsat", said, time.monotonic() - began, how, found)
