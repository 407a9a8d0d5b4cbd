"""Settings of the replication machine: what is assumed is needed, and what is open is told in words."""

from __future__ import annotations

import pytest

from model.language import Machine
from model.machines.replication import replication, sizes
from properties.claims import Theorem, unguarded
from properties.explore.engine import Explorer
from properties.invariants.replication import survivor
from properties.invariants.replication_theorems import committed_is_kept
from properties.prove.engine import MACHINES
from properties.prove.obligations import claims_in
from properties.refute.variants import guard_names
from properties.variants.variant import WHOLE

COPYING = (
    "become_follower",
    "become_leader",
    "controller_elects",
    "follower_copies",
    "follower_sends_fetch",
    "leader_advances_hw",
    "leader_appends",
    "leader_handles_fetch",
)
FENCING = ("controller_drops", "controller_drops_leader", "controller_fences", "controller_unfences")


def level_of_loss(machine: Machine, *kept: str) -> int | None:
    """The level at which a committed record is first lost, if only some actions are ever taken."""
    left_out = tuple(each for each in machine.actions if each not in (*COPYING, *FENCING, *kept))
    small = machine.extended(machine.name, "Few actions.", without=left_out)
    explorer = Explorer(small, sizes(replicas=2, log=1, epochs=2, versions=3), {"committed is kept": committed_is_kept})
    violations = explorer.run(levels=14, workers=1).violations
    return violations[0].level if violations else None


def test_an_unclean_election_loses_a_committed_record() -> None:
    assert level_of_loss(replication, "controller_elects_unclean") == 10


@pytest.mark.deep
def test_a_broker_that_registers_before_its_death_was_noticed_loses_a_committed_record() -> None:
    unnoticed = unguarded(survivor.machine, "Unnoticed.", "broker_registers", "the_controller_noticed_its_death")
    assert level_of_loss(unnoticed, "disk_is_lost", "broker_registers") == 13


def test_a_guard_that_is_not_there_can_not_be_left_out() -> None:
    made = unguarded(replication, "Nothing.", "leader_appends", "nix")
    with pytest.raises(KeyError, match="no guard 'nix'"):
        Explorer(made, sizes(replicas=1, log=1, epochs=1))


# -- what theorems say that they assume ------------------------------------------------------------------------------


def not_assumed(theorem: Theorem, machine: Machine, whole: Machine) -> list[str]:
    """What a theorem names as assumed and the machine does not assume.

    `action.guard` is a guard that the machine's action has; `action` is one that the whole machine can take and this
    one never does; `setting = value` is a value that the machine does not have.
    """
    others = {f"{name} = {not value}" for name, value in machine.settings.items() if isinstance(value, bool)}
    found = []
    for name in (part for _sentence, names in theorem.assumes for part in names.split(", ")):
        if name in others:
            continue
        action, is_guard, guard = name.partition(".")
        is_assumed = (
            guard in guard_names(machine, action)
            if is_guard
            else action in whole.actions and action not in machine.actions
        )
        if not is_assumed:
            found.append(name)
    return found


@pytest.mark.parametrize("place", [each for places in MACHINES.values() for each in places])
def test_what_a_theorem_assumes_the_machine_of_its_setting_does(place: str) -> None:
    claims = claims_in(place)
    whole = WHOLE.get(place.partition(":")[0], claims.machine)
    assert claims.theorems
    assert [each for theorem in claims.theorems.values() for each in not_assumed(theorem, claims.machine, whole)] == []


@pytest.mark.parametrize(
    "name", ["controler_fences.it_lags", "controller_fences.it_is_not_the_surviver", "disk_is_lots", "disk_is_lost"]
)
def test_an_assumption_that_is_none_is_noticed(name: str) -> None:
    said = "controller_fences.it_is_not_the_survivor"
    assert not_assumed(Theorem("T", "", assumes=(("", said),)), survivor.machine, replication) == []
    wrong = Theorem("T", "", assumes=(("", f"{said}, {name}"),))
    assert not_assumed(wrong, survivor.machine, replication) == [name]
