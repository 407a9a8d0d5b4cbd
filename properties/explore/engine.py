"""The search: breadth first, a level at a time, on every core.

Each level is cut into chunks. For each chunk, and each action with given arguments, the states are found in which it
can be taken, the cells that it changes are computed, and the fingerprint of the state after it; those never seen
before become the next level. Where a state came from is kept (which state of the level before, which action), so that
the trace to a state can be told: it is a shortest one.

Not here: what is explored with which sizes (`properties.explore.machines`), and how it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from model.language import Machine, Sizes, State
from model.readings import columns, values
from model.readings.columns import Block, Guards, Instance, Layout, Rows, as_truth
from properties.explore.fingerprints import Seen, Sums, multipliers, odds, sums

CHUNK = 1 << 16
WORKERS = 2


@frozen
class Violation:
    """An invariant that does not hold in a state, and how it came to that."""

    invariant: str
    level: int
    """The level of the state; the first state's is 1, as TLC counts."""
    steps: tuple[tuple[str, Mapping[str, int]], ...]
    """The actions that lead there from the first state, with their arguments."""


@frozen
class Result:
    """What an exploration saw."""

    distinct: int
    generated: int
    """Steps that were taken, those to states seen before included, and one for the first state, as TLC counts."""
    depth: int
    """How many levels there are."""
    violations: tuple[Violation, ...]
    seconds: float
    bytes_per_state: float
    collision_odds: float
    is_complete: bool
    """Whether the whole space was seen: no search that was ended by a violation or a limit."""


@frozen
class Progress:
    """How far a search is."""

    level: int
    distinct: int
    generated: int
    frontier: int
    seconds: float


@define
class _Origins:
    """Where each state came from: the state's number, and the number of the instance. One array a level."""

    parents: list[NDArray[np.uint32]] = field(factory=list)
    by: list[NDArray[np.uint16]] = field(factory=list)

    def steps_to(self, level: int, place: int) -> list[int]:
        """The numbers of the instances that lead to a state of a level (the first level is 0)."""
        found = []
        for each in range(level, 0, -1):
            found.append(int(self.by[each - 1][place]))
            place = int(self.parents[each - 1][place])
        return found[::-1]

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.parents) + sum(each.nbytes for each in self.by)


@frozen
class _Found:
    """Successors of one chunk by one instance that were not seen in earlier levels."""

    instance: int
    at: Rows
    """Their origins' places in the chunk."""
    numbers: Sums


@frozen
class _Expanded:
    """What one chunk led to."""

    generated: int
    found: tuple[_Found, ...]
    broken: Mapping[str, tuple[int, int]]
    """For what does not hold of a step: the instance, and the place in the chunk that it was taken from."""


