"""Fingerprints of states, and the table of those that were seen.

A fingerprint is the sum of a state's cells, each times a random odd number of its cell, modulo 2^64, then mixed. The
sum of a successor is that of the state before plus what the changed cells add, so that nothing but the changed cells
is looked at. Two different states have the same sum with odds of at most 2^-64 times the greatest power of two that
divides all differences of their cells; as cells hold small numbers, that is at most 2^-60 (`odds`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field
from numba import njit
from numpy.typing import NDArray

from model.readings.columns import Block, Layout

Sums = NDArray[np.int64]
Fingerprints = NDArray[np.uint64]

LOAD_MOST = 0.6


def multipliers(layout: Layout) -> Sums:
    """A random odd number for each cell; always the same, so that runs can be compared."""
    random = np.random.default_rng(20_180_723)
    return random.integers(0, 2**63, layout.width, dtype=np.int64) * 2 + 1


def sums(block: Block, factors: Sums) -> Sums:
    """The sum of every state of a block."""
    total = np.zeros(block.shape[1], np.int64)
    for cells, factor in zip(block, factors, strict=True):
        total += cells.astype(np.int64) * factor
    return total


def odds(states: int, layout: Layout) -> float:
    """At most how likely it is that two of so many states were taken for one."""
    widest = max((column.most - column.least for column in layout.columns), default=1)
    return min(1.0, states * (states - 1) / 2 * widest / 2**64)


@njit("uint64(int64)", cache=True, nogil=True)
def _mixed(number: Any) -> Any:  # pragma: no cover  compiled
    x = np.uint64(number)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x if x != np.uint64(0) else np.uint64(1)


@njit("void(uint64[::1], int64[::1], boolean[::1])", cache=True, nogil=True)
def _unseen(table: Any, numbers: Any, unseen: Any) -> None:  # pragma: no cover  compiled
    mask = np.uint64(table.size - 1)
    for i in range(numbers.size):
        key = _mixed(numbers[i])
        place = key & mask
        while table[place] != np.uint64(0) and table[place] != key:
            place = (place + np.uint64(1)) & mask
        unseen[i] = table[place] == np.uint64(0)


@njit("int64(uint64[::1], int64[::1], boolean[::1])", cache=True, nogil=True)
def _add(table: Any, numbers: Any, fresh: Any) -> Any:  # pragma: no cover  compiled
    mask = np.uint64(table.size - 1)
    added = 0
    for i in range(numbers.size):
        key = _mixed(numbers[i])
        place = key & mask
        while table[place] != np.uint64(0) and table[place] != key:
            place = (place + np.uint64(1)) & mask
        fresh[i] = table[place] == np.uint64(0)
        if fresh[i]:
            table[place] = key
            added += 1
    return added


@njit("void(uint64[::1], uint64[::1])", cache=True, nogil=True)
def _move(table: Any, larger: Any) -> None:  # pragma: no cover  compiled
    mask = np.uint64(larger.size - 1)
    for key in table:
        if key != np.uint64(0):
            place = key & mask
            while larger[place] != np.uint64(0):
                place = (place + np.uint64(1)) & mask
            larger[place] = key


@define
class Seen:
    """The fingerprints of all states that were seen."""

    table: Fingerprints = field(factory=lambda: np.zeros(1 << 16, np.uint64))
    count: int = 0

    def unseen(self, numbers: Sums) -> NDArray[np.bool_]:
        """Which of these were not seen before. Several threads may ask at once, while nobody adds."""
        result = np.empty(numbers.size, np.bool_)
        _unseen(self.table, numbers, result)
        return result

    def add(self, numbers: Sums) -> NDArray[np.bool_]:
        """Add these; which of them are new, the first of equal ones only."""
        size = self.table.size
        while self.count + numbers.size > size * LOAD_MOST:
            size *= 2
        if size != self.table.size:
            larger = np.zeros(size, np.uint64)
            _move(self.table, larger)
            self.table = larger
        fresh = np.empty(numbers.size, np.bool_)
        self.count += _add(self.table, numbers, fresh)
        return fresh
