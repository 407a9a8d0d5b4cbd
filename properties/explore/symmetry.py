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
from model.readings import vectors
from model.readings.columns import Block, Column, Hand, Layout, Steps, Sums, Taken, Watch
from model.readings.programs import Code
from model.readings.vectors import native

Permutation = Mapping[str, tuple[int, ...]]
"""For each named sort, what becomes of each of its values."""

STATES_CHECKED = 1000
AT_ONCE = 1 << 14


class NotSymmetricError(ValueError):
    """The things of a machine's named sorts are not interchangeable; says why."""


@native
def _least_sums(
    block: Any, weights: Any, images: Any, sorts: Any, exists: Any, out: Any
) -> None:  # pragma: no cover  compiled
    """The least of the weighted sums of every state's permuted states.

    Args:
        block: the states.
        weights: by the permutation and the cell: that of the cell that it becomes.
        images: by the permutation, the sort and the value: what becomes of it.
        sorts: by the cell: the named sort of its values, or -1.
        exists: by the cell: the cell that says whether its value means anything; -1: it always does.
        out: gets the sums.
    """
    total = np.empty(vectors.TILE, np.int64)
    always = np.ones(vectors.TILE, block.dtype)
    for start in range(0, block.shape[1], vectors.TILE):
        count = min(vectors.TILE, block.shape[1] - start)
        for permutation in range(weights.shape[0]):
            for i in range(count):
                total[i] = 0
            for cell in range(weights.shape[1]):
                weight = weights[permutation, cell]
                held = block[cell, start : start + count]
                if sorts[cell] < 0:
                    for i in range(count):
                        total[i] += np.int32(held[i]) * weight
                    continue
                means = block[exists[cell], start : start + count] if exists[cell] >= 0 else always[:count]
                image = images[permutation, sorts[cell]]
                for i in range(count):
                    total[i] += image[held[i]] * (means[i] != 0) * weight
            for i in range(count):
                if permutation == 0 or total[i] < out[start + i]:
                    out[start + i] = total[i]


@frozen
class Symmetry:
    """Permutations under which a machine stays what it is. The first changes nothing."""

    layout: Layout
    moves: NDArray[np.intp]
    """By the permutation and the cell: the cell that it becomes."""
    weights: NDArray[np.int64]
    images: NDArray[np.int64]
    sorts: NDArray[np.int32]
    exists: NDArray[np.int32]

    @classmethod
    def of(cls, steps: Steps, conditions: Code, sizes: Sizes, first: Block, factors: Sums) -> Symmetry:
        """The symmetry of a machine of these sizes.

        Raises:
            NotSymmetricError: no permutation but the one that changes nothing leaves the first state as it is.
        """
        layout = steps.layout
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
        # What nothing looks at and nothing writes is the same in all states, and need not be symmetric.
        matters = (steps.touched | conditions.touched(layout.width))[moves].any(axis=0)
        whole = cls(layout, moves, np.where(matters, factors[moves], 0), images, sorts, exists)
        kept = [number for number in range(len(every)) if whole._keeps(number, first)]
        if len(kept) < 2:
            things = " or ".join(named) or "any sort"
            raise NotSymmetricError(f"no two values of {things} are interchangeable: the first state tells them apart")
        return cls(layout, moves[kept], whole.weights[kept], images[kept], sorts, exists)

    @property
    def size(self) -> int:
        """How many permutations there are."""
        return len(self.moves)

    def sums(self, block: Block) -> Sums:
        """A sum for every state of a block that is the same for all of its permuted states."""
        found = np.empty(block.shape[1], np.int64)
        _least_sums(block, self.weights, self.images, self.sorts, self.exists, found)
        return found

    def take(self, hand: Hand, block: Block, start: int, stop: int, numbers: Sums) -> Taken:
        """Take steps, as a hand does, with these sums of the states after them."""
        taken = hand.take(block, start, stop, numbers, self.weights[0])
        for begin in range(0, taken.sums.size, AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            made = np.empty((block.shape[0], taken.sums[part].size), block.dtype)
            hand.make(block, taken.places[part], taken.steps[part], made, 0)
            taken.sums[part] = self.sums(made)
        return taken

    def permuted(self, number: int, block: Block) -> Block:
        """The states after a permutation."""
        out = np.empty_like(block)
        for cell, sort in enumerate(self.sorts):
            out[self.moves[number, cell]] = self._image(number, cell, block) if sort >= 0 else block[cell]
        return out

    def _image(self, number: int, cell: int, block: Block) -> Any:
        image = self.images[number, self.sorts[cell]].astype(block.dtype)[block[cell]]
        return image if self.exists[cell] < 0 else np.where(block[self.exists[cell]] != 0, image, block[cell])

    def _keeps(self, number: int, first: Block) -> bool:
        return bool((self.permuted(number, first) == first)[self.weights[0] != 0].all())

    def check(self, hand: Hand, watch: Watch, level: Block) -> None:
        """Look whether states can be told from their permuted states by what can be done in them or what holds.

        Raises:
            NotSymmetricError: they can.
        """
        mine = self._seen_of(hand, watch, level)
        for number in range(1, self.size):
            theirs = self._seen_of(hand, watch, self.permuted(number, level))
            for name, seen in mine.items():
                if not np.array_equal(seen, theirs[name]):
                    raise NotSymmetricError(f"{name} depends on who is who: nobody is interchangeable")

    def _seen_of(self, hand: Hand, watch: Watch, level: Block) -> dict[str, NDArray[Any]]:
        count = level.shape[1]
        taken = self.take(hand, level, 0, count, np.zeros(count, np.int64))
        found = np.full(watch.conditions.results.size, -1, np.int64)
        watch.look(level, 0, count, found)
        return {
            "what can be done": np.sort(taken.sums),
            "what holds of steps": taken.broken[:, 0] >= 0,
            "what holds of states": found,
        }


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
