"""Reading a machine's text with symbols: what the guards of an action say, and what every cell is after it.

A field is held in *cells*: a set of replicas is a cell for each replica, a record a cell for each part. A reading
says what a state's cells are (`World.cell`) and how to quantify; `trace` runs the text of an action once and gives
its guards as symbols and its changes as functions from a cell's keys to a symbol.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from model.language import structures, symbols
from model.language.errors import LanguageError
from model.language.machine import Action, Machine, State
from model.language.sorts import BOOLEAN, NUMBER, AnySort, SetOf, Sizes, Sort, size_of
from model.language.structures import Component, SymbolicMap, SymbolicSet, assemble, components
from model.language.symbols import Symbol, const, fresh, lifted, make

_HERE = Path(__file__).parent


class World(structures.World, Protocol):
    """How a reading holds a state."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        """A cell of the state before the step."""


class _Sets:
    """Who can make sets."""

    def set_of(self: World, sort: SetOf, has: Callable[[Any], Any]) -> SymbolicSet:
        """The set of the values for which it holds."""
        return SymbolicSet(self, sort, has)


class Unbounded(_Sets):
    """Sorts are what they are: quantifiers stay quantifiers."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        """A cell of any state."""
        return make("read", (name, *_checked(name, keys, sorts)), sort)

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For all values of the sort."""
        return symbols.quantified("every", sort, predicate)

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For a value of the sort."""
        return symbols.quantified("some", sort, predicate)

    def count(self, sort: Sort, _predicate: Callable[[Any], Any]) -> Any:
        """For how many values of the sort: there is any number of them.

        Raises:
            LanguageError: always; it names what can be said.
        """
        raise LanguageError(f"there is any number of {sort.name}s, which can't be counted: say at_least")

    def at_least(self, number: Any, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For at least so many values of the sort."""
        return symbols.at_least(number, sort, predicate)


class _Written(Unbounded):
    """As a text is read when it is defined: what it says of things that have no numbers must not give them any."""

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        """A cell of any state.

        Raises:
            LanguageError: a key is a bare number where things have none.
        """
        for key, of in zip(map(lifted, keys), sorts, strict=True):
            if of.is_named and symbols.is_known(key):
                raise LanguageError(f"{name} is looked up by the number {key!r}: no {of.name} has one")
        return super().cell(name, keys, sorts, sort)


