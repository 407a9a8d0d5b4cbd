"""The reading on NumPy columns: take a step in every state of a block at once.

A block holds many states, a column a cell: row `j` of the array is cell `j` of every state. For given sizes every
action is read once for every choice of its arguments, so that quantifiers are spelled out and most keys are known;
what is left is compiled to a few operations on columns. Guards come first and narrow the block down to the states in
which the step can be taken; effects are computed for those only. A step that leaves the sizes is not taken.

Not here: who has been seen before, and in which order states are looked at (`properties.explore`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from model.language.machine import Action, Machine, State
from model.language.sorts import BOOLEAN, Sizes, Sort
from model.language.symbols import TRUE, Symbol, conjunction, const, is_known, lifted, make
from model.language.tracing import Bounded, cells_of, places, symbolic_state, trace

Block = NDArray[Any]
"""States as columns, of shape (cells, states)."""
Rows = NDArray[np.intp]
"""Places of states in a block."""

CHEAP = 6
"""A condition of at most so many operations is computed for the whole block; others where the cheap ones hold."""


@frozen
class Column:
    """A cell of the state: its place in a row, and the values that it may have."""

    name: str
    keys: tuple[int, ...]
    place: int
    least: int
    most: int
    is_boolean: bool


@frozen
class Layout:
    """How a state of given sizes is laid out as a row of numbers."""

    columns: tuple[Column, ...]
    by_cell: Mapping[tuple[str, tuple[int, ...]], Column]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, machine: Machine, sizes: Sizes) -> Layout:
        """The layout of a machine's states.

        Raises:
            LanguageError: a sort of the state has no size.
        """
        world = Bounded(sizes)
        columns: list[Column] = []
        for cells in cells_of(machine):
            values = world.values(cells.sort)
            for keys in places(cells, sizes):
                is_boolean = cells.sort == BOOLEAN
                columns.append(Column(cells.name, keys, len(columns), values[0], values[-1], is_boolean))
        widest = max((max(-each.least, each.most) for each in columns), default=0)
        # Sums and differences of two cells, and the key just past either end, must fit as well.
        dtype = np.min_scalar_type(-2 * widest - 2)
        return cls(tuple(columns), {(each.name, each.keys): each for each in columns}, dtype)

    @property
    def width(self) -> int:
        """How many cells a state has."""
        return len(self.columns)

    def block(self, rows: Iterable[Sequence[int]]) -> Block:
        """A block of states that are given as rows."""
        return np.ascontiguousarray(np.array(list(rows), dtype=self.dtype).reshape(-1, self.width).T)


@frozen
class _Emitter:
    """Writes the lines that compute symbols, each only once."""

    layout: Layout
    load: Callable[[Column], str]
    """How a cell is read."""
    lines: list[str] = field(factory=list)
    names: dict[Symbol, str] = field(factory=dict)
    cells: dict[int, str] = field(factory=dict)

    def _named(self, expression: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def column(self, column: Column) -> str:
        if column.place not in self.cells:
            self.cells[column.place] = self._named(self.load(column))
        return self.cells[column.place]

    def value(self, symbol: Symbol) -> str:
        """The name, or the literal, of a symbol's value."""
        if is_known(symbol):
            return repr(symbol.args[0])
        if symbol not in self.names:
            self.names[symbol] = self._emit(symbol)
        return self.names[symbol]

    def _emit(self, symbol: Symbol) -> str:
        if symbol.op == "read":
            return self._read(symbol)
        parts = [self.value(each) for each in symbol.args]
        match symbol.op:
            case "and" | "or":
                return self._named((" & " if symbol.op == "and" else " | ").join(parts))
            case "not":
                return self._named(f"~{parts[0]}")
            case "ite" if symbol.sort == BOOLEAN:
                return self._named(f"({parts[0]} & {parts[1]}) | (~{parts[0]} & {parts[2]})")
            case "ite":
                both_known = is_known(symbol.args[1]) and is_known(symbol.args[2])
                one = f"small({parts[1]})" if both_known else parts[1]
                return self._named(f"where({parts[0]}, {one}, {parts[2]})")
            case op if op in _OPERATORS:
                return self._named(f"{parts[0]} {_OPERATORS[op]} {parts[1]}")
            case op:
                raise AssertionError(f"no {op} is left when sizes are known")

    def _read(self, symbol: Symbol) -> str:
        """A cell, or one of several where the state says which."""
        name, *keys = symbol.args
        if all(is_known(key) for key in keys):
            return self.column(self.layout.by_cell[name, tuple(key.args[0] for key in keys)])
        found = "False" if symbol.sort == BOOLEAN else "0"
        for (cell, at), column in self.layout.by_cell.items():
            if cell != name or any(is_known(key) and key.args[0] != place for key, place in zip(keys, at, strict=True)):
                continue
            unknown = [(key, place) for key, place in zip(keys, at, strict=True) if not is_known(key)]
            is_it = self.value(conjunction(tuple(key == place for key, place in unknown)))
            held = self.column(column)
            if symbol.sort == BOOLEAN:
                found = self._named(f"{is_it} & {held}" if found == "False" else f"{found} | ({is_it} & {held})")
            else:
                found = self._named(f"where({is_it}, {held}, {found})")
        return found


