"""The page of all theorems under all failure models: proved, or how they break."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from docs.counterexamples import DATA, looked_for, slug, story_pages
from properties.refute import diagram
from properties.refute.cells import CELLS, FAILURES, ROWS, explored_machine, theorems_of_cell
from properties.refute.table import CellVerdict, Result, rests_on, summary
from properties.variants.variant import Search

NAME = "machines/failures.md"


@cache
def results() -> Sequence[Result]:
    """What became of every cell."""
    return [Result.of_data(each) for each in json.loads((DATA / "theorems.json").read_text(encoding="utf-8"))]


def pages() -> Mapping[str, str]:
    """The table, and a page and a drawing of every counterexample in it."""
    made = {NAME: "\n".join(["# Theorems and failures", "", *table("counterexamples/")]) + "\n"}
    for each in results():
        if each.verdict is CellVerdict.REFUTED:
            made |= _pages_of(each)
    return made


def table(folder: str) -> Iterator[str]:
    """The table: a row a theorem, a column a failure model."""
    yield "Failures of a column come on top of crashes that keep the log. The same theorem may hold with KIP-966"
    yield "(eligible leader replicas) and not without it, or only as long as slow replicas stay in the ISR. “Breaks”"
    yield "leads to a way in which it does, of which none is shorter at the sizes that it names; all else is"
    yield "proved, for any number of replicas, by what is named below. What a theorem assumes besides is said where it"
    yield "is stated."
    yield ""
    yield f"| theorem | {' | '.join(FAILURES)} |"
    yield f"|---|{'---|' * len(FAILURES)}"
    for row in ROWS:
        of_row = [each for each in results() if CELLS[each.cell].row == row]
        cells = []
        for failure in FAILURES:
            own = [each for each in of_row if CELLS[each.cell].column.failure == failure]
            cells.append("<br>".join(summary(own, lambda each: _linked(each, folder))))
        yield f"| {row.theorem} | {' | '.join(cells)} |"
    yield from _bases()


def _bases() -> Iterator[str]:
    """What the proved cells rest on."""
    yield from ("", "What is proved rests on this, and `tidegauge prove replication` shows it:", "")
    for row in ROWS:
        for basis, failures in rests_on([each for each in results() if CELLS[each.cell].row == row]).items():
            yield f"- {row.theorem}: {basis} ({', '.join(failures)})"


def _linked(each: Result, folder: str) -> str:
    return f"[{each.said}]({folder}{_slug(each)}.md)" if each.verdict is CellVerdict.REFUTED else each.said


def _slug(each: Result) -> str:
    return slug(each.cell).replace(" ", "-").replace(",", "")


def _pages_of(each: Result) -> Mapping[str, str]:
    cell = CELLS[each.cell]
    assert each.sizes is not None
    assert each.theorem is not None
    theorem = theorems_of_cell(cell)[each.theorem]
    said = [
        f"- **What breaks:** {each.theorem}. {theorem.sentence}",
        f"- **Failures:** {cell.column.about}",
        f"- **Looked for:** {looked_for(Search(cell.row.setting, each.sizes, given=each.given))}",
        "- **Find it again:** `tidegauge refute --table`",
    ]
    story = diagram.story(explored_machine(cell, each.given), each.sizes, each.steps)
    return story_pages(_slug(each), f"{cell.row.theorem} breaks: {cell.column.about}", said, story)
