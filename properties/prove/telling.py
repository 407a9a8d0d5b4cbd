"""What the solver found, in the machine's own words: the step, and what the state is where the question looks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import z3

from model.language import Machine
from model.language.sorts import BOOLEAN, Sort
from model.language.tracing import cells_of, parameters_of
from model.readings.terms import Term, Terms

NUMBERS = 6
"""Of numbers so many are looked at: the first, and those that the step names."""


def tell(model: Any, terms: Terms, machine: Machine, fields: frozenset[str], action: str = "") -> tuple[str, ...]:
    """A state, and a step from it, as lines of text; of the state only those fields, and nothing that is zero."""
    named: dict[str, str] = {}
    lines = []
    numbers = set(range(NUMBERS))
    if action:
        said = []
        for name, symbol in parameters_of(machine.actions[action]).items():
            value = _value(model, terms.term(symbol), symbol.sort, named)
            if value.isdigit():
                numbers |= {int(value), int(value) + 1, max(int(value) - 1, 0)}
            said.append(f"{name}={value}")
        lines.append(f"step: {action.replace('_', ' ')} ({', '.join(said)})")
    for cells in cells_of(machine):
        if cells.field not in fields:
            continue
        held = terms.cell(cells.name, cells.keys, cells.sort)
        for keys in itertools.product(*(_all(model, terms, key, sorted(numbers)) for key in cells.keys)):
            value = _value(model, held(*keys) if keys else held, cells.sort, named)
            if value not in ("0", "no"):
                at = ", ".join(_value(model, key, sort, named) for key, sort in zip(keys, cells.keys, strict=True))
                lines.append(f"{cells.name.replace('_', ' ')}{f'[{at}]' if at else ''} = {value}")
    return tuple(lines)


def _all(model: Any, terms: Terms, sort: Sort, numbers: Sequence[int]) -> list[Term]:
    """The values of a sort that are looked at."""
    made = terms.sort(sort)
    if made == z3.IntSort():
        return [z3.IntVal(each) for each in numbers]
    if made == z3.BoolSort():
        return [z3.BoolVal(False), z3.BoolVal(True)]
    return list(model.get_universe(made) or [])


def _value(model: Any, term: Term, sort: Sort, named: dict[str, str]) -> str:
    """A value in words: replicas are A, B, C, ..., truth values yes and no."""
    found = str(model.eval(term, model_completion=True))
    if sort == BOOLEAN:
        return "yes" if found == "True" else "no"
    if sort.is_named:
        return named.setdefault(found, chr(ord("A") + len(named)))
    return found
