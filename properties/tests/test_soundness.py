"""What would let something false pass for proved, or for redundant."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.language import BOOLEAN, Field, Guard, Machine, State, Step
from model.language.symbols import lifted
from model.language.tracing import Unbounded, parameters_of, symbolic_state
from model.machines.replication_state import OFFSET
from model.readings.terms import Terms
from properties.claims import Claims
from properties.invariants.replication import eligible, last
from properties.invariants.replication_theorems import committed_stays
from properties.prove import obligations as made
from properties.prove.engine import MACHINES
from properties.prove.obligations import claims_in
from properties.refute import cells, redundancy
from properties.refute.slicing import fields_that_matter
from properties.refute.table import _is_shown
from properties.refute.variants import variant

LOSS = "ELIGIBLE-HOLD-COMMITTED/loss of the disk, without KIP-966, slow replicas leave the ISR"


def test_what_is_asked_of_steps_matters() -> None:
    assert "committed" in fields_that_matter(last.machine, [], [committed_stays])


def test_a_setting_with_other_switches_shows_nothing_of_a_cell() -> None:
    cell = cells.CELLS[LOSS]
    assert cells.has_other_settings(cell, cell.row.setting)
    assert not _is_shown(cell, cell.row.setting)


@pytest.mark.parametrize("wider", [eligible, evolve(last, within="x:y")])
def test_claims_are_not_within_those_that_assume_more_of_first_states(
    wider: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "claims_in", lambda _where: wider)
    with pytest.raises(TypeError, match="can't be within"):
        made._Question(evolve(last, within="somewhere"))


def changing(action: str, **changed: object) -> Claims:
    """The widest claims of a machine in which an action changes something more."""
    machine = last.machine.extended("replication", "As it is, but for one action.")
    usual = machine.actions[action]

    def apply(state: State, **arguments: object) -> Step:
        step = usual.apply(state, **arguments)
        return Step(step.guards, lambda: step.effect().but(**changed))

    machine.actions[action] = evolve(usual, apply=apply)
    return evolve(last, machine=machine, within="somewhere")


@pytest.mark.parametrize("action", ["broker_crashes", "leader_advances_hw", "power_is_lost"])
def test_a_step_is_no_step_of_the_wider_claims_if_it_changes_something_else(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "claims_in", lambda _where: last)
    made._refuse_what_is_not_within(changing(action), last)
    with pytest.raises(TypeError, match=f"can't be within .*: {action} is another step there"):
        made._Question(changing(action, partition_epoch=0))


def test_nor_if_it_has_other_arguments_or_states_have_other_fields() -> None:
    machine = last.machine.extended("replication", "As it is, but for one action.")
    machine.actions["broker_crashes"] = evolve(machine.actions["broker_crashes"], parameters={"replica": OFFSET})
    with pytest.raises(TypeError, match="broker_crashes is another step there"):
        made._refuse_what_is_not_within(evolve(last, machine=machine), last)
    fields = {**last.machine.fields, "more": Field(OFFSET, "something else")}
    with pytest.raises(TypeError, match="its states have other fields"):
        made._refuse_what_is_not_within(evolve(last, machine=evolve(last.machine, fields=fields)), last)


def test_an_argument_is_no_field_of_its_name() -> None:
    machine = Machine("toy", {"hw": Field(OFFSET, "a high watermark"), "flag": Field(BOOLEAN, "a flag")})

    @machine.action(hw=OFFSET)
    def moves(s: State, hw: object) -> Step:
        """A step.

        Who: somebody.
        When: at any time.
        Changes: nothing.
        Source: this test.
        """
        return Step((Guard("it_is_the_hw", s.hw == hw),), lambda: s)

    state, terms = symbolic_state(machine, Unbounded()), Terms()
    (guard,) = moves.apply(state, **parameters_of(moves)).guards
    one, other = terms.term(lifted(guard.holds)).children()
    assert not one.eq(other)


def test_a_guard_is_left_out_of_the_wider_claims_only_where_all_of_them_is_asked_without_it() -> None:
    left_out = variant(last.machine, "broker_registers.its_session_is_over")
    asked = list(redundancy._that_all_is_kept(left_out, MACHINES["replication"]))
    spared = {each.claims for each in asked if each.is_left_out_of_wider}
    assert spared
    for place in spared:
        wider = claims_in(place).within
        assert wider is not None
        kept = {each.name for each in asked if each.claims == wider and each.purpose is made.Purpose.KEPT}
        assert kept == claims_in(wider).clauses.keys()
    followed = redundancy._that_it_follows(left_out, MACHINES["replication"])
    assert not any(each.is_left_out_of_wider for each in followed)
