"""What becomes of every cell of the table: proved, and by what; refuted, by a way as short as any of its size; or open.

A cell is proved if a theorem that says as much is claimed of a machine that can take every step of the cell's, or if
what is missing is discharged. The theorem and the invariant are not proved once more here: `rests_on` says what
`tidegauge prove` has to show. The other cells are explored until the theorem breaks.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from model.language import Sizes
from properties.explore.engine import Violation
from properties.prove.obligations import claims_in, discharge
from properties.refute import cells
from properties.refute.cells import CELLS, Cell
from properties.refute.engine import WORKERS, first_violation
from properties.variants.searching import PAIR, PAIR_LATER_LONGER, PAIR_LONGER
from properties.variants.variant import ANYTHING, STATES_MOST, setting_called

SIZES = (PAIR, PAIR_LONGER, PAIR_LATER_LONGER)


class CellVerdict(StrEnum):
    """What is known of a cell."""

    PROVED = "proved"
    REFUTED = "refuted"
    OPEN = "open"


@frozen
class Result:
    """What became of a cell. Data only."""

    cell: str
    verdict: CellVerdict
    seconds: float
    by: tuple[str, ...] = ()
    """The theorems that prove it, or the setting from whose invariant it was shown."""
    sizes: Sizes | None = None
    level: int | None = None
    theorem: str | None = None
    """The theorem that breaks: the row's, or one that it rests on."""
    steps: tuple[tuple[str, Mapping[str, int]], ...] = ()
    given: Mapping[str, Any] = field(factory=dict)
    """Settings of the first state."""

    @property
    def said(self) -> str:
        """What became of it, in a few words."""
        return f"breaks with step {len(self.steps)}" if self.verdict is CellVerdict.REFUTED else str(self.verdict)

    def as_data(self) -> dict[str, Any]:
        """This result as JSON data."""
        row, column = CELLS[self.cell].row, CELLS[self.cell].column
        return {
            "cell": self.cell,
            "theorem": row.theorem,
            "failure": column.failure,
            "kip966": column.has_elr,
            "slow_replicas_leave": column.is_slow,
            "state": str(self.verdict),
            "by": list(self.by),
            "breaks": self.theorem,
            "level": self.level,
            "sizes": dict(self.sizes) if self.sizes is not None else None,
            "steps": [[action, dict(arguments)] for action, arguments in self.steps],
            "given": dict(self.given),
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Result:
        """The result that was written as JSON data."""
        steps = tuple((action, arguments) for action, arguments in data["steps"])
        broken = (data["sizes"], data["level"], data["breaks"], steps, data["given"])
        return cls(data["cell"], CellVerdict(data["state"]), data["seconds"], tuple(data["by"]), *broken)


def table(
    names: Sequence[str] = tuple(CELLS),
    *,
    states: int = STATES_MOST,
    workers: int = WORKERS,
    show: Callable[[Result, int], None] = lambda _newest, _done: None,
) -> list[Result]:
    """What becomes of cells, side by side in processes of their own; in their order.

    Args:
        names: which.
        states: how many states are looked at for each size, at most.
        workers: processes.
        show: told of each that is done, and how many are.
    """
    found = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(result_of, name, states) for name in names]):
                result = done.result()
                found[result.cell] = result
                show(result, len(found))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[name] for name in names]


def summary(results: Sequence[Result], tell: Callable[[Result], str] = lambda each: each.said) -> list[str]:
    """What became of a theorem under one failure model, in as few lines as say it.

    Args:
        results: with and without KIP-966, with slow replicas that leave the ISR and without.
        tell: what is said of each; of those that came out alike only of the first.
    """
    first: dict[str, str] = {}
    outcomes = {}
    for each in results:
        column = CELLS[each.cell].column
        outcomes[column.has_elr, column.is_slow] = first.setdefault(each.said, tell(each))
    if len(first) == 1:
        return list(first.values())
    lines = []
    for has_elr in (False, True):
        stay, leave = outcomes[has_elr, False], outcomes[has_elr, True]
        elr = "with KIP-966" if has_elr else "without KIP-966"
        if stay == leave:
            lines.append(f"{elr}: {stay}")
        else:
            lines += [f"{elr}, slow replicas stay: {stay}", f"{elr}, slow replicas leave: {leave}"]
    return lines


def rests_on(results: Sequence[Result]) -> Mapping[str, Sequence[str]]:
    """What the proved ones of these cells rest on, in words, and under which failures; `tidegauge prove` shows it."""
    found: dict[str, dict[str, None]] = {}
    for each in results:
        if each.verdict is CellVerdict.PROVED:
            found.setdefault(_basis(each.by), {})[CELLS[each.cell].column.failure] = None
    return {basis: tuple(failures) for basis, failures in found.items()}


def _basis(by: tuple[str, ...]) -> str:
    claimed = [(theorem, setting_called(each)) for each in cells.SETTINGS for theorem in claims_in(each).theorems]
    where = {theorem: setting for theorem, setting in claimed if theorem in by}
    if not where:
        return f"the invariant of setting {by[0]}, and what was shown for the cell besides"
    return " and ".join(f"{theorem} in setting {where[theorem]}" for theorem in by)


def result_of(name: str, states: int = STATES_MOST) -> Result:
    """What becomes of a cell."""
    began = time.monotonic()
    cell = CELLS[name]
    covering = cells.covering(cell)
    if covering:
        return Result(name, CellVerdict.PROVED, time.monotonic() - began, covering)
    for setting in cells.SETTINGS:
        # Of what holds whatever happens nothing follows about what is committed.
        if setting != ANYTHING and cells.covers(cell, setting) and _is_shown(cell, setting):
            return Result(name, CellVerdict.PROVED, time.monotonic() - began, (setting_called(setting),))
    for sizes in SIZES:
        tried = ((_violation(cell, sizes, given, states), given) for given in cells.givens(cell))
        found = [(broken, given) for broken, given in tried if broken is not None]
        if found:
            broken, given = min(found, key=lambda each: each[0].level)
            seconds = time.monotonic() - began
            where = (sizes, broken.level, broken.invariant, broken.steps, given)
            return Result(name, CellVerdict.REFUTED, seconds, (), *where)
    if not cells.has_other_settings(cell, cell.row.setting) and _is_shown(cell, cell.row.setting):
        return Result(name, CellVerdict.PROVED, time.monotonic() - began, (setting_called(cell.row.setting),))
    return Result(name, CellVerdict.OPEN, time.monotonic() - began)


def _is_shown(cell: Cell, setting: str) -> bool:
    if cells.has_other_settings(cell, setting):
        return False
    return all(discharge(each).is_discharged for each in cells.obligations_of_cell(cell, setting))


def _violation(cell: Cell, sizes: Sizes, given: Mapping[str, Any], states: int) -> Violation | None:
    machine = cells.explored_machine(cell, given)
    found, _is_complete = first_violation(machine, cells.theorems_of_cell(cell), sizes, states=states, workers=1)
    return found
