"""Blocks of states: a column a cell, so that row `j` of the array is cell `j` of every state.

Numbers are no wider than the sizes need. What expressions over cells can come to is in `model.readings.ranges`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from model.language.machine import Machine
from model.language.sorts import Sizes, Sort
from model.language.tracing import Bounded, cells_of, places
from model.readings.programs import Cells, Program
from model.readings.ranges import Range, Ranges

Block = NDArray[Any]
"""States as columns, of shape (cells, states)."""
AFTER = "after "
"""What marks a cell of the state after a step."""


@frozen
class Column:
    """A cell of the state: its place in a row, and the values that it may have."""

    name: str
    keys: tuple[int, ...]
    place: int
    least: int
    most: int
    sort: Sort
    key_sorts: tuple[Sort, ...]

    @property
    def sorts(self) -> tuple[Sort, ...]:
        """The sorts of its values and of its keys."""
        return self.sort, *self.key_sorts


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
                columns.append(Column(cells.name, keys, len(columns), values[0], values[-1], cells.sort, cells.keys))
        widest = max((max(-each.least, each.most) for each in columns), default=0)
        # Sums and differences of two cells, and the key just past either end, must fit as well; more is refused.
        dtype = np.min_scalar_type(-2 * widest - 2)
        return cls(tuple(columns), {(each.name, each.keys): each for each in columns}, dtype)

    @property
    def width(self) -> int:
        """How many cells a state has."""
        return len(self.columns)

    def block(self, rows: Iterable[Sequence[int]]) -> Block:
        """A block of states that are given as rows."""
        return np.ascontiguousarray(np.array(list(rows), dtype=self.dtype).reshape(-1, self.width).T)

    def read_by(self, operations: Mapping[str, int]) -> Cells:
        """The operations that read cells, by what their names begin with."""
        cells: dict[str, dict[tuple[int, ...], tuple[int, int]]] = {}
        for prefix, operation in operations.items():
            for column in self.columns:
                cells.setdefault(f"{prefix}{column.name}", {})[column.keys] = operation, column.place
        return cells

    def program(self, cells: Cells) -> Program:
        """A program that reads cells so."""
        known = np.iinfo(self.dtype)
        return Program(cells, int(known.min), int(known.max))

    def ranges(self) -> Ranges:
        """What expressions over these cells can come to, before a step and after it."""
        cells: dict[str, Range] = {}
        for each in self.columns:
            least, most = cells.get(each.name, (0, 0))  # 0 is what is read where there is none
            cells[each.name] = cells[f"{AFTER}{each.name}"] = min(least, each.least), max(most, each.most)
        known = np.iinfo(self.dtype)
        return Ranges(cells, int(known.min), int(known.max))
