"""The reading on Python's values: run a machine, a step at a time.

The text itself is run, on numbers, truth values, and the immutable sets, sequences and maps of this module. An
illegal step raises and changes nothing. Maps are total: outside its keys a map reads as its sort's zero, as it does
in every other reading.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from model.language.errors import IllegalStepError
from model.language.machine import Action, Machine, State
from model.language.sorts import BOOLEAN, AnySort, OptionOf, RecordOf, SequenceOf, SetOf, Sizes, Sort, size_of
from model.language.structures import NONE, Option, Record
from model.language.tracing import cells_of, places


@frozen
class ValueSet:
    """A set, immutable."""

    members: frozenset[Any] = frozenset()

    def has(self, value: Any) -> bool:
        """Whether `value` is in it."""
        return value in self.members

    def plus(self, value: Any) -> ValueSet:
        """This set and one more."""
        return ValueSet(self.members | {value})

    def minus(self, value: Any) -> ValueSet:
        """This set without one."""
        return ValueSet(self.members - {value})

    def every(self, predicate: Callable[[Any], Any]) -> bool:
        """Whether it holds for all in the set."""
        return all(predicate(each) for each in self.members)

    def some(self, predicate: Callable[[Any], Any]) -> bool:
        """Whether it holds for one in the set."""
        return any(predicate(each) for each in self.members)

    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return not self.members

    def is_only(self, value: Any) -> bool:
        """Whether `value` is in it and nobody else is."""
        return self.members == {value}

    def count(self) -> int:
        """How many are in it."""
        return len(self.members)


@frozen
class ValueSequence:
    """A sequence, immutable. Past its end it reads as `zero`."""

    items: tuple[Any, ...] = ()
    zero: Any = 0

    @property
    def end(self) -> int:
        """How many are in it, and where the next goes."""
        return len(self.items)

    def __getitem__(self, place: int) -> Any:
        return self.items[place] if 0 <= place < len(self.items) else self.zero

    @property
    def last(self) -> Any:
        """What is at its end; zero if it is empty."""
        return self[len(self.items) - 1]

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self.items

    def append(self, value: Any) -> ValueSequence:
        """This sequence and one more at its end."""
        return ValueSequence((*self.items, value), self.zero)

    def truncated(self, end: int) -> ValueSequence:
        """This sequence cut at `end`, which is not past its own."""
        return ValueSequence(self.items[: max(end, 0)], self.zero)


@frozen
class ValueMap:
    """A total map, immutable. `dimensions` are the least value and the number of values of each key."""

    cells: tuple[Any, ...]
    dimensions: tuple[tuple[int, int], ...]
    zero: Any = 0

    def _place(self, key: Any) -> int | None:
        keys = key if isinstance(key, tuple) else (key,)
        place = 0
        for each, (least, size) in zip(keys, self.dimensions, strict=True):
            if each < least or each >= least + size:
                return None
            place = place * size + each - least
        return place

    def __getitem__(self, key: Any) -> Any:
        place = self._place(key)
        return self.zero if place is None else self.cells[place]

    def places(self) -> Iterator[tuple[int, ...]]:
        """Every key, in order."""
        return itertools.product(*(range(least, least + size) for least, size in self.dimensions))

    def set(self, key: Any, value: Any) -> ValueMap:
        """This map with one key changed; a key outside the map changes nothing."""
        place = self._place(key)
        if place is None:
            return self
        return ValueMap((*self.cells[:place], value, *self.cells[place + 1 :]), self.dimensions, self.zero)

    def where(self, chosen: Callable[..., Any], value: Callable[..., Any]) -> ValueMap:
        """This map with every chosen key changed; all values are computed from the map as it was."""
        both = zip(self.places(), self.cells, strict=True)
        cells = tuple(value(*key) if chosen(*key) else cell for key, cell in both)
        return ValueMap(cells, self.dimensions, self.zero)


@frozen
class _Values:
    """Quantifies by looking at every value of a bounded sort."""

    sizes: tuple[tuple[str, int], ...] = ()

    def values(self, sort: Sort) -> range:
        size = size_of(sort, dict(self.sizes))
        if size is None:
            raise IllegalStepError(f"{sort.name} has no bound: give its value, it can't be enumerated")
        return range(sort.least, sort.least + size)

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> bool:
        return any(predicate(value) for value in self.values(sort))

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> bool:
        return all(predicate(value) for value in self.values(sort))

    def count(self, sort: Sort, predicate: Callable[[Any], Any]) -> int:
        return sum(bool(predicate(value)) for value in self.values(sort))

    def at_least(self, number: int, sort: Sort, predicate: Callable[[Any], Any]) -> bool:
        return self.count(sort, predicate) >= number

    def set_of(self, sort: SetOf, has: Callable[[Any], Any]) -> ValueSet:
        return ValueSet(frozenset(each for each in self.values(sort.element) if has(each)))


def zero_of(sort: AnySort) -> Any:
    """The zero of a sort: false, 0, none, the empty set, the empty sequence, the record of zeros."""
    match sort:
        case Sort():
            return False if sort == BOOLEAN else 0
        case SetOf():
            return ValueSet()
        case OptionOf():
            return NONE
        case RecordOf():
            return Record(**{name: zero_of(of) for name, of in sort.parts.items()})
        case SequenceOf():
            return ValueSequence((), zero_of(sort.of))


def initial(machine: Machine, sizes: Sizes | None = None, **given: Any) -> State:
    """The machine's first state: every field zero, but for those that it starts with otherwise, and those given."""
    world = _Values(tuple(sorted((sizes or {}).items())))
    fields: dict[str, Any] = {}
    for name, about in machine.fields.items():
        nothing = zero_of(about.sort)
        if about.keys:
            dimensions = tuple((key.least, len(world.values(key))) for key in about.keys)
            count = len(list(itertools.product(*(range(size) for _least, size in dimensions))))
            fields[name] = ValueMap((nothing,) * count, dimensions, nothing)
        else:
            fields[name] = nothing
    state = State(world, fields)
    return state.but(**machine.start(state)).but(**machine.settings).but(**given)


