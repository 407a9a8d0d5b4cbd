"""`tidegauge prove`: the theorems about a machine, for any number of replicas, any log, any number of steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial

import click
from rich.console import Console
from rich.table import Table

from conformance.commands import bounded
from conformance.commands import clauses as clauses_told
from conformance.commands.bars import bar
from conformance.commands.options import exits_on, no_color
from conformance.console import console_for
from properties.explore.bounded import Check, check
from properties.prove.engine import MACHINES, Progress, Proof, UnknownNameError, claimed_of
from properties.prove.engine import prove as proved
from properties.prove.needed import needs

EXAMPLES = f"""Prove the theorems about MACHINE, or one of them, for any size.

For every action and every clause of an inductive invariant the solver is asked for a state and a step that break
it. What is proved holds for any number of replicas, any log, any number of steps. Machines: {", ".join(MACHINES)}.

With --replicas and --steps no invariant is trusted: every run of at most so many steps of so many replicas is looked
at, from every first state, in every setting of failures and assumptions.

With --clauses every clause of the invariant is left out in turn, to see what is open without it: none is there for
nothing.

Exit code 0: all is proved, or holds, or is needed; 1: something is open, violated or redundant; 2: a wrong choice; 130:
interrupted.

\b
Examples:
  tidegauge prove replication
  tidegauge prove replication --theorem N-1 --table
  tidegauge prove replication --json
  tidegauge prove replication --replicas 3 --steps 5
  tidegauge prove replication --clauses
"""

_positive = click.IntRange(min=1)


@click.command(help=EXAMPLES)
@click.argument("machine", metavar="MACHINE")
@click.option("--theorem", metavar="NAME", help="Only this one.")
@click.option("--table", is_flag=True, help="Show every obligation with its result and its seconds.")
@click.option("--replicas", type=_positive, metavar="N", help="With --steps: look at runs of so many replicas.")
@click.option("--steps", type=_positive, metavar="K", help="With --replicas: look at runs of at most so many steps.")
@click.option("--clauses", is_flag=True, help="Leave every clause out in turn, to see what it is needed for.")
@click.option("--workers", default=2, show_default=True, type=_positive, help="Processes; threads for runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
@no_color
def prove(
    machine: str,
    theorem: str | None,
    table: bool,
    replicas: int | None,
    steps: int | None,
    clauses: bool,
    workers: int,
    as_json: bool,
    no_color: bool,
) -> None:
    """See EXAMPLES."""
    console = console_for(no_color=no_color)
    if replicas is not None or steps is not None:
        found = _checked(machine, theorem, replicas, steps, workers, console, quiet=as_json)
        if as_json:
            click.echo(json.dumps(found.as_data()))
        else:
            bounded.tell(console, found)
        sys.exit(1 if found.violated or not found.is_exact else 0)
    if clauses:
        with exits_on(UnknownNameError), bar(console, quiet=as_json) as show_bar:
            needed = list(needs(list(claimed_of(machine)), partial(show_bar, "clauses"), workers))
        clauses_told.tell(console, machine, needed, as_json=as_json)
        sys.exit(1 if any(each.by is None for each in needed) else 0)
    with exits_on(UnknownNameError), bar(console, quiet=as_json) as show_bar:
        proof = proved(machine, theorem, show=partial(_show, show_bar), workers=workers)
    if as_json:
        click.echo(json.dumps(proof.as_data()))
    else:
        _tell(console, proof, table=table)
    sys.exit(1 if proof.open else 0)


def _checked(
    machine: str,
    theorem: str | None,
    replicas: int | None,
    steps: int | None,
    workers: int,
    console: Console,
    *,
    quiet: bool,
) -> Check:
    with exits_on(UnknownNameError, click.UsageError), bounded.live(console, quiet=quiet) as show:
        if replicas is None or steps is None:
            raise click.UsageError("--replicas and --steps go together")
        if machine in MACHINES and machine != "replication":
            raise click.UsageError(f"--replicas and --steps are for replication: tidegauge explore {machine}")
        return check(machine, replicas=replicas, steps=steps, theorem=theorem, show=show, workers=workers)


def _show(show_bar: Callable[[str, int, int], None], progress: Progress) -> None:
    said = f"{progress.open} open" if progress.open else progress.newest.obligation.about
    show_bar(said, progress.done, progress.of)


def _tell(console: Console, proof: Proof, *, table: bool) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    if table:
        console.print(_table(proof))
    theorems = {name: each for claims in claimed_of(proof.machine).values() for name, each in claims.theorems.items()}
    for name in proof.theorems:
        is_proved = proof.is_proved(name)
        line(f"{name}: {'proved' if is_proved else 'OPEN'}", "bold green" if is_proved else "bold red")
        line(f"  {theorems[name].sentence}")
        for assumption, guard in theorems[name].assumes:
            line(f"  assuming that {assumption} ({guard})", "dim")
    for each in proof.open:
        line(f"open: {each.obligation.about}: {each.said} after {each.seconds:.1f} s", "red")
        for found in each.found:
            line(f"  {found}", "dim")
    line(f"{len(proof.answers)} obligations, {len(proof.open)} open, {proof.seconds:.1f} s; any size")


def _table(proof: Proof) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("clause or theorem", "action", "result", "seconds"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    for each in proof.answers:
        asked = each.obligation
        result = "discharged" if each.is_discharged else f"OPEN ({each.said})"
        table.add_row(asked.name, asked.action or f"({asked.purpose})", result, f"{each.seconds:.2f}")
    return table
