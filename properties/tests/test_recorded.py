"""History recorded otherwise: the same happens, nothing that acts or is claimed looks at it, and all is proved."""

from __future__ import annotations

import pytest

from model.language.symbols import alike
from model.language.tracing import Unbounded, change_alike, parameters_of, symbolic_state, trace
from properties.prove.obligations import Purpose, claims_in, discharge, obligations
from properties.refute.catalogue import variant_named
from properties.refute.recorded import HISTORY, NOT_NEEDED, SETTINGS, WIDE
from properties.refute.redundancy import open_without
from properties.refute.slicing import _writing_less, fields_that_matter
from properties.variants.changes import LeftOut
from properties.variants.variant import REPLICATION


def usual(place: str) -> str:
    """The setting of which the history is recorded otherwise."""
    return f"{REPLICATION}:{'last' if place == WIDE else place.partition(':')[2]}"


@pytest.mark.parametrize("place", SETTINGS)
def test_all_but_the_history_changes_as_it_does_in_the_machine(place: str) -> None:
    machine, same = claims_in(place).machine, claims_in(usual(place)).machine
    assert machine.actions.keys() == same.actions.keys()
    assert machine.settings == same.settings
    for name, action in machine.actions.items():
        here, there = (_writing_less(each, list(HISTORY)) for each in (action, same.actions[name]))
        assert change_alike(machine, here, there), name


@pytest.mark.parametrize("place", SETTINGS[1:])
def test_guards_are_the_machines(place: str) -> None:
    machine, same = claims_in(place).machine, claims_in(usual(place)).machine
    state = symbolic_state(machine, Unbounded())
    for name, action in machine.actions.items():
        given = parameters_of(action)
        here, there = (trace(machine, each, state, given).guards for each in (action, same.actions[name]))
        assert [each.name for each in here] == [each.name for each in there]
        assert all(alike(one.holds, other.holds) for one, other in zip(here, there, strict=True))


@pytest.mark.parametrize("place", SETTINGS[1:])
def test_nothing_that_acts_or_is_claimed_depends_on_the_history(place: str) -> None:
    claims = claims_in(place)
    of_states = [each.of_state for each in claims.theorems.values() if each.of_state is not None]
    of_steps = [each.of_step for each in claims.theorems.values() if each.of_step is not None]
    assert not fields_that_matter(claims.machine, of_states, of_steps).intersection(HISTORY)


def test_every_theorem_is_claimed_and_its_setting_is_within_the_wide_one() -> None:
    for place in SETTINGS[1:]:
        claims, same = claims_in(place), claims_in(usual(place))
        assert claims.theorems == same.theorems
        assert (claims.within == WIDE) == (same.within is not None or place.endswith(":last"))


def test_the_usual_machine_registers_only_who_registers_in_the_wide_one() -> None:
    asked = [each for each in obligations(f"{WIDE.partition(':')[0]}:last") if each.action == "broker_registers"]
    assert [each.purpose for each in asked] == [Purpose.WITHIN, Purpose.STEP, Purpose.STEP]
    assert all(discharge(each).is_discharged for each in asked)


@pytest.mark.deep
@pytest.mark.parametrize("name", NOT_NEEDED)
def test_what_is_left_out_is_not_needed(name: str) -> None:
    (left_out,) = variant_named(name).changes
    assert isinstance(left_out, LeftOut)
    assert open_without(left_out, SETTINGS) == ()