class Explorer:
    """A machine of given sizes, ready to be explored."""

    def __init__(
        self,
        machine: Machine,
        sizes: Sizes,
        invariants: Mapping[str, Callable[[State], Any]] | None = None,
        *,
        changes: Mapping[str, Callable[[State, State], Any]] | None = None,
        guards: Guards | None = None,
    ) -> None:
        """Compile the machine for these sizes.

        Args:
            machine: what is explored.
            sizes: how many values each sort has.
            invariants: what must hold in every state, by name.
            changes: what must hold of every step, of the states before and after it, by name.
            guards: other guards than the machine's own, by the action's name.

        Raises:
            LanguageError: a sort has no size.
        """
        self.machine, self.sizes = machine, sizes
        self.layout = Layout.of(machine, sizes)
        self.instances: list[Instance] = columns.instances(machine, sizes, self.layout, guards)
        self.invariants = {
            name: columns.predicate(machine, sizes, self.layout, holds) for name, holds in (invariants or {}).items()
        }
        self.changes = {
            name: columns.change(machine, sizes, self.layout, holds) for name, holds in (changes or {}).items()
        }
        self.first = self.layout.block([values.row_of(machine, sizes, values.initial(machine, sizes))])
        self._factors = multipliers(self.layout)

    def run(
        self,
        *,
        keep_going: bool = False,
        levels: int | None = None,
        states: int | None = None,
        show: Callable[[Progress], None] = lambda _progress: None,
        workers: int = WORKERS,
    ) -> Result:
        """Explore.

        Args:
            keep_going: see the whole space, also past a violation.
            levels: stop after so many.
            states: stop after the level at which there are so many.
            show: called after every level.
            workers: threads.
        """
        with ThreadPoolExecutor(workers) as pool:
            return _Search(self, pool, keep_going=keep_going, levels=levels, states=states, show=show).run()

    def numbers(self, block: Block) -> Sums:
        """The sums that the fingerprints of these states are made of."""
        return sums(block, self._factors)

    # -- one chunk ---------------------------------------------------------------------------------------------------

    def successors(self, block: Block, numbers: Sums, seen: Seen) -> _Expanded:
        """The steps that can be taken from the states of a chunk, and those of them that lead to states never seen."""
        truth = as_truth(block)
        generated = 0
        found = []
        broken: dict[str, tuple[int, int]] = {}
        for index, each in enumerate(self.instances):
            at = each.enabled(block, truth)
            if at is None or not at.size:
                continue
            new, inside = each.effect(block, truth, at)
            if inside is not None and not inside.all():
                at = at[inside]
                new = [value[inside] if isinstance(value, np.ndarray) and value.ndim else value for value in new]
            if not at.size:
                continue
            generated += at.size
            reached = numbers.take(at)
            for column, value in zip(each.written, new, strict=True):
                old = block[column.place].take(at)
                reached += np.multiply(value - old, self._factors[column.place], dtype=np.int64)
            unseen = seen.unseen(reached)
            if unseen.any():
                found.append(_Found(index, at[unseen], reached[unseen]))
            if self.changes:
                self._look_at_steps(block, index, at, broken)
        return _Expanded(generated, tuple(found), broken)

    def _look_at_steps(self, block: Block, index: int, at: Rows, broken: dict[str, tuple[int, int]]) -> None:
        """Look for steps of which something does not hold; the first of each is kept."""
        before = block.take(at, axis=1)
        after = np.empty_like(before)
        self.make(block, [(index, at)], after)
        for name, holds in self.changes.items():
            held = holds(before, after)
            if name not in broken and not held.all():
                broken[name] = (index, int(at[np.argmin(held)]))

    def make(self, block: Block, chosen: Sequence[tuple[int, Rows]], out: Block) -> None:
        """Write the states after these steps (instance, places in the chunk) to `out`."""
        truth = as_truth(block)
        place = 0
        for index, at in chosen:
            each = self.instances[index]
            new, _inside = each.effect(block, truth, at)
            part = out[:, place : place + at.size]
            for cells, copy in zip(block, part, strict=True):  # a row at a time is thrice as quick as all at once
                cells.take(at, out=copy, mode="clip")
            for column, value in zip(each.written, new, strict=True):
                part[column.place] = value
            place += at.size


