"""The reading on solver terms: a machine's conditions as z3 formulas, for any size.

Replicas, and other things that can only be told apart, are an uninterpreted sort: whatever is proved holds for any
number of them. Integers are unbounded. A cell of the state is an uninterpreted function of its keys, so the formulas
are about any state at all. The state after a step is no second set of functions: its cells are expressions of the
state before, and are substituted where they are looked at (`model.language.structures`).

Quantifiers range over a sort's values, which for integers means from its least one on. Outside its keys a map reads
as anything here, not as zero: what is proved holds whatever it reads as.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import z3
from attrs import define, field

from model.language.errors import LanguageError
from model.language.sorts import BOOLEAN, Sizes, Sort, size_of
from model.language.symbols import Symbol

Term = Any
"""A z3 expression."""


@cache
def _enumeration(name: str, size: int) -> tuple[Any, list[Term]]:
    """A sort of so many things. z3 lets a name be declared once only."""
    made, values = z3.EnumSort(f"{name} of {size}", [f"{name.lower()} {number} of {size}" for number in range(size)])
    return made, values


@define
class Terms:
    """A translation of symbols into one z3 context; each symbol becomes one term.

    `sizes`: how many things there are of a named sort; those that are not given are any number.
    """

    sizes: Sizes = field(factory=dict)
    _known: dict[Symbol, Term] = field(factory=dict, init=False)
    _sorts: dict[str, Any] = field(factory=dict, init=False)
    _cells: dict[str, Any] = field(factory=dict, init=False)
    _values: dict[str, list[Term]] = field(factory=dict, init=False)

    def sort(self, sort: Sort) -> Any:
        """A sort of the machine as one of z3's."""
        if sort == BOOLEAN:
            return z3.BoolSort()
        if not sort.is_named:
            return z3.IntSort()
        if sort.name not in self._sorts:
            size = size_of(sort, self.sizes)
            if size is None:
                self._sorts[sort.name] = z3.DeclareSort(sort.name)
            else:
                self._sorts[sort.name], self._values[sort.name] = _enumeration(sort.name, size)
        return self._sorts[sort.name]

    def term(self, symbol: Symbol) -> Term:
        """A symbol as a term."""
        found = self._known.get(symbol)
        if found is None:
            found = self._known[symbol] = self._made(symbol)
        return found

    def _made(self, symbol: Symbol) -> Term:
        match symbol.op:
            case "const":
                return self._constant(symbol)
            case "parameter":  # under a name that no field has
                return z3.Const(f"argument {symbol.args[0]}", self.sort(symbol.sort))
            case "bound":
                return z3.Const(symbol.args[0], self.sort(symbol.sort))
            case "read":
                return self._read(symbol)
            case "every" | "some":
                return self._quantified(symbol)
            case "at_least":
                return self._at_least(symbol)
        parts = [self.term(each) for each in symbol.args]
        return _OPERATORS[symbol.op](*parts)

    def _constant(self, symbol: Symbol) -> Term:
        value = symbol.args[0]
        if isinstance(value, bool):
            return z3.BoolVal(value)
        if symbol.sort.is_named:
            self.sort(symbol.sort)
            values = self._values.get(symbol.sort.name)
            if values is not None:
                return values[value]
            if value != 0:
                raise LanguageError(f"{symbol.sort.name} {value} is named, and there is any number of them")
            # The zero of the sort: one of them, nobody knows which. It stands where an option is none.
            return z3.Const(f"zero of {symbol.sort.name}", self.sort(symbol.sort))
        return z3.IntVal(value)

    def cell(self, name: str, keys: tuple[Sort, ...], sort: Sort) -> Any:
        """The function that a map's cells are read by, or the constant."""
        if name not in self._cells:
            if keys:
                self._cells[name] = z3.Function(name, *(self.sort(key) for key in keys), self.sort(sort))
            else:
                self._cells[name] = z3.Const(name, self.sort(sort))
        return self._cells[name]

    def _read(self, symbol: Symbol) -> Term:
        name, *keys = symbol.args
        held = self.cell(name, tuple(key.sort for key in keys), symbol.sort)
        return held(*(self.term(key) for key in keys)) if keys else held

    def _quantified(self, symbol: Symbol) -> Term:
        variable, body = symbol.args
        variables = [variable]
        while body.op == symbol.op:  # one quantifier for all that follow one another: better for the solver
            variables.append(body.args[0])
            body = body.args[1]
        names = [self.term(each) for each in variables]
        ranges = [
            name >= each.sort.least for name, each in zip(names, variables, strict=True) if _is_integer(each.sort)
        ]
        inner = self.term(body)
        if symbol.op == "every":
            return z3.ForAll(names, z3.Implies(z3.And(ranges), inner) if ranges else inner)
        return z3.Exists(names, z3.And(*ranges, inner))

    def _at_least(self, symbol: Symbol) -> Term:
        """Whether something holds for at least so many: counted if there is a given number, else a condition.

        Of the condition nothing is known but what `at_least_axioms` says. It stands for one set of things in one state:
        the language sees to it that it depends on no quantifier's variable.
        """
        variable, body, number = symbol.args
        values = None
        if variable.sort.is_named:
            self.sort(variable.sort)
            values = self._values.get(variable.sort.name)
        if values is not None:
            holds = [z3.substitute(self.term(body), (self.term(variable), value)) for value in values]
            return z3.Sum([z3.If(each, 1, 0) for each in holds]) >= self.term(number)
        return z3.Bool(f"at least: {variable.args[0]}")

    def at_least_axioms(self, symbols: Iterable[Symbol]) -> list[Term]:
        """What is known of these conditions `at_least`: where it holds for fewer things, it holds for more.

        One follows from another if it asks for the same number, and whatever is counted there is counted here.
        """
        pairs = itertools.permutations([each for each in symbols if each.op == "at_least"], 2)
        found = []
        for fewer, more in pairs:
            if fewer.args[2] is not more.args[2] or fewer.args[0].sort != more.args[0].sort:
                continue
            here, there = self.term(fewer.args[0]), self.term(more.args[0])
            body = z3.substitute(self.term(more.args[1]), (there, here))
            is_more = z3.ForAll([here], z3.Implies(self.term(fewer.args[1]), body))
            found.append(z3.Implies(z3.And(is_more, self.term(fewer)), self.term(more)))
        return found

    def named_values(self) -> Mapping[str, Sequence[Term]]:
        """The values of each named sort of which there is a given number."""
        return self._values

    def in_range(self, parameters: Mapping[str, Symbol]) -> list[Term]:
        """That an action's arguments are values of their sorts."""
        return [self.term(each) >= each.sort.least for each in parameters.values() if _is_integer(each.sort)]


def _is_integer(sort: Sort) -> bool:
    return sort != BOOLEAN and not sort.is_named


_OPERATORS: Mapping[str, Any] = {
    "and": z3.And,
    "or": z3.Or,
    "not": z3.Not,
    "ite": z3.If,
    "eq": lambda one, other: one == other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
    "add": lambda one, other: one + other,
    "sub": lambda one, other: one - other,
    "mul": lambda one, other: one * other,
}
