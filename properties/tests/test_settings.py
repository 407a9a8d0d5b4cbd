"""Settings of the replication machine: what is assumed is needed, and what is open is told in words."""

from __future__ import annotations

import pytest

from model.language import Machine
from model.machines.replication import replication, sizes
from properties.claims import unguarded
from properties.explore.engine import Explorer
from properties.invariants.replication import survivor
from properties.invariants.replication_theorems import committed_is_kept

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
