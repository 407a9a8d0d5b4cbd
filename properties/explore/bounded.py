"""The bounded check: every run of at most so many steps, of so many replicas; no invariant is trusted.

Every setting of failures and assumptions is explored, from every first state that it allows, as deep as there are
steps; its theorems are looked at in every state and of every step. It says nothing of longer runs, or of more replicas:
that is what the proof is for. What it shares with the proof is the text of the machine and of the theorems.

It is exact: numbers (offsets, epochs, registrations) are given as many values as so many steps can reach. That no step
would have left them, and that none was taken with the greatest of them as argument (another may then go further), is
checked, not trusted. A first guess takes into account what has to happen before; if it is not enough (a guard may be
missing), every number gets room for one more with each step.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from model.language import BOOLEAN, LanguageError, Machine, Sizes, Sort
from model.language.tracing import Bounded
from model.machines import replication
from model.readings import values
from properties.claims import Claims
from properties.explore.engine import WORKERS, Explorer, Progress, Result, Violation
from properties.explore.symmetry import NotSymmetricError
from properties.prove.engine import UnknownNameError, claimed_of


def likely(replicas: int, steps: int) -> Sizes:
    """The sizes that so many steps can reach, by what has to happen first.

    A record is written only after a leader was elected and has taken it up; a broker registers again only after it
    stopped and the controller noticed. An election is a step, and so is every other decision of the controller.
    """
    return replication.sizes(
        replicas=replicas, log=max(1, steps - 2), epochs=steps, versions=steps, registrations=1 + max(1, steps - 1) // 2
    )


def safe(replicas: int, steps: int) -> Sizes:
    """The sizes that so many steps can reach if each makes every number greater by one."""
    return replication.sizes(replicas=replicas, log=steps, epochs=steps, versions=steps, registrations=1 + steps)


@frozen
class Outcome:
    """What became of a theorem in one setting."""

    theorem: str
    setting: str
    violation: Violation | None
    start: Mapping[str, Any]
    """What the first state of the violation was given."""


@frozen
class Explored:
    """One setting, explored."""

    setting: str
    sizes: Sizes
    states: int
    """Distinct ones, up to who is who where replicas are interchangeable."""
    permutations: int
    generated: int
    is_exact: bool
    """Whether larger sizes would make no difference."""
    seconds: float
    outcomes: tuple[Outcome, ...]


@frozen
class Check:
    """A bounded check of a machine."""

    machine: str
    replicas: int
    steps: int
    settings: tuple[Explored, ...]
    seconds: float

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every theorem in every setting."""
        return tuple(each for setting in self.settings for each in setting.outcomes)

    @property
    def is_exact(self) -> bool:
        """Whether every run of so many steps was seen."""
        return all(each.is_exact for each in self.settings)

    @property
    def violated(self) -> tuple[Outcome, ...]:
        """Those that do not hold."""
        return tuple(each for each in self.outcomes if each.violation is not None)

    def as_data(self) -> dict[str, Any]:
        """This check as JSON data."""
        return {
            "machine": self.machine,
            "replicas": self.replicas,
            "steps": self.steps,
            "violated": len(self.violated),
            "seconds": round(self.seconds, 3),
            "settings": [
                {
                    "setting": each.setting,
                    "sizes": dict(each.sizes),
                    "states": each.states,
                    "generated": each.generated,
                    "permutations": each.permutations,
                    "exact": each.is_exact,
                    "seconds": round(each.seconds, 3),
                }
                for each in self.settings
            ],
            "theorems": [
                {
                    "name": each.theorem,
                    "setting": each.setting,
                    "holds": each.violation is None,
                    "level": each.violation and each.violation.level,
                    "start": dict(each.start),
                    "steps": [[action, dict(arguments)] for action, arguments in each.violation.steps]
                    if each.violation
                    else [],
                }
                for each in self.outcomes
            ],
        }