def take(action: Action, state: State, **arguments: Any) -> State:
    """Take a step.

    Raises:
        IllegalStepError: a guard does not hold; names it. The state is as it was.
    """
    step = action.apply(state, **arguments)
    for guard in step.guards:
        if not guard.holds:
            raise IllegalStepError(f"{action.name}: {guard.name.replace('_', ' ')} does not hold")
    return step.effect()


@frozen
class Enabled:
    """An action that can be taken, with its arguments."""

    action: Action
    arguments: Mapping[str, Any]
    state: State

    def take(self) -> State:
        """The state after it."""
        return take(self.action, self.state, **self.arguments)


def enabled(machine: Machine, state: State, **given: Any) -> Iterator[Enabled]:
    """Every action that can be taken with the given arguments; bounded sorts that are not given are enumerated.

    Actions that lack one of the given parameters are passed over: they answer another request.
    """
    for action in machine.actions.values():
        if given.keys() <= action.parameters.keys():
            yield from ways(action, state, **given)


def ways(action: Action, state: State, **given: Any) -> Iterator[Enabled]:
    """Every way in which one action can be taken with the given arguments."""
    free = [name for name in action.parameters if name not in given]
    for choice in itertools.product(*(state.world.values(action.parameters[name]) for name in free)):
        arguments = {**given, **dict(zip(free, choice, strict=True))}
        if action.apply(state, **arguments).enabled:
            yield Enabled(action, arguments, state)


# -- states as rows of numbers ---------------------------------------------------------------------------------------


def row_of(machine: Machine, sizes: Sizes, state: State) -> tuple[int, ...]:
    """A state as numbers, one a cell, in the order of `model.language.tracing.cells_of`."""
    return tuple(
        int(cells.of(getattr(state, cells.field), keys)) for cells in cells_of(machine) for keys in places(cells, sizes)
    )


def state_of(machine: Machine, sizes: Sizes, row: Any) -> State:
    """The state that a row of numbers means."""
    known: dict[str, dict[tuple[int, ...], int]] = {}
    place = 0
    for cells in cells_of(machine):
        keys = places(cells, sizes)
        known[cells.name] = {key: int(row[place + index]) for index, key in enumerate(keys)}
        place += len(keys)
    state = initial(machine, sizes)
    world = state.world
    fields: dict[str, Any] = {}
    for name, about in machine.fields.items():
        if about.keys:
            nothing: ValueMap = getattr(state, name)
            at = itertools.product(*(world.values(key) for key in about.keys))
            cells_ = tuple(_built(world, about.sort, known, name, key) for key in at)
            fields[name] = ValueMap(cells_, nothing.dimensions, nothing.zero)
        else:
            fields[name] = _built(world, about.sort, known, name, ())
    return state.but(**fields)


def _built(
    world: _Values, sort: AnySort, known: Mapping[str, Mapping[tuple[int, ...], int]], path: str, keys: tuple[int, ...]
) -> Any:
    match sort:
        case Sort():
            return bool(known[path][keys]) if sort == BOOLEAN else known[path][keys]
        case SetOf():
            return world.set_of(sort, lambda each: known[path][*keys, each])
        case OptionOf():
            if not known[f"{path}.exists"][keys]:
                return NONE
            return Option(exists=True, value=_built(world, sort.of, known, f"{path}.value", keys))
        case RecordOf():
            return Record(**{each: _built(world, of, known, f"{path}.{each}", keys) for each, of in sort.parts.items()})
        case SequenceOf():
            end = known[f"{path}.end"][keys]
            items = (_built(world, sort.of, known, f"{path}.at", (*keys, place)) for place in range(end))
            return ValueSequence(tuple(items), zero_of(sort.of))
