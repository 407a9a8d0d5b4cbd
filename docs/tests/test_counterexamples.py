"""Counterexamples: the saved ones run and break what they say; the named ones are found again, at the same level."""

from __future__ import annotations

import pytest

from docs.counterexamples import refutations, without
from docs.failures import results
from properties.prove.engine import MACHINES
from properties.prove.obligations import claims_in
from properties.refute.catalogue import catalogue, variant_named
from properties.refute.cells import CELLS, explored_machine, theorems_of_cell
from properties.refute.engine import Refutation, Verdict, refute, refute_all
from properties.refute.replay import NotACounterexampleError, replay, run
from properties.refute.table import CellVerdict, Result, result_of, table
from properties.variants.redundant import KEPT, why_kept
from properties.variants.variant import Kind, theorems_of

FOUND = [each for each in refutations().values() if each.counterexample is not None]
CHANGED = [each for each in FOUND if variant_named(each.variant).changes]
BROKEN = [each for each in results() if each.verdict is CellVerdict.REFUTED]

LEVELS = {
    "truncate-to-hw": ("WeakIsr", 9),
    "kip101-without-kip279": ("WeakIsr", 12),
    "kip279-without-fencing": ("WeakIsr", 11),
    "kip320-first-try": ("WeakIsr", 12),
    "advance-on-the-committed-isr": ("LAST-MEMBER", 14),
    "unclean-election": ("LAST-MEMBER", 10),
    "hw-below-min-isr": ("ELIGIBLE-HOLD-COMMITTED", 7),
    "last-replica-standing": ("ELIGIBLE-HOLD-COMMITTED", 13),
    "fetch-without-epoch-fencing": ("EPOCH-FENCED", 8),
    "decisions-from-before-a-start": ("EPOCH-FENCED", 8),
    "stale-broker-epoch-joins": ("LAST-MEMBER", 17),
    "acks-1": ("ACKED-IS-COMMITTED", 5),
    "refused-request-again": ("LAST-MEMBER", 16),
    "registers-before-its-death-is-noticed": ("N-1", 13),
    "positions-kept": ("LAST-MEMBER", 19),
    "election-outside-the-isr": ("LAST-MEMBER", 10),
    "power-loss-of-all": ("LAST-MEMBER", 12),
    "disk-of-the-last-member": ("LAST-MEMBER", 12),
    "n-1/it_never_stops": ("N-1", 11),
    "n-1/its_power_is_never_lost": ("N-1", 11),
    "n-1/its_disk_is_never_lost": ("N-1", 11),
    "n-1/its_session_is_never_over": ("N-1", 10),
    "n-1/it_never_lags": ("N-1", 10),
    "n-1/the_controller_noticed_its_death": ("N-1", 13),
    "n-1/it_was_not_refused_before": ("N-1", 16),
    "n-1/no_decision_is_heard_twice": ("N-1", 15),
    "clean/no_power_is_lost": ("CLEAN", 11),
    "clean/no_disk_is_lost": ("CLEAN", 11),
    "clean/nobody_outside_the_isr_is_elected": ("CLEAN", 10),
    "clean/it_was_not_refused_before": ("CLEAN", 16),
    "clean/no_decision_is_heard_twice": ("CLEAN", 15),
    "last-member/no_member_comes_back_with_less": ("LAST-MEMBER", 12),
    "eligible/nobody_outside_the_isr_is_elected": ("ELIGIBLE-HOLD-COMMITTED", 10),
    "eligible/it_was_not_refused_before": ("ELIGIBLE-HOLD-COMMITTED", 16),
    "eligible/no_decision_is_heard_twice": ("ELIGIBLE-HOLD-COMMITTED", 15),
    "min-isr/nobody_outside_the_isr_is_elected": ("MIN-ISR", 7),
    "min-isr/it_was_not_refused_before": ("MIN-ISR", 19),
    "min-isr/no_decision_is_heard_twice": ("MIN-ISR", 18),
    "last-member/no_decision_is_heard_twice": ("LAST-MEMBER", 15),
    "read-stable/no_member_comes_back_with_less": ("READ-STABLE", 16),
    "read-stable/nobody_outside_the_isr_is_elected": ("READ-STABLE", 13),
    "read-stable/it_was_not_refused_before": ("READ-STABLE", 22),
    "read-stable/no_decision_is_heard_twice": ("READ-STABLE", 21),
    "acked-is-committed/no_member_comes_back_with_less": ("ACKED-IS-COMMITTED", 12),
    "acked-is-committed/nobody_outside_the_isr_is_elected": ("ACKED-IS-COMMITTED", 10),
    "acked-is-committed/it_was_not_refused_before": ("ACKED-IS-COMMITTED", 16),
    "acked-is-committed/no_decision_is_heard_twice": ("ACKED-IS-COMMITTED", 15),
    "log-matching/the_controller_noticed_its_death": ("LOG-MATCHING", 17),
    "epoch-fenced/the_controller_noticed_its_death": ("EPOCH-FENCED", 14),
    "n-1/it_forgets_its_followers": ("N-1", 19),
    "clean/it_forgets_its_followers": ("CLEAN", 19),
    "eligible/it_forgets_its_followers": ("ELIGIBLE-HOLD-COMMITTED", 19),
    "acked-is-committed/it_forgets_its_followers": ("ACKED-IS-COMMITTED", 19),
    "no-crc-check": ("NO-BAD-RECORD-SERVED", 9),
    "index-trusted": ("NO-BAD-RECORD-SERVED", 8),
    "recovery-point-before-flush": ("FLUSHED-KEPT", 4),
    "segment-without-directory-sync": ("FLUSHED-KEPT", 6),
    "checkpoint-in-place": ("NO-BAD-RECORD-SERVED", 11),
    "rename-without-directory-sync": ("NO-BAD-RECORD-SERVED", 17),
    "marker-comes-back": ("NO-BAD-RECORD-SERVED", 10),
    "cut-not-synced": ("RECOVERED-IS-PREFIX", 14),
    "marker-before-flush": ("NO-BAD-RECORD-SERVED", 7),
}
SLOW = {
    "expand-without-epoch-start": ("LAST-MEMBER", 18),
    "min-isr/it_forgets_its_followers": ("MIN-ISR", 19),
    "read-stable/it_forgets_its_followers": ("READ-STABLE", 23),
}


