"""The reading on columns: take a step in every state of a block at once.

How a block holds many states is in `model.readings.layouts`. For given sizes every action is read once for every choice
of its arguments, so that quantifiers are spelled out and most keys are known; what is left is a program of a few
operations on columns (`model.readings.programs`). Guards come first and narrow the block down to the states in which
the step can be taken; effects are computed for those only. A step that leaves the sizes is not taken; one that
computes what no column can hold is refused.

Not here: who has been seen before, and in which order states are looked at (`properties.explore`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from model.language.errors import LanguageError
from model.language.machine import Action, Machine, State
from model.language.sorts import BOOLEAN, Sizes, Sort
from model.language.symbols import TRUE, Symbol, conjunction, const, is_known, lifted, make
from model.language.tracing import Bounded, first_line, symbolic_state, trace
from model.readings import vectors
from model.readings.layouts import AFTER, Block, Column, Layout
from model.readings.programs import Code, joined, narrowing, shared
from model.readings.ranges import Ranges
from model.readings.weighing import Sums, Weighing

Places = NDArray[np.uint32]
"""Places of states in a block."""
Numbers = NDArray[np.uint32]
"""Numbers of instances."""


@frozen
class Instance:
    """An action with given arguments."""

    action: Action
    arguments: Mapping[str, int]
    guard: Symbol
    writes: tuple[tuple[Column, Symbol], ...]
    """The cells that it may change, each with its new value."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.action.name}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


Guards = Mapping[str, Callable[[Mapping[str, int]], Symbol]]
"""Other guards than a machine's own, by the action's name: for each choice of arguments."""


def instances(machine: Machine, sizes: Sizes, layout: Layout, guards: Guards | None = None) -> list[Instance]:
    """Every action of a machine with every choice of its arguments, but for those that can be taken in no state.

    Raises:
        LanguageError: columns of these sizes can't hold what an action computes; names its line.
    """
    world, ranges = Bounded(sizes), layout.ranges()
    state = symbolic_state(machine, world)
    found = []
    for action in machine.actions.values():
        other = (guards or {}).get(action.name)
        for choice in itertools.product(*(world.values(sort) for sort in action.parameters.values())):
            arguments = dict(zip(action.parameters, choice, strict=True))
            given = {name: const(value, action.parameters[name]) for name, value in arguments.items()}
            traced = trace(machine, action, state, given)
            own = conjunction(tuple(each.holds for each in traced.guards))
            guard = own if other is None else other(arguments)
            if guard is TRUE or not is_known(guard):
                found.append(Instance(action, arguments, guard, _writes(layout, traced.changes)))
                _refuse_what_does_not_fit(ranges, machine, found[-1])
    return found


def _refuse_what_does_not_fit(ranges: Ranges, machine: Machine, instance: Instance) -> None:
    try:
        for each in (instance.guard, *(value for _column, value in instance.writes)):
            ranges.of(each)
    except LanguageError as error:
        raise LanguageError(f"{first_line(instance.action)}: {machine.name}.{instance.name}: {error}") from None


def _writes(layout: Layout, changes: Mapping[str, Callable[..., Symbol]]) -> tuple[tuple[Column, Symbol], ...]:
    found = []
    for column in layout.columns:
        if column.name not in changes:
            continue
        value = changes[column.name](*map(const, column.keys, column.key_sorts))
        is_same = value.op == "read" and value.args[0] == column.name and _keys(value) == column.keys
        if not is_same:
            found.append((column, value))
    return tuple(found)


def _keys(read: Symbol) -> tuple[Any, ...] | None:
    keys = read.args[1:]
    return tuple(key.args[0] for key in keys) if all(is_known(key) for key in keys) else None


# -- what is true of states and of steps -----------------------------------------------------------------------------

Conditions = Mapping[str, Callable[[State], Any]]
Changes = Mapping[str, Callable[[State, State], Any]]


