"""What `tidegauge prove --replicas N --steps K` prints: the bounded check, told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from properties.explore.bounded import Check, Outcome
from properties.explore.engine import Progress


@contextmanager
def live(console: Console, *, quiet: bool) -> Iterator[Callable[[str, Progress], None]]:
    """A line that shows how far it is; nothing where there is no terminal."""
    if quiet or not console.is_terminal:
        yield lambda _setting, _progress: None
        return
    with console.status("reading the machine") as status:
        yield lambda setting, progress: status.update(
            f"{setting}: {progress.level - 1} steps, {progress.distinct:,} states"
            f" ({progress.distinct / max(progress.seconds, 1e-9):,.0f} a second), {progress.frontier:,} on the frontier"
        )


def tell(console: Console, check: Check) -> None:
    """Print a table of theorems and settings, and the steps to every violation."""

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    console.print(_table(check))
    for each in check.violated:
        _tell_violation(line, each)
    for setting in check.settings:
        if not setting.is_exact and not any(each.setting == setting.setting for each in check.violated):
            line(f"{setting.setting}: some runs were left out: they leave the sizes that were explored", "yellow")
    for sizes in {tuple(each.sizes.items()): None for each in check.settings if each.is_exact}:
        said = ", ".join(f"{name} {size}" for name, size in sizes)
        line(f"No run leaves the sizes explored (how many values each sort has): {said}.", "dim")
    held = f"{len(check.outcomes) - len(check.violated)} of {len(check.outcomes)} hold"
    runs = "every run" if check.is_exact else "the runs that were seen, NOT ALL,"
    line(
        f"{held} in {runs} of at most {check.steps} steps of {check.replicas} replicas, from every first state"
        f" ({check.seconds:.1f} s). No invariant was used. States that differ in who is who count as one."
    )


def _table(check: Check) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("theorem", "setting", "result", "states", "seconds"):
        table.add_column(heading, justify="right" if heading in ("states", "seconds") else "left")
    for setting in check.settings:
        for each in setting.outcomes:
            steps = len(each.violation.steps) if each.violation is not None else None
            result = Text("holds", "green") if steps is None else Text(f"breaks with step {steps}", "bold red")
            table.add_row(each.theorem, each.setting, result, f"{setting.states:,}", f"{setting.seconds:.1f}")
    return table


def _tell_violation(line: Callable[..., None], outcome: Outcome) -> None:
    assert outcome.violation is not None
    given = ", ".join(f"{name}={value}" for name, value in outcome.start.items())
    line(f"{outcome.theorem} breaks in the setting {outcome.setting}, with {given or 'no settings'}:", "bold red")
    for number, (action, arguments) in enumerate(outcome.violation.steps, 1):
        said = ", ".join(f"{name}={value}" for name, value in arguments.items())
        line(f"  {number:>2}. {action.replace('_', ' ')} ({said})")
