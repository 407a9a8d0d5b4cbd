"""Options, records, sets, sequences and maps, as they are while a machine's text is read with symbols.

`Option` and `Record` are the same on Python's values. Sets, sequences and maps are closures here: an update is
substituted where the updated thing is looked at, and leaves nothing behind that a reading would have to undo. Those
on Python's values are in `model.readings.values`, with the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import frozen

from model.language import symbols
from model.language.errors import LanguageError
from model.language.sorts import BOOLEAN, AnySort, OptionOf, RecordOf, SequenceOf, SetOf, Sort, places_of
from model.language.symbols import Symbol
from model.language.words import allof, implies, ite, no


class World(Protocol):
    """Who can quantify."""

    def every(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether it holds for every value of the sort."""

    def some(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether it holds for a value of the sort."""

    def count(self, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """For how many values of the sort it holds."""

    def at_least(self, number: Any, sort: Sort, predicate: Callable[[Any], Any]) -> Any:
        """Whether it holds for at least so many values of the sort."""


@frozen(eq=False)
class Option:
    """A value or none. Ask `exists` before `value` means anything."""

    exists: Any
    value: Any

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Option):
            both = allof(self.exists, other.exists, self.value == other.value)
            return ite(self.exists, both, no(other.exists)) if isinstance(both, Symbol) else _same(self, other)
        return allof(self.exists, self.value == other)

    def __ne__(self, other: object) -> Any:
        return no(self == other)

    def __hash__(self) -> int:
        return hash((self.exists, self.value if self.exists else None))

    @staticmethod
    def chosen(condition: Symbol, then: Option, otherwise: Any) -> Option:
        """One of two options; a plain value is one that exists."""
        other = otherwise if isinstance(otherwise, Option) else some(otherwise)
        # Where one of them is none its value means nothing: then the other's is as good, and shorter.
        if then.exists is False or then.exists is symbols.FALSE:
            value = other.value
        elif other.exists is False or other.exists is symbols.FALSE:
            value = then.value
        else:
            value = ite(condition, then.value, other.value)
        return Option(ite(condition, then.exists, other.exists), value)


def _same(one: Option, other: Option) -> bool:
    return bool(one.exists) == bool(other.exists) and (not one.exists or bool(one.value == other.value))


def some(value: Any) -> Option:
    """This value, where there may also be none."""
    return Option(exists=True, value=value)


NONE = Option(exists=False, value=0)
"""No value."""


class Record:
    """A record: its parts are attributes."""

    __slots__ = ("_parts",)

    def __init__(self, **parts: Any) -> None:
        object.__setattr__(self, "_parts", parts)

    def __getattr__(self, name: str) -> Any:
        if name == "_parts":
            raise AttributeError(name)
        try:
            return self._parts[name]
        except KeyError:
            raise AttributeError(f"no part {name!r}; there are {', '.join(self._parts)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a record does not change: say record.but({name}=...)")

    @property
    def parts(self) -> Mapping[str, Any]:
        """Its parts, by name."""
        return self._parts  # type: ignore[no-any-return]  # slots have no types

    def but(self, **changed: Any) -> Record:
        """This record with some parts changed."""
        unknown = changed.keys() - self._parts.keys()
        if unknown:
            raise LanguageError(f"no part {sorted(unknown)}; there are {', '.join(self._parts)}")
        return Record(**{**self._parts, **changed})

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Record) or other._parts.keys() != self._parts.keys():
            return NotImplemented
        return allof(*(value == getattr(other, name) for name, value in self._parts.items()))

    def __ne__(self, other: object) -> Any:
        return no(self == other)

    def __hash__(self) -> int:
        return hash(tuple(self._parts.items()))

    def __repr__(self) -> str:
        return f"({', '.join(f'{name}={value!r}' for name, value in self._parts.items())})"

    @staticmethod
    def chosen(condition: Symbol, then: Record, otherwise: Any) -> Record:
        """One of two records."""
        return Record(**{name: ite(condition, value, getattr(otherwise, name)) for name, value in then._parts.items()})


class SymbolicSet:
    """A set: who is in it, as a closure."""

    __slots__ = ("_has", "_world", "sort")

    def __init__(self, world: World, sort: SetOf, has: Callable[[Any], Any]) -> None:
        self._world, self.sort, self._has = world, sort, has

    def has(self, value: Any) -> Any:
        """Whether `value` is in it."""
        return self._has(value)

    def plus(self, value: Any) -> SymbolicSet:
        """This set and one more."""
        return SymbolicSet(self._world, self.sort, lambda each: ite(each == value, True, self._has(each)))

    def minus(self, value: Any) -> SymbolicSet:
        """This set without one."""
        return SymbolicSet(self._world, self.sort, lambda each: ite(each == value, False, self._has(each)))

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """Whether it holds for all in the set."""
        return self._world.every(self.sort.element, lambda each: implies(self._has(each), predicate(each)))

    def some(self, predicate: Callable[[Any], Any]) -> Any:
        """Whether it holds for one in the set."""
        return self._world.some(self.sort.element, lambda each: allof(self._has(each), predicate(each)))

    def is_empty(self) -> Any:
        """Whether nobody is in it."""
        return self._world.every(self.sort.element, lambda each: no(self._has(each)))

    def is_only(self, value: Any) -> Any:
        """Whether `value` is in it and nobody else is."""
        return allof(
            self._has(value), self._world.every(self.sort.element, lambda each: implies(self._has(each), each == value))
        )

    def count(self) -> Any:
        """How many are in it."""
        return self._world.count(self.sort.element, self._has)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, SymbolicSet):
            return NotImplemented
        return self._world.every(self.sort.element, lambda each: symbols.equal(self._has(each), other.has(each)))

    def __ne__(self, other: object) -> Any:
        return no(self == other)

    __hash__ = None  # type: ignore[assignment]  # a closure has no value to hash

    @staticmethod
    def chosen(condition: Symbol, then: SymbolicSet, otherwise: Any) -> SymbolicSet:
        """One of two sets."""
        return SymbolicSet(then._world, then.sort, lambda each: ite(condition, then.has(each), otherwise.has(each)))


class SymbolicSequence:
    """A sequence: where it ends, and what is at each place. Past its end it reads as zero."""

    __slots__ = ("_at", "end", "sort")

    def __init__(self, sort: SequenceOf, end: Any, at: Callable[[Any], Any]) -> None:
        self.sort, self.end, self._at = sort, end, at

    def __getitem__(self, place: Any) -> Any:
        return self._at(place)

    @property
    def last(self) -> Any:
        """What is at its end; zero if it is empty."""
        return self._at(self.end - 1)

    def is_empty(self) -> Any:
        """Whether there is nothing in it."""
        return self.end == 0

    def append(self, value: Any) -> SymbolicSequence:
        """This sequence and one more at its end."""
        end = self.end
        return SymbolicSequence(self.sort, end + 1, lambda place: ite(place == end, value, self._at(place)))

    def truncated(self, end: Any) -> SymbolicSequence:
        """This sequence cut at `end`, which is not past its own."""
        nothing = zero(self.sort.of)
        return SymbolicSequence(self.sort, end, lambda place: ite(place < end, self._at(place), nothing))

    @staticmethod
    def chosen(condition: Symbol, then: SymbolicSequence, otherwise: Any) -> SymbolicSequence:
        """One of two sequences."""
        return SymbolicSequence(
            then.sort, ite(condition, then.end, otherwise.end), lambda at: ite(condition, then[at], otherwise[at])
        )


class SymbolicMap:
    """A total map, as a closure over its keys."""

    __slots__ = ("_read", "keys")

    def __init__(self, keys: tuple[Sort, ...], read: Callable[..., Any]) -> None:
        self.keys, self._read = keys, read

    def _keys(self, key: Any) -> tuple[Any, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != len(self.keys):
            raise LanguageError(f"{len(keys)} keys for a map that takes {len(self.keys)}")
        return keys

    def __getitem__(self, key: Any) -> Any:
        return self._read(*self._keys(key))

    def set(self, key: Any, value: Any) -> SymbolicMap:
        """This map with one key changed."""
        keys = self._keys(key)

        def read(*at: Any) -> Any:
            return ite(
                allof(*(symbols.equal(one, other) for one, other in zip(at, keys, strict=True))), value, self._read(*at)
            )

        return SymbolicMap(self.keys, read)

    def where(self, chosen: Callable[..., Any], value: Callable[..., Any]) -> SymbolicMap:
        """This map with every chosen key changed; all values are those of the map as it was."""
        return SymbolicMap(self.keys, lambda *at: ite(symbols.lifted(chosen(*at)), value(*at), self._read(*at)))

    @staticmethod
    def chosen(condition: Symbol, then: SymbolicMap, otherwise: Any) -> SymbolicMap:
        """One of two maps."""
        return SymbolicMap(then.keys, lambda *at: ite(condition, then[at], otherwise[at]))


# -- what compound sorts are made of ---------------------------------------------------------------------------------


@frozen
class Component:
    """A simple part of a compound sort: its path, the keys that it adds, its sort, and how to get it of a value."""

    path: str
    keys: tuple[Sort, ...]
    sort: Sort
    get: Callable[..., Any]


def components(sort: AnySort) -> list[Component]:
    """The simple parts of a sort, in order. Parts that mean nothing are zero, so that equal values have equal parts."""
    match sort:
        case Sort():
            return [Component("", (), sort, lambda value: value)]
        case SetOf():
            return [Component("", (sort.element,), BOOLEAN, lambda value, each: value.has(each))]
        case OptionOf():
            return [
                Component(".exists", (), BOOLEAN, lambda value: as_option(value).exists),
                *(_within(part, ".value", _value_of, part.sort) for part in components(sort.of)),
            ]
        case RecordOf():
            return [
                Component(f".{name}{part.path}", part.keys, part.sort, _part_of(name, part))
                for name, of in sort.parts.items()
                for part in components(of)
            ]
        case SequenceOf():
            return [
                Component(".end", (), sort.index, _end_of),
                *(
                    Component(f".at{part.path}", (places_of(sort.index), *part.keys), part.sort, _item_of(part))
                    for part in components(sort.of)
                ),
            ]


def _end_of(value: Any) -> Any:
    return value.end


def _item_of(part: Component) -> Callable[..., Any]:
    return lambda value, place, *keys: part.get(value[place], *keys)


def _part_of(name: str, part: Component) -> Callable[..., Any]:
    return lambda value, *keys: part.get(getattr(value, name), *keys)


def _value_of(part: Component, value: Any, *keys: Any) -> Any:
    option = as_option(value)
    nothing = False if part.sort == BOOLEAN else 0
    return ite(option.exists, part.get(option.value, *keys), nothing)


def _within(part: Component, path: str, get: Callable[..., Any], sort: Sort) -> Component:
    return Component(f"{path}{part.path}", part.keys, sort, lambda value, *keys: get(part, value, *keys))


def as_option(value: Any) -> Option:
    """An option as it is; a plain value as one that exists."""
    return value if isinstance(value, Option) else some(value)


def assemble(world: World, sort: AnySort, read: Callable[[str, tuple[Any, ...]], Any]) -> Any:
    """A compound value whose simple parts are read by path and keys."""
    match sort:
        case Sort():
            return read("", ())
        case SetOf():
            return SymbolicSet(world, sort, lambda each: read("", (each,)))
        case OptionOf():
            return Option(read(".exists", ()), assemble(world, sort.of, _deeper(read, ".value")))
        case RecordOf():
            return Record(**{name: assemble(world, of, _deeper(read, f".{name}")) for name, of in sort.parts.items()})
        case SequenceOf():
            return SymbolicSequence(
                sort, read(".end", ()), lambda place: assemble(world, sort.of, _deeper(read, ".at", place))
            )


def _deeper(read: Callable[[str, tuple[Any, ...]], Any], path: str, *keys: Any) -> Callable[..., Any]:
    return lambda rest, more: read(f"{path}{rest}", (*keys, *more))


def zero(sort: AnySort) -> Any:
    """The zero of a sort, where symbols are meant: false, 0, none, the record of zeros."""
    match sort:
        case Sort():
            return False if sort == BOOLEAN else 0
        case OptionOf():
            return NONE
        case RecordOf():
            return Record(**{name: zero(of) for name, of in sort.parts.items()})
        case SetOf() | SequenceOf():
            raise LanguageError(f"a sequence can't hold a {sort.name}")
