"""Fingerprints of states, and the table of those that were seen.

A fingerprint is the sum of a state's cells, each times a random odd number of its cell, modulo 2^64, then mixed. The
sum of a successor is that of the state before plus what the changed cells add, so that nothing but the changed cells
is looked at. Two different states have the same sum with odds of at most 2^-63 (of an odd number 63 bits are random)
times the greatest power of two that divides all differences of their cells; cells hold small numbers (`odds`).

The table has shards, by a fingerprint's first bits, each filled by one thread at a time: which of equal fingerprints
counts as the first does not depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from model.readings.layouts import Layout
from model.readings.native import native
from model.readings.weighing import Sums

Fingerprints = NDArray[np.uint64]
Truths = NDArray[np.bool_]

LOAD_MOST = 0.7
SMALLEST = 1 << 14
BATCH = 256
"""How many fingerprints are looked up side by side, so that memory is waited for once and not for each."""


def multipliers(layout: Layout) -> Sums:
    """A random odd number for each cell; always the same, so that runs can be compared."""
    random = np.random.default_rng(20_180_723)
    return random.integers(0, 2**63, layout.width, dtype=np.int64) * 2 + 1


def odds(states: int, layout: Layout, permutations: int = 1) -> float:
    """At most how likely it is that two of so many states were taken for one; each has a sum for every permutation."""
    widest = max((column.most - column.least for column in layout.columns), default=1)
    return min(1.0, states * (states - 1) / 2 * widest * permutations**2 / 2**63)


@native
def _mixed(number: Any) -> Any:  # pragma: no cover  compiled
    x = np.uint64(number)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x if x != np.uint64(0) else np.uint64(1)


@native
def _place(key: Any, size: Any) -> Any:  # pragma: no cover  compiled
    """Where a fingerprint is looked for first. Its last bits say it: the first ones are those of its shard."""
    return ((key & np.uint64(0xFFFFFFFF)) * size) >> np.uint64(32)


@native
def _add(
    table: Any, count: int, most: int, numbers: Any, begin: int, shard: int, bits: int, fresh: Any
) -> Any:  # pragma: no cover  compiled
    """Add those numbers from `begin` on that are of this shard, as far as there is room; `fresh` says which are new.

    Returns:
        Where it stopped, and how many fingerprints the table has.
    """
    size = np.uint64(table.size)
    shift = np.uint64(63 - bits)
    keys = np.empty(BATCH + 1, np.uint64)
    places = np.empty(BATCH, np.int64)
    while begin < numbers.size and count + BATCH <= most:
        end = min(begin + BATCH, numbers.size)
        chosen = 0
        for i in range(begin, end):
            key = _mixed(numbers[i])
            if (key >> shift) >> np.uint64(1) == np.uint64(shard):
                keys[chosen] = key
                places[chosen] = i
                keys[BATCH] ^= table[_place(key, size)]  # asks memory for all of them before the first is waited for
                chosen += 1
        for i in range(chosen):
            key = keys[i]
            place = _place(key, size)
            while table[place] != np.uint64(0) and table[place] != key:
                place += np.uint64(1)
                if place == size:
                    place = np.uint64(0)
            is_new = table[place] == np.uint64(0)
            fresh[places[i]] = is_new
            if is_new:
                table[place] = key
                count += 1
        begin = end
    return begin, count


@native
def _move(table: Any, larger: Any) -> None:  # pragma: no cover  compiled
    size = np.uint64(larger.size)
    for key in table:
        if key != np.uint64(0):
            place = _place(key, size)
            while larger[place] != np.uint64(0):
                place += np.uint64(1)
                if place == size:
                    place = np.uint64(0)
            larger[place] = key


@define
class Shard:
    """The fingerprints that begin with certain bits."""

    number: int
    bits: int
    """How many bits tell shards apart."""
    table: Fingerprints = field(factory=lambda: np.zeros(SMALLEST, np.uint64))
    count: int = 0
    outgrown: int = 0
    """The bytes of a table that was too small, until they are asked for."""

    def add(self, numbers: Sums, fresh: Truths) -> None:
        """Add those of these that belong here; `fresh` gets which of them are new, the first of equal ones only."""
        begin = 0
        while begin < numbers.size:
            begin, self.count = _add(
                self.table,
                self.count,
                int(self.table.size * LOAD_MOST),
                numbers,
                begin,
                self.number,
                self.bits,
                fresh,
            )
            if begin < numbers.size:
                larger = np.zeros(self.table.size * 2, np.uint64)
                _move(self.table, larger)
                self.outgrown = max(self.outgrown, self.table.nbytes)
                self.table = larger


@define
class Seen:
    """The fingerprints of all states that were seen."""

    shards: Sequence[Shard]

    @classmethod
    def of(cls, workers: int) -> Seen:
        """A table that so many threads can fill."""
        bits = (workers - 1).bit_length()
        return cls([Shard(number, bits) for number in range(1 << bits)])

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(each.count for each in self.shards)

    def bytes_most(self) -> int:
        """How much memory it took at most since this was asked last: while a table grows there are two."""
        found = 0
        for each in self.shards:
            found += each.table.nbytes + each.outgrown
            each.outgrown = 0
        return found

    def add(self, numbers: Sums) -> Truths:
        """Add these; which of them are new, the first of equal ones only."""
        fresh = np.empty(numbers.size, np.bool_)
        for each in self.shards:
            each.add(numbers, fresh)
        return fresh
