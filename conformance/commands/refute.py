"""`tidegauge refute`: what goes wrong when what keeps a machine safe is left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.commands.bars import bar
from conformance.commands.options import exits_on, file_to_write, no_color
from conformance.commands.theorems import a_line_each, tell_table
from conformance.console import console_for
from properties.refute import diagram
from properties.refute.catalogue import catalogue, variant_named
from properties.refute.engine import WORKERS, Counterexample, Refutation, Verdict, refute_all
from properties.refute.engine import refute as refuted
from properties.refute.variants import UnknownVariantError
from properties.variants.redundant import KEPT, why_kept
from properties.variants.variant import Kind, Variant, machine_of, setting_called, theorems_of

LEGEND = (
    "verdict: refuted: a theorem breaks; redundant: all theorems are proved without it; undecided: nothing broke where",
    "         it was looked for, nor is all proved without it (limit of states: nor was all looked at)",
    "theorem, setting: the one that breaks, and the setting of failures and assumptions in which it is claimed",
    "step: the one with which it breaks, counted from the first state; no way of these sizes has fewer steps",
    "sizes: how many values each sort has (replicas, offsets, ...), in the order in which --json names them",
)
READING = {
    "durability": (
        "log[0]: 1 means: the record at offset 0 was appended in the first opening of the log; log[0]: 0: there is no"
        " record at offset 0, only bytes that were never written, or only in part."
    ),
    "replication": "log[0]: 1 means: at offset 0 there is a record of leader epoch 1.",
}
"""How to read a log in a counterexample, by the machine's name."""
KINDS = {
    Kind.DESIGN: "Designs that were tried, releases of Kafka, mistakes, and failures",
    Kind.ASSUMPTION: "Theorems without one of their assumptions",
    Kind.GUARD: "Actions without one of their guards",
    Kind.CONJUNCT: "Actions without a conjunct of one of their guards",
}
UNEXPECTED = "! came out otherwise than it must (see --help)"

EXAMPLES = """Leave out what keeps a machine safe, and look for what breaks. A short way to it is shown.

VARIANT is a design that was tried (truncate-to-hw, acks-1, ...), a mistake with a log on a disk (no-crc-check), a
theorem without one of its assumptions (n-1/it_never_lags), or an action without a guard, or without a conjunct of one:
of replication by its name alone (controller_elects.it_is_in_the_isr), of other machines after theirs
(durability/log_is_opened.it_is_down). If no theorem breaks, the proof is tried without the guard, which then was
redundant, or nothing is known.

A search has sizes (how many replicas, offsets, ... there are), and may leave actions out; both are told. Steps are
counted from the first state: “breaks with step 8” is after seven others. No way of these sizes with fewer steps breaks
a theorem: one of other sizes, or with an action that was left out, might. What --json calls the level is one more than
the steps, as TLC counts.

--table says of every theorem under which failures it holds, with and without KIP-966, and whether or not slow replicas
leave the ISR: proved, and by what, or how it breaks. What is named as proved is shown by `tidegauge prove replication`,
not once more here.

--all takes the designs, the assumptions and the safety-critical guards; with --conjuncts also all other guards, and
every conjunct of a guard. Its table explains its columns below it, and marks with ! what came out otherwise than it
must. What is undecided because a search ended at its limit of states is told to be so.

Exit code 0: all comes out as expected: what must break breaks, and what is known to be kept for another reason, or not
to be needed, does not; 1: something came out otherwise; 2: a wrong choice; 130: interrupted.

\b
Examples:
  tidegauge refute --list
  tidegauge refute expand-without-epoch-start
  tidegauge refute cut-not-synced
  tidegauge refute controller_elects.it_is_in_the_isr --svg way.svg --itf way.itf.json
  tidegauge refute --all
  tidegauge refute --all --conjuncts --json
  tidegauge refute --table
"""


