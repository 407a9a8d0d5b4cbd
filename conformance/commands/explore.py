"""`tidegauge explore`: every state of a machine of a given size, a level at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from conformance.commands.options import exits_on, no_color
from conformance.console import console_for
from model.language import LanguageError
from model.profiles import PROFILES, profile_named
from properties.explore.engine import WORKERS, Explorer, Progress, Result, Violation
from properties.explore.machines import (
    DEFAULTS,
    EXPLORABLE,
    Explorable,
    UnknownMachineError,
    UnusableChoiceError,
    explorable,
    said_as,
)
from properties.explore.symmetry import NotSymmetricError
from properties.prove.engine import MACHINES

EXAMPLES = f"""See in every state of MACHINE whether what must hold does.

The search is breadth first, so no way to a violation is shorter, in these sizes, than the one shown. A level
holds the states that are as many steps away from the first one, and not fewer: that one is level 1, and step 8 leads to
level 9, as TLC counts. Generated steps are counted as TLC counts them, too. With --symmetry, states that differ only in
which replica is which count as one: fewer states, the same levels and violations. Machines: {", ".join(EXPLORABLE)}.

Of replication something is claimed in several settings of failures and assumptions (--claims), and it has settings of
its own, for instance min.insync.replicas (--set). Which were explored is told. A size, a setting or claims that a
machine has no use for are refused.

Exit code 0: nothing is violated; 1: something is; 2: a wrong choice; 130: interrupted.

\b
Examples:
  tidegauge explore kip320 --replicas 3 --log 2 --records 2 --epochs 2
  tidegauge explore kip101 --replicas 2 --log 2 --records 2 --epochs 2 --keep-going
  tidegauge explore kip320 --replicas 4 --log 2 --records 2 --epochs 1 --symmetry
  tidegauge explore replication --replicas 2 --log 2 --epochs 2 --levels 12 --json
  tidegauge explore replication --claims clean --log 1 --versions 2 --registrations 1
  tidegauge explore replication --profile 3.9-zk --levels 10
  tidegauge explore durability --log 1 --openings 3
  tidegauge explore replication --claims eligible --set min_isr=1 --set bumps_epoch=true --levels 10
