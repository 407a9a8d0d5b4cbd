"""The proof: its obligations, what it says when something is open, and that it fails when it should."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator

import pytest

from model.language import Guard, Machine, State, Step
from model.machines.replication import OFFSET, REPLICA, replication, sizes
from properties.claims import Claims, Theorem
from properties.invariants.replication import LAST, last
from properties.prove import engine
from properties.prove import obligations as made
from properties.prove.engine import UnknownNameError, prove
from properties.prove.needed import Need, need, used_by
from properties.prove.obligations import Obligation, Purpose, asked_for, discharge, obligations

MODULE = "properties.tests.claims_of_a_toy"


def toy(*, guarded: bool) -> Claims:
    """A machine whose ends only grow, if it is guarded."""
    machine = Machine("toy", {"end": replication.fields["end"]})

    @machine.action(replica=REPLICA, to=OFFSET)
    def moves(s: State, replica: object, to: object) -> Step:
        """An end is moved.

        Who: somebody.
        When: at any time.
        Changes: the end.
        Source: this test.
        """
        guards = (Guard("it_is_further", to > s.end[replica], safety_critical=True),) if guarded else ()
        return Step(guards, lambda: s.but(end=s.end.set(replica, to)))

    claims = Claims(machine, sizes(replicas=1, log=1, epochs=1))

    @claims.clause
    def ends_are_not_negative(s: State) -> object:
        """No end is negative."""
        return s.every(REPLICA, lambda r: s.end[r] >= 0)

    @claims.sometime
    def an_end_moved(s: State) -> object:
        """Somebody moved."""
        return s.some(REPLICA, lambda r: s.end[r] > 0)

    def grows(before: State, after: State) -> object:
        return before.every(REPLICA, lambda r: after.end[r] >= before.end[r])

    claims.theorem(Theorem("GROWS", "Ends only grow.", of_state=ends_are_not_negative, of_step=grows))
    return claims


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Claims], None]]:
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    yield lambda claims: setattr(module, "claims", claims)
    made._question.cache_clear()
    made.reached.cache_clear()


def test_a_guarded_machine_is_proved(claimed: Callable[[Claims], None]) -> None:
    claimed(toy(guarded=True))
    answers = [discharge(each) for each in obligations(MODULE)]
    assert [each.obligation.about for each in answers if not each.is_discharged] == []
    assert {each.obligation.purpose for each in answers} == set(Purpose) - {Purpose.LEMMA, Purpose.WITHIN}


def test_without_its_guard_the_theorem_is_open(claimed: Callable[[Claims], None]) -> None:
    claimed(toy(guarded=False))
    still_open = [each for each in map(discharge, obligations(MODULE)) if not each.is_discharged]
    assert [(each.obligation.about, each.said) for each in still_open] == [("GROWS / moves", "sat")]


def test_what_can_not_be_reached_is_open(claimed: Callable[[Claims], None]) -> None:
    claims = toy(guarded=True)

    @claims.sometime
    def nobody_is_there(s: State) -> object:
        """An end is negative."""
        return s.some(REPLICA, lambda r: s.end[r] < 0)

    claimed(claims)
    still_open = [each for each in map(discharge, obligations(MODULE)) if not each.is_discharged]
    assert [(each.obligation.name, each.said) for each in still_open] == [("nobody_is_there", "never reached")]


def test_a_false_first_state_is_open(claimed: Callable[[Claims], None]) -> None:
    claims = toy(guarded=True)

    @claims.clause
    def ends_are_past_zero(s: State) -> object:
        """Every end is past zero."""
        return s.every(REPLICA, lambda r: s.end[r] > 0)

    claimed(claims)
    still_open = {each.obligation.about for each in map(discharge, obligations(MODULE)) if not each.is_discharged}
    assert still_open == {"ends_are_past_zero (start)"}


def test_a_clause_without_words_is_refused() -> None:
    claims = toy(guarded=True)
    with pytest.raises(TypeError, match="say it in English"):
        claims.clause(lambda s: s.every(REPLICA, lambda r: s.end[r] >= 0))


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="nothing is claimed of a machine 'nix'"):
        prove("nix")
    with pytest.raises(UnknownNameError, match="LOG-MATCHING"):
        prove("replication", "nix")


def test_every_machine_that_is_claimed_of_has_obligations() -> None:
    for places in engine.MACHINES.values():
        assert sum(1 for place in places for _each in obligations(place)) > 100


def test_a_wrong_theorem_is_a_wrong_choice() -> None:
    command = [sys.executable, "-m", "conformance.cli", "prove", "replication", "--theorem", "nix"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no theorem 'nix'" in done.stderr


def test_what_follows_from_the_others_is_redundant(claimed: Callable[[Claims], None]) -> None:
    claims = toy(guarded=True)

    @claims.clause
    def ends_are_past_minus_one(s: State) -> object:
        """No end is less than minus one, which the other clause says as well."""
        return s.every(REPLICA, lambda r: s.end[r] >= -1)

    claimed(claims)
    asked = [each for each in obligations(MODULE) if each.purpose is not Purpose.SOMETIMES]
    users = {
        name: [each for each, facts in map(used_by, asked) if facts is not None and name in facts and each.name != name]
        for name in claims.clauses
    }
    assert need("ends_are_past_minus_one", users["ends_are_past_minus_one"]) == Need("ends_are_past_minus_one", None)
    needed = need("ends_are_not_negative", users["ends_are_not_negative"])
    assert needed.by is not None
    assert needed.by.about == "GROWS (implied)"


@pytest.mark.deep
def test_every_clause_is_needed() -> None:
    command = [sys.executable, "-m", "conformance.cli", "prove", "replication", "--clauses", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)
    found = json.loads(done.stdout)
    assert len(found) > 50
    assert [each["clause"] for each in found if each["needed_by"] is None] == []
    assert done.returncode == 0


@pytest.mark.deep
def test_replication_is_proved() -> None:
    command = [sys.executable, "-m", "conformance.cli", "prove", "replication", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)
    found = json.loads(done.stdout)
    assert found["open"] == 0, done.stdout
    assert done.returncode == 0
    assert all(each["proved"] for each in found["theorems"])


def test_no_hint_is_given_twice() -> None:
    overlapping = [
        key for key, names in last.hints.items() if key[0] in last.clauses and key[1] and len(set(names)) < len(names)
    ]
    assert overlapping
    for name, action in overlapping:
        asked = asked_for(Obligation(LAST, Purpose.KEPT, name, action))
        assert asked is not None
        assert len({each.name for each in asked.hinted}) == len(asked.hinted)
