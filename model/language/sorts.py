"""Sorts: what the fields of a state and the arguments of an action range over.

A simple sort is Boolean, a range of integers, or a set of things that can only be told apart (replicas). The others
are made of simple ones: sets, optional values, records, and sequences (a log). How many replicas or offsets there
are is no part of a sort: a reading that has to enumerate them is given the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import field, frozen


@frozen(cache_hash=True)  # every symbol is looked up by its sort
class Sort:
    """A simple sort. Its values are the integers from `least` on, `size` of them.

    Attributes:
        name: what reports call it.
        size: how many values it has; None: as many as the reading says, or without end.
        least: the smallest value.
        unit: what is counted. Values of one unit can be compared and added, others can't; None: the sort's name.
        is_named: its values can be told apart and nothing else: no order, no arithmetic.
    """

    name: str
    size: int | None = None
    least: int = 0
    unit: str | None = None
    is_named: bool = False
    places_of: Sort | None = None
    """The places of a sequence whose end is of this sort: its values but the last."""

    @property
    def measure(self) -> str:
        """What is counted."""
        return self.unit or self.name


def named(name: str) -> Sort:
    """A sort of things that can only be told apart; how many there are is for a reading to say."""
    return Sort(name, is_named=True)


BOOLEAN = Sort("Boolean", 2)
NUMBER = Sort("Number")
"""A bare number in a machine's text: it goes with every unit."""


@frozen
class SetOf:
    """Sets of values of a simple sort."""

    element: Sort

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"set of {self.element.name}"


@frozen
class OptionOf:
    """A value of some sort, or none."""

    of: AnySort

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.of.name} or none"


def _frozen_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(fields))


@frozen
class RecordOf:
    """Records with named parts, each of a sort of its own."""

    name: str
    parts: Mapping[str, AnySort] = field(converter=_frozen_fields, hash=False)


@frozen
class SequenceOf:
    """Sequences that grow and are cut at their end, as a log; `index` is the sort of places and of the end."""

    of: AnySort
    index: Sort

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"sequence of {self.of.name}"


AnySort = Sort | SetOf | OptionOf | RecordOf | SequenceOf

Sizes = Mapping[str, int]
"""How many values each sort has, by its name: for readings that enumerate."""


def places_of(index: Sort) -> Sort:
    """The sort of the places of a sequence: the end comes after the last of them."""
    return Sort(f"place of {index.name}", None, index.least, index.measure, places_of=index)


def size_of(sort: Sort, sizes: Sizes) -> int | None:
    """How many values a simple sort has; None: no bound is known."""
    if sort.places_of is not None:
        ends = size_of(sort.places_of, sizes)
        return None if ends is None else ends - 1
    return sort.size if sort.size is not None else sizes.get(sort.name)