# -- what is saved ---------------------------------------------------------------------------------------------------


def test_all_that_is_critical_is_saved() -> None:
    needed = {each.name for each in catalogue().values() if each.is_critical and each.kind is not Kind.CONJUNCT}
    assert needed <= refutations().keys()
    assert refutations().keys() <= catalogue().keys()


def test_what_breaks_without_a_guard_is_marked_at_the_guard() -> None:
    unmarked = [each.variant for each in FOUND if each.kind is Kind.GUARD and not each.is_critical]
    assert unmarked == []


@pytest.mark.parametrize("saved", FOUND, ids=lambda each: each.variant)
def test_a_saved_counterexample_runs_and_breaks_its_theorem(saved: Refutation) -> None:
    replay(saved)


@pytest.mark.parametrize(
    "saved", [each for each in FOUND if variant_named(each.variant).changes], ids=lambda s: s.variant
)
def test_a_saved_counterexample_is_none_of_the_machine_as_it_is(saved: Refutation) -> None:
    found = saved.counterexample
    assert found is not None
    theorem = theorems_of(found.search.setting)[found.theorem]
    with pytest.raises(NotACounterexampleError):
        run(claims_in(found.search.setting).explored, theorem, found.search.sizes, found.steps)


@pytest.mark.parametrize("saved", BROKEN, ids=lambda each: each.cell)
def test_a_saved_cell_runs_and_breaks_its_theorem(saved: Result) -> None:
    assert saved.theorem is not None
    assert saved.sizes is not None
    cell = CELLS[saved.cell]
    theorem = theorems_of_cell(cell)[saved.theorem]
    run(explored_machine(cell, saved.given), theorem, saved.sizes, saved.steps)


def test_every_cell_is_proved_or_refuted() -> None:
    assert [each.cell for each in results()] == list(CELLS)
    assert [each.cell for each in results() if each.verdict is CellVerdict.OPEN] == []


def test_what_is_not_refuted_is_kept_for_a_reason() -> None:
    stands = {each.variant for each in refutations().values() if each.verdict is not Verdict.REFUTED}
    assert KEPT.keys() <= stands
    assert [each for each in sorted(stands) if why_kept(each) is None] == []


PAIRS = [
    (theorem.name, assumed, place)
    for place in MACHINES["replication"]
    for theorem in claims_in(place).theorems.values()
    for _sentence, assumed in theorem.assumes
]


@pytest.mark.parametrize(("theorem", "assumed", "place"), PAIRS)
def test_every_theorem_breaks_without_each_of_its_assumptions(theorem: str, assumed: str, place: str) -> None:
    assert without(assumed, place, theorem)


# -- what is found again ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEVELS)
def test_a_named_variant_breaks_a_theorem(name: str) -> None:
    found = refute(variant_named(name), workers=1).counterexample
    assert found is not None
    assert (found.theorem, found.level) == LEVELS[name]


def test_every_design_and_assumption_is_pinned() -> None:
    named = {each.name for each in catalogue().values() if each.kind in {Kind.DESIGN, Kind.ASSUMPTION}}
    assert LEVELS.keys() | SLOW.keys() == named - KEPT.keys()


@pytest.mark.deep
@pytest.mark.parametrize("name", SLOW)
def test_a_named_variant_breaks_a_theorem_after_a_while(name: str) -> None:
    found = refute(variant_named(name)).counterexample
    assert found is not None
    assert (found.theorem, found.level) == SLOW[name]


@pytest.mark.deep
def test_every_critical_guard_comes_out_as_it_was_saved() -> None:
    guards = {each.name for each in catalogue().values() if each.kind is Kind.GUARD and each.is_critical}
    known = [each for each in refutations().values() if each.verdict is not Verdict.UNDECIDED]
    names = [each.variant for each in known if each.variant in guards]
    assert [outcome(each) for each in refute_all(names)] == [outcome(refutations()[name]) for name in names]


def outcome(each: Refutation) -> tuple[str, Verdict, str, int]:
    found = each.counterexample
    return (each.variant, each.verdict, found.theorem if found else "", found.level if found else 0)


@pytest.mark.deep
def test_every_cell_comes_out_as_it_was_saved() -> None:
    assert [(each.cell, each.verdict, each.level) for each in table()] == [
        (each.cell, each.verdict, each.level) for each in results()
    ]


def test_a_cell_that_a_theorem_covers_is_proved_by_it() -> None:
    name = next(each for each, cell in CELLS.items() if cell.row.theorem == "N-1" and cell.column.has_elr)
    assert (result_of(name).verdict, result_of(name).by) == (CellVerdict.PROVED, ("CLEAN",))
