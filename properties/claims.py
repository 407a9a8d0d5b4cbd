"""Claims about machines: clauses of an invariant, and the theorems that follow from it.

A clause is a condition of a state that every action keeps, given all clauses; its docstring says it in English. A
theorem says what follows: of every state (`of_state`), or of every step (`of_step`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from model.language import Action, Guard, Machine, Sizes, State, Step

Condition = Callable[[State], Any]
Change = Callable[[State, State], Any]


@frozen
class Clause:
    """A condition that holds at first and that every action keeps."""

    name: str
    about: str
    holds: Condition


@frozen
class Theorem:
    """What is shown of a machine.

    Attributes:
        name: its stable name.
        sentence: what it says, in English.
        of_state: what holds of every state; None: nothing.
        of_step: what holds of every step, of the states before and after it; None: nothing.
        assumes: assumptions in English, each with where the machine makes it: guards (`action.guard`), actions that are
            left out, or the value that a setting does not have (`setting = value`).
    """

    name: str
    sentence: str
    of_state: Condition | None = None
    of_step: Change | None = None
    assumes: tuple[tuple[str, str], ...] = ()


class Clauses(dict[str, Clause]):
    """Clauses by name; shared by claims about a machine under several assumptions."""

    def add(self, holds: Condition) -> Condition:
        """Add one."""
        self[holds.__name__] = clause_of(holds)
        return holds


@define
class Claims:
    """An inductive invariant of a machine, the theorems that it implies, and states that must be reachable."""

    machine: Machine
    small: Sizes
    """Sizes at which the kinds of states that must remain possible are looked for."""
    refuted_at: tuple[Sizes, ...] = ()
    """Sizes at which counterexamples are looked for when a guard is left out, one after the other."""
    clauses: dict[str, Clause] = field(factory=dict)
    lemmas: dict[str, Clause] = field(factory=dict)
    """What follows from the clauses and the lemmas before it; proved once, and then used."""
    theorems: dict[str, Theorem] = field(factory=dict)
    sometimes: dict[str, Clause] = field(factory=dict)
    """States that must be reachable, so that nothing is proved of nothing."""
    hints: Mapping[tuple[str, str], tuple[str, ...]] = field(factory=dict)
    """Facts to look at first, by the name of what is to be shown and the action; no action: any other."""
    explored_with: Mapping[str, Any] = field(factory=dict)
    """Settings where states are enumerated, of those that the machine leaves open."""
    at_first: Condition | None = None
    """What is assumed of the first state, of the settings that the machine leaves open."""
    within: str | None = None
    """Where other claims are made, of a machine that can take every step of this one: they hold of this one too."""

    @property
    def explored(self) -> Machine:
        """The machine, as its states are enumerated."""
        return self.machine.extended(self.machine.name, self.machine.about, settings=self.explored_with)

    def clause(self, holds: Condition) -> Condition:
        """Add a clause."""
        self.clauses[holds.__name__] = clause_of(holds)
        return holds

    def sometime(self, holds: Condition) -> Condition:
        """Add a kind of state that must remain possible."""
        self.sometimes[holds.__name__] = clause_of(holds)
        return holds

    def theorem(self, theorem: Theorem) -> Theorem:
        """Add a theorem."""
        self.theorems[theorem.name] = theorem
        return theorem


def clause_of(holds: Condition) -> Clause:
    """A clause, or a kind of state: its name is the function's, and its docstring says it in English."""
    about = " ".join((holds.__doc__ or "").split())
    if not about:
        raise TypeError(f"{holds.__name__} has no docstring: say it in English")
    return Clause(holds.__name__, about, holds)


@frozen
class Assumption:
    """Something that is taken for granted of an action: a further guard, which is no part of the protocol."""

    action: str
    guard: str
    sentence: str
    holds: Callable[..., Any]
    """Takes the state and the action's arguments."""

    @property
    def named(self) -> tuple[str, str]:
        """Its sentence and where it is made, as theorems name it."""
        return self.sentence, f"{self.action}.{self.guard}"


def under(
    machine: Machine,
    about: str,
    *,
    without: tuple[str, ...] = (),
    assuming: tuple[Assumption, ...] = (),
    settings: Mapping[str, Any] | None = None,
) -> Machine:
    """A machine in which some actions never happen, and others only as is assumed."""
    made = machine.extended(machine.name, about, without=without, settings=settings)
    for each in assuming:
        made.actions[each.action] = _guarded(made.actions[each.action], each)
    return made


def _guarded(action: Action, assumption: Assumption) -> Action:
    def apply(state: State, **arguments: Any) -> Step:
        step = action.apply(state, **arguments)
        guard = Guard(assumption.guard, assumption.holds(state, **arguments), safety_critical=True)
        return Step((*step.guards, guard), step.effect)

    return evolve(action, apply=apply)


def unguarded(machine: Machine, about: str, action: str, guard: str) -> Machine:
    """A machine in which an action is taken without one of its guards.

    Raises:
        KeyError: there is no such action, or it has no such guard.
    """
    made = machine.extended(machine.name, about)
    whole = made.actions[action]

    def apply(state: State, **arguments: Any) -> Step:
        step = whole.apply(state, **arguments)
        kept = tuple(each for each in step.guards if each.name != guard)
        if len(kept) == len(step.guards):
            raise KeyError(f"{action} has no guard {guard!r}")
        return Step(kept, step.effect)

    made.actions[action] = evolve(whole, apply=apply)
    return made
