"""Weighing states: a number for each that a step changes by what the changed cells weigh more than before.

Fingerprints are made of it (`properties.explore.fingerprints`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from model.readings.native import native

Sums = NDArray[np.int64]
"""What states weigh."""


@frozen
class Weighing:
    """Ways to weigh states: a sum is a constant and every cell, or the image of its value, times a weight."""

    constants: Sums
    weights: NDArray[np.int64]
    """By the way and the cell."""
    sorts: NDArray[np.int32]
    """By the cell: whose images are weighed; -1: the value itself is."""
    images: NDArray[np.int64]
    """By the way, the sort and the value."""

    @classmethod
    def plain(cls, weights: Sums) -> Weighing:
        """One way, by the weight of each cell."""
        nothing = np.zeros((1, 1, 1), np.int64)
        return cls(np.zeros(1, np.int64), weights.reshape(1, -1), np.full(weights.size, -1, np.int32), nothing)

    def sums(self, block: NDArray[Any], start: int = 0, stop: int | None = None) -> Sums:
        """What states weigh, a row for each way."""
        end = block.shape[1] if stop is None else stop
        found = np.empty((len(self.constants), end - start), np.int64)
        _weigh(block, start, end, self.data, found)
        return found

    @property
    def data(self) -> tuple[Any, ...]:
        """As what is compiled takes it."""
        return self.constants, self.weights, self.sorts, self.images


@native
def _weigh(block: Any, start: int, stop: int, weighing: Any, out: Any) -> None:  # pragma: no cover  compiled
    """Weigh the states from `start` to `stop`.

    Args:
        block: the states.
        start: the first of them.
        stop: the one after the last.
        weighing: (constants, weights, sorts, images): a sum is a constant and every cell times its weight, a row of
            weights for each way to weigh. Where a cell has a sort (not -1), it is its value's image that is weighed.
        out: gets the sums, a row for each way.
    """
    constants, weights, sorts, images = weighing
    size = stop - start
    for way in range(weights.shape[0]):
        total = out[way]
        for i in range(size):
            total[i] = constants[way]
        for cell in range(weights.shape[1]):
            weight = weights[way, cell]
            held = block[cell, start:stop]
            if weight == 0:
                continue
            if sorts[cell] < 0:
                for i in range(size):
                    total[i] += np.int32(held[i]) * weight
            else:
                image = images[way, sorts[cell]]
                for i in range(size):
                    total[i] += image[held[i]] * weight
