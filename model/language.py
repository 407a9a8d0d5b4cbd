"""The words that a protocol is written in, once, to be read in several ways.

A machine has *sorts*, *fields* (what a state holds), and *actions*. An action names its guards one by one and says
what changes; it never branches with `if` on a state's value and compares one pair at a time (`0 <= i < n` is two
comparisons), because the same text will be run on Python values, on columns of states and on solver terms. Today
the reading on values is here (`model.readings.values`); the others join it without a second text.

Not here: any protocol. Those are in `model.machines`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen


class IllegalStepError(Exception):
    """An action was taken whose guard does not hold. Nothing has changed."""


@frozen
class Sort:
    """A kind of value. `size` bounds it (0 to size - 1) where a reading has to enumerate it; None: unbounded."""

    name: str
    size: int | None = None


BOOLEAN = Sort("Boolean", 2)


@frozen
class Field:
    """A field of the state: a total map from `keys` to values of `sort`; no keys: a single value."""

    sort: Sort
    about: str
    keys: tuple[Sort, ...] = ()


@frozen
class Guard:
    """One named condition of an action. `safety_critical`: without it a theorem breaks."""

    name: str
    holds: Any
    safety_critical: bool = False


@frozen
class Step:
    """An action applied to a state and arguments: its guards, and the state after it (computed only when asked)."""

    guards: tuple[Guard, ...]
    effect: Callable[[], State]

    @property
    def enabled(self) -> Any:
        """Whether every guard holds."""
        return allof(*(guard.holds for guard in self.guards))


@frozen
class Action:
    """Who acts, when and what changes is said by the docstring of the function that it was made from."""

    name: str
    parameters: Mapping[str, Sort]
    apply: Callable[..., Step]
    about: str


@frozen
class Machine:
    """A protocol: fields of its state and its actions, in the order in which they were written."""

    name: str
    fields: Mapping[str, Field]
    actions: dict[str, Action] = field(factory=dict)

    def action(self, **parameters: Sort) -> Callable[[Callable[..., Step]], Action]:
        """Add an action; `parameters` name its arguments and their sorts."""

        def add(apply: Callable[..., Step]) -> Action:
            about = (apply.__doc__ or "").strip()
            if not about:
                raise TypeError(f"{self.name}.{apply.__name__} has no docstring: say who acts, when, and what changes")
            made = Action(apply.__name__, parameters, apply, about)
            self.actions[made.name] = made
            return made

        return add


class State:
    """A state of a machine: its fields by name, held in a world that knows how to quantify and to store maps."""

    __slots__ = ("_fields", "_world")

    def __init__(self, world: Any, fields: Mapping[str, Any]) -> None:
        self._world = world
        self._fields = dict(fields)

    def __getattr__(self, name: str) -> Any:
        if name in State.__slots__:  # not there yet: a copy or a pickle is being made
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"no field {name!r}; there are {', '.join(self._fields)}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(tuple(self._fields.items()))

    def __repr__(self) -> str:
        return f"State({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})"

    def but(self, **changed: Any) -> State:
        """This state with some fields changed."""
        unknown = changed.keys() - self._fields.keys()
        if unknown:
            raise AttributeError(f"no field {sorted(unknown)}; there are {', '.join(self._fields)}")
        return State(self._world, {**self._fields, **changed})

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether `predicate` holds for a value of `sort`."""
        return self._world.some(sort, predicate)

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether `predicate` holds for every value of `sort`."""
        return self._world.every(sort, predicate)


def allof(*conditions: Any) -> Any:
    """Whether all of them hold."""
    return all(conditions)


def anyof(*conditions: Any) -> Any:
    """Whether one of them holds."""
    return any(conditions)


def no(condition: Any) -> Any:
    """Whether it does not hold."""
    return not condition


def implies(condition: Any, consequence: Any) -> Any:
    """Whether the consequence holds, or the condition does not."""
    return anyof(no(condition), consequence)


def ite(condition: Any, then: Any, otherwise: Any) -> Any:
    """One of two values, by a condition."""
    return then if condition else otherwise


def least(left: Any, right: Any) -> Any:
    """The smaller of two values."""
    return ite(left <= right, left, right)