class _After(Bounded):
    """The state after a step."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        found = super().cell(name, keys, sorts, sort)
        return found if is_known(found) else make("read", (f"{AFTER}{name}", *found.args[1:]), sort)


def conditions_of(machine: Machine, sizes: Sizes, layout: Layout, conditions: Conditions) -> Code:
    """Conditions of a state, compiled.

    Raises:
        LanguageError: columns of these sizes can't hold what one computes.
    """
    state = symbolic_state(machine, Bounded(sizes))
    program = layout.program(layout.read_by({"": vectors.LOAD}))
    return shared(program, _fitting(layout, {name: holds(state) for name, holds in conditions.items()}))


def _fitting(layout: Layout, conditions: Mapping[str, Any]) -> list[Symbol]:
    """Conditions as symbols, each of which columns can hold with all that it is made of."""
    ranges = layout.ranges()
    symbols = {name: lifted(each) for name, each in conditions.items()}
    for name, each in symbols.items():
        try:
            ranges.of(each)
        except LanguageError as error:
            raise LanguageError(f"{name}: {error}") from None
    return list(symbols.values())


def changes_of(machine: Machine, sizes: Sizes, layout: Layout, changes: Changes, first: int = 0) -> Code:
    """Conditions of a step, of the states before and after it, compiled; registers are counted from `first`.

    Raises:
        LanguageError: columns of these sizes can't hold what one computes.
    """
    before, after = (symbolic_state(machine, world) for world in (Bounded(sizes), _After(sizes)))
    program = layout.program(layout.read_by({"": vectors.GATHER, AFTER: vectors.AFTER}))
    return shared(program, _fitting(layout, {name: holds(before, after) for name, holds in changes.items()}), first)


# -- steps, compiled -------------------------------------------------------------------------------------------------


@frozen
class Effects:
    """What steps change, compiled.

    Attributes:
        code: a program for each step, and then one for each condition that every step must meet.
        results: the registers that hold whether the conditions are met.
        writes: (cell, register of its new value, that of the old one, least, most, whether it may be out of these).
        spans: which of these are of which step.
    """

    code: Code
    results: NDArray[np.int32]
    writes: NDArray[np.int32]
    spans: NDArray[np.int64]

    @classmethod
    def of(cls, layout: Layout, steps: Sequence[Instance], conditions: Callable[[int], Code]) -> Effects:
        """Compile. `conditions` compiles those of steps, its registers counted from a number."""
        codes, writes = [], []
        cells = layout.read_by({"": vectors.GATHER})
        for step in steps:
            program = layout.program(cells)
            new = [program.value(value) for _column, value in step.writes]
            old = [program.cell(column.name, column.keys) for column, _value in step.writes]
            codes.append(program.code([list(program.needed((*new, *old)))], [(*new, *old)]))
            registers = zip(codes[-1].results[: len(new)], codes[-1].results[len(new) :], strict=True)
            writes.append(
                [
                    (column.place, *held, column.least, column.most, _may_leave(layout, column, value))
                    for (column, value), held in zip(step.writes, registers, strict=True)
                ]
            )
        flat = np.array([each for some in writes for each in some], np.int32).reshape(-1, 6)
        changes = conditions(max((each.registers for each in codes), default=0))
        return cls(joined([*codes, changes]), changes.results, flat, np.cumsum([0, *map(len, writes)], dtype=np.int64))

    @property
    def data(self) -> tuple[Any, ...]:
        """As what is compiled takes it."""
        return self.code.rows, self.code.order, self.code.spans, self.results, self.writes, self.spans


def _may_leave(layout: Layout, column: Column, value: Symbol) -> bool:
    """Whether a new value may be out of the sizes."""
    if column.sort == BOOLEAN:
        return False
    if is_known(value):
        return not column.least <= value.args[0] <= column.most
    if value.op != "read":
        return True
    read = [each for (name, _keys), each in layout.by_cell.items() if name == value.args[0]]
    lowest, highest = min(0, *(each.least for each in read)), max(0, *(each.most for each in read))
    return not column.least <= lowest <= highest <= column.most


@define
class Taken:
    """Steps that were taken from a part of a block: origins' places and instances' numbers, and what was reached."""

    stop: int
    """Where the part ended: just before this place."""
    sums: Sums
    """What the states after them weigh; the least of several ways."""
    places: Places
    steps: Numbers
    counts: NDArray[np.int64]
    """How often each instance was taken."""
    left: int
    """How many steps were not taken as they leave the sizes."""
    broken: NDArray[np.int64]
    """For every condition of steps: the first step of which it does not hold, and its origin's place; or -1."""


