"""Refutation: change a machine, and explore one search after the other until a theorem breaks.

Within a search states are looked at breadth first, so that no counterexample of these sizes is shorter that takes only
the actions which the search keeps; one of other sizes, or with an action that is left out, may be. If no theorem
breaks and a guard was left out, the proof is tried again without it: if it still goes through, the guard was redundant,
and that is what is said; if not, nothing is known, and that is what is said.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from model.language import Machine, Sizes
from model.language.tracing import check
from model.readings.columns import Guards
from properties.claims import Theorem
from properties.explore.engine import Explorer, Violation
from properties.explore.symmetry import NotSymmetricError
from properties.refute.catalogue import variant_named
from properties.refute.redundancy import open_without
from properties.refute.slicing import sliced
from properties.refute.variants import guards_of
from properties.variants.changes import LeftOut
from properties.variants.variant import Kind, Search, Variant, machine_of, theorems_of

WORKERS = 2


class Verdict(StrEnum):
    """What became of a variant."""

    REFUTED = "refuted"
    REDUNDANT = "redundant"
    UNDECIDED = "undecided"


@frozen
class Counterexample:
    """How a theorem breaks: where it was found, and the steps from the first state."""

    theorem: str
    search: Search
    level: int
    steps: tuple[tuple[str, Mapping[str, int]], ...]

    def as_data(self) -> dict[str, Any]:
        """This counterexample as JSON data."""
        return {
            "theorem": self.theorem,
            "level": self.level,
            "setting": self.search.setting,
            "sizes": dict(self.search.sizes),
            "without": list(self.search.without),
            "given": dict(self.search.given),
            "steps": [[action, dict(arguments)] for action, arguments in self.steps],
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Counterexample:
        """The counterexample that was written as JSON data."""
        search = Search(data["setting"], data["sizes"], tuple(data["without"]), data["given"])
        return cls(data["theorem"], search, data["level"], tuple((action, given) for action, given in data["steps"]))


@frozen
class Refutation:
    """What became of a variant. Data only: it goes from one process to another, and into files."""

    variant: str
    kind: Kind
    is_critical: bool
    verdict: Verdict
    seconds: float
    counterexample: Counterexample | None = None
    open: tuple[str, ...] = ()
    """Of what is undecided: the obligations that are open."""
    limited: tuple[str, ...] = ()
    """Of what is undecided: the searches, by their sizes, that ended at the limit of states with nothing found."""

    def as_data(self) -> dict[str, Any]:
        """This refutation as JSON data."""
        found = self.counterexample
        return {
            "variant": self.variant,
            "kind": str(self.kind),
            "safety_critical": self.is_critical,
            "verdict": str(self.verdict),
            "seconds": round(self.seconds, 3),
            "open": list(self.open),
            "limited": list(self.limited),
            **(found.as_data() if found is not None else {"theorem": None, "level": None, "steps": []}),
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Refutation:
        """The refutation that was written as JSON data."""
        return cls(
            data["variant"],
            Kind(data["kind"]),
            data["safety_critical"],
            Verdict(data["verdict"]),
            data["seconds"],
            Counterexample.of_data(data) if data["theorem"] is not None else None,
            tuple(data["open"]),
            tuple(data.get("limited", ())),
        )


def refute(
    variant: Variant,
    *,
    states: int | None = None,
    show: Callable[[str], None] = lambda _said: None,
    workers: int = WORKERS,
) -> Refutation:
    """Look for a way to break a theorem of a variant; else show that the guard that it leaves out is redundant.

    Args:
        variant: what is otherwise, and where to look.
        states: how many states are looked at in each search, at most; None: as many as it says.
        show: told what is being done.
        workers: threads.
    """
    attempt = _Attempt(variant, states, show, workers)
    if variant.is_critical:
        return attempt.explored() or attempt.proved()
    first = attempt.proved()  # the likelier one first
    if first.verdict is Verdict.REDUNDANT:
        return first
    return attempt.explored() or attempt.became(Verdict.UNDECIDED, still_open=first.open)


@define
class _Attempt:
    """Finding out what becomes of a variant."""

    variant: Variant
    states: int | None
    show: Callable[[str], None]
    workers: int
    began: float = field(factory=time.monotonic)
    limited: list[str] = field(factory=list)
    """The sizes of the searches that ended at their limit of states."""

    def became(
        self, verdict: Verdict, found: Counterexample | None = None, still_open: tuple[str, ...] = ()
    ) -> Refutation:
        """What became of it."""
        variant, seconds = self.variant, time.monotonic() - self.began
        ended = tuple(self.limited) if verdict is Verdict.UNDECIDED else ()
        return Refutation(variant.name, variant.kind, variant.is_critical, verdict, seconds, found, still_open, ended)

    def explored(self) -> Refutation | None:
        """The way in which a theorem breaks; None: none was found."""
        for search in self.variant.searches:
            sizes = ", ".join(f"{name} {size}" for name, size in search.sizes.items())
            self.show(f"{self.variant.name}: exploring {sizes}")
            violation, is_complete = violated(self.variant, search, states=self.states, workers=self.workers)
            if violation is not None:
                found = Counterexample(violation.invariant, search, violation.level, violation.steps)
                return self.became(Verdict.REFUTED, found)
            if not is_complete:
                self.limited.append(sizes)
        return None

    def proved(self) -> Refutation:
        """Whether all is proved without the guard, or undecided."""
        variant = self.variant
        left_out = variant.changes[0] if len(variant.changes) == 1 else None
        if not isinstance(left_out, LeftOut) or not variant.proved_in:
            return self.became(Verdict.UNDECIDED)
        self.show(f"{variant.name}: proving without it")
        still_open = open_without(left_out, variant.proved_in)
        return self.became(Verdict.UNDECIDED if still_open else Verdict.REDUNDANT, None, still_open)


def violated(
    variant: Variant, search: Search, *, states: int | None = None, workers: int = WORKERS
) -> tuple[Violation | None, bool]:
    """The first violation of a theorem in a search, and whether all of it was seen."""
    machine = machine_of(variant, search)
    conjuncts = [each for each in variant.changes if isinstance(each, LeftOut) and each.conjunct is not None]
    guards = {name: kept for each in conjuncts for name, kept in guards_of(machine, each, search.sizes).items()}
    theorems = theorems_of(search.setting)
    if search.theorem is not None:
        theorems = {search.theorem: theorems[search.theorem]}
    # Where there is none and a value is read all the same, it is the first replica: that one can be told apart.
    symmetry = not any(each.says_that_there_is_one(check(machine, machine.actions[each.action])) for each in conjuncts)
    return first_violation(
        machine,
        theorems,
        search.sizes,
        guards=guards,
        states=states or search.states,
        workers=workers,
        symmetry=symmetry,
    )


def first_violation(
    machine: Machine,
    theorems: Mapping[str, Theorem],
    sizes: Sizes,
    *,
    guards: Guards | None = None,
    states: int,
    workers: int,
    symmetry: bool = True,
) -> tuple[Violation | None, bool]:
    """The first violation of a theorem, and whether all states were seen; of several at one level the first theorem's.

    Not all are seen if there is a violation, or as many states as `states` says. With `symmetry`, states that differ
    only in who is who are taken for one.
    """
    of_states = {name: each.of_state for name, each in theorems.items() if each.of_state is not None}
    of_steps = {name: each.of_step for name, each in theorems.items() if each.of_step is not None}
    less = sliced(machine, of_states.values(), of_steps.values())
    explorer = Explorer(less, sizes, of_states, changes=of_steps, guards=guards)
    try:
        found = explorer.run(states=states, workers=workers, symmetry=symmetry)
    except NotSymmetricError:  # one replica is told apart: the survivor
        found = explorer.run(states=states, workers=workers)
    order = list(theorems)
    first = min(found.violations, key=lambda each: (each.level, order.index(each.invariant)), default=None)
    return first, found.is_complete


# -- several ---------------------------------------------------------------------------------------------------------


def refute_all(
    names: Sequence[str],
    *,
    states: int | None = None,
    workers: int = WORKERS,
    show: Callable[[Refutation, int], None] = lambda _newest, _done: None,
) -> list[Refutation]:
    """What becomes of variants, side by side in processes of their own; in the order of the names.

    Args:
        names: which variants.
        states: how many states are looked at in each search, at most; None: as many as it says.
        workers: processes.
        show: told of each that is done, and how many are.
    """
    found = {}
    # Started afresh, not forked: the solver has threads, and what it holds must not be shared.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            futures = [pool.submit(_refuted, name, states) for name in names]
            for done in as_completed(futures):
                refutation = done.result()
                found[refutation.variant] = refutation
                show(refutation, len(found))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[name] for name in names]


def _refuted(name: str, states: int | None) -> Refutation:
    return refute(variant_named(name), states=states, workers=1)
