"""Programs on columns, made of symbols: what `model.readings.vectors` runs.

A row of a program is an operation on rows before it; equal rows are one. Where several things are asked of the same
states their programs share rows. Registers are given out at the end: a row holds one from where it is first run to
where it is last looked at.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from model.language.errors import LanguageError
from model.language.sorts import BOOLEAN
from model.language.symbols import Symbol, conjunction, const, is_known
from model.readings import vectors

_OPERATORS = {
    "and": vectors.AND,
    "or": vectors.OR,
    "not": vectors.NOT,
    "ite": vectors.ITE,
    "eq": vectors.EQ,
    "lt": vectors.LT,
    "le": vectors.LE,
    "add": vectors.ADD,
    "sub": vectors.SUB,
    "mul": vectors.MUL,
}
_LEAVES = (vectors.LOAD, vectors.GATHER, vectors.AFTER, vectors.CONST)
_EITHER_WAY = (vectors.AND, vectors.OR, vectors.EQ, vectors.ADD, vectors.MUL)

Cells = Mapping[str, Mapping[tuple[int, ...], tuple[int, int]]]
"""For each cell, by its name and its keys: the operation that reads it, and its place."""
Row = tuple[int, ...]


@frozen
class Code:
    """Programs that share rows: for each, which rows it runs in which order, and the register of its result."""

    rows: NDArray[np.int32]
    order: NDArray[np.int32]
    spans: NDArray[np.int64]
    results: NDArray[np.int32]
    registers: int

    def touched(self, cells: int) -> NDArray[np.bool_]:
        """Which of so many cells are looked at."""
        found = np.zeros(cells, np.bool_)
        found[self.rows[self.rows[:, 0] < vectors.CONST, 2]] = True
        return found


@frozen
class Program:
    """Rows, each only once."""

    cells: Cells
    least: int
    most: int
    """What a register can hold."""
    rows: list[Row] = field(factory=list)
    _numbers: dict[Row, int] = field(factory=dict)
    _symbols: dict[Symbol, int] = field(factory=dict)

    def row(self, op: int, *operands: int) -> int:
        """The number of a row."""
        if op in _EITHER_WAY and operands[0] > operands[1]:
            operands = operands[::-1]
        found = self._numbers.setdefault((op, *operands), len(self.rows))
        if found == len(self.rows):
            self.rows.append((op, *operands))
        return found

    def known(self, value: int) -> int:
        """The row that holds a number.

        Raises:
            LanguageError: a register can't hold it.
        """
        if not self.least <= value <= self.most:
            raise LanguageError(f"{value} is more than cells of these sizes are compared with")
        return self.row(vectors.CONST, int(value))

    def cell(self, name: str, keys: tuple[int, ...]) -> int:
        """The row that reads a cell."""
        return self.row(*self.cells[name][keys])

    def value(self, symbol: Symbol) -> int:
        """The row that holds a symbol's value."""
        found = self._symbols.get(symbol)
        if found is None:
            found = self._symbols[symbol] = self._value(symbol)
        return found

    def _value(self, symbol: Symbol) -> int:
        op = symbol.op
        if op == "const":
            return self.known(symbol.args[0])
        if op == "read":
            return self._read(symbol)
        if op == "ite" and [each.args[0] for each in symbol.args[1:] if is_known(each)] == [1, 0]:
            return self.value(symbol.args[0])  # a truth value is 1 or 0 already
        parts = [self.value(each) for each in symbol.args]
        if op not in _OPERATORS:
            raise AssertionError(f"no {op} is left when sizes are known")
        return self.all_of(parts, _OPERATORS[op]) if op in ("and", "or") else self.row(_OPERATORS[op], *parts)

    def all_of(self, parts: Sequence[int], op: int = vectors.AND) -> int:
        """The row that holds whether all of these hold, or (`OR`) one of them."""
        first, *others = sorted(parts)
        for each in others:
            first = self.row(op, first, each)
        return first

    def _read(self, symbol: Symbol) -> int:
        """A cell, or one of several where the state says which."""
        name, *keys = symbol.args
        if all(is_known(key) for key in keys):
            return self.cell(name, tuple(key.args[0] for key in keys))
        found = self.known(0)
        for at in self.cells[name]:
            if any(is_known(key) and key.args[0] != place for key, place in zip(keys, at, strict=True)):
                continue
            unknown = [(key, place) for key, place in zip(keys, at, strict=True) if not is_known(key)]
            is_it = self.value(conjunction(tuple(key == const(place, key.sort) for key, place in unknown)))
            if symbol.sort == BOOLEAN:
                is_held = self.row(vectors.AND, is_it, self.cell(name, at))
                found = is_held if self.rows[found][0] == vectors.CONST else self.row(vectors.OR, found, is_held)
            else:
                found = self.row(vectors.ITE, is_it, self.cell(name, at), found)
        return found

    def needed(self, rows: Iterable[int], listed: dict[int, None] | None = None) -> dict[int, None]:
        """These rows and those that they are made of, in an order in which they can be run, after those listed."""
        found: dict[int, None] = {} if listed is None else listed
        waiting = [(row, False) for row in rows]
        while waiting:
            each, is_ready = waiting.pop()
            if is_ready:
                found[each] = None
            elif each not in found:
                waiting.append((each, True))
                waiting += [(operand, False) for operand in self.operands(each)]
        return found

    def operands(self, row: int) -> tuple[int, ...]:
        """The rows that a row looks at."""
        op, *operands = self.rows[row]
        return () if op in _LEAVES else tuple(operands)

    def code(self, lists: Sequence[Sequence[int]], results: Sequence[Sequence[int]], first: int = 0) -> Code:
        """The code of programs: what each runs in order, and the rows that are looked at when it has run.

        In a list, a number below 0 asks whether a row holds anywhere. Registers are counted from `first` on.
        """
        register, count = self._registers(lists, results, first)
        rows = np.zeros((len(self.rows), 5), np.int32)
        for number, (op, *operands) in enumerate(self.rows):
            given = operands if op in _LEAVES else [register.get(each, 0) for each in operands]
            rows[number, : 2 + len(given)] = op, register.get(number, 0), *given
        return Code(
            rows,
            np.array([each for some in lists for each in some], np.int32),
            np.cumsum([0, *(len(some) for some in lists)], dtype=np.int64),
            np.array([register[each] for some in results for each in some], np.int32),
            count,
        )

    def _registers(
        self, lists: Sequence[Sequence[int]], results: Sequence[Sequence[int]], first: int
    ) -> tuple[Mapping[int, int], int]:
        """A register for each row, and how many there are: two rows share one if one is over before the other is."""
        births: dict[int, int] = {}
        deaths: dict[int, int] = {}
        moment = 0
        for some, wanted in zip(lists, results, strict=True):
            for each in some:
                row = each if each >= 0 else -each - 1
                births.setdefault(row, moment)
                deaths.update(dict.fromkeys((row, *self.operands(row)), moment))
                moment += 1
            deaths.update(dict.fromkeys(wanted, moment))
            moment += 1
        found: dict[int, int] = {}
        free: list[int] = []
        held: list[tuple[int, int]] = []
        count = first
        for row in sorted(births, key=births.__getitem__):
            while held and held[0][0] < births[row]:
                heapq.heappush(free, heapq.heappop(held)[1])
            if not free:
                free.append(count)
                count += 1
            found[row] = heapq.heappop(free)
            heapq.heappush(held, (deaths[row], found[row]))
        return found, count


