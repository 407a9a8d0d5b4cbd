"""The machines that can be explored, their sizes and settings, and what must hold in every state and of every step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from model.language import BOOLEAN, Field, Machine, Sizes, Sort
from model.language.tracing import Bounded
from model.machines import durability, replication
from model.machines.published import PUBLISHED, base
from model.readings import values
from properties.claims import Change, Claims, Condition
from properties.prove.engine import MACHINES, claimed_of, module_of

EXPLORABLE = (*MACHINES, *PUBLISHED)
"""The machines, by name: those that something is claimed of, and the published designs."""
DEFAULTS: Mapping[str, int] = {"replicas": 2, "log": 2, "records": 2, "epochs": 1, "openings": 2}
"""The sizes that are taken if none are said."""
_SIZES: Mapping[str, Callable[..., Sizes]] = {"replication": replication.sizes, "durability": durability.sizes}
"""How the sizes of a machine are said; of the others, as those of the published designs."""


class UnknownMachineError(ValueError):
    """No machine has this name; lists those there are."""


class UnusableChoiceError(ValueError):
    """A size, a setting or claims that the machine has no use for, or a value that can't be; says what can be."""


@frozen
class Explorable:
    """A machine with all that was chosen, and what must hold."""

    machine: Machine
    sizes: Sizes
    invariants: Mapping[str, Condition]
    """What must hold in every state."""
    changes: Mapping[str, Change] = field(factory=dict)
    """What must hold of every step."""
    claims: str | None = None
    """The setting of failures and assumptions; None: the machine has none."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What each setting of the machine is."""
        first = values.initial(self.machine, self.sizes)
        return {name: getattr(first, name) for name in _settings_in(self.machine)}


def explorable(
    name: str,
    *,
    claims: str | None = None,
    settings: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Explorable:
    """The machine of that name.

    Args:
        name: of `EXPLORABLE`.
        claims: a setting of failures and assumptions; None: the one in which most may happen and records still stay.
        settings: values of the machine's settings, as they are said on a command line.
        sizes: what is otherwise than in `DEFAULTS`, for instance replicas and log.

    Raises:
        UnknownMachineError: there is none.
        UnusableChoiceError: the machine has no use for what was chosen, or it can't be.
    """
    if name not in EXPLORABLE:
        raise UnknownMachineError(f"no machine {name!r}; there are {', '.join(EXPLORABLE)}")
    chosen = _sizes(name, sizes or {})
    if name not in MACHINES:
        if claims is not None:
            raise UnusableChoiceError(f"{name} has no settings of failures: nothing is claimed of it")
        machine = PUBLISHED[name]
        return Explorable(_set(machine, machine, chosen, settings or {}), chosen, base.INVARIANTS)
    known = {place.partition(":")[2]: each for place, each in claimed_of(name).items()}
    setting = claims or module_of(name).partition(":")[2]
    if setting not in known:
        raise UnusableChoiceError(
            f"nothing is claimed of {name} in a setting {setting!r}; there are {', '.join(known)}"
        )
    return _claimed(known, setting, chosen, settings or {})


def _claimed(known: Mapping[str, Claims], setting: str, sizes: Sizes, said: Mapping[str, str]) -> Explorable:
    """A machine of some claims; those that it rests on must hold as well."""
    own = known[setting]
    wider = known[own.within.partition(":")[2]] if own.within is not None else own
    machine = _set(own.explored, own.machine, sizes, said)
    made = Explorable(
        machine,
        sizes,
        {
            **{clause.name: clause.holds for each in (wider, own) for clause in each.clauses.values()},
            **{some.name: some.of_state for each in (wider, own) for some in each.theorems.values() if some.of_state},
        },
        {some.name: some.of_step for each in (wider, own) for some in each.theorems.values() if some.of_step},
        setting,
    )
    if own.at_first is not None and not own.at_first(values.initial(machine, sizes)):
        given = ", ".join(f"{name}={said_as(value)}" for name, value in made.settings.items())
        raise UnusableChoiceError(f"the setting {setting} takes another first state for granted than {given} here")
    return made


def _sizes(name: str, said: Mapping[str, int]) -> Sizes:
    make = _SIZES.get(name, base.sizes)
    taken = inspect.signature(make).parameters
    for each in said:
        if each not in taken:
            raise UnusableChoiceError(f"{name} has no {each}; its sizes are {', '.join(taken)}")
    return make(**{each: value for each, value in DEFAULTS.items() if each in taken} | dict(said))


def _settings_in(machine: Machine) -> Mapping[str, Field]:
    return {name: each for name, each in machine.fields.items() if each.is_setting}


def _set(machine: Machine, open_: Machine, sizes: Sizes, said: Mapping[str, str]) -> Machine:
    """The machine with settings as they were said; `open_` says which are fixed."""
    known = _settings_in(machine)
    chosen = {}
    for name, value in said.items():
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "it has none"
            raise UnusableChoiceError(f"{machine.name} has no setting {name!r}; {there_are}")
        if name in open_.settings:
            raise UnusableChoiceError(
                f"{name} is {said_as(open_.settings[name])} wherever this is claimed: {open_.about}"
            )
        chosen[name] = _value(name, known[name], sizes, value)
    return machine.extended(machine.name, machine.about, settings=chosen)


def said_as(value: Any) -> str:
    """A setting's value, as it is said on the command line."""
    return str(value).lower()


def _value(name: str, setting: Field, sizes: Sizes, said: str) -> Any:
    assert isinstance(setting.sort, Sort), "settings are single values"
    if setting.sort == BOOLEAN:
        truths = {"true": True, "false": False}
        if said.lower() not in truths:
            raise UnusableChoiceError(f"{name} ({setting.about}) is true or false, not {said!r}")
        return truths[said.lower()]
    possible = Bounded(sizes).values(setting.sort)
    if not said.isdecimal() or int(said) not in possible:
        between = f"a number from {possible[0]} to {possible[-1]}"
        raise UnusableChoiceError(f"{name} ({setting.about}) is {between} here, not {said!r}")
    return int(said)