def check(
    machine: str,
    *,
    replicas: int,
    steps: int,
    theorem: str | None = None,
    show: Callable[[str, Progress], None] = lambda _setting, _progress: None,
    workers: int = WORKERS,
) -> Check:
    """Look at every run of at most so many steps.

    Args:
        machine: about which theorems are claimed.
        replicas: how many there are.
        steps: how many are taken, at most.
        theorem: only this one; None: all.
        show: told the setting and how far it is, after every level.
        workers: threads.

    Raises:
        UnknownNameError: there is no such machine or theorem.
    """
    settings = {where.rpartition(":")[2]: claims for where, claims in claimed_of(machine).items()}
    known = dict.fromkeys(name for claims in settings.values() for name in claims.theorems)
    if theorem is not None and theorem not in known:
        raise UnknownNameError(f"no theorem {theorem!r} about {machine}; there are {', '.join(known)}")
    began = time.monotonic()
    explored = tuple(
        explore(name, claims, replicas=replicas, steps=steps, theorem=theorem, show=show, workers=workers)
        for name, claims in settings.items()
        if theorem in (None, *claims.theorems)
    )
    return Check(machine, replicas, steps, explored, time.monotonic() - began)


def explore(
    setting: str,
    claims: Claims,
    *,
    replicas: int,
    steps: int,
    theorem: str | None = None,
    show: Callable[[str, Progress], None] = lambda _setting, _progress: None,
    workers: int = WORKERS,
) -> Explored:
    """Look at every run of at most so many steps in one setting; see `check`."""
    began = time.monotonic()
    theorems = [each for each in claims.theorems.values() if theorem in (None, each.name)]
    for sizes in (likely(replicas, steps), safe(replicas, steps)):
        starts = list(_starts(claims, sizes))
        explorer = Explorer(
            claims.machine,
            sizes,
            {each.name: each.of_state for each in theorems if each.of_state is not None},
            changes={each.name: each.of_step for each in theorems if each.of_step is not None},
            starts=starts,
        )
        result = _run(explorer, levels=steps + 1, show=lambda progress: show(setting, progress), workers=workers)
        is_exact = _is_exact(explorer, result)
        if is_exact or result.violations:
            break
    found = {each.invariant: each for each in result.violations}
    return Explored(
        setting,
        sizes,
        result.distinct,
        result.permutations,
        result.generated,
        is_exact,
        time.monotonic() - began,
        tuple(_outcome(each.name, setting, found.get(each.name), starts) for each in theorems),
    )


def _is_exact(explorer: Explorer, result: Result) -> bool:
    """Whether no step left the sizes, and none was taken with the greatest number of an endless sort as argument."""
    world = Bounded(explorer.sizes)
    taken = [each for each, count in zip(explorer.steps.instances, result.counts, strict=True) if count]
    return result.left == 0 and not any(
        sort.size is None and not sort.is_named and each.arguments[name] == world.values(sort)[-1]
        for each in taken
        for name, sort in each.action.parameters.items()
    )


def _starts(claims: Claims, sizes: Sizes) -> Iterator[Mapping[str, Any]]:
    """Every choice of the settings that the machine leaves open, as far as the claims allow it."""
    machine = claims.machine
    world = Bounded(sizes)
    open_ = [name for name, each in machine.fields.items() if each.is_setting and name not in machine.settings]
    for chosen in itertools.product(*(_values(machine, name, world) for name in open_)):
        given = dict(zip(open_, chosen, strict=True))
        if claims.at_first is None or claims.at_first(values.initial(machine, sizes, **given)):
            yield given


def _values(machine: Machine, name: str, world: Bounded) -> list[Any]:
    sort = machine.fields[name].sort
    if not isinstance(sort, Sort) or machine.fields[name].keys:
        raise LanguageError(f"{name}: the values of such a setting are not enumerated")
    return [bool(each) if sort == BOOLEAN else each for each in world.values(sort)]


def _run(explorer: Explorer, **how: Any) -> Result:
    """Explore, with symmetry where there is any."""
    try:
        return explorer.run(keep_going=True, symmetry=True, **how)
    except NotSymmetricError:
        return explorer.run(keep_going=True, **how)


def _outcome(theorem: str, setting: str, violation: Violation | None, starts: list[Mapping[str, Any]]) -> Outcome:
    return Outcome(theorem, setting, violation, starts[violation.start] if violation is not None else {})
