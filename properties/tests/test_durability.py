"""The log on a disk: its theorems are proved, nothing breaks in small logs, and what is left out is found out."""

from __future__ import annotations

import pytest

from model.machines.durability import durability, sizes
from model.readings import values
from properties.explore.engine import Explorer
from properties.explore.machines import explorable
from properties.invariants.durability import anything
from properties.prove.obligations import Purpose, discharge, obligations
from properties.refute.catalogue import catalogue
from properties.refute.engine import Verdict, refute
from properties.refute.redundancy import open_without
from properties.refute.replay import replay
from properties.refute.variants import variants
from properties.variants.changes import LeftOut
from properties.variants.durability import ANYTHING, DESIGNS, KEPT
from properties.variants.variant import Variant

GUARDS = [each for each in catalogue().values() if each.name.startswith("durability/")]


def test_every_obligation_is_discharged() -> None:
    answers = [discharge(each) for each in obligations(ANYTHING)]
    assert [each.obligation.about for each in answers if not each.is_discharged] == []
    assert {each.obligation.name for each in answers if each.obligation.purpose is Purpose.IMPLIED} == set(
        anything.theorems
    )


def test_every_state_of_a_small_log() -> None:
    chosen = explorable("durability")
    result = Explorer(chosen.machine, chosen.sizes, chosen.invariants, changes=chosen.changes).run()
    assert (result.distinct, result.generated, result.depth) == (399_224, 5_696_152, 34)
    assert result.is_complete
    assert result.violations == ()


@pytest.mark.parametrize("variant", [each for each in GUARDS if each.is_critical], ids=lambda each: each.name)
def test_without_a_critical_guard_a_theorem_breaks(variant: Variant) -> None:
    found = refute(variant, workers=1)
    assert found.verdict is Verdict.REFUTED
    replay(found)


@pytest.mark.parametrize("variant", [each for each in GUARDS if not each.is_critical], ids=lambda each: each.name)
def test_without_another_guard_the_theorems_are_proved(variant: Variant) -> None:
    assert refute(variant, workers=1).verdict is Verdict.REDUNDANT
    assert variant.name in KEPT


def test_every_guard_is_a_variant() -> None:
    assert {each.name for each in GUARDS} == {f"durability/{name}" for name in variants(durability)}
    assert {"no-crc-check", "index-trusted", "cut-not-synced"} <= {each.name for each in DESIGNS} <= catalogue().keys()


@pytest.mark.deep
def test_what_a_guard_is_needed_for_is_not_proved_without_it() -> None:
    assert open_without(LeftOut("recovery_checks", "the_checksum_is_right"), (ANYTHING,)) != ()


def test_a_recovery_from_a_torn_write() -> None:
    """Two records, one flushed; the other is torn; the log comes back with the first."""
    state = values.initial(durability, sizes(log=2, openings=2))
    for name, arguments in (
        ("records_are_appended", {}),
        ("segments_are_synced", {"since": 0, "to": 1}),
        ("directory_is_synced", {}),
        ("recovery_point_rises", {"to": 1}),
        ("records_are_appended", {}),
        ("length_reaches_disk", {"to": 2}),
        ("record_is_torn", {"offset": 1}),
        ("power_is_lost", {}),
        ("log_is_opened", {}),
        ("recovery_checks", {}),
        ("recovery_cuts", {}),
        ("log_directory_is_synced", {}),
        ("index_is_rebuilt", {}),
        ("recovery_ends", {}),
    ):
        state = values.take(durability.actions[name], state, **arguments)
    assert (state.serves, state.end, state.log[0], state.flushed) == (True, 1, 1, 1)