_OPERATORS = {"eq": "==", "lt": "<", "le": "<=", "add": "+", "sub": "-", "mul": "*"}


def _load_all(column: Column) -> str:
    return f"b[{column.place}]" if column.is_boolean else f"c[{column.place}]"


def _load_some(column: Column) -> str:
    return f"b[{column.place}].take(at)" if column.is_boolean else f"c[{column.place}].take(at)"


def _cost(symbol: Symbol, known: set[Symbol] | None = None) -> int:
    """About how many operations on columns it takes."""
    seen = set() if known is None else known
    if is_known(symbol) or symbol in seen:
        return 0
    seen.add(symbol)
    return 1 + sum(_cost(each, seen) for each in symbol.args if isinstance(each, Symbol))


def _function(name: str, arguments: str, body: Sequence[str], layout: Layout) -> Callable[..., Any]:
    source = f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body)
    names: dict[str, Any] = {"where": np.where, "flatnonzero": np.flatnonzero, "small": layout.dtype.type, "np": np}
    exec(compile(source, f"<{name}>", "exec"), names)  # noqa: S102  the text is ours, made of a machine's symbols
    made: Callable[..., Any] = names[name]
    return made


def condition(layout: Layout, symbol: Symbol) -> Callable[[Block], NDArray[np.bool_]]:
    """A function that says in which states of a block a condition holds."""
    emitter = _Emitter(layout, _load_all)
    result = emitter.value(symbol)
    if is_known(symbol):
        result = f"np.full(c.shape[1], {result})"
    body = [_ready(layout, "b", "c"), *emitter.lines, f"return {result}"]
    return _function("condition", "c", body, layout)


@frozen
class Instance:
    """An action with given arguments, compiled.

    Attributes:
        action: which.
        arguments: with what.
        written: the columns that it may change.
        enabled: the states of a block in which it can be taken; takes the block twice, as numbers and as truth values.
        effect: for such states, the new values of what is written, and which of them stay within the sizes (None: all).
    """

    action: Action
    arguments: Mapping[str, int]
    written: tuple[Column, ...]
    enabled: Callable[[Block, Block], Rows | None]
    effect: Callable[[Block, Block, Rows], tuple[list[Any], NDArray[np.bool_] | None]]

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.action.name}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


def as_truth(block: Block) -> Block:
    """The same block, its cells as truth values."""
    return block.view(bool) if block.dtype.itemsize == 1 else block.astype(bool)


def _compile_enabled(layout: Layout, guards: Sequence[Symbol], name: str) -> Callable[..., Any]:
    cheap = sorted((each for each in guards if _cost(each) <= CHEAP), key=_cost)
    dear = [each for each in guards if _cost(each) > CHEAP]
    body: list[str] = []
    emitter = _Emitter(layout, _load_all, body)
    for index, each in enumerate(cheap):
        holds = emitter.value(each)
        body.append(f"m = {holds}" if index == 0 else f"m = m & {holds}")
        if index % 2 == 0:
            body.append("if not m.any(): return None")
    body.append("at = flatnonzero(m)" if cheap else "at = np.arange(c.shape[1])")
    if dear:
        body.append("if not at.size: return None")
        some = _Emitter(layout, _load_some, body)
        holds = some.value(conjunction(tuple(dear)))
        body.append(f"at = at[{holds}]")
    body.append("return at")
    return _function(name, "c, b", body, layout)


def _compile_effect(layout: Layout, writes: Sequence[tuple[Column, Symbol]], name: str) -> Callable[..., Any]:
    emitter = _Emitter(layout, _load_some)
    values = [emitter.value(value) for _column, value in writes]
    checks: list[str] = []
    for (column, symbol), value in zip(writes, values, strict=True):
        if column.is_boolean or symbol.op == "read":
            continue
        if is_known(symbol):
            if not column.least <= symbol.args[0] <= column.most:
                checks.append("np.zeros(at.size, bool)")
            continue
        checks += [f"({value} <= {column.most})", f"({value} >= {column.least})"]
    body = [*emitter.lines, f"return [{', '.join(values)}], {' & '.join(checks) or 'None'}"]
    return _function(name, "c, b, at", body, layout)


