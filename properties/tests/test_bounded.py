"""The bounded check: every run of so many steps, exactly; without a guard it finds what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from attrs import evolve

from model.language import Guard, Machine, State, Step
from model.machines.replication import OFFSET, replication, sizes
from model.readings import values
from properties.claims import Claims, Theorem, unguarded
from properties.explore import bounded
from properties.explore.bounded import check, explore, likely, safe
from properties.invariants.replication import anything, eligible, last
from properties.prove.engine import UnknownNameError


def by_hand(claims: Claims, replicas: int, steps: int) -> int:
    """How many states can be reached, on Python's values, a state at a time; who is who is told apart."""
    large = safe(replicas, steps)
    machine = claims.machine
    starts = bounded._starts(claims, large)
    level = {values.row_of(machine, large, values.initial(machine, large, **given)) for given in starts}
    seen = set(level)
    for _ in range(steps):
        after = {
            values.row_of(machine, large, step.take())
            for row in level
            for step in values.enabled(machine, values.state_of(machine, large, row))
        }
        level = after - seen
        seen |= level
    return len(seen)


def test_it_sees_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_run", lambda explorer, **how: explorer.run(keep_going=True, **how))
    found = explore("last", last, replicas=1, steps=4)
    assert found.is_exact
    assert found.permutations == 1
    assert found.states == by_hand(last, 1, 4)


def test_larger_sizes_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    small = explore("anything", anything, replicas=2, steps=4)
    monkeypatch.setattr(bounded, "likely", safe)
    large = explore("anything", anything, replicas=2, steps=4)
    assert small.sizes != large.sizes
    assert (small.states, small.generated, small.is_exact) == (large.states, large.generated, True)


def test_every_theorem_holds_in_every_setting() -> None:
    found = check("replication", replicas=2, steps=3)
    assert not found.violated
    assert all(each.is_exact for each in found.settings)
    assert {each.theorem for each in found.outcomes} >= {"CLEAN", "N-1", "MIN-ISR", "LOG-MATCHING", "READ-STABLE"}


def test_settings_that_are_open_are_all_chosen() -> None:
    chosen = list(bounded._starts(eligible, likely(2, 2)))
    assert {each["min_isr"] for each in chosen} == {0, 1, 2}
    assert all("has_elr" not in each for each in chosen)  # it is given


def test_without_a_guard_what_goes_wrong_is_found() -> None:
    careless = unguarded(last.machine, "Careless.", "leader_advances_hw", "it_has_the_record")
    found = explore("last", evolve(last, machine=careless), replicas=2, steps=5)
    violated = {each.theorem: each for each in found.outcomes if each.violation is not None}
    assert "READ-STABLE" in violated
    one = violated["READ-STABLE"]
    assert one.violation is not None
    state = values.initial(careless, found.sizes, **one.start)
    for action, arguments in one.violation.steps:
        assert last.theorems["READ-STABLE"].of_state(state)  # type: ignore[misc]
        state = values.take(careless.actions[action], state, **arguments)
    assert not last.theorems["READ-STABLE"].of_state(state)  # type: ignore[misc]


def test_arguments_without_a_bound_are_not_exact() -> None:
    machine = Machine("jumps", {"end": replication.fields["leader_epoch"]})

    @machine.action(to=OFFSET)
    def jumps(s: State, to: object) -> Step:
        """Something is written.

        Who: somebody.
        When: at any time; how much is written is not bound by anything.
        Changes: nothing.
        Source: this test.
        """
        return Step((Guard("it_is_something", to > 0),), lambda: s.but(end=s.end))  # type: ignore[operator]

    claims = Claims(machine, sizes(replicas=1, log=1, epochs=1))
    claims.theorem(Theorem("NOTHING", "Nothing happens.", of_state=lambda s: s.end == 0))
    assert not explore("jumps", claims, replicas=1, steps=2).is_exact


def test_an_unknown_theorem_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"no theorem 'NIX' about replication; there are .*N-1"):
        check("replication", replicas=1, steps=1, theorem="NIX")


def tidegauge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_a_table_or_json() -> None:
    done = tidegauge("prove", "replication", "--replicas", "2", "--steps", "3", "--theorem", "N-1")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 hold in every run of at most 3 steps of 2 replicas, from every first state" in done.stdout
    done = tidegauge("prove", "replication", "--replicas", "2", "--steps", "2", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["replicas"], found["steps"], found["violated"]) == (2, 2, 0)
    assert all(each["holds"] for each in found["theorems"])
    assert all(each["exact"] for each in found["settings"])


def test_replicas_and_steps_go_together() -> None:
    done = tidegauge("prove", "replication", "--steps", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--replicas and --steps go together" in done.stderr
