"""What the solver found is told in the machine's own words: the step, and what is where the question looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import z3

from model.language import State, allof, no
from model.language.symbols import lifted
from model.language.tracing import Unbounded, parameters_of, symbolic_state
from model.machines.replication import REPLICA, replication
from model.readings.terms import Terms
from properties.prove.telling import tell


def told(condition: Callable[..., Any], *fields: str, action: str = "") -> tuple[str, ...]:
    """What is told of a state in which a condition holds; it takes the state, and the arguments of the action."""
    terms, solver = Terms(), z3.Solver()
    arguments = parameters_of(replication.actions[action]) if action else {}
    solver.add(terms.term(lifted(condition(symbolic_state(replication, Unbounded()), **arguments))))
    assert solver.check() == z3.sat
    return tell(solver.model(), terms, replication, frozenset(fields), action)


def test_numbers_and_truth_values_are_told_by_their_fields_names() -> None:
    def condition(s: State) -> Any:
        return allof(s.has_elr, s.leader_epoch == 2, s.partition_epoch == 5)

    said = ("has elr = yes", "leader epoch = 2", "partition epoch = 5")
    assert told(condition, "leader_epoch", "partition_epoch", "has_elr") == said


def test_what_is_zero_or_not_asked_about_is_not_told() -> None:
    def condition(s: State) -> Any:
        return allof(no(s.has_elr), s.leader_epoch == 0, s.partition_epoch == 5)

    assert told(condition, "leader_epoch", "has_elr") == ()


def test_replicas_have_letters_that_stay_theirs() -> None:
    def condition(s: State) -> Any:
        return s.some(
            REPLICA, lambda r: allof(s.alive[r], s.every(REPLICA, lambda q: s.alive[q] == (q == r)), s.end[r] == 4)
        )

    alive, *ends = told(condition, "alive", "end")
    letter = re.fullmatch(r"alive\[([A-Z])\] = yes", alive)
    assert letter is not None
    assert f"end[{letter[1]}] = 4" in ends


def test_the_step_is_told_first_and_what_is_near_its_numbers_is_looked_at() -> None:
    def condition(s: State, leader: Any, offset: Any) -> Any:
        return allof(offset == 1000, s.log[leader, 1000] == 7, s.log[leader, 999] == 6, s.log[leader, 500] == 5)

    step, *lines = told(condition, "log", action="leader_acknowledges")
    assert step == "step: leader acknowledges (leader=A, offset=1000)"
    assert {"log[A, 999] = 6", "log[A, 1000] = 7"} <= set(lines)
    assert not any("[A, 500]" in each for each in lines)
