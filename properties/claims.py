"""Claims about machines: clauses of an invariant, and the theorems that follow from it.

A clause is a condition of a state that every action keeps, given all clauses; its docstring says it in English. A
theorem says what follows: of every state (`of_state`), or of every step (`of_step`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from model.language import Machine, Sizes, State

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
        assumes: assumptions in English, each with the name of the guard (`action.guard`) in which the machine makes it.
    """

    name: str
    sentence: str
    of_state: Condition | None = None
    of_step: Change | None = None
    assumes: tuple[tuple[str, str], ...] = ()


@define
class Claims:
    """An inductive invariant of a machine, the theorems that it implies, and states that must be reachable."""

    machine: Machine
    small: Sizes
    """Sizes at which the kinds of states that must remain possible are looked for."""
    refuted_at: tuple[Sizes, ...] = ()
    """Sizes at which counterexamples are looked for when a guard is left out, one after the other."""
    clauses: dict[str, Clause] = field(factory=dict)
    theorems: dict[str, Theorem] = field(factory=dict)
    sometimes: dict[str, Clause] = field(factory=dict)
    """States that must be reachable, so that nothing is proved of nothing."""

    def clause(self, holds: Condition) -> Condition:
        """Add a clause."""
        self.clauses[holds.__name__] = _clause(holds)
        return holds

    def sometime(self, holds: Condition) -> Condition:
        """Add a kind of state that must remain possible."""
        self.sometimes[holds.__name__] = _clause(holds)
        return holds

    def theorem(self, theorem: Theorem) -> Theorem:
        """Add a theorem."""
        self.theorems[theorem.name] = theorem
        return theorem


def _clause(holds: Condition) -> Clause:
    about = " ".join((holds.__doc__ or "").split())
    if not about:
        raise TypeError(f"{holds.__name__} has no docstring: say it in English")
    return Clause(holds.__name__, about, holds)