@frozen
class Steps:
    """All steps of a machine, and what must hold of each, compiled."""

    layout: Layout
    instances: Sequence[Instance]
    guards: Code
    effects: Effects

    @classmethod
    def of(
        cls,
        machine: Machine,
        sizes: Sizes,
        layout: Layout,
        guards: Guards | None = None,
        changes: Changes | None = None,
    ) -> Steps:
        """Compile a machine for these sizes.

        Raises:
            LanguageError: a sort has no size.
        """
        found = instances(machine, sizes, layout, guards)
        narrowed = narrowing(layout.program(layout.read_by({"": vectors.LOAD})), [_parts(each.guard) for each in found])
        return cls(
            layout,
            found,
            narrowed,
            Effects.of(layout, found, lambda first: changes_of(machine, sizes, layout, changes or {}, first)),
        )

    @property
    def touched(self) -> NDArray[np.bool_]:
        """Which cells any step looks at or writes."""
        found = self.guards.touched(self.layout.width) | self.effects.code.touched(self.layout.width)
        found[self.effects.writes[:, 0]] = True
        return found


def _parts(guard: Symbol) -> tuple[Symbol, ...]:
    if guard is TRUE:
        return ()
    return guard.args if guard.op == "and" else (guard,)


ROWS = 1 << 18
"""For how many steps there is room at a time; more where a tile may need more."""
TILES = 32
"""For how many tiles there is room at a time."""


def _memory(code: Code, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Stamps for rows, the newest stamp, and registers, twice: as they are, and eight bytes at a time."""
    registers = np.zeros((code.registers, vectors.TILE), dtype)
    return np.zeros(len(code.rows) + 1, np.int64), registers, registers.view(np.uint64)


@define
class StepTaker:
    """What one thread needs to take steps: registers, and room for what is found."""

    steps: Steps
    _guards: Any = field(init=False)
    _effects: Any = field(init=False)
    _found: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        steps, dtype = self.steps, self.steps.layout.dtype
        size = len(steps.instances)
        self._guards = _memory(steps.guards, dtype)
        self._effects = _memory(steps.effects.code, dtype)
        room = max(ROWS, 2 * vectors.TILE * size) + vectors.TILE
        firsts, lasts = np.empty((2, size), np.int64)
        runs = np.empty((TILES * size, 3), np.int64)
        self._found = np.empty(room, np.uint32), runs, firsts, lasts

    def take(self, block: Block, start: int, stop: int, weighing: Weighing, sums: Sums | None = None) -> Taken:
        """Take all steps from the states from `start` on, up to `stop` or as far as there is room.

        Args:
            block: the states.
            start: the place of the first.
            stop: the place after the last.
            weighing: how states are weighed.
            sums: what these states weigh, where it is known.
        """
        code, effects = self.steps.guards, self.steps.effects
        guards = code.rows, code.order, code.spans, code.results
        known = weighing.sums(block, start, stop) if sums is None else sums.reshape(1, -1)
        stop, size = vectors.find_steps(block, start, stop, guards, self._guards, self._found)
        out: tuple[Any, ...] = (np.empty(size + 1, np.int64), *np.empty((2, size + 1), np.uint32))
        broken = np.full((effects.results.size, 2), -1, np.int64)
        counts = np.zeros(len(self.steps.instances), np.int64)
        origin = block, start, known, weighing.data
        size, left = vectors.take_steps(origin, effects.data, (broken, counts), self._effects, self._found, out)
        # Copied, so that there is no room kept for what was not taken.
        found, places, steps = (each[:size].copy() for each in out)
        return Taken(stop, found, places, steps, counts, left, broken)

    def make(self, block: Block, places: Places, steps: Numbers, out: Block, offset: int) -> None:
        """Write the states after these steps to `out`, from `offset` on."""
        vectors.make_states(block, places, steps, self.steps.effects.data, self._effects, out, offset)


@define
class ViolationFinder:
    """What one thread needs to look for states in which conditions do not hold."""

    conditions: Code
    dtype: np.dtype[Any]
    _memory: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._memory = _memory(self.conditions, self.dtype)

    def look(self, block: Block, start: int, stop: int, found: NDArray[np.int64]) -> None:
        """Note in `found` the first of these states in which each condition does not hold, where none is noted yet."""
        code = self.conditions
        looked_at = code.rows, code.order, code.spans, code.results
        vectors.find_false(block, start, stop, looked_at, self._memory, found)