def instance(
    machine: Machine,
    layout: Layout,
    state: State,
    action: Action,
    arguments: Mapping[str, int],
    guards: Callable[[Mapping[str, int]], Symbol] | None = None,
) -> Instance | None:
    """Compile an action with given arguments; None if it can be taken in no state at all.

    `guards` gives other guards than the action's own, for these arguments.
    """
    given = {name: const(value, action.parameters[name]) for name, value in arguments.items()}
    traced = trace(machine, action, state, given)
    allowed = conjunction(tuple(each.holds for each in traced.guards)) if guards is None else guards(arguments)
    if allowed is not TRUE and is_known(allowed):
        return None
    parts = allowed.args if allowed.op == "and" else () if allowed is TRUE else (allowed,)
    writes = _writes(layout, traced.changes)
    name = f"{action.name}_{'_'.join(map(str, arguments.values()))}".replace("-", "m")
    return Instance(
        action,
        dict(arguments),
        tuple(column for column, _value in writes),
        _compile_enabled(layout, parts, f"{name}_enabled"),
        _compile_effect(layout, writes, f"{name}_effect"),
    )


def _writes(layout: Layout, changes: Mapping[str, Callable[..., Symbol]]) -> list[tuple[Column, Symbol]]:
    """The cells that change, each with its new value."""
    found = []
    for column in layout.columns:
        if column.name not in changes:
            continue
        # The keys are known, but of no sort: they go with every unit.
        value = changes[column.name](*(const(key) for key in column.keys))
        is_same = value.op == "read" and value.args[0] == column.name and _keys(value) == column.keys
        if not is_same:
            found.append((column, value))
    return found


def _keys(read: Symbol) -> tuple[Any, ...] | None:
    keys = read.args[1:]
    return tuple(key.args[0] for key in keys) if all(is_known(key) for key in keys) else None


Guards = Mapping[str, Callable[[Mapping[str, int]], Symbol]]
"""Other guards than a machine's own, by the action's name: for each choice of arguments."""


def instances(machine: Machine, sizes: Sizes, layout: Layout, guards: Guards | None = None) -> list[Instance]:
    """Every action of a machine with every choice of its arguments, compiled."""
    world = Bounded(sizes)
    state = symbolic_state(machine, world)
    found = []
    for action in machine.actions.values():
        choices = itertools.product(*(world.values(sort) for sort in action.parameters.values()))
        for choice in choices:
            arguments = dict(zip(action.parameters, choice, strict=True))
            made = instance(machine, layout, state, action, arguments, (guards or {}).get(action.name))
            if made is not None:
                found.append(made)
    return found


def predicate(
    machine: Machine, sizes: Sizes, layout: Layout, holds: Callable[[State], Any]
) -> Callable[[Block], NDArray[np.bool_]]:
    """A function that says in which states of a block something is true."""
    return condition(layout, lifted(holds(symbolic_state(machine, Bounded(sizes)))))


class _After(Bounded):
    """The state after a step: its cells are those of another block."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        found = super().cell(name, keys, sorts, sort)
        return found if is_known(found) else make("read", (f"{AFTER}{name}", *found.args[1:]), sort)


AFTER = "after "
"""What marks a cell of the state after a step."""


def change(
    machine: Machine, sizes: Sizes, layout: Layout, holds: Callable[[State, State], Any]
) -> Callable[[Block, Block], NDArray[np.bool_]]:
    """A function that says of which steps (states before, states after) something is true."""
    before, after = (symbolic_state(machine, world) for world in (Bounded(sizes), _After(sizes)))
    symbol = lifted(holds(before, after))
    width = layout.width
    moved = {
        (f"{AFTER}{name}", at): evolve(column, place=column.place + width)
        for (name, at), column in layout.by_cell.items()
    }

    def load(column: Column) -> str:
        if column.place < width:
            return _load_all(column)
        return f"e[{column.place - width}]" if column.is_boolean else f"d[{column.place - width}]"

    emitter = _Emitter(evolve(layout, by_cell={**layout.by_cell, **moved}), load)
    result = emitter.value(symbol)
    if is_known(symbol):
        result = f"np.full(c.shape[1], {result})"
    body = [_ready(layout, "b", "c"), _ready(layout, "e", "d"), *emitter.lines, f"return {result}"]
    return _function("change", "c, d", body, layout)


def _ready(layout: Layout, truth: str, block: str) -> str:
    """The line that makes a block's cells truth values."""
    return f"{truth} = {block}.view(bool)" if layout.dtype.itemsize == 1 else f"{truth} = {block}.astype(bool)"
