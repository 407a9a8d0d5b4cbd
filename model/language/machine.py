"""Machines: a protocol's state and its actions, written once, to be read in several ways.

A machine has *fields* (what a state holds) and *actions*. An action names its guards one by one and says what
changes; it never branches with `if` on a state's value and compares one pair at a time (`0 <= i < n` is two
comparisons), because the same text is run on Python's values, on columns of states and on solver terms. An action
that some reading could not follow is refused when it is defined.

Not here: any protocol. Those are in `model.machines`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from model.language.errors import LanguageError
from model.language.sorts import AnySort, Sort
from model.language.words import allof


@frozen
class Field:
    """A field of the state: a total map from `keys` to values of `sort`; no keys: a single value.

    `is_history`: nothing that acts ever looks at it; it is there for what is said about the machine.
    `is_setting`: no action changes it; what is proved holds whatever it is.
    `place`: where it is, if the machine tells several places apart; a drawing has a line for each.
    """

    sort: AnySort
    about: str
    keys: tuple[Sort, ...] = ()
    is_history: bool = False
    is_setting: bool = False
    place: str = ""


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


_HEADER = ("Who", "When", "Changes", "Source")


@frozen
class Header:
    """Who acts, when, what changes, and where it is said: the docstring of an action."""

    summary: str
    who: str
    when: str
    changes: str
    source: str

    @classmethod
    def of(cls, text: str) -> Header:
        """The header in a docstring: a summary, then paragraphs that begin with `Who:`, `When:`, ...

        Raises:
            LanguageError: a part is missing.
        """
        summary, *rest = re.split(rf"^\s*({'|'.join(_HEADER)}):", text.strip(), flags=re.MULTILINE)
        found = {name: " ".join(about.split()) for name, about in zip(rest[::2], rest[1::2], strict=True)}
        missing = [name for name in _HEADER if not found.get(name)]
        if missing or not summary.strip():
            raise LanguageError(f"its docstring does not say {', '.join(missing) or 'what it is'}")
        return cls(" ".join(summary.split()), *(found[name] for name in _HEADER))


@frozen
class Action:
    """A step that somebody can take: its name, the sorts of its arguments, its text, and what its docstring says."""

    name: str
    parameters: Mapping[str, Sort]
    apply: Callable[..., Step]
    header: Header

    @property
    def about(self) -> str:
        """What it is, in a sentence or two."""
        return self.header.summary


@frozen
class Machine:
    """A protocol: fields of its state and its actions, in the order in which they were written.

    `start` gives the fields that are not zero at first, of a state in which all of them are. `settings` are given;
    those that are not are anything where something is proved, and what `start` says where states are enumerated.
    """

    name: str
    fields: Mapping[str, Field]
    start: Callable[[State], Mapping[str, Any]] = lambda _zero: {}
    actions: dict[str, Action] = field(factory=dict)
    about: str = ""
    settings: Mapping[str, Any] = field(factory=dict)

    def action(self, **parameters: Sort) -> Callable[[Callable[..., Step]], Action]:
        """Add an action, or put it in the place of the one of its name; `parameters`: its arguments and their sorts.

        Raises:
            LanguageError: it has no header, or says what not every reading can express; names the line.
        """

        def add(apply: Callable[..., Step]) -> Action:
            from model.language import tracing  # noqa: PLC0415  it reads machines, and so needs this module

            try:
                header = Header.of(apply.__doc__ or "")
            except LanguageError as error:
                code = apply.__code__
                raise LanguageError(
                    f"{code.co_filename}:{code.co_firstlineno}: {self.name}.{apply.__name__}: {error}"
                ) from None
            made = Action(apply.__name__, parameters, apply, header)
            tracing.check(self, made)
            self.actions[made.name] = made
            return made

        return add

    def extended(
        self, name: str, about: str, *, without: tuple[str, ...] = (), settings: Mapping[str, Any] | None = None
    ) -> Machine:
        """A machine that is this one, to which actions are then added, or put in the place of those of their name.

        Raises:
            LanguageError: one of `settings` is none.
        """
        for each in settings or {}:
            if each not in self.fields or not self.fields[each].is_setting:
                raise LanguageError(f"{self.name} has no setting {each!r}")
        kept = {each: action for each, action in self.actions.items() if each not in without}
        return evolve(self, name=name, about=about, actions=kept, settings={**self.settings, **(settings or {})})


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

    @property
    def world(self) -> Any:
        """Who quantifies and makes sets for this state."""
        return self._world

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

    def count(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For how many values of `sort` the predicate holds."""
        return self._world.count(sort, predicate)

    def at_least(self, number: Any, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether `predicate` holds for at least so many values of `sort`."""
        return self._world.at_least(number, sort, predicate)

    def set_of(self, sort: Any, predicate: Callable[[Any], Any]) -> Any:
        """The set of those for which the predicate holds, of a sort of sets."""
        return self._world.set_of(sort, predicate)

    def none_of(self, sort: Any) -> Any:
        """The empty set of a sort of sets."""
        return self._world.set_of(sort, lambda _each: False)

    def all_of(self, sort: Any) -> Any:
        """The set of everything there is of a sort of sets."""
        return self._world.set_of(sort, lambda _each: True)