@click.command(help=EXAMPLES)
@click.argument("name", metavar="[VARIANT]", required=False)
@click.option("--all", "all_of_them", is_flag=True, help="Designs, assumptions, and safety-critical guards.")
@click.option("--conjuncts", is_flag=True, help="With --all or --list: all guards, and every conjunct.")
@click.option("--table", "as_table", is_flag=True, help="Every theorem under every failure model.")
@click.option("--list", "list_only", is_flag=True, help="Say what variants there are, and do nothing else.")
@click.option("--states", type=click.IntRange(min=1), help="States that a search looks at, at most.")
@click.option("--workers", default=WORKERS, show_default=True, type=click.IntRange(min=1), help="Threads or processes.")
@click.option("--svg", type=file_to_write, metavar="FILE", help="Draw the counterexample.")
@click.option("--itf", type=file_to_write, metavar="FILE", help="Write the counterexample as an ITF trace.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
@no_color
def refute(
    name: str | None,
    all_of_them: bool,
    conjuncts: bool,
    as_table: bool,
    list_only: bool,
    states: int | None,
    workers: int,
    svg: Path | None,
    itf: Path | None,
    as_json: bool,
    no_color: bool,
) -> None:
    """See EXAMPLES."""
    console = console_for(no_color=no_color)
    with exits_on(UnknownVariantError, click.UsageError):
        _check(name, all_of_them=all_of_them, conjuncts=conjuncts, as_table=as_table, list_only=list_only)
        if list_only:
            _tell_list(console, _all(conjuncts=conjuncts))
            return
        if as_table:
            sys.exit(tell_table(console, workers, as_json=as_json))
        if all_of_them:
            names = [each.name for each in _all(conjuncts=conjuncts)]
            found = _every(names, states, workers, console, quiet=as_json)
        else:
            found = [_one(name, states, workers, console, quiet=as_json)]
    _write(found, svg, itf)
    if as_json:
        click.echo(a_line_each(each.as_data() for each in found))
    elif all_of_them:
        _tell_all(console, found)
    else:
        _tell(console, *found)
    sys.exit(0 if all(map(is_as_it_should_be, found)) else 1)


def _every(
    names: Sequence[str], states: int | None, workers: int, console: Console, *, quiet: bool
) -> list[Refutation]:
    with bar(console, quiet=quiet) as show:
        return refute_all(
            names,
            states=states,
            workers=workers,
            show=lambda newest, done: show(f"{newest.variant}: {newest.verdict}", done, len(names)),
        )


def _check(name: str | None, *, all_of_them: bool, conjuncts: bool, as_table: bool, list_only: bool) -> None:
    """See that what was asked for goes together.

    Raises:
        UsageError: it does not.
    """
    if name is not None and (all_of_them or list_only or as_table):
        raise click.UsageError("name a variant, or say --all, --list or --table, not both")
    if conjuncts and not (all_of_them or list_only):
        raise click.UsageError("--conjuncts goes with --all or --list")


def is_as_it_should_be(found: Refutation) -> bool:
    """Whether a theorem breaks, or it is known why it does not: what nothing breaks without is kept for a reason."""
    breaks = found.verdict is Verdict.REFUTED
    if found.variant in KEPT:
        return not breaks
    if found.kind is Kind.CONJUNCT:
        return True  # a guard is needed as a whole; that one conjunct of it is not is told, and no failure
    if found.kind is Kind.GUARD and not found.is_critical:
        return not breaks  # or its mark is missing
    return breaks


def _all(*, conjuncts: bool) -> list[Variant]:
    of_guards = {Kind.GUARD, Kind.CONJUNCT}
    return [each for each in catalogue().values() if conjuncts or each.kind not in of_guards or _is_needed(each)]


def _is_needed(each: Variant) -> bool:
    return each.kind is Kind.GUARD and each.is_critical


def _one(name: str | None, states: int | None, workers: int, console: Console, *, quiet: bool) -> Refutation:
    if name is None:
        raise click.UsageError("name a variant (`tidegauge refute --list` names them), or say --all")
    variant = variant_named(name)
    if quiet or not console.is_terminal:
        return refuted(variant, states=states, workers=workers)
    with console.status(variant.name) as status:
        return refuted(variant, states=states, workers=workers, show=status.update)


def _write(found: Sequence[Refutation], svg: Path | None, itf: Path | None) -> None:
    """Of several the first that has a counterexample."""
    broken = next((each for each in found if each.counterexample is not None), None)
    if broken is None or broken.counterexample is None or (svg is None and itf is None):
        return
    machine = machine_of(variant_named(broken.variant), broken.counterexample.search)
    story = diagram.story(machine, broken.counterexample.search.sizes, broken.counterexample.steps)
    if svg is not None:
        title = f"{broken.variant}: {broken.counterexample.theorem} breaks"
        svg.write_text(diagram.as_svg(story, title), encoding="utf-8")
    if itf is not None:
        itf.write_text(json.dumps(diagram.as_itf(machine, story), indent=1), encoding="utf-8")


def _tell(console: Console, each: Refutation) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    variant, found = variant_named(each.variant), each.counterexample
    line(f"{variant.name}: {variant.about}")
    if variant.history is not None:
        until = variant.history.until
        released = "No release of Kafka did this" if until == "never" else f"In Kafka {until}"
        line(f"  {released}. Source: {variant.history.source}", "dim")
    if found is None:
        line(_said(each), "bold")
        return
    line(f"{found.theorem} breaks with step {len(found.steps)}:", "bold")
    line(f"  {theorems_of(found.search.setting)[found.theorem].sentence}")
    line(f"  (setting {setting_called(found.search.setting)}; {_sizes(each)}; {each.seconds:.1f} s)", "dim")
    if found.search.without:
        line(f"  (looked for without {', '.join(found.search.without)})", "dim")
    without = " without these actions" if found.search.without else ""
    line(f"  No way of these sizes has fewer steps{without}. Sizes: how many values each sort has.", "dim")
    machine = machine_of(variant, found.search)
    if machine.name in READING:
        line(f"  {READING[machine.name]}", "dim")
    console.print(diagram.as_table(diagram.story(machine, found.search.sizes, found.steps)))


def _sizes(each: Refutation) -> str:
    assert each.counterexample is not None
    return ", ".join(f"{name} {size}" for name, size in each.counterexample.search.sizes.items())


def _said(each: Refutation) -> str:
    said = "Redundant: the theorems are proved without it."
    if each.verdict is Verdict.UNDECIDED:
        still_open = f", and open without it: {', '.join(each.open)}" if each.open else ""
        said = f"Undecided: no theorem breaks where it was looked for{still_open}."
        said += "".join(
            f" Not all was seen: the search with {sizes} ended at its limit of states." for sizes in each.limited
        )
    why = why_kept(each.variant)
    return said + (f" It is kept because {why}." if why is not None else "")


def _tell_list(console: Console, variants: Sequence[Variant]) -> None:
    """Every variant with what is otherwise in it, a line each, by kind."""
    for kind, own in groupby(variants, key=lambda each: each.kind):
        console.print(f"{KINDS[kind]}:", soft_wrap=True)
        for each in own:
            mark = "" if each.is_critical else " (not safety-critical)"
            console.print(Text.assemble("  ", (each.name, "bold"), f": {each.about}{mark}"), soft_wrap=True)


def _tell_all(console: Console, found: Sequence[Refutation]) -> None:
    """All variants in a table, and below it what its columns and marks mean."""
    console.print(_table(found))
    console.print()
    for text in LEGEND:
        console.print(text, style="dim", soft_wrap=True)
    if not all(map(is_as_it_should_be, found)):
        console.print(UNEXPECTED, style="bold red", soft_wrap=True)


def _table(found: Sequence[Refutation]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("variant", "verdict", "theorem", "setting", "step", "sizes", "seconds"):
        table.add_column(heading, justify="right" if heading in ("step", "seconds") else "left")
    for each in found:
        mark, style = ("", "") if is_as_it_should_be(each) else ("! ", "bold red")
        verdict = f"{mark}{each.verdict}{' (limit of states)' if each.limited else ''}"
        table.add_row(each.variant, verdict, *_where(each.counterexample), f"{each.seconds:.1f}", style=style)
    return table


def _where(found: Counterexample | None) -> tuple[str, str, str, str]:
    if found is None:
        return ("", "", "", "")
    sizes = " ".join(map(str, found.search.sizes.values()))
    return (found.theorem, setting_called(found.search.setting), str(len(found.steps)), sizes)
