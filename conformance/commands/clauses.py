"""`tidegauge prove --clauses`: what each clause of an invariant is needed for, shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table

from properties.claims import Clause
from properties.prove.engine import claimed_of
from properties.prove.needed import Need, as_data


def tell(console: Console, machine: str, found: Sequence[Need], *, as_json: bool) -> None:
    """Show for each clause what is open without it; as JSON: a list of {clause, needed_by}."""
    if as_json:
        click.echo(json.dumps(as_data(found)))
        return
    clauses: Mapping[str, Clause] = {
        name: each for claims in claimed_of(machine).values() for name, each in claims.clauses.items()
    }
    table = Table(box=None, pad_edge=False)
    for heading in ("clause", "in English", "without it is open"):
        table.add_column(heading, overflow="fold")
    for each in sorted(found, key=lambda need: list(clauses).index(need.clause)):
        by = "REDUNDANT" if each.by is None else each.by.about
        table.add_row(each.clause, clauses[each.clause].about, by)
    console.print(table)
    redundant = sum(each.by is None for each in found)
    console.print(f"{len(found)} clauses, {redundant} redundant", highlight=False)
