"""`tidegauge fuzz`: generated sequences until time is up or a rule is broken."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import evolve
from rich.console import Console
from rich.text import Text

from conformance.client import Unsupported
from conformance.collected import WRONG_CHOICES
from conformance.commands.options import FAILED, exits_on, file_to_write, no_color, target_options
from conformance.console import console_for
from conformance.machines.fuzz import FuzzReport, Progress, run
from conformance.machines.machine import kinds_for
from conformance.report.terminal import left_lines
from conformance.selection import chosen, split_ids
from conformance.sitting import Settings, Sitting
from model.catalogue import families

EXAMPLES = """Hold TARGET to the specification by generated sequences. It goes on until time is up or a rule is broken.

A sequence is up to 60 steps drawn at random: produce, fetch, commit, kill the broker, ... A step makes operations
(requests), and every answer is held to the model. A sequence that breaks a rule is shrunk: run again and again with
fewer and simpler steps, as long as it still breaks it. What is left is written to a file (--save), which `tidegauge
replay FILE TARGET` runs again. The same seed makes the same sequences on the same target.

Exit code 0: nothing was found; 1: a rule was broken, or a restart or kill (--fault-command) failed; 2: a wrong
choice, or the target can't be had; 130: interrupted.

\b
Examples:
  tidegauge fuzz --minutes 10 --seed 7
  tidegauge fuzz localhost:9092 --minutes 60 --only IDM,LOG --save found.json
  tidegauge fuzz apache-kafka --minutes 5 --no-faults
"""


@click.command(help=EXAMPLES)
@target_options
@click.option(
    "--minutes",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="No sequence is begun after that; shrinking takes up to two minutes more.",
)
@click.option("--seed", type=click.IntRange(0), help="The first round's seed; random if not given.")
@click.option("--only", default="", metavar="IDS", help="Families to make steps of: IDM,LOG.")
@click.option("--faults/--no-faults", default=True, show_default=True, help="Restart and kill the broker on the way.")
@click.option(
    "--save",
    default=Path("tidegauge-found.json"),
    show_default=True,
    type=file_to_write,
    metavar="FILE",
    help="Where the steps go that break a rule.",
)
@no_color
def fuzz(
    settings: Settings, minutes: float, seed: int | None, only: str, faults: bool, save: Path, no_color: bool
) -> None:
    """See EXAMPLES."""
    seed = secrets.randbits(32) if seed is None else seed
    console = console_for(no_color=no_color)
    with exits_on(*WRONG_CHOICES, click.UsageError):
        wanted = _families_of(only)
    with exits_on(*WRONG_CHOICES, Unsupported), Sitting(evolve(settings, only=wanted)) as sitting:
        known = f", {len(sitting.deviations)} known deviations passed over" if sitting.deviations else ""
        console.print(f"Fuzzing {sitting.target.name} for {minutes:g} minutes, seed {seed}{known}", soft_wrap=True)
        with _live(console) as show:
            report = run(
                sitting.bench,
                minutes=minutes,
                seed=seed,
                only=[family.name for family in sitting.families],
                faults=faults,
                deviations=sitting.deviations,
                show=show,
            )
    _tell(console, report, wanted, save, _replaying(settings, save))
    for text in left_lines(sitting):
        console.print(text, soft_wrap=True)
    sys.exit(0 if report.script is None and report.fault_failed is None else FAILED)


def _families_of(only: str) -> tuple[str, ...]:
    """The families to make steps of; none for all.

    Raises:
        UnknownIdError: there is no such family.
        UsageError: there are no steps of it, or it is a single requirement.
    """
    wanted = split_ids(only)
    chosen(wanted)
    for each in wanted:
        family = each.partition("-")[0]
        if each != family:
            raise click.UsageError(f"{each} is not a family: steps are made of all of --only {family}")
        if not kinds_for([each]):
            known = [family.name for family in families() if kinds_for([family.name])]
            raise click.UsageError(f"no steps are made of {each}; they are of {', '.join(known)}")
    return wanted


@contextmanager
def _live(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A line that shows how far it is; nothing where there is no terminal."""
    if not console.is_terminal:
        yield lambda _progress: None
        return
    with console.status("starting") as status:
        yield lambda progress: status.update(_progress_text(progress))


def _progress_text(progress: Progress) -> str:
    a_minute = progress.operations / progress.seconds * 60 if progress.seconds else 0.0
    doing = "a rule is broken, shrinking" if progress.found is not None else f"{progress.reached} outcomes reached"
    return f"{progress.seconds:5.0f} s  {progress.operations:,} operations ({a_minute:,.0f} a minute), {doing}"


def _replaying(settings: Settings, save: Path) -> str:
    """The command that runs again what was written to a file, on the same target."""
    options = {
        "--profile": settings.profile,
        "--deviations": settings.deviations,
        "--fault-command": settings.fault_command,
        "--command-config": settings.command_config,
    }
    given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return shlex.join(["tidegauge", "replay", str(save), settings.target, *given])


def _tell(console: Console, report: FuzzReport, only: Sequence[str], save: Path, replaying: str) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    line(
        f"{report.operations:,} operations in {report.sequences:,} sequences, {report.seconds:.1f} s"
        f" ({report.per_minute:,.0f} operations a minute); of the outcomes that the model knows"
        f" {len(report.reached)} were reached"
    )
    never = report.never_reached
    if never:
        of_others = f"; steps were made of {', '.join(only)} only" if only else ""
        told = f"Never reached, so that their rules were not tried ({len(never)}{of_others}): {', '.join(never)}"
        line(told, "dim")
    for reason in report.unsupported:
        line(f"Steps passed over: {reason}", "dim")
    for why, count in report.given_up.items():
        line(f"Given up undecided, {count} of {report.sequences:,} sequences: {why}", "dim")
    if report.fault_failed is not None:
        line(f"The run ended early, because a fault could not be done: {report.fault_failed}", "bold red")
    if report.script is None:
        if report.fault_failed is None:
            line("No rule was broken.", "bold green")
        return
    save.write_text(report.script.text(), encoding="utf-8")
    line("A rule was broken:", "bold red")
    line(report.script.violation)
    if not report.repeatable:
        line("It was seen once, and not again when its steps were run once more.", "yellow")
    line(report.script.text().rstrip(), "dim")
    line(f"The steps are in {save}. Run them again: {replaying}")
