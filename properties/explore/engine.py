"""The search: breadth first, a level at a time, on every core.

Each level is cut into chunks. Of each chunk all steps are taken, and the fingerprints of the states after them
computed; those never seen before become the next level. Where a state came from is kept (which state of the level
before, which action), so that the trace to a state can be told: it is a shortest one. Of several ways to a state the
first counts, in the order of chunks, actions and states, whichever thread came first.

The threads do not wait for each other within a level's phases (take steps, find who is new, write the new states):
what they run is compiled and holds no lock of Python's.

Not here: what is explored with which sizes (`properties.explore.machines`), and how it is shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from attrs import define, evolve, field, frozen
from numpy.typing import NDArray

from model.language import Machine, Sizes, State
from model.readings import columns, values
from model.readings.columns import Guards, Steps, StepTaker, Taken, ViolationFinder
from model.readings.layouts import Block, Layout
from model.readings.weighing import Sums, Weighing
from properties.explore.fingerprints import Seen, Shard, Truths, multipliers, odds
from properties.explore.symmetry import STATES_CHECKED, Symmetry

CHUNK = 1 << 14
WORKERS = os.cpu_count() or 1
"""How many threads there are if nobody says: one a core."""

_T = TypeVar("_T")
_R = TypeVar("_R")


@frozen
class Violation:
    """An invariant that does not hold in a state, and how it came to that."""

    invariant: str
    level: int
    """The level of the state; the first state's is 1, as TLC counts."""
    steps: tuple[tuple[str, Mapping[str, int]], ...]
    """The actions that lead there from the first state, with their arguments."""
    start: int = 0
    """The number of the first state, where there are several."""


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
    left: int
    """Steps that were not taken as they leave the sizes."""
    counts: tuple[int, ...]
    """How often each instance of an action was taken."""
    permutations: int
    """Under how many permutations states were taken for one; 1: none but equal ones."""


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

    parents: list[columns.Places] = field(factory=list)
    by: list[NDArray[Any]] = field(factory=list)

    def steps_to(self, level: int, place: int) -> tuple[int, list[int]]:
        """The place of the first state from which a state of a level was come to, and the numbers of the instances.

        The first level is 0.
        """
        found = []
        for each in range(level, 0, -1):
            found.append(int(self.by[each - 1][place]))
            place = int(self.parents[each - 1][place])
        return place, found[::-1]

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.parents) + sum(each.nbytes for each in self.by)


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
        starts: Sequence[Mapping[str, Any]] = ({},),
    ) -> None:
        """Compile the machine for these sizes.

        Args:
            machine: what is explored.
            sizes: how many values each sort has.
            invariants: what must hold in every state, by name.
            changes: what must hold of every step, of the states before and after it, by name.
            guards: other guards than the machine's own, by the action's name.
            starts: for each of the first states, the fields that are otherwise than the machine says.

        Raises:
            LanguageError: a sort has no size.
        """
        self.machine, self.sizes = machine, sizes
        self.layout = Layout.of(machine, sizes)
        self.steps = Steps.of(machine, sizes, self.layout, guards, changes)
        self.conditions = columns.conditions_of(machine, sizes, self.layout, invariants or {})
        self.invariants, self.changes = tuple(invariants or {}), tuple(changes or {})
        first = [values.initial(machine, sizes, **given) for given in starts]
        self.first = self.layout.block([values.row_of(machine, sizes, each) for each in first])
        # What nothing looks at and nothing writes tells no states apart.
        touched = self.steps.touched | self.conditions.touched(self.layout.width)
        self.factors = np.where(touched, multipliers(self.layout), 0)
        self.weighing = Weighing.plain(self.factors)

    def run(
        self,
        *,
        keep_going: bool = False,
        levels: int | None = None,
        states: int | None = None,
        show: Callable[[Progress], None] = lambda _progress: None,
        workers: int = WORKERS,
        symmetry: bool = False,
    ) -> Result:
        """Explore.

        Args:
            keep_going: see the whole space, also past a violation.
            levels: stop after so many.
            states: stop after the level at which there are so many.
            show: called after every level.
            workers: threads.
            symmetry: take states that differ only in who is who (of a named sort) for one.

        Raises:
            NotSymmetricError: the machine, or what must hold of it, tells values of named sorts apart.
        """
        alike = None
        if symmetry:
            alike = Symmetry.of(self.layout, self.sizes, self.first, self.factors)
        with ThreadPoolExecutor(workers) as pool:
            threads = _Threads(self, pool, workers)
            search = _Search(self, threads, alike, keep_going=keep_going, levels=levels, states=states, show=show)
            return search.run()


