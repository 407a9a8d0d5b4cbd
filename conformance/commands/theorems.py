"""`tidegauge refute --table`: every theorem under every failure model, on a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from conformance.commands.bars import bar
from properties.refute.cells import CELLS, FAILURES, ROWS
from properties.refute.table import Result, State, summary, table


def tell_table(console: Console, workers: int, *, as_json: bool) -> int:
    """Find out what becomes of every cell, and tell it; the exit code: 1 if something is open."""
    with bar(console, quiet=as_json) as show:
        found = table(
            workers=workers, show=lambda newest, done: show(f"{newest.cell}: {newest.state}", done, len(CELLS))
        )
    if as_json:
        click.echo(a_line_each(each.as_data() for each in found))
    else:
        console.print(_table(found))
    return 1 if any(each.state is State.OPEN for each in found) else 0


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


def a_line_each(data: Iterable[Mapping[str, Any]]) -> str:
    """A JSON list with a line for each, so that what changes in a file can be seen."""
    return "[\n" + ",\n".join(json.dumps(each) for each in data) + "\n]"
