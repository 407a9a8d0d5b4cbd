"""Running a counterexample again, without a search: each of its steps, and the theorem that breaks with the last."""

from __future__ import annotations

from model.language import Machine, Sizes, State
from model.readings import values
from properties.claims import Theorem
from properties.refute.catalogue import variant_named
from properties.refute.diagram import Steps
from properties.refute.engine import Refutation
from properties.variants.changes import guards_that_fail
from properties.variants.variant import machine_of, theorems_of


class NotACounterexampleError(Exception):
    """A step can't be taken, or the theorem does not break with the last one, or breaks before; says which."""


def replay(refutation: Refutation) -> None:
    """Run a counterexample on its variant's machine.

    Raises:
        NotACounterexampleError: it is none.
    """
    found = refutation.counterexample
    if found is None:
        raise NotACounterexampleError(f"{refutation.variant} has no counterexample")
    variant = variant_named(refutation.variant)
    theorem = theorems_of(found.search.setting)[found.theorem]
    may_fail = guards_that_fail(variant.changes)
    run(machine_of(variant, found.search), theorem, found.search.sizes, found.steps, may_fail=may_fail)


def run(
    machine: Machine, theorem: Theorem, sizes: Sizes, steps: Steps, *, may_fail: frozenset[str] = frozenset()
) -> None:
    """Run steps of which the last breaks a theorem.

    Args:
        machine: on which.
        theorem: what breaks.
        sizes: of its sorts.
        steps: from the first state.
        may_fail: guards (`action.guard`) that need not hold: a conjunct of them is left out.

    Raises:
        NotACounterexampleError: another guard does not hold, or the theorem breaks earlier, or not at all.
    """
    state = values.initial(machine, sizes)
    for number, (name, arguments) in enumerate(steps, 1):
        if name not in machine.actions:
            raise NotACounterexampleError(f"step {number}: {name.replace('_', ' ')} is never taken")
        step = machine.actions[name].apply(state, **arguments)
        missing = {f"{name}.{guard.name}" for guard in step.guards if not guard.holds} - may_fail
        if missing:
            raise NotACounterexampleError(
                f"step {number}: {', '.join(sorted(missing)).replace('_', ' ')} does not hold"
            )
        after = step.effect()
        if _is_kept(theorem, state, after) == (number == len(steps)):
            said = "breaks before" if number < len(steps) else "does not break with"
            raise NotACounterexampleError(f"{theorem.name} {said} step {len(steps)}")
        state = after


def _is_kept(theorem: Theorem, before: State, after: State) -> bool:
    of_state = theorem.of_state is None or theorem.of_state(after)
    return bool(of_state and (theorem.of_step is None or theorem.of_step(before, after)))