class _Threads:
    """The threads of a search, and what each of them needs."""

    def __init__(self, explorer: Explorer, pool: Executor, size: int) -> None:
        self.size = size
        self._pool = pool
        self._tools: SimpleQueue[tuple[StepTaker, ViolationFinder]] = SimpleQueue()
        for _ in range(size):
            self._tools.put((StepTaker(explorer.steps), ViolationFinder(explorer.conditions, explorer.layout.dtype)))

    def each(self, work: Callable[[_T], _R], items: Sequence[_T]) -> Iterable[_R]:
        """Do it with each of these, side by side where there are several; in order."""
        return list((map if len(items) == 1 else self._pool.map)(work, items))

    @contextmanager
    def tools(self) -> Iterator[tuple[StepTaker, ViolationFinder]]:
        """What a thread needs, for its own."""
        own = self._tools.get()
        try:
            yield own
        finally:
            self._tools.put(own)


@define
class _Search:
    """One search."""

    explorer: Explorer
    threads: _Threads
    alike: Symmetry | None
    keep_going: bool
    levels: int | None
    states: int | None
    show: Callable[[Progress], None]
    seen: Seen = field(init=False)
    origins: _Origins = field(factory=_Origins)
    starts: NDArray[np.intp] = field(init=False)
    counts: NDArray[np.int64] = field(init=False)
    generated: int = 0
    left: int = 0
    depth: int = 1
    bytes_most: int = 0
    violations: dict[str, Violation] = field(factory=dict)

    def run(self) -> Result:
        began = time.monotonic()
        self.seen = Seen.of(self.threads.size)
        self.counts = np.zeros(len(self.explorer.steps.instances), np.int64)
        level = self.explorer.first
        numbers = self.weighing.sums(level).min(axis=0)
        self.starts = np.flatnonzero(self.seen.add(numbers))
        level, numbers = np.ascontiguousarray(level[:, self.starts]), numbers[self.starts]
        self.generated = self.starts.size
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
        permutations = self.alike.size if self.alike else 1
        return Result(
            self.seen.count,
            self.generated,
            self.depth,
            tuple(self.violations.values()),
            time.monotonic() - began,
            self.bytes_most / self.seen.count,
            odds(self.seen.count, self.explorer.layout, permutations),
            is_complete,
            self.left,
            tuple(self.counts.tolist()),
            permutations,
        )

    @property
    def weighing(self) -> Weighing:
        """How states are weighed."""
        return self.explorer.weighing if self.alike is None else self.alike.weighing

    def _is_enough(self) -> bool:
        if self.violations and not self.keep_going:
            return True
        return self.depth == self.levels or (self.states is not None and self.seen.count >= self.states)

    def _next(self, level: Block, numbers: Sums) -> tuple[Block, Sums]:
        """The states that are one step away and were never seen."""
        parts = [
            part
            for some in self.threads.each(lambda cut: self._taken(level, numbers, cut), _cuts(level))
            for part in some
        ]
        self.generated += sum(each.sums.size for each in parts)
        self.left += sum(each.left for each in parts)
        self.counts += sum(each.counts for each in parts)
        for each in parts:
            self._note(each)
        found = sum(_bytes(each) for each in parts)
        kept = self._fresh(parts)
        ends = np.cumsum([each.sums.size for each in kept])
        out = np.empty((level.shape[0], ends[-1]), level.dtype)
        held = self.seen.bytes_most() + self.origins.nbytes + level.nbytes + numbers.nbytes
        self.bytes_most = max(self.bytes_most, held + found, held + sum(_bytes(each) for each in kept) + out.nbytes)
        if not out.size:
            return out, np.empty(0, np.int64)

        def make(each: tuple[Taken, int]) -> None:
            taken, end = each
            with self.threads.tools() as (taker, _finder):
                taker.make(level, taken.places, taken.steps, out, end - taken.sums.size)

        self.threads.each(make, list(zip(kept, ends, strict=True)))
        self._remember(kept)
        return out, np.concatenate([each.sums for each in kept])

    def _taken(self, level: Block, numbers: Sums, cut: tuple[int, int]) -> list[Taken]:
        """All steps from the states of a chunk."""
        found = []
        start, stop = cut
        with self.threads.tools() as (taker, _finder):
            while start < stop:
                known = numbers[start:stop] if self.alike is None else None
                found.append(taker.take(level, start, stop, self.weighing, known))
                start = found[-1].stop
        return found

    def _fresh(self, parts: Sequence[Taken]) -> list[Taken]:
        """Those steps that lead to states which were never seen, the first to each."""
        fresh = [np.empty(each.sums.size, np.bool_) for each in parts]

        def add(shard: Shard) -> None:
            for each, is_new in zip(parts, fresh, strict=True):
                shard.add(each.sums, is_new)

        def keep(each: tuple[Taken, Truths]) -> Taken:
            taken, is_new = each
            return evolve(taken, sums=taken.sums[is_new], places=taken.places[is_new], steps=taken.steps[is_new])

        self.threads.each(add, self.seen.shards)
        return list(self.threads.each(keep, list(zip(parts, fresh, strict=True))))

    def _note(self, taken: Taken) -> None:
        """Keep the first step of which something does not hold; it leads to the next level."""
        for name, (step, place) in zip(self.explorer.changes, taken.broken, strict=True):
            if step >= 0 and name not in self.violations:
                last = self.explorer.steps.instances[step]
                found = self._violation(name, place)
                steps = (*found.steps, (last.action.name, last.arguments))
                self.violations[name] = evolve(found, level=self.depth + 1, steps=steps)

    def _remember(self, kept: Sequence[Taken]) -> None:
        numbers = np.min_scalar_type(len(self.explorer.steps.instances))
        self.origins.parents.append(np.concatenate([each.places for each in kept]))
        self.origins.by.append(np.concatenate([each.steps for each in kept]).astype(numbers))

    def _check(self, level: Block) -> None:
        """Look for states of a level that break an invariant; the first of each is kept."""
        if self.alike is not None and self.seen.count <= STATES_CHECKED:
            with self.threads.tools() as (taker, finder):
                self.alike.check(taker, finder, level)
        names = self.explorer.invariants
        known = np.array([0 if name in self.violations else -1 for name in names], np.int64)

        def look(cut: tuple[int, int]) -> NDArray[np.int64]:
            found = known.copy()
            with self.threads.tools() as (_taker, finder):
                finder.look(level, *cut, found)
            return found

        for found in self.threads.each(look, _cuts(level)) if (known < 0).any() else ():
            for name, place in zip(names, found, strict=True):
                if place >= 0 and name not in self.violations:
                    self.violations[name] = self._violation(name, place)

    def _violation(self, name: str, place: int) -> Violation:
        """That something does not hold in a state of this level, and the steps that lead there."""
        start, numbers = self.origins.steps_to(self.depth - 1, place)
        steps = (self.explorer.steps.instances[number] for number in numbers)
        told = tuple((each.action.name, each.arguments) for each in steps)
        return Violation(name, self.depth, told, int(self.starts[start]))


def _cuts(level: Block) -> list[tuple[int, int]]:
    size = level.shape[1]
    return [(at, min(at + CHUNK, size)) for at in range(0, size, CHUNK)]


def _bytes(taken: Taken) -> int:
    return taken.sums.nbytes + taken.places.nbytes + taken.steps.nbytes