@define
class _Search:
    """One search."""

    explorer: Explorer
    pool: Executor
    keep_going: bool
    levels: int | None
    states: int | None
    show: Callable[[Progress], None]
    seen: Seen = field(factory=Seen)
    origins: _Origins = field(factory=_Origins)
    generated: int = 1
    depth: int = 1
    frontier_bytes: int = 0
    violations: dict[str, Violation] = field(factory=dict)

    def run(self) -> Result:
        began = time.monotonic()
        level = self.explorer.first
        numbers = self.explorer.numbers(level)
        self.seen.add(numbers)
        self._check(level)
        is_complete = True
        while level.size:
            if self._is_enough():
                is_complete = False
                break
            level, numbers = self._next(level, numbers)
            if level.size:
                self.depth += 1
                self._check(level)
            seconds = time.monotonic() - began
            self.show(Progress(self.depth, self.seen.count, self.generated, level.shape[1], seconds))
        used = self.seen.table.nbytes + self.origins.nbytes + self.frontier_bytes
        return Result(
            self.seen.count,
            self.generated,
            self.depth,
            tuple(self.violations.values()),
            time.monotonic() - began,
            used / self.seen.count,
            odds(self.seen.count, self.explorer.layout),
            is_complete,
        )

    def _is_enough(self) -> bool:
        if self.violations and not self.keep_going:
            return True
        return self.depth == self.levels or (self.states is not None and self.seen.count >= self.states)

    def _next(self, level: Block, numbers: Sums) -> tuple[Block, Sums]:
        """The states that are one step away and were never seen."""
        cuts = [slice(at, at + CHUNK) for at in range(0, level.shape[1], CHUNK)]
        expanded = self.pool.map(lambda cut: self.explorer.successors(level[:, cut], numbers[cut], self.seen), cuts)
        found = list(expanded)
        self.generated += sum(each.generated for each in found)
        for cut, each in zip(cuts, found, strict=True):
            self._note(cut.start, each.broken)
        work = [(cut, self._kept(each.found)) for cut, each in zip(cuts, found, strict=True)]
        fresh = [each for _cut, kept in work for each in kept]
        out = np.empty((level.shape[0], sum(each.at.size for each in fresh)), level.dtype)
        if not fresh:
            return out, np.empty(0, np.int64)
        self._remember(work)
        ends = np.cumsum([sum(each.at.size for each in kept) for _cut, kept in work])

        def make(each: tuple[slice, list[_Found]], end: int) -> None:
            cut, kept = each
            size = sum(one.at.size for one in kept)
            self.explorer.make(level[:, cut], [(one.instance, one.at) for one in kept], out[:, end - size : end])

        list(self.pool.map(make, work, ends))
        self.frontier_bytes = max(self.frontier_bytes, level.nbytes + out.nbytes)
        return out, np.concatenate([each.numbers for each in fresh])

    def _kept(self, found: Sequence[_Found]) -> list[_Found]:
        """Those whose states nobody else of this level came to before."""
        kept = []
        for each in found:
            fresh = self.seen.add(each.numbers)
            if fresh.all():
                kept.append(each)
            elif fresh.any():
                kept.append(_Found(each.instance, each.at[fresh], each.numbers[fresh]))
        return kept

    def _note(self, start: int, broken: Mapping[str, tuple[int, int]]) -> None:
        """Keep the first step of which something does not hold; it leads to the next level."""
        for name, (instance, place) in broken.items():
            if name not in self.violations:
                last = self.explorer.instances[instance]
                steps = (*self._trace(start + place), (last.action.name, last.arguments))
                self.violations[name] = Violation(name, self.depth + 1, steps)

    def _remember(self, work: list[tuple[slice, list[_Found]]]) -> None:
        found = [(cut.start, each) for cut, kept in work for each in kept]
        self.origins.parents.append(np.concatenate([(each.at + start).astype(np.uint32) for start, each in found]))
        self.origins.by.append(np.concatenate([np.full(each.at.size, each.instance, np.uint16) for _, each in found]))

    def _check(self, level: Block) -> None:
        """Look for states of a level that break an invariant; the first of each is kept."""
        cuts = [slice(at, at + CHUNK) for at in range(0, level.shape[1], CHUNK)]
        for name, holds in self.explorer.invariants.items():
            if name in self.violations:
                continue
            for cut, held in zip(cuts, self.pool.map(holds, (level[:, cut] for cut in cuts)), strict=True):
                if not held.all():
                    place = cut.start + int(np.argmin(held))
                    self.violations[name] = Violation(name, self.depth, self._trace(place))
                    break

    def _trace(self, place: int) -> tuple[tuple[str, Mapping[str, int]], ...]:
        """The steps that lead to a state of this level."""
        steps = (self.explorer.instances[number] for number in self.origins.steps_to(self.depth - 1, place))
        return tuple((each.action.name, each.arguments) for each in steps)
