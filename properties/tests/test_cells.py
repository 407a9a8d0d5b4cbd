"""The table of theorems by failure: what its cells may do, what proves them, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product

import pytest
from attrs import evolve

from model.language import Machine
from properties.prove.obligations import Purpose, claims_in
from properties.refute import cells
from properties.refute import table as refute_table
from properties.refute.cells import CELLS, COLUMNS, FAILING, FAILURES, LAGGING, ROWS, Cell, machine_of_cell
from properties.refute.table import CellVerdict, Result, rests_on, result_of, summary, table
from properties.refute.variants import guard_names
from properties.variants.searching import CLEAN, ELIGIBLE


def cell_of(theorem: str, failure: str, *, has_elr: bool = False, is_slow: bool = False) -> Cell:
    """A cell by what it is about."""
    said = (theorem, failure, has_elr, is_slow)
    (found,) = (
        each
        for each in CELLS.values()
        if (each.row.theorem, each.column.failure, each.column.has_elr, each.column.is_slow) == said
    )
    return found


CRASH, DISK, UNCLEAN = "crash that keeps the log", "loss of the disk", "unclean election"


# -- machines --------------------------------------------------------------------------------------------------------


def test_there_is_a_cell_for_every_theorem_and_failure_model() -> None:
    claimed = {name for place in cells.SETTINGS for name in claims_in(place).theorems}
    assert {each.theorem for each in ROWS} == claimed
    assert len(COLUMNS) == len(FAILURES) * 2 * 2
    assert len(CELLS) == len(ROWS) * len(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.about)
def test_a_machine_fails_as_its_column_says_and_not_otherwise(column: cells.Column) -> None:
    for row in ROWS:
        machine = machine_of_cell(Cell(row, column))
        assert {each for each in FAILING if each in machine.actions} == set(FAILURES[column.failure])
        assert (LAGGING in machine.actions) is column.is_slow
        assert machine.settings["has_elr"] is column.has_elr
        assert {"broker_crashes", "broker_stops", "controller_elects"} <= machine.actions.keys()


def test_a_theorem_keeps_what_it_assumes_but_for_who_lags() -> None:
    slow = machine_of_cell(cell_of("N-1", DISK, is_slow=True))
    assert "it_is_not_the_survivor" in guard_names(slow, "disk_is_lost")
    assert "it_is_not_the_survivor" not in guard_names(slow, LAGGING)


def test_only_where_a_greater_number_is_usual_the_least_is_tried_as_well() -> None:
    for row in ROWS:
        usual = claims_in(row.setting).explored_with.get("min_isr", 1)
        tried = [each.get("min_isr", 1) for each in cells.givens(Cell(row, COLUMNS[0]))]
        assert tried == list(dict.fromkeys((usual, 1)))


# -- proofs ----------------------------------------------------------------------------------------------------------


def test_a_theorem_covers_the_cells_whose_steps_its_machine_can_take() -> None:
    assert cells.covering(cell_of("CLEAN", CRASH, is_slow=True)) == ("CLEAN",)
    assert cells.covering(cell_of("CLEAN", DISK, is_slow=True)) == ()
    assert cells.covering(cell_of("CLEAN", UNCLEAN)) == ()
    assert cells.covering(cell_of("LOG-MATCHING", UNCLEAN, is_slow=True)) == ("LOG-MATCHING",)


def without(machine: Machine, action: str) -> Machine:
    return evolve(machine, actions={name: each for name, each in machine.actions.items() if name != action})


def test_a_machine_with_an_action_or_a_guard_less_does_not_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, setting = cell_of("CLEAN", CRASH, is_slow=True), CLEAN
    assert cells.covers(cell, setting)
    claims = claims_in(setting)
    less = evolve(claims, machine=without(claims.machine, LAGGING))
    monkeypatch.setattr(cells, "claims_in", lambda place: less if place == setting else claims_in(place))
    assert not cells.covers(cell, setting)


def test_with_another_switch_nothing_covers() -> None:
    with_elr, without_elr = (cell_of("ELIGIBLE-HOLD-COMMITTED", DISK, has_elr=each) for each in (True, False))
    assert cells.covers(with_elr, ELIGIBLE)
    assert not cells.covers(without_elr, ELIGIBLE)


def test_what_is_missing_is_asked_of_the_steps_that_are_not_covered() -> None:
    asked = list(cells.obligations_of_cell(cell_of("CLEAN", UNCLEAN), CLEAN))
    (uncovered,) = FAILURES[UNCLEAN]
    assert {each.action for each in asked} == {uncovered}
    clauses = claims_in(CLEAN).clauses
    assert [each.name for each in asked if each.purpose is Purpose.KEPT] == list(clauses)
    assert [each.purpose for each in asked if each.purpose is not Purpose.KEPT] == [Purpose.WITHIN, Purpose.STEP]


def test_the_claims_of_a_cell_are_found_by_its_name() -> None:
    cell = cell_of("MIN-ISR", CRASH)
    found = claims_in(f"{cells.HERE}:{cell.name}@clean")
    assert found.machine is machine_of_cell(cell)
    assert list(found.theorems) == ["MIN-ISR", "ELIGIBLE-HOLD-COMMITTED"]
    assert found.clauses.keys() - claims_in(CLEAN).clauses.keys() == {"somebody_is_in_the_isr"}
    with pytest.raises(AttributeError, match="nix"):
        _ = cells.nix


# -- results ---------------------------------------------------------------------------------------------------------


def results_of(theorem: str, failure: str, became: Callable[[Cell], Result]) -> list[Result]:
    """A result for each cell of a theorem under a failure."""
    kinds = product((False, True), (False, True))
    return [became(cell_of(theorem, failure, has_elr=has_elr, is_slow=is_slow)) for has_elr, is_slow in kinds]


def proved(cell: Cell, *by: str) -> Result:
    return Result(cell.name, CellVerdict.PROVED, 0.0, by or (cell.row.theorem,))


def broken(cell: Cell, steps: int) -> Result:
    step = ("leader_appends", {"leader": 0})
    return Result(cell.name, CellVerdict.REFUTED, 0.0, steps=(step,) * steps)


def test_what_is_alike_is_said_once() -> None:
    assert summary(results_of("CLEAN", CRASH, proved)) == ["proved"]


def test_what_depends_on_kip966_is_said_for_both() -> None:
    found = results_of("CLEAN", DISK, lambda each: proved(each) if each.column.has_elr else broken(each, 3))
    assert summary(found) == ["without KIP-966: breaks with step 3", "with KIP-966: proved"]


def test_what_depends_on_who_is_slow_is_said_for_both() -> None:
    def became(each: Cell) -> Result:
        return broken(each, 5) if each.column.is_slow and not each.column.has_elr else proved(each)

    assert summary(results_of("N-1", DISK, became)) == [
        "without KIP-966, slow replicas stay: proved",
        "without KIP-966, slow replicas leave: breaks with step 5",
        "with KIP-966: proved",
    ]


def test_of_what_is_alike_only_the_first_is_told() -> None:
    found = results_of("CLEAN", CRASH, proved)
    assert summary(found, lambda each: each.cell) == [found[0].cell]


def test_what_proved_cells_rest_on_is_named_with_the_setting() -> None:
    some, other = cell_of("N-1", CRASH), cell_of("N-1", DISK)
    found = rests_on([proved(some, "CLEAN"), proved(other, "CLEAN"), proved(other, "survivor"), broken(some, 2)])
    assert found == {
        "CLEAN in setting clean": (CRASH, DISK),
        "the invariant of setting survivor, and what was shown for the cell besides": (DISK,),
    }


def test_a_result_is_data() -> None:
    cell = cell_of("MIN-ISR", DISK)
    found = evolve(broken(cell, 2), level=3, sizes={"Replica": 2}, theorem="MIN-ISR", given={"min_isr": 1})
    for each in (found, proved(cell, "MIN-ISR"), Result(cell.name, CellVerdict.OPEN, 1.5)):
        assert Result.of_data(json.loads(json.dumps(each.as_data()))) == each


def test_what_is_neither_proved_nor_broken_where_it_was_looked_for_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refute_table, "_is_shown", lambda _cell, _setting: False)
    assert result_of(cell_of("CLEAN", UNCLEAN).name, states=1).verdict is CellVerdict.OPEN


def test_a_cell_breaks_with_the_steps_to_it() -> None:
    found = result_of(cell_of("MIN-ISR", DISK).name)
    assert (found.verdict, found.theorem) == (CellVerdict.REFUTED, "MIN-ISR")
    assert found.level == len(found.steps) + 1


def test_results_come_back_in_order_and_are_told_one_by_one() -> None:
    names = [cell_of("CLEAN", CRASH).name, cell_of("LOG-MATCHING", CRASH).name]
    told: list[int] = []
    found = table(names, workers=1, show=lambda _newest, done: told.append(done))
    assert [(each.cell, each.verdict) for each in found] == [(name, CellVerdict.PROVED) for name in names]
    assert told == [1, 2]