"""

_positive = click.IntRange(min=1)
_SETTINGS = ", ".join(each.partition(":")[2] for each in MACHINES["replication"])


def _size(option: str, about: str) -> Callable[..., Any]:
    usual = DEFAULTS.get(option.lstrip("-"))
    return click.option(option, type=_positive, help=about + (f"  [default: {usual}]" if usual else ""))


@click.command(help=EXAMPLES)
@click.argument("machine", metavar="MACHINE")
@_size("--replicas", "How many replicas there are.")
@_size("--log", "How many records a log can hold.")
@_size("--records", "How many records are ever written; not of replication.")
@_size("--epochs", "The greatest leader epoch.")
@_size("--versions", "The greatest partition epoch; of replication only.  [default: two more than epochs]")
@_size("--registrations", "The greatest broker epoch; of replication only.  [default: 2]")
@_size("--openings", "How often the log is opened or cut, at most; of durability only.")
@click.option("--claims", metavar="NAME", help=f"The setting of failures; of replication only: {_SETTINGS}.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the machine. Repeatable.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    help="The release that decides settings which --set does not; of replication only.",
)
@click.option("--keep-going", is_flag=True, help="Explore the whole space, also past a violation.")
@click.option("--symmetry", is_flag=True, help="States that differ only in which replica is which count as one.")
@click.option("--levels", type=_positive, help="Stop after so many levels: one more than steps.")
@click.option("--workers", default=WORKERS, show_default="one a core", type=_positive, help="Threads.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
@no_color
def explore(
    machine: str,
    claims: str | None,
    settings: tuple[str, ...],
    profile: str | None,
    keep_going: bool,
    symmetry: bool,
    levels: int | None,
    workers: int,
    as_json: bool,
    no_color: bool,
    **sizes: int | None,
) -> None:
    """See EXAMPLES."""
    console = console_for(no_color=no_color)
    with exits_on(UnknownMachineError, UnusableChoiceError, LanguageError, NotSymmetricError):
        said = {name: each for name, each in sizes.items() if each is not None}
        chosen = explorable(machine, claims=claims, settings=_said(settings, profile), sizes=said)
        explorer = Explorer(chosen.machine, chosen.sizes, chosen.invariants, changes=chosen.changes)
        with _live(console, quiet=as_json) as show:
            result = explorer.run(keep_going=keep_going, levels=levels, show=show, workers=workers, symmetry=symmetry)
    if as_json:
        click.echo(json.dumps(as_data(machine, chosen, result)))
    else:
        _tell(console, machine, chosen, result)
    sys.exit(1 if result.violations else 0)


def _said(settings: tuple[str, ...], profile: str | None) -> Mapping[str, str]:
    """The values of settings, by name: those that were set, and those that the release decides."""
    found: dict[str, str] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UnusableChoiceError(f"--set {each}: say NAME=VALUE")
        if found.setdefault(name, value) != value:
            raise UnusableChoiceError(f"--set {name} is said twice: {found[name]} and {value}")
    decided = {} if profile is None else profile_named(profile).replication
    return {**{name: str(value).lower() for name, value in decided.items()}, **found}


def as_data(machine: str, chosen: Explorable, result: Result) -> Mapping[str, Any]:
    """A result as JSON data."""
    return {
        "machine": machine,
        "claims": chosen.claims,
        "settings": dict(chosen.settings),
        "distinct": result.distinct,
        "generated": result.generated,
        "depth": result.depth,
        "violations": [{"invariant": each.invariant, "level": each.level} for each in result.violations],
        "seconds": round(result.seconds, 3),
        "bytes_per_state": round(result.bytes_per_state, 1),
        "collision_odds": result.collision_odds,
        "symmetry": result.permutations > 1,
        "complete": result.is_complete,
    }


@contextmanager
def _live(console: Console, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A line that shows how far it is; nothing where there is no terminal."""
    if quiet or not console.is_terminal:
        yield lambda _progress: None
        return
    with console.status("compiling") as status:
        yield lambda progress: status.update(
            f"level {progress.level}  {progress.distinct:,} states"
            f" ({progress.distinct / max(progress.seconds, 1e-9):,.0f} a second), {progress.frontier:,} on the frontier"
        )


def _tell(console: Console, machine: str, chosen: Explorable, result: Result) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    a_second = result.distinct / max(result.seconds, 1e-9)
    line(
        f"{machine}: {result.distinct:,} states, {result.generated:,} steps, {result.depth} levels in"
        f" {result.seconds:.1f} s ({a_second:,.0f} states a second, {result.bytes_per_state:.0f} bytes a state)"
    )
    if chosen.claims is not None:
        line(f"Setting {chosen.claims}: {chosen.machine.about}")
    if chosen.settings:
        line(f"With {', '.join(f'{name}={said_as(value)}' for name, value in chosen.settings.items())}.")
    line(f"Odds that two states were taken for one: at most {result.collision_odds:.1e}", "dim")
    if result.permutations > 1:
        line(f"States that differ only in which replica is which count as one ({result.permutations} permutations).")
    if not result.is_complete:
        line("Not all of the space was seen.", "yellow")
    for each in result.violations:
        _tell_violation(line, each)
    if not result.violations:
        line("Nothing is violated.", "bold green")


def _tell_violation(line: Callable[..., None], violation: Violation) -> None:
    where = f"with step {len(violation.steps)}" if violation.steps else "in the first state"
    line(f"{violation.invariant} breaks {where} (level {violation.level}):", "bold red")
    for number, (action, arguments) in enumerate(violation.steps, 1):
        said = ", ".join(f"{name}={value}" for name, value in arguments.items())
        line(f"  {number:>2}. {action.replace('_', ' ')} ({said})")
