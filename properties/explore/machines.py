"""The machines that can be explored, their sizes, and what must hold in every state of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from model.language import Machine, Sizes, State
from model.machines import replication
from model.machines.published import PUBLISHED, base
from properties.invariants.replication import claims


class UnknownMachineError(ValueError):
    """No machine has this name; lists those there are."""


@frozen
class Explorable:
    """A machine with what must hold in its states, and how its sizes are said on a command line."""

    machine: Machine
    invariants: Mapping[str, Callable[[State], Any]]
    sizes: Callable[..., Sizes]
    """Takes replicas, log, records and epochs."""
    counts_records: bool
    """Whether the number of records means anything to it."""


def _replication_sizes(*, replicas: int, log: int, records: int, epochs: int) -> Sizes:  # noqa: ARG001
    return replication.sizes(replicas=replicas, log=log, epochs=epochs)


EXPLORABLE: Mapping[str, Explorable] = {
    "replication": Explorable(
        claims.explored,
        {clause.name: clause.holds for clause in claims.clauses.values()},
        _replication_sizes,
        counts_records=False,
    ),
    **{
        name: Explorable(machine, base.INVARIANTS, base.sizes, counts_records=True)
        for name, machine in PUBLISHED.items()
    },
}


def explorable(name: str) -> Explorable:
    """The machine of that name.

    Raises:
        UnknownMachineError: there is none.
    """
    if name not in EXPLORABLE:
        raise UnknownMachineError(f"no machine {name!r}; there are {', '.join(EXPLORABLE)}")
    return EXPLORABLE[name]
