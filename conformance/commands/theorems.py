"""`tidegauge refute --table`: every theorem under every failure model, on a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from conformance.commands.bars import bar
from properties.refute.cells import CELLS, FAILURES, ROWS
from properties.refute.table import CellVerdict, Result, rests_on, summary, table

LEGEND = (
    "Columns: failures, on top of crashes that keep the log. A cell that doesn't name KIP-966 (eligible leader",
    "replicas) is the same with and without it; one that doesn't name slow replicas is the same whether they stay in",
    "the ISR or leave it.",
    "“breaks with step N”: counted from the first state; no way of the sizes that --json names has fewer steps.",
    "“proved”: for any number of replicas. “open”: neither broken nor proved.",
)


def tell_table(console: Console, workers: int, *, as_json: bool) -> int:
    """Find out what becomes of every cell, and tell it; the exit code: 1 if something is open."""
    with bar(console, quiet=as_json) as show:
        found = table(
            workers=workers, show=lambda newest, done: show(f"{newest.cell}: {newest.verdict}", done, len(CELLS))
        )
    if as_json:
        click.echo(a_line_each(each.as_data() for each in found))
    else:
        console.print(_table(found))
        for text in _bases(found):
            console.print(text, soft_wrap=True, highlight=False, markup=False)
    return 1 if any(each.verdict is CellVerdict.OPEN for each in found) else 0


def _table(found: Sequence[Result]) -> Table:
    made = Table(show_lines=True)
    for heading in ("theorem", *FAILURES):
        made.add_column(heading)
    for row in ROWS:
        of_row = [each for each in found if CELLS[each.cell].row is row]
        cells = [
            summary([each for each in of_row if CELLS[each.cell].column.failure == failure]) for failure in FAILURES
        ]
        made.add_row(row.theorem, *("\n".join(lines) for lines in cells))
    return made


def _bases(found: Sequence[Result]) -> Iterator[str]:
    """What is taken for proved here."""
    yield "“Proved” rests on what is taken for proved here; `tidegauge prove replication` shows it:"
    for row in ROWS:
        for basis, failures in rests_on([each for each in found if CELLS[each.cell].row is row]).items():
            yield f"  {row.theorem} proved: {basis} ({', '.join(failures)})"
    yield from LEGEND


def a_line_each(data: Iterable[Mapping[str, Any]]) -> str:
    """A JSON list with a line for each, so that what changes in a file can be seen."""
    return "[\n" + ",\n".join(json.dumps(each) for each in data) + "\n]"