class Bounded(_Sets):
    """Sorts have sizes: quantifiers are spelled out, and a cell outside its map's keys reads as zero."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def values(self, sort: Sort) -> range:
        """The values of a sort.

        Raises:
            LanguageError: it has no bound here.
        """
        size = size_of(sort, self.sizes)
        if size is None:
            raise LanguageError(f"{sort.name} has no bound: give its size")
        return range(sort.least, sort.least + size)

    def cell(self, name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...], sort: Sort) -> Symbol:
        """A cell of a state of this size."""
        lifted_keys = _checked(name, keys, sorts)
        for key, of in zip(lifted_keys, sorts, strict=True):
            if symbols.is_known(key) and key.args[0] not in self.values(of):
                return const(value=False) if sort == BOOLEAN else const(0, sort)
        return make("read", (name, *lifted_keys), sort)

    def _each(self, sort: Sort, predicate: Callable[[Any], Any]) -> list[Any]:
        return [predicate(const(value, sort)) for value in self.values(sort)]

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For all values of the sort."""
        return symbols.conjunction(tuple(self._each(sort, predicate)))

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For a value of the sort."""
        return symbols.disjunction(tuple(self._each(sort, predicate)))

    def count(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For how many values of the sort."""
        total: Any = const(0)
        for each in self._each(sort, predicate):
            total = total + symbols.choice(each, 1, 0)
        return total

    def at_least(self, number: Any, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For at least so many values of the sort."""
        return self.count(sort, predicate) >= number


def _checked(name: str, keys: tuple[Any, ...], sorts: tuple[Sort, ...]) -> tuple[Symbol, ...]:
    found = tuple(map(lifted, keys))
    for key, sort in zip(found, sorts, strict=True):
        if not symbols.is_known(key) and key.sort.measure not in (sort.measure, NUMBER.name):
            raise LanguageError(f"{name} is looked up by a {key.sort.name}, not by a {sort.name}")
    return tuple(
        # The value of an option that is none: some value of the sort.
        make("const", key.args, sort) if symbols.is_known(key) and sort.is_named else key
        for key, sort in zip(found, sorts, strict=True)
    )


# -- cells -----------------------------------------------------------------------------------------------------------


@frozen
class Cells:
    """The cells of one part of a field: a simple sort for every combination of keys."""

    name: str
    """The field and the path in it, for instance `quorum.isr`."""
    field: str
    keys: tuple[Sort, ...]
    """The field's own keys first."""
    own_keys: int
    component: Component

    @property
    def sort(self) -> Sort:
        """What each cell holds."""
        return self.component.sort

    def of(self, value: Any, keys: tuple[Any, ...]) -> Any:
        """A cell of a field's value."""
        own, more = keys[: self.own_keys], keys[self.own_keys :]
        return self.component.get(value[own] if own else value, *more)


def cells_of(machine: Machine) -> list[Cells]:
    """All cells of a machine's state, in the order of its fields."""
    return [
        Cells(f"{name}{part.path}", name, (*field.keys, *part.keys), len(field.keys), part)
        for name, field in machine.fields.items()
        for part in components(field.sort)
    ]


def places(cells: Cells, sizes: Sizes) -> list[tuple[int, ...]]:
    """The keys of every cell of these, in order."""
    world = Bounded(sizes)
    ranges = [world.values(key) for key in cells.keys]
    return list(itertools.product(*ranges))


def symbolic_state(machine: Machine, world: World) -> State:
    """A state of which nothing is known."""
    return State(world, {name: _field(world, name, field.keys, field.sort) for name, field in machine.fields.items()})


def _field(world: World, name: str, keys: tuple[Sort, ...], sort: AnySort) -> Any:
    parts = {part.path: part for part in components(sort)}

    def value(*at: Any) -> Any:
        def read(path: str, more: tuple[Any, ...]) -> Symbol:
            part = parts[path]
            return world.cell(f"{name}{path}", (*at, *more), (*keys, *part.keys), part.sort)

        return assemble(world, sort, read)

    return SymbolicMap(keys, value) if keys else value()


# -- actions ---------------------------------------------------------------------------------------------------------


@frozen
class TracedGuard:
    """A guard as a symbol."""

    name: str
    holds: Symbol
    safety_critical: bool

    @property
    def conjuncts(self) -> tuple[Symbol, ...]:
        """The conditions that it is made of, each of which can be left out."""
        return self.holds.args if self.holds.op == "and" else (self.holds,)


@frozen
class Traced:
    """An action, read: its guards, and a function for each cell that may change, from the cell's keys to a symbol."""

    action: Action
    guards: tuple[TracedGuard, ...]
    changes: Mapping[str, Callable[..., Symbol]]


def trace(machine: Machine, action: Action, state: State, arguments: Mapping[str, Any]) -> Traced:
    """Read an action's text with symbols.

    Raises:
        LanguageError: the text says what can't be read.
    """
    step = action.apply(state, **arguments)
    after = step.effect()
    changed = {name for name in machine.fields if getattr(after, name) is not getattr(state, name)}
    for name in changed:
        if machine.fields[name].is_setting:
            raise LanguageError(f"{name} is a setting: no action changes it")
    changes = {
        cells.name: _change(cells, getattr(after, cells.field)) for cells in cells_of(machine) if cells.field in changed
    }
    guards = tuple(TracedGuard(each.name, lifted(each.holds), each.safety_critical) for each in step.guards)
    return Traced(action, guards, changes)


def _change(cells: Cells, value: Any) -> Callable[..., Symbol]:
    def after(*keys: Any) -> Symbol:
        found = lifted(cells.of(value, keys))
        symbols.equal(found, fresh(cells.sort))  # raises if it is of another sort
        return found

    return after


def change_alike(machine: Machine, one: Action, other: Action) -> bool:
    """Whether the texts of two actions change every state of a machine in the same way."""
    if one.parameters != other.parameters:
        return False
    if one.apply is other.apply:
        return True
    state, arguments = symbolic_state(machine, Unbounded()), parameters_of(one)
    this, that = (each.apply(state, **arguments).effect() for each in (one, other))
    for cells in cells_of(machine):
        keys = tuple(fresh(key) for key in cells.keys)
        after = (lifted(cells.of(getattr(each, cells.field), keys)) for each in (this, that))
        if not symbols.alike(*after):
            return False
    return True


def parameters_of(action: Action) -> dict[str, Symbol]:
    """The action's arguments as symbols.

    Raises:
        LanguageError: one is of no simple sort.
    """
    for name, sort in action.parameters.items():
        if not isinstance(sort, Sort):
            raise LanguageError(f"the argument {name} is a {sort.name}; only values of simple sorts can be enumerated")
    return {name: make("parameter", (name,), sort) for name, sort in action.parameters.items()}


def check(machine: Machine, action: Action) -> Traced:
    """Read an action as soon as it is defined.

    Raises:
        LanguageError: it says what not every reading can express; names the line.
    """
    try:
        traced = trace(machine, action, symbolic_state(machine, _Written()), parameters_of(action))
        symbols.conjunction(tuple(guard.holds for guard in traced.guards))  # raises if one is no condition
        for cells in cells_of(machine):
            if cells.name in traced.changes:
                traced.changes[cells.name](*(fresh(key) for key in cells.keys))
    except (LanguageError, TypeError, AttributeError, ValueError) as error:
        raise LanguageError(f"{_line_of(error, action)}: {machine.name}.{action.name}: {error}") from error
    return traced


def _line_of(error: BaseException, action: Action) -> str:
    """The line of the machine's text at which it came up; the action's first where no line of it was running."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).parent != _HERE]
    if frames:
        return f"{frames[-1].filename}:{frames[-1].lineno}"
    return first_line(action)


def first_line(action: Action) -> str:
    """Where an action's text begins."""
    code = action.apply.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def first_conditions(machine: Machine, state: State) -> list[Any]:
    """What is known of a first state: every cell is what the machine starts with, or zero.

    A setting that is not given is anything.
    """
    world = Unbounded()
    nothing = State(world, {name: _zero_field(world, each.keys, each.sort) for name, each in machine.fields.items()})
    first = nothing.but(**machine.start(nothing)).but(**machine.settings)
    found = []
    for cells in cells_of(machine):
        if machine.fields[cells.field].is_setting and cells.field not in machine.settings:
            continue
        variables = [fresh(key) for key in cells.keys]
        same = symbols.equal(
            cells.of(getattr(state, cells.field), tuple(variables)),
            cells.of(getattr(first, cells.field), tuple(variables)),
        )
        for variable in reversed(variables):
            same = make("every", (variable, same), BOOLEAN)
        found.append(same)
    return found


def _zero_field(world: Unbounded, keys: tuple[Sort, ...], sort: AnySort) -> Any:
    def value(*_at: Any) -> Any:
        return assemble(world, sort, lambda path, _more: const(value=False) if parts[path] == BOOLEAN else const(0))

    parts = {part.path: part.sort for part in components(sort)}
    return SymbolicMap(keys, value) if keys else value()
