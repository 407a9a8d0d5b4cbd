"""`tidegauge refute`: what goes wrong when a guard of a machine is left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from conformance.commands.options import INTERRUPTED, USAGE, file_to_write, no_color
from conformance.report.terminal import console_for
from properties.prove.engine import UnknownNameError, module_of
from properties.prove.obligations import claims_in
from properties.refute import diagram
from properties.refute.engine import STATES_MOST, Refutation, Verdict
from properties.refute.engine import refute as refuted
from properties.refute.variants import UnknownVariantError, Variant, variant, variants

EXAMPLES = """Leave a guard of a machine out, and look for the shortest way in which a theorem breaks.

VARIANT names an action and a guard of it, or one conjunct of the guard. Ever larger sizes are explored; if no theorem
breaks in any of them, the proof is tried without the guard, which then was redundant, or nothing is known.

Exit code 0: every safety-critical guard asked about is refuted; 1: one is not; 2: a wrong choice; 130: interrupted.

\b
Examples:
  tidegauge refute --list
  tidegauge refute controller_elects.it_is_in_the_isr
  tidegauge refute leader_expands_isr.it_has_fetched_to_the_epochs_start --svg way.svg --itf way.itf.json
  tidegauge refute --all
"""


@click.command(help=EXAMPLES)
@click.argument("name", metavar="[VARIANT]", required=False)
@click.option("--machine", default="replication", show_default=True, metavar="MACHINE")
@click.option("--all", "all_of_them", is_flag=True, help="Every guard, and every conjunct of one.")
@click.option("--list", "list_only", is_flag=True, help="Name the variants and do nothing.")
@click.option("--states", default=STATES_MOST, show_default=True, type=click.IntRange(min=1), help="At most, per size.")
@click.option("--svg", type=file_to_write, metavar="FILE", help="Draw the counterexample.")
@click.option("--itf", type=file_to_write, metavar="FILE", help="Write the counterexample as an ITF trace.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
@no_color
def refute(
    name: str | None,
    machine: str,
    all_of_them: bool,
    list_only: bool,
    states: int,
    svg: Path | None,
    itf: Path | None,
    as_json: bool,
    no_color: bool,
) -> None:
    """See EXAMPLES."""
    console = console_for(no_color=no_color)
    try:
        module = module_of(machine)
        chosen = _chosen(module, name, all_of_them=all_of_them or list_only)
        if list_only:
            for each in chosen:
                click.echo(each.name + ("  (safety-critical)" if each.safety_critical else ""))
            return
        found = _run(module, chosen, states, console, quiet=as_json)
    except (UnknownNameError, UnknownVariantError, click.UsageError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    _write(module, found, svg, itf)
    if as_json:
        click.echo(json.dumps([each.as_data() for each in found]))
    else:
        _tell(console, module, found)
    # A guard is needed as a whole; that one conjunct of it is not is told, and no failure.
    missing = [each for each in found if each.variant.safety_critical and each.variant.conjunct is None]
    sys.exit(1 if any(each.verdict is not Verdict.REFUTED for each in missing) else 0)


def _chosen(module: str, name: str | None, *, all_of_them: bool) -> list[Variant]:
    machine = claims_in(module).machine
    if all_of_them:
        return list(variants(machine).values())
    if name is None:
        raise click.UsageError("name a variant (`tidegauge refute --list` names them), or say --all")
    return [variant(machine, name)]


def _run(module: str, chosen: Sequence[Variant], states: int, console: Console, *, quiet: bool) -> list[Refutation]:
    found = []
    with _bar(console, quiet=quiet, total=len(chosen)) as bar:
        for each in chosen:
            found.append(refuted(module, each, states=states, show=bar.says))
            bar.advance()
    return found


class _Shown:
    """A bar, or nothing where there is no terminal."""

    def __init__(self, bar: Bar | None, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total) if bar is not None else None

    def says(self, said: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=said)

    def advance(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)


@contextmanager
def _bar(console: Console, *, quiet: bool, total: int) -> Iterator[_Shown]:
    if quiet or not console.is_terminal:
        yield _Shown(None, total)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=console, transient=True) as bar:
        yield _Shown(bar, total)


def _write(module: str, found: Sequence[Refutation], svg: Path | None, itf: Path | None) -> None:
    machine = claims_in(module).machine
    for each in found:
        if each.violation is None or each.sizes is None:
            continue
        story = diagram.story(machine, each.sizes, each.violation.steps)
        if svg is not None:
            svg.write_text(diagram.as_svg(story, f"{each.variant.name}: {each.theorem} breaks"), encoding="utf-8")
        if itf is not None:
            itf.write_text(json.dumps(diagram.as_itf(machine, story), indent=1), encoding="utf-8")
        return  # of several, the first that has a counterexample


def _tell(console: Console, module: str, found: Sequence[Refutation]) -> None:
    if len(found) > 1:
        console.print(_table(found))
        return
    (each,) = found
    machine = claims_in(module).machine
    if each.violation is None or each.sizes is None:
        console.print(_said(each), soft_wrap=True, highlight=False)
        return
    console.print(
        f"Without {each.variant.name}, {each.theorem} breaks at level {each.violation.level}:", soft_wrap=True
    )
    console.print(f"  {claims_in(module).theorems[each.theorem or ''].sentence}", soft_wrap=True, highlight=False)
    sizes = ", ".join(f"{name} {size}" for name, size in each.sizes.items())
    console.print(f"  (sizes: {sizes}; {each.seconds:.1f} s)", style="dim", highlight=False)
    console.print(diagram.as_table(diagram.story(machine, each.sizes, each.violation.steps)))


def _said(each: Refutation) -> str:
    if each.verdict is Verdict.REDUNDANT:
        return f"{each.variant.name} is redundant: the theorems are proved without it."
    return f"{each.variant.name}: no counterexample at the sizes explored, and open without it: {', '.join(each.open)}"


def _table(found: Sequence[Refutation]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("left out", "critical", "verdict", "theorem", "level", "sizes", "seconds"):
        table.add_column(heading, justify="right" if heading in ("level", "seconds") else "left")
    for each in found:
        table.add_row(
            each.variant.name,
            "yes" if each.variant.safety_critical else "",
            str(each.verdict),
            each.theorem or "",
            str(each.violation.level) if each.violation is not None else "",
            " ".join(f"{size}" for size in each.sizes.values()) if each.sizes is not None else "",
            f"{each.seconds:.1f}",
        )
    return table
