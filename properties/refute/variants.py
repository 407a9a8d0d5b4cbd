"""Variants of a machine: each leaves out one guard, or one conjunct of one.

They are made by machine, so that none is forgotten: `controller_elects.it_is_in_the_isr` leaves a guard out,
`follower_copies.its_last_record_is_the_leaders.2` its second conjunct, as its text says them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from model.language import Machine, Sizes
from model.language.expansion import expanded
from model.language.symbols import Symbol, conjunction
from model.language.tracing import Bounded, Traced, cells_of, check


class UnknownVariantError(ValueError):
    """No variant has this name."""


@frozen
class Variant:
    """A guard, or a conjunct of one, that is left out."""

    action: str
    guard: str
    conjunct: int | None
    """Counted from 1, as the text says them; None: the whole guard."""
    safety_critical: bool

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"{self.action}.{self.guard}" + (f".{self.conjunct}" if self.conjunct is not None else "")

    def kept(self, traced: Traced) -> list[Symbol]:
        """The conditions of the action that are not left out."""
        found: list[Symbol] = []
        for guard in traced.guards:
            if guard.name != self.guard:
                found.append(guard.holds)
            elif self.conjunct is not None:
                found += [each for number, each in enumerate(guard.conjuncts, 1) if number != self.conjunct]
        return found


def variants(machine: Machine) -> dict[str, Variant]:
    """Every variant of a machine, by name."""
    found = []
    for action in machine.actions.values():
        for guard in check(machine, action).guards:
            found.append(Variant(action.name, guard.name, None, guard.safety_critical))
            if len(guard.conjuncts) > 1:
                numbers = range(1, len(guard.conjuncts) + 1)
                found += [Variant(action.name, guard.name, number, guard.safety_critical) for number in numbers]
    return {each.name: each for each in found}


def variant(machine: Machine, name: str) -> Variant:
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


def guards_of(machine: Machine, left_out: Variant, sizes: Sizes) -> Mapping[str, Callable[[Mapping[str, int]], Symbol]]:
    """The guards of the action without what is left out, for an exploration of these sizes."""
    world = Bounded(sizes)
    sorts = {cells.name: cells.keys for cells in cells_of(machine)}
    kept = left_out.kept(check(machine, machine.actions[left_out.action]))

    def allowed(arguments: Mapping[str, int]) -> Symbol:
        return conjunction(tuple(expanded(each, arguments, world, sorts) for each in kept))

    return {left_out.action: allowed}
