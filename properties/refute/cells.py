"""The theorems under each failure model: a machine and claims for every cell of the table.

A row is a theorem with what it assumes of actions; a column says which failures there are, whether KIP-966 is on, and
whether slow replicas leave the ISR. The machine of a cell takes the steps that the column allows, as the row assumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

from attrs import evolve, frozen

from model.language import Machine, State, anyof
from model.machines.replication import REPLICA, replication
from properties.claims import Claims, Clause, Theorem, clause_of
from properties.prove.engine import MACHINES
from properties.prove.obligations import Obligation, Purpose, claims_in
from properties.refute.variants import guard_names
from properties.variants.searching import ACKNOWLEDGED, CLEAN, ELIGIBLE, LAST, SURVIVOR
from properties.variants.variant import ANYTHING, UNASSUMED

HERE = "properties.refute.cells"
SETTINGS = MACHINES["replication"]

FAILURES: Mapping[str, tuple[str, ...]] = {
    "crash that keeps the log": (),
    "loss of what was not flushed": ("power_is_lost", "replica_flushes"),
    "loss of the disk": ("disk_is_lost",),
    "unclean election": ("controller_elects_unclean",),
}
"""Failure models, each with the actions that it adds to crashes that keep the log."""
FAILING = tuple(each for actions in FAILURES.values() for each in actions)
LAGGING = "leader_asks_to_drop"


@frozen
class Row:
    """A theorem, and where it is claimed."""

    theorem: str
    setting: str
    rests_on: tuple[str, ...] = ()
    """Theorems of the same setting that say the rest of its sentence."""


@frozen
class Column:
    """A failure model."""

    failure: str
    has_elr: bool
    is_slow: bool

    @property
    def about(self) -> str:
        """What reports call it."""
        elr = "with KIP-966" if self.has_elr else "without KIP-966"
        return f"{self.failure}, {elr}, slow replicas {'leave' if self.is_slow else 'stay in'} the ISR"


@frozen
class Cell:
    """A theorem under a failure model."""

    row: Row
    column: Column

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.row.theorem}/{self.column.about}"


ROWS = (
    Row("LOG-MATCHING", ANYTHING),
    Row("ONE-LEADER-PER-EPOCH", UNASSUMED),
    Row("EPOCH-FENCED", ANYTHING),
    Row("HW-MONOTONE", UNASSUMED),
    Row("CLEAN", CLEAN),
    Row("N-1", SURVIVOR),
    Row("LAST-MEMBER", LAST),
    Row("READ-STABLE", LAST),
    Row("ACKED-IS-COMMITTED", ACKNOWLEDGED),
    Row("ELIGIBLE-HOLD-COMMITTED", ELIGIBLE),
    Row("MIN-ISR", ELIGIBLE, rests_on=("ELIGIBLE-HOLD-COMMITTED",)),
)
COLUMNS = tuple(Column(*each) for each in product(FAILURES, (False, True), (False, True)))
CELLS = {each.name: each for each in (Cell(row, column) for row in ROWS for column in COLUMNS)}
"""Every cell, by name."""


# -- machines --------------------------------------------------------------------------------------------------------


def theorems_of_cell(cell: Cell) -> dict[str, Theorem]:
    """What is claimed in a cell."""
    known = claims_in(cell.row.setting).theorems
    return {name: known[name] for name in (cell.row.theorem, *cell.row.rests_on)}


@cache
def machine_of_cell(cell: Cell) -> Machine:
    """The machine that takes the steps of a cell's failure model, as its theorem assumes.

    What a theorem assumes of who lags is not assumed where slow replicas leave the ISR.
    """
    own = claims_in(cell.row.setting).machine
    allowed = FAILURES[cell.column.failure]
    actions = {}
    for name, action in replication.actions.items():
        if name in FAILING:
            if name in allowed:
                actions[name] = own.actions.get(name, action)
        elif name == LAGGING:
            if cell.column.is_slow:
                actions[name] = action
        elif name in own.actions:
            actions[name] = own.actions[name]
    return evolve(own, actions=actions, settings={**own.settings, "has_elr": cell.column.has_elr})


def givens(cell: Cell) -> tuple[Mapping[str, Any], ...]:
    """Settings with which the cell's states are enumerated: those of the claims, and the least min.insync.replicas."""
    usual = claims_in(cell.row.setting).explored_with
    return (usual, {**usual, "min_isr": 1}) if usual.get("min_isr", 1) != 1 else (usual,)


