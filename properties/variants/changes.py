"""What a variant changes in a machine, as data: what is left out, weakened, allowed, or set otherwise.

Each change gives the changed machine, which is then read as any other. Only a conjunct of a guard can't be left out of
a text that is run; it is left out of what was read (`LeftOut.kept`), for explorations and proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from model.language import Machine
from model.language.symbols import Symbol
from model.language.tracing import Traced
from properties.claims import Assumption, under, unguarded


@frozen
class LeftOut:
    """A guard is not asked for, or one conjunct of it; what a setting assumes of an action is such a guard too."""

    action: str
    guard: str
    conjunct: int | None = None
    """Counted from 1, as the text says them; None: the whole guard."""
    safety_critical: bool = True
    """Whether the text says that it is."""

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"{self.action}.{self.guard}" + (f".{self.conjunct}" if self.conjunct is not None else "")

    def says_that_there_is_one(self, traced: Traced) -> bool:
        """Whether it is the conjunct that an optional value is there: without it, none is read as the first value."""
        guard = next(each for each in traced.guards if each.name == self.guard)
        left = guard.conjuncts[self.conjunct - 1] if self.conjunct is not None else guard.holds
        return left.op == "read" and str(left.args[0]).endswith(".exists")

    def kept(self, traced: Traced) -> list[Symbol]:
        """The conditions of the action that are not left out."""
        found: list[Symbol] = []
        for guard in traced.guards:
            if guard.name != self.guard:
                found.append(guard.holds)
            elif self.conjunct is not None:
                found += [each for number, each in enumerate(guard.conjuncts, 1) if number != self.conjunct]
        return found

    def applied(self, machine: Machine, _whole: Machine) -> Machine:
        """The machine without the guard; of a conjunct, the machine as it is."""
        if self.conjunct is not None:
            return machine
        return unguarded(machine, machine.about, self.action, self.guard)


@frozen
class Weakened:
    """A guard asks for less."""

    action: str
    guard: str
    holds: Callable[..., Any]
    """What it asks for instead; takes the state and the action's arguments."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.action}.{self.guard}"

    def applied(self, machine: Machine, _whole: Machine) -> Machine:
        """The machine with the weaker guard."""
        less = unguarded(machine, machine.about, self.action, self.guard)
        return under(less, machine.about, assuming=(Assumption(self.action, self.guard, "", self.holds),))


@frozen
class Allowed:
    """An action can be taken that the setting rules out."""

    action: str

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.action

    def applied(self, machine: Machine, whole: Machine) -> Machine:
        """The machine with the action."""
        return evolve(machine, actions={**machine.actions, self.action: whole.actions[self.action]})


@frozen
class Switched:
    """A setting has another value."""

    field: str
    value: Any

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.field} = {self.value}"

    def applied(self, machine: Machine, _whole: Machine) -> Machine:
        """The machine with the setting."""
        return machine.extended(machine.name, machine.about, settings={self.field: self.value})


Change = LeftOut | Weakened | Allowed | Switched


def changed(machine: Machine, whole: Machine, changes: Sequence[Change]) -> Machine:
    """A machine with some changes.

    Args:
        machine: what is changed.
        whole: where actions are taken from that the machine rules out.
        changes: one after the other.
    """
    for each in changes:
        machine = each.applied(machine, whole)
    return machine


def guards_that_fail(changes: Sequence[Change]) -> frozenset[str]:
    """The guards (`action.guard`) that may fail of the unchanged machine where the changed one takes a step."""
    return frozenset(f"{each.action}.{each.guard}" for each in changes if isinstance(each, LeftOut | Weakened))
