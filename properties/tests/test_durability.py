"""The log on a disk: its theorems are proved, nothing breaks in small logs, and what is left out is found out."""

from __future__ import annotations

import pytest

from model.machines.durability import durability, sizes
from model.readings import values
from properties.explore.engine import Explorer
from properties.explore.machines import explorable
from properties.invariants.durability import anything
from properties.prove.obligations import Purpose, discharge, obligations
from properties.refute.catalogue import variant_named
from properties.refute.engine import Verdict, refute
from properties.refute.replay import replay
from properties.refute.variants import variants
from properties.variants.durability import ANYTHING, of_durability

LEVELS = {
    "no-crc-check": ("NO-BAD-RECORD-SERVED", 8),
    "index-trusted": ("NO-BAD-RECORD-SERVED", 8),
    "recovery-point-before-flush": ("FLUSHED-KEPT", 4),
    "segment-without-directory-sync": ("FLUSHED-KEPT", 6),
    "checkpoint-in-place": ("NO-BAD-RECORD-SERVED", 10),
    "rename-without-directory-sync": ("NO-BAD-RECORD-SERVED", 16),
    "marker-comes-back": ("NO-BAD-RECORD-SERVED", 10),
    "cut-not-synced": ("RECOVERED-IS-PREFIX", 13),
    "marker-before-flush": ("NO-BAD-RECORD-SERVED", 7),
}


def test_every_obligation_is_discharged() -> None:
    answers = [discharge(each) for each in obligations(ANYTHING)]
    assert [each.obligation.about for each in answers if not each.is_discharged] == []
    assert {each.obligation.name for each in answers if each.obligation.purpose is Purpose.IMPLIED} == set(
        anything.theorems
    )


def test_every_state_of_a_small_log() -> None:
    chosen = explorable("durability")
    result = Explorer(chosen.machine, chosen.sizes, chosen.invariants, changes=chosen.changes).run()
    assert (result.distinct, result.generated, result.depth) == (130_260, 1_281_587, 26)
    assert result.is_complete
    assert result.violations == ()


@pytest.mark.parametrize("name", of_durability())
def test_every_variant_breaks_a_theorem(name: str) -> None:
    found = refute(variant_named(name), workers=1)
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    if name in LEVELS:
        assert (found.counterexample.theorem, found.counterexample.level) == LEVELS[name]
    replay(found)


def test_every_critical_guard_is_a_variant() -> None:
    critical = {
        f"durability/{each.name}"
        for each in variants(durability).values()
        if each.safety_critical and each.conjunct is None
    }
    assert critical | LEVELS.keys() == of_durability().keys()


def test_a_recovery_from_a_torn_write() -> None:
    """Two records, one flushed; the other is torn; the log comes back with the first."""
    state = values.initial(durability, sizes(log=2, openings=2))
    for name, arguments in (
        ("records_are_appended", {}),
        ("segments_are_synced", {}),
        ("directory_is_synced", {}),
        ("recovery_point_rises", {"to": 1}),
        ("records_are_appended", {}),
        ("length_reaches_disk", {}),
        ("record_is_torn", {"offset": 1}),
        ("power_is_lost", {}),
        ("log_is_opened", {}),
        ("recovery_checks", {}),
        ("recovery_cuts", {}),
        ("index_is_rebuilt", {}),
        ("recovery_ends", {}),
    ):
        state = values.take(durability.actions[name], state, **arguments)
    assert (state.serves, state.end, state.log[0], state.flushed) == (True, 1, 1, 1)