def explored_machine(cell: Cell, given: Mapping[str, Any]) -> Machine:
    """The machine, as its states are enumerated."""
    machine = machine_of_cell(cell)
    return machine.extended(machine.name, machine.about, settings=given)


# -- proofs ----------------------------------------------------------------------------------------------------------


def covering(cell: Cell) -> tuple[str, ...]:
    """The theorems that say as much about a machine which can take every step of the cell's; none if there are none."""
    for setting in SETTINGS:
        claims = claims_in(setting)
        found = [_same(each, claims) for each in theorems_of_cell(cell).values()]
        if all(found) and covers(cell, setting):
            return tuple(dict.fromkeys(each for each in found if each is not None))
    return ()


def _same(theorem: Theorem, claims: Claims) -> str | None:
    said = (theorem.of_state, theorem.of_step)
    return next((each.name for each in claims.theorems.values() if (each.of_state, each.of_step) == said), None)


def covers(cell: Cell, setting: str) -> bool:
    """Whether the machine of a setting can take every step of the cell's."""
    return next(_uncovered(cell, claims_in(setting)), None) is None


def has_other_settings(cell: Cell, setting: str) -> bool:
    """Whether the first states of a cell are not among those of a setting: then its invariant says nothing here."""
    given = machine_of_cell(cell).settings
    return any(given.get(name) != value for name, value in claims_in(setting).machine.settings.items())


def _uncovered(cell: Cell, claims: Claims) -> Iterator[str]:
    """The actions that the cell's machine can take where that of the claims can't; all, if its settings are others."""
    machine = machine_of_cell(cell)
    is_other = any(machine.settings.get(name) != value for name, value in claims.machine.settings.items())
    for name in machine.actions:
        if (
            is_other
            or name not in claims.machine.actions
            or not guard_names(claims.machine, name) <= guard_names(machine, name)
        ):
            yield name


def somebody_is_in_the_isr(s: State) -> Any:
    """Without KIP-966 somebody is in the ISR."""
    return anyof(s.has_elr, s.some(REPLICA, s.isr.has))


FURTHER: Mapping[str, Callable[[State], Any]] = {"MIN-ISR": somebody_is_in_the_isr}
"""What else every step keeps, for the theorem of a row."""


def obligations_of_cell(cell: Cell, setting: str) -> Iterator[Obligation]:
    """What has to be shown so that a cell's theorem follows from the invariant of a setting that does not say it."""
    claims = claims_in(setting)
    where = f"{HERE}:{cell.name}@{setting.partition(':')[2]}"
    machine = machine_of_cell(cell)
    uncovered = list(_uncovered(cell, claims))
    for name in uncovered:
        if claims.within is not None:
            yield Obligation(where, Purpose.WITHIN, "within", name)
        yield from (Obligation(where, Purpose.KEPT, clause, name) for clause in claims.clauses)
    for clause in _further(cell):
        yield Obligation(where, Purpose.START, clause)
        yield from (Obligation(where, Purpose.KEPT, clause, name) for name in machine.actions)
    for theorem in theorems_of_cell(cell).values():
        is_shown = _same(theorem, claims) is not None
        if theorem.of_state is not None and not is_shown:
            yield Obligation(where, Purpose.IMPLIED, theorem.name)
        if theorem.of_step is not None:
            asked = uncovered if is_shown else machine.actions
            yield from (Obligation(where, Purpose.STEP, theorem.name, name) for name in asked)


def _further(cell: Cell) -> dict[str, Clause]:
    if cell.row.theorem not in FURTHER:
        return {}
    clause = clause_of(FURTHER[cell.row.theorem])
    return {clause.name: clause}


def __getattr__(name: str) -> Claims:
    """The claims of a cell that rest on the invariant of a setting (`CELL@SETTING`): a proof asks for them by name."""
    cell_name, _, setting = name.rpartition("@")
    if cell_name not in CELLS:
        raise AttributeError(name)
    cell = CELLS[cell_name]
    claims = claims_in(next(each for each in SETTINGS if each.endswith(f":{setting}")))
    return evolve(
        claims,
        machine=machine_of_cell(cell),
        clauses={**claims.clauses, **_further(cell)},
        theorems=theorems_of_cell(cell),
        sometimes={},
    )
