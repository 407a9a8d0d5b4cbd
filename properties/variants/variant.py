"""A variant: a machine of some claims, changed, and where a theorem is looked for that breaks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from model.language import Machine, Sizes
from model.machines.replication import replication
from properties.claims import Theorem
from properties.prove.obligations import claims_in
from properties.variants.changes import Change, changed

REPLICATION = "properties.invariants.replication"
ANYTHING, UNASSUMED = (f"{REPLICATION}:{name}" for name in ("anything", "unassumed"))
PUBLISHED = "properties.variants.published"
WHOLE: Mapping[str, Machine] = {REPLICATION: replication}
"""The machines with all that may happen, by the module that makes claims about them."""

STATES_MOST = 2_000_000


class Kind(StrEnum):
    """What a variant is."""

    DESIGN = "design"
    """A design that was tried, a release of Kafka, or a failure that nothing withstands: it has a name."""
    ASSUMPTION = "assumption"
    """A theorem without one of its assumptions."""
    GUARD = "guard"
    """An action without one of its guards."""
    CONJUNCT = "conjunct"
    """An action without a conjunct of one of its guards."""


@frozen
class Search:
    """Where a counterexample is looked for."""

    setting: str
    """Where the claims are made: a module, and the claims' name in it."""
    sizes: Sizes
    without: tuple[str, ...] = ()
    """Actions that are not taken, so that there is less to look at."""
    given: Mapping[str, Any] = field(factory=dict)
    """Settings that are others than those with which the claims are explored."""
    states: int = STATES_MOST
    """How many states are looked at, at most."""
    theorem: str | None = None
    """The only theorem that is looked at; None: all."""


@frozen
class History:
    """Who did so, until when, and where that can be read."""

    until: str
    source: str


@frozen
class Variant:
    """A machine of some claims, changed."""

    name: str
    about: str
    """What is otherwise, in a sentence."""
    kind: Kind
    changes: tuple[Change, ...]
    searches: tuple[Search, ...]
    """Tried one after the other, until a theorem breaks."""
    is_critical: bool = True
    """Whether something must break."""
    proved_in: tuple[str, ...] = ()
    """Where the proof is tried without the guard, if nothing breaks."""
    history: History | None = None


def machine_of(variant: Variant, search: Search) -> Machine:
    """The machine that is explored."""
    machine = claims_in(search.setting).explored
    made = changed(machine, WHOLE.get(search.setting.partition(":")[0], machine), variant.changes)
    return made.extended(made.name, made.about, without=search.without, settings=search.given)


def theorems_of(setting: str) -> Mapping[str, Theorem]:
    """What is claimed in a setting: its own theorems, and of replication those that hold whatever happens."""
    wider = (ANYTHING, UNASSUMED) if setting.startswith(REPLICATION) else ()
    return {name: each for place in (setting, *wider) for name, each in claims_in(place).theorems.items()}


def setting_called(setting: str) -> str:
    """What reports call a setting; of a machine that has only one, the machine."""
    module, _, name = setting.partition(":")
    machine = module.rpartition(".")[2]
    return machine if module not in (REPLICATION, PUBLISHED) else name.replace("_", "-")
