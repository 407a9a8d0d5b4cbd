"""`at_least` and settings: what any number of replicas leaves of counting, and what no action may change."""

from __future__ import annotations

from typing import Any

import pytest
import z3

from model.language import LanguageError, Machine, State, Step, anyof, implies
from model.language.symbols import lifted, symbols_in
from model.language.tracing import Unbounded, first_conditions, symbolic_state
from model.machines.replication import sizes
from model.machines.replication_state import COUNT, REPLICA, replication
from model.readings import values
from model.readings.terms import Terms

SIZES = sizes(replicas=3, log=1, epochs=1)


@pytest.mark.parametrize("count", range(1, 6))
def test_what_is_taken_for_granted_of_at_least_is_true_of_counting(count: int) -> None:
    """Of so many replicas everybody is looked at, whoever is alive, fenced or of the ISR, for every number."""
    state = symbolic_state(replication, Unbounded())
    terms, solver = Terms({"Replica": count}), z3.Solver()
    counted = [lifted(at_least(state, *names)) for names in (("alive",), ("fenced",), ("alive", "fenced"))]
    axioms = terms.at_least_axioms(counted)
    assert len(axioms) == 6
    solver.add(z3.Not(z3.And(axioms)))
    assert solver.check() == z3.unsat


def at_least(state: State, *names: str) -> Any:
    """Whether those of whom one of the fields says yes are at least `min_isr`."""
    return state.at_least(state.min_isr, REPLICA, lambda r: anyof(*(getattr(state, name)[r] for name in names)))


def follows(fewer: Any, more: Any, terms: Terms) -> bool:
    """Whether one follows from the other, by what is taken for granted."""
    both = [lifted(fewer), lifted(more)]
    solver = z3.Solver()
    solver.add(*terms.at_least_axioms([each for one in both for each in symbols_in(one)]))
    solver.add(terms.term(both[0]), z3.Not(terms.term(both[1])))
    return bool(solver.check() == z3.unsat)


@pytest.mark.parametrize("size", [None, 3])
def test_more_are_at_least_as_many(size: int | None) -> None:
    state = symbolic_state(replication, Unbounded())
    fewer, more = at_least(state, "alive"), at_least(state, "alive", "fenced")
    for one, other, is_true in ((fewer, more, True), (more, fewer, False)):
        assert follows(one, other, Terms({} if size is None else {"Replica": size})) is is_true


def test_another_number_says_nothing() -> None:
    state = symbolic_state(replication, Unbounded())
    other = state.at_least(state.min_isr + 1, REPLICA, lambda r: state.alive[r])
    assert not follows(at_least(state, "alive"), other, Terms())


def test_values_are_counted() -> None:
    state = values.initial(replication, SIZES, min_isr=2)
    assert at_least(state, "alive")
    assert at_least(state.but(alive=state.alive.set(0, False)), "alive")
    assert not at_least(state.but(alive=state.alive.set(0, False).set(1, False)), "alive")


def test_what_does_not_depend_on_a_quantifiers_variable_can_be_said_within_it() -> None:
    state = symbolic_state(replication, Unbounded())
    within = state.every(REPLICA, lambda r: implies(state.leads[r], at_least(state, "alive")))
    assert "at least" in str(Terms().term(lifted(within)))


# -- settings --------------------------------------------------------------------------------------------------------


def test_a_setting_is_anything_unless_it_is_given() -> None:
    open_, given = replication, replication.extended("given", "", settings={"has_elr": True})
    state = symbolic_state(replication, Unbounded())
    for machine, is_open in ((open_, True), (given, False)):
        solver, terms = z3.Solver(), Terms()
        solver.add(*(terms.term(lifted(each)) for each in first_conditions(machine, state)))
        solver.add(terms.term(lifted(state.has_elr == False)))  # noqa: E712  a symbol
        assert (solver.check() == z3.sat) is is_open
    assert values.initial(given, SIZES).has_elr
    assert not values.initial(open_, SIZES).has_elr


def test_only_settings_can_be_given() -> None:
    with pytest.raises(LanguageError, match="no setting 'isr'"):
        replication.extended("given", "", settings={"isr": 1})


def test_no_action_changes_a_setting() -> None:
    machine = Machine("toy", {"min_isr": replication.fields["min_isr"]})
    with pytest.raises(LanguageError, match="min_isr is a setting"):

        @machine.action(to=COUNT)
        def changes(s: State, to: Any) -> Step:
            """A step.

            Who: somebody.
            When: at any time.
            Changes: what may not change.
            Source: this test.
            """
            return Step((), lambda: s.but(min_isr=to))
