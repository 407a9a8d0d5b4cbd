"""Symmetry: replicas can be told apart and nothing else, so that states that differ only in who is who are one.

A permutation of a named sort moves a state's cells by their keys and changes the values that cells of that sort hold.
The fingerprint of a state is made of the least of the sums of all its permuted states, so that all of them have the
same one (`properties.explore.fingerprints` says what a sum is). The one that was come to first is explored.

Only permutations that leave the first state as it is are taken. A machine's text could still tell replicas apart, by
their numbers; so of the first states it is checked that what can be done in a state, and what holds of it, does not
depend on who is who.

Not here: what is explored with which sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from model.language.sorts import Sizes, Sort, size_of
from model.readings.columns import StepTaker, ViolationFinder
from model.readings.layouts import Block, Column, Layout
from model.readings.weighing import Sums, Weighing

Permutation = Mapping[str, tuple[int, ...]]
"""For each named sort, what becomes of each of its values."""

STATES_CHECKED = 1000


class NotSymmetricError(ValueError):
    """The things of a machine's named sorts are not interchangeable; says why."""


@frozen
class Symmetry:
    """Permutations under which a machine stays what it is. The first changes nothing."""

    moves: NDArray[np.intp]
    """By the permutation and the cell: the cell that it becomes."""
    exists: NDArray[np.int32]
    """By the cell: the cell that says whether its value means anything; -1: it always does."""
    weighing: Weighing
    """A way for each permutation: what a state weighs when it is permuted."""

    @classmethod
    def of(cls, layout: Layout, sizes: Sizes, first: Block, factors: Sums) -> Symmetry:
        """The symmetry of a machine of these sizes.

        Args:
            layout: of its states.
            sizes: how many values each sort has.
            first: the first states.
            factors: of the cells; 0: nothing looks at it and nothing writes it, so that it need not be symmetric.

        Raises:
            NotSymmetricError: no permutation but the one that changes nothing leaves the first states as they are.
        """
        named = {each.name: each for column in layout.columns for each in column.sorts if each.is_named}
        every = list(_permutations(named.values(), sizes))
        moves = np.array([[_moved(layout, each, column) for column in layout.columns] for each in every], np.intp)
        images = np.zeros((len(every), len(named), max(map(len, every[0].values()), default=0)), np.int64)
        for number, permutation in enumerate(every):
            for index, image in enumerate(permutation.values()):
                images[number, index, : len(image)] = image
        places = {name: index for index, name in enumerate(named)}
        sorts = np.array([places.get(each.sort.name, -1) for each in layout.columns], np.int32)
        exists = np.array([_exists(layout, each) if each.sort.is_named else -1 for each in layout.columns], np.int32)
        weights = np.where((factors != 0)[moves].any(axis=0), factors[moves], 0)
        whole = cls(moves, exists, Weighing(np.zeros(len(every), np.int64), weights, sorts, images))
        kept = [number for number in range(len(every)) if whole._keeps(number, first)]
        if len(kept) < 2:
            things = " or ".join(named) or "any sort"
            raise NotSymmetricError(f"no two values of {things} are interchangeable: the first state tells them apart")
        constants = _weigh_none(weights, sorts, images, exists)
        weighing = Weighing(constants[kept], weights[kept], sorts, images[kept])
        return cls(moves[kept], exists, weighing)

    @property
    def size(self) -> int:
        """How many permutations there are."""
        return len(self.moves)

    def permuted(self, number: int, block: Block) -> Block:
        """The states after a permutation."""
        out = np.empty_like(block)
        for cell, sort in enumerate(self.weighing.sorts):
            out[self.moves[number, cell]] = self._image(number, cell, block) if sort >= 0 else block[cell]
        return out

    def _image(self, number: int, cell: int, block: Block) -> Any:
        image = self.weighing.images[number, self.weighing.sorts[cell]].astype(block.dtype)[block[cell]]
        return image if self.exists[cell] < 0 else np.where(block[self.exists[cell]] != 0, image, block[cell])

    def _keeps(self, number: int, first: Block) -> bool:
        """Whether a permutation leaves the first states as they are, or makes one of them another."""
        matters = self.weighing.weights[0] != 0
        now, then = first[matters], self.permuted(number, first)[matters]
        return set(map(tuple, now.T.tolist())) == set(map(tuple, then.T.tolist()))

    def check(self, taker: StepTaker, finder: ViolationFinder, level: Block) -> None:
        """Look whether states can be told from their permuted states by what can be done in them or what holds.

        Raises:
            NotSymmetricError: they can.
        """
        mine = self._seen_of(taker, finder, level)
        for number in range(1, self.size):
            theirs = self._seen_of(taker, finder, self.permuted(number, level))
            for name, seen in mine.items():
                if not np.array_equal(seen, theirs[name]):
                    raise NotSymmetricError(f"{name} depends on who is who: nobody is interchangeable")

    def _seen_of(self, taker: StepTaker, finder: ViolationFinder, level: Block) -> dict[str, NDArray[Any]]:
        count = level.shape[1]
        taken = taker.take(level, 0, count, self.weighing)
        found = np.full(finder.conditions.results.size, -1, np.int64)
        finder.look(level, 0, count, found)
        return {
            "what can be done": np.sort(taken.sums),
            "what holds of steps": taken.broken[:, 0] >= 0,
            "what holds of states": found,
        }


def _weigh_none(
    weights: NDArray[np.int64], sorts: NDArray[np.int32], images: NDArray[np.int64], exists: NDArray[np.int32]
) -> Sums:
    """Take care that the image of a value weighs nothing where there is none: the cell is 0 there, the image need not.

    The constant takes the weight of the image of 0 off, and the cell that says that there is a value puts it back.
    """
    constants = np.zeros(len(weights), np.int64)
    for cell in np.flatnonzero(exists >= 0):
        nothing = images[:, sorts[cell], 0] * weights[:, cell]
        constants -= nothing
        weights[:, exists[cell]] += nothing
    return constants


def _permutations(sorts: Iterable[Sort], sizes: Sizes) -> Iterator[Permutation]:
    ranges = {each.name: range(size_of(each, sizes) or 0) for each in sorts}
    for chosen in itertools.product(*(itertools.permutations(each) for each in ranges.values())):
        yield dict(zip(ranges, chosen, strict=True))


def _moved(layout: Layout, permutation: Permutation, column: Column) -> int:
    """The place of the cell that a cell becomes."""
    keys = zip(column.keys, column.key_sorts, strict=True)
    moved = tuple(permutation[sort.name][key] if sort.is_named else key for key, sort in keys)
    return layout.by_cell[column.name, moved].place


def _exists(layout: Layout, column: Column) -> int:
    """The place of the cell that says whether a cell's value means anything; -1: it always does."""
    option, is_optional, rest = column.name.rpartition(".value")
    if ".at" in (rest if is_optional else column.name):
        raise NotSymmetricError(f"{column.name}: what is past the end of a sequence has no permutation")
    if not is_optional:
        return -1
    return next(
        layout.by_cell[f"{option}.exists", column.keys[:count]].place
        for count in range(len(column.keys), -1, -1)
        if (f"{option}.exists", column.keys[:count]) in layout.by_cell
    )
