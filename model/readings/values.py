"""The reading on Python values: run a machine, a step at a time.

An illegal step raises and changes nothing. Maps are total: outside its keys a map reads as its sort's zero, as it
does in every other reading.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from model.language import BOOLEAN, Action, IllegalStepError, Machine, Sort, State


@frozen
class ValueMap:
    """A total map on small integer keys, immutable."""

    cells: tuple[Any, ...]
    dimensions: tuple[int, ...]
    zero: Any = 0

    def _place(self, key: Any) -> int | None:
        keys = key if isinstance(key, tuple) else (key,)
        place = 0
        for each, size in zip(keys, self.dimensions, strict=True):
            if each < 0 or each >= size:
                return None
            place = place * size + each
        return place

    def __getitem__(self, key: Any) -> Any:
        place = self._place(key)
        return self.zero if place is None else self.cells[place]

    def set(self, key: Any, value: Any) -> ValueMap:
        """This map with one key changed; a key outside the map changes nothing."""
        place = self._place(key)
        if place is None:
            return self
        return ValueMap((*self.cells[:place], value, *self.cells[place + 1 :]), self.dimensions, self.zero)

    def where(self, chosen: Callable[..., Any], value: Callable[..., Any]) -> ValueMap:
        """This map with every chosen key changed; all values are computed from the map as it was."""
        keys = itertools.product(*(range(size) for size in self.dimensions))
        cells = tuple(value(*key) if chosen(*key) else cell for key, cell in zip(keys, self.cells, strict=True))
        return ValueMap(cells, self.dimensions, self.zero)


def _values_of(sort: Sort) -> range:
    if sort.size is None:
        raise IllegalStepError(f"{sort.name} has no bound: give its value, it can't be enumerated")
    return range(sort.size)


class _Values:
    """Quantifies by looking at every value of a bounded sort."""

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> bool:
        return any(predicate(value) for value in _values_of(sort))

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> bool:
        return all(predicate(value) for value in _values_of(sort))


_WORLD = _Values()


def initial(machine: Machine, **given: Any) -> State:
    """The machine's first state: every field zero (or false), except those given."""

    def zero(sort: Sort) -> Any:
        return False if sort == BOOLEAN else 0

    fields: dict[str, Any] = {}
    for name, about in machine.fields.items():
        if about.keys:
            sizes = tuple(len(_values_of(key)) for key in about.keys)
            cells = tuple(zero(about.sort) for _ in itertools.product(*(range(size) for size in sizes)))
            fields[name] = ValueMap(cells, sizes, zero(about.sort))
        else:
            fields[name] = zero(about.sort)
    return State(_WORLD, fields).but(**given)


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
    for choice in itertools.product(*(_values_of(action.parameters[name]) for name in free)):
        arguments = {**given, **dict(zip(free, choice, strict=True))}
        if action.apply(state, **arguments).enabled:
            yield Enabled(action, arguments, state)
