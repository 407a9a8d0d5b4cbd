"""Leaving out of a machine's states what nothing that is asked about depends on.

History is kept for the proof, and most of it says nothing about whether a theorem breaks. A field that no guard, no
theorem and no field that matters looks at is never written here: states that differ in it alone are one. What can be
done next, and what holds, is the same in all of them, so that the levels of violations stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import evolve

from model.language import Action, Machine, State, Step
from model.language.sorts import Sort
from model.language.symbols import Symbol, fresh, lifted
from model.language.tracing import Unbounded, cells_of, check, symbolic_state
from model.readings.layouts import AFTER
from properties.prove.asking import fields_in

Condition = Callable[[State], Any]
Change = Callable[[State, State], Any]


def sliced(machine: Machine, of_states: Iterable[Condition], of_steps: Iterable[Change]) -> Machine:
    """The machine, in which fields that do not matter stay what they were at first.

    Args:
        machine: which.
        of_states: what is asked of states.
        of_steps: what is asked of steps, of the states before and after them.
    """
    kept = fields_that_matter(machine, of_states, of_steps)
    idle = [each for each in machine.fields if each not in kept]
    actions = {name: _writing_less(action, idle) for name, action in machine.actions.items()}
    return evolve(machine, actions=actions)


class _After(Unbounded):
    """The state after a step: its cells are not those of the state before."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        """A cell of any state."""
        return super().cell(f"{AFTER}{name}", keys, sorts, sort)


def fields_that_matter(machine: Machine, of_states: Iterable[Condition], of_steps: Iterable[Change]) -> frozenset[str]:
    """The fields that the guards, what is asked, and the fields that matter depend on."""
    state = symbolic_state(machine, Unbounded())
    after = symbolic_state(machine, _After())
    asked = [lifted(holds(state)) for holds in of_states] + [lifted(holds(state, after)) for holds in of_steps]
    found = frozenset(name.removeprefix(AFTER) for one in asked for name in fields_in(one))
    reads: dict[str, frozenset[str]] = {}
    for action in machine.actions.values():
        traced = check(machine, action)
        found = found.union(*(fields_in(guard.holds) for guard in traced.guards))
        for cells in cells_of(machine):
            if cells.name in traced.changes:
                after_it = traced.changes[cells.name](*(fresh(key) for key in cells.keys))
                reads[cells.field] = reads.get(cells.field, frozenset()) | fields_in(after_it)
    while True:
        more = found.union(*(reads.get(each, frozenset()) for each in found))
        if more == found:
            return found
        found = more


def _writing_less(action: Action, idle: list[str]) -> Action:
    def apply(state: State, **arguments: Any) -> Step:
        step = action.apply(state, **arguments)
        return Step(step.guards, lambda: step.effect().but(**{each: getattr(state, each) for each in idle}))

    return evolve(action, apply=apply)
