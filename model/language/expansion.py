"""Symbols about any state, spelled out for given sizes and arguments.

An action is read once with symbols for its arguments (`model.language.tracing.check`), which shows the conjuncts of its
guards as its text says them. `expanded` gives one of them the arguments and spells its quantifiers out, so that a
conjunct can be left out by its place in the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import symbols
from model.language.sorts import Sort
from model.language.symbols import Symbol, const
from model.language.tracing import Bounded


def expanded(
    symbol: Symbol, arguments: Mapping[str, int], world: Bounded, sorts: Mapping[str, tuple[Sort, ...]]
) -> Symbol:
    """A symbol with given arguments, its quantifiers spelled out.

    Args:
        symbol: about any state.
        arguments: the values of an action's parameters.
        world: the sizes.
        sorts: the sorts of the keys of every cell, by its name.
    """
    return _Expansion(arguments, world, sorts).of(symbol, {})


class _Expansion:
    def __init__(self, arguments: Mapping[str, int], world: Bounded, sorts: Mapping[str, tuple[Sort, ...]]) -> None:
        self._arguments, self._world, self._sorts = arguments, world, sorts

    def of(self, symbol: Symbol, bound: Mapping[Symbol, Symbol]) -> Symbol:
        match symbol.op:
            case "const":
                return symbol
            case "parameter":
                return const(self._arguments[symbol.args[0]], symbol.sort)
            case "bound":
                return bound[symbol]
            case "every" | "some":
                return self._quantified(symbol, bound)
            case "at_least":
                variable, body, number = symbol.args
                so_many = self.of(number, bound)
                holds = self._world.at_least(
                    so_many, variable.sort, lambda each: self.of(body, {**bound, variable: each})
                )
                return symbols.lifted(holds)
            case "read":
                name, *keys = symbol.args
                found = tuple(self.of(key, bound) for key in keys)
                return self._world.cell(name, found, self._sorts[name], symbol.sort)
        parts = [self.of(each, bound) for each in symbol.args]
        return symbols.lifted(_made(symbol.op, parts))

    def _quantified(self, symbol: Symbol, bound: Mapping[Symbol, Symbol]) -> Symbol:
        variable, body = symbol.args
        quantify = self._world.every if symbol.op == "every" else self._world.some
        return symbols.lifted(quantify(variable.sort, lambda value: self.of(body, {**bound, variable: value})))


def _made(op: str, parts: list[Symbol]) -> Any:
    match op:
        case "and":
            return symbols.conjunction(tuple(parts))
        case "or":
            return symbols.disjunction(tuple(parts))
        case "not":
            return symbols.negate(*parts)
        case "ite":
            return symbols.choice(*parts)
        case "eq":
            return symbols.equal(*parts)
        case "lt" | "le":
            return symbols.compare(op, *parts)
        case _:
            return symbols.arithmetic(op, *parts)