def shared(program: Program, conditions: Iterable[Symbol], first: int = 0) -> Code:
    """The code of several conditions."""
    results = [program.value(each) for each in conditions]
    return program.code([list(program.needed([each])) for each in results], [[each] for each in results], first)


def narrowing(program: Program, guards: Sequence[Sequence[Symbol]]) -> Code:
    """The code of several guards, each of conditions: those that most have in common come first, then the short ones.

    After each condition it is asked whether the guard can still hold anywhere.
    """
    rows = [sorted({program.value(each) for each in conditions}) for conditions in guards]
    common: dict[int, int] = {}
    for some in rows:
        common.update({each: common.get(each, 0) + 1 for each in some})
    cost = {each: len(program.needed([each])) for each in common}
    lists, results = [], []
    for some in rows:
        listed: dict[int, None] = {}
        whole = None
        for each in sorted(some, key=lambda each: (-common[each], cost[each], each)):
            whole = each if whole is None else program.row(vectors.AND, whole, each)
            program.needed([whole], listed)
            listed[-whole - 1] = None
        if whole is None:
            whole = program.known(1)
            listed[whole] = None
        lists.append(list(listed))
        results.append([whole])
    return program.code(lists, results)


def joined(codes: Sequence[Code]) -> Code:
    """Programs that share no rows, one after the other. Their results are left to whoever joins them."""
    offsets = np.cumsum([0, *(len(each.rows) for each in codes)])
    ends = np.cumsum([0, *(len(each.order) for each in codes)])
    return Code(
        np.concatenate([each.rows for each in codes]),
        np.concatenate([each.order + offset for each, offset in zip(codes, offsets, strict=False)]).astype(np.int32),
        np.concatenate([[0], *(each.spans[1:] + end for each, end in zip(codes, ends, strict=False))]).astype(np.int64),
        np.zeros(0, np.int32),
        max(each.registers for each in codes),
    )
