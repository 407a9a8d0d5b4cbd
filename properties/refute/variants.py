"""Every guard of a machine, and every conjunct of one, to be left out alone.

They are made by machine, so that none is forgotten: `controller_elects.it_is_in_the_isr` leaves a guard out,
`follower_copies.its_last_record_is_the_leaders.2` its second conjunct, as its text says them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from model.language import Machine, Sizes
from model.language.expansion import expanded
from model.language.symbols import Symbol, conjunction
from model.language.tracing import Bounded, Unbounded, cells_of, check, parameters_of, symbolic_state
from properties.variants.changes import LeftOut


class UnknownVariantError(ValueError):
    """No variant has this name."""


def variants(machine: Machine) -> dict[str, LeftOut]:
    """Every variant of a machine, by name."""
    found = []
    for action in machine.actions.values():
        for guard in check(machine, action).guards:
            found.append(LeftOut(action.name, guard.name, None, guard.safety_critical))
            if len(guard.conjuncts) > 1:
                numbers = range(1, len(guard.conjuncts) + 1)
                found += [LeftOut(action.name, guard.name, number, guard.safety_critical) for number in numbers]
    return {each.name: each for each in found}


def variant(machine: Machine, name: str) -> LeftOut:
    """The variant of that name.

    Raises:
        UnknownVariantError: there is none; names those of the same action, or the actions.
    """
    known = variants(machine)
    if name in known:
        return known[name]
    action = name.partition(".")[0]
    alike = [each for each in known if each.startswith(f"{action}.")] or list(machine.actions)
    raise UnknownVariantError(f"no variant {name!r} of {machine.name}; there are {', '.join(alike)}")


def guard_names(machine: Machine, action: str) -> set[str]:
    """The names of an action's guards; none if it is never taken."""
    if action not in machine.actions:
        return set()
    step = machine.actions[action].apply(symbolic_state(machine, Unbounded()), **parameters_of(machine.actions[action]))
    return {guard.name for guard in step.guards}


def guards_of(machine: Machine, left_out: LeftOut, sizes: Sizes) -> Mapping[str, Callable[[Mapping[str, int]], Symbol]]:
    """The guards of the action without what is left out, for an exploration of these sizes."""
    world = Bounded(sizes)
    sorts = {cells.name: cells.keys for cells in cells_of(machine)}
    kept = left_out.kept(check(machine, machine.actions[left_out.action]))

    def allowed(arguments: Mapping[str, int]) -> Symbol:
        return conjunction(tuple(expanded(each, arguments, world, sorts) for each in kept))

    return {left_out.action: allowed}
