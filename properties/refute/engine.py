"""Refutation: leave something out, and explore ever larger sizes until a theorem breaks.

The first size at which one does gives the counterexample; within a size the search is breadth first, so that it is a
shortest one there. If none breaks in any of the sizes, the proof is tried again without what was left out: if it still
goes through, it was redundant, and that is what is said; if not, nothing is known, and that is what is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import frozen

from model.language import Sizes
from properties.claims import Claims
from properties.explore.engine import Explorer, Violation
from properties.prove.obligations import Obligation, Sort, claims_in, discharge
from properties.refute.variants import Variant, guards_of

STATES_MOST = 3_000_000


class Verdict(StrEnum):
    """What became of a variant."""

    REFUTED = "refuted"
    REDUNDANT = "redundant"
    UNDECIDED = "undecided"


@frozen
class Refutation:
    """What happens without a guard."""

    variant: Variant
    verdict: Verdict
    theorem: str | None
    """The theorem that breaks."""
    sizes: Sizes | None
    """The sizes at which it does."""
    violation: Violation | None
    seconds: float
    open: tuple[str, ...] = ()
    """Of what is undecided: the obligations that are open without it."""

    def as_data(self) -> dict[str, Any]:
        """This refutation as JSON data."""
        return {
            "variant": self.variant.name,
            "safety_critical": self.variant.safety_critical,
            "verdict": str(self.verdict),
            "theorem": self.theorem,
            "sizes": dict(self.sizes) if self.sizes is not None else None,
            "level": self.violation.level if self.violation is not None else None,
            "steps": [[action, dict(arguments)] for action, arguments in self.violation.steps]
            if self.violation
            else [],
            "seconds": round(self.seconds, 3),
            "open": list(self.open),
        }


def refute(
    module: str,
    left_out: Variant,
    *,
    sizes: Sequence[Sizes] | None = None,
    states: int = STATES_MOST,
    show: Callable[[str], None] = lambda _said: None,
) -> Refutation:
    """Look for a way to break a theorem without a guard; else show that the guard is redundant.

    Args:
        module: where the claims are made.
        left_out: what is left out.
        sizes: to be explored one after the other; None: those of the claims.
        states: how many states are looked at for each size, at most.
        show: told what is being done.
    """
    began = time.monotonic()
    claims = claims_in(module)
    for each in claims.refuted_at if sizes is None else sizes:
        show(f"{left_out.name}: exploring {', '.join(f'{name} {size}' for name, size in each.items())}")
        violation = _violation(claims, left_out, each, states)
        if violation is not None:
            return Refutation(left_out, Verdict.REFUTED, violation.invariant, each, violation, time.monotonic() - began)
    show(f"{left_out.name}: proving without it")
    still_open = tuple(_open(module, claims, left_out))
    verdict = Verdict.UNDECIDED if still_open else Verdict.REDUNDANT
    return Refutation(left_out, verdict, None, None, None, time.monotonic() - began, still_open)


def _violation(claims: Claims, left_out: Variant, sizes: Sizes, states: int) -> Violation | None:
    """The first violation of a theorem at these sizes; of several at one level, that of the first theorem."""
    of_states = {name: each.of_state for name, each in claims.theorems.items() if each.of_state is not None}
    of_steps = {name: each.of_step for name, each in claims.theorems.items() if each.of_step is not None}
    explorer = Explorer(
        claims.machine, sizes, of_states, changes=of_steps, guards=guards_of(claims.machine, left_out, sizes)
    )
    found = explorer.run(states=states).violations
    order = list(claims.theorems)
    return min(found, key=lambda each: (each.level, order.index(each.invariant)), default=None)


def _open(module: str, claims: Claims, left_out: Variant) -> list[str]:
    """The obligations that are open without a guard. Only those of its action can be."""
    asked = [Obligation(module, Sort.KEPT, name, left_out.action, left_out.name) for name in claims.clauses]
    asked += [
        Obligation(module, Sort.STEP, name, left_out.action, left_out.name)
        for name, each in claims.theorems.items()
        if each.of_step is not None
    ]
    found = []
    for each in asked:
        if not discharge(each).is_discharged:
            found.append(each.about)
            break  # one is enough to know that the proof does not go through
    return found


def told(refutation: Refutation) -> Sequence[tuple[str, Mapping[str, int]]]:
    """The steps of a counterexample; empty if there is none."""
    return refutation.violation.steps if refutation.violation is not None else ()
