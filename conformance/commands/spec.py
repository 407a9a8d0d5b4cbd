"""`tidegauge spec`: what must hold, why, who says so, and what checks it."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from conformance.commands.options import exits_on, no_color
from conformance.console import console_for
from conformance.engine import cases_for, load_cases
from conformance.selection import UnknownIdError, chosen, split_ids
from model.catalogue import Requirement, families

EXAMPLES = """Show what must hold, why, and who checks it. A requirement is a sentence, with its sources and its cases.

IDS are starts of ids, separated by commas: a family (LOG) or a requirement (LOG-03). Without any, all are listed.

\b
Examples:
  tidegauge spec
  tidegauge spec IDM
  tidegauge spec LOG-03
"""


@click.command(help=EXAMPLES)
@click.argument("ids", default="")
@no_color
def spec(ids: str, no_color: bool) -> None:
    """See EXAMPLES."""
    only = split_ids(ids)
    with exits_on(UnknownIdError):
        found = chosen(only)
    load_cases()
    console = console_for(no_color=no_color)
    for family in families():
        own = [each for each in found if each.family == family.name]
        if own:
            console.print(Text.assemble((f"{family.name}  ", "bold cyan"), (family.title, "bold")))
            if only:
                console.print(Padding(Text(" ".join(family.about.split()), style="dim"), (0, 2)))
            _show(console, own, in_full=bool(only))


def _show(console: Console, found: Sequence[Requirement], *, in_full: bool) -> None:
    for requirement in found:
        if in_full:
            console.print()
            console.print(Text.assemble((requirement.id, "bold"), "  ", requirement.sentence))
            for name, value in _facts(requirement):
                console.print(Padding(Text.assemble((f"{name}: ", "dim"), value), (0, 0, 0, 8)))
        else:
            console.print(Text.assemble("  ", (requirement.id, "bold"), "  ", requirement.sentence))
    console.print()


def _facts(requirement: Requirement) -> list[tuple[str, str]]:
    releases = f"from {requirement.since}" + (f" to {requirement.until}" if requirement.until is not None else " on")
    if requirement.control_plane is not None:
        releases += f", with {requirement.control_plane} only"
    cases = [
        f"{case.id}: {' '.join(case.about.split())}"
        + (f" (needs {', '.join(sorted(case.needs))})" if case.needs else "")
        for case in cases_for([requirement.id])
    ]
    facts = [
        ("Why", requirement.intent),
        ("Level", requirement.level.value),
        ("Releases", releases),
        ("Tier", requirement.tier.value),
        ("Source", "; ".join(requirement.source)),
        ("Stated by", requirement.stated_by),
    ]
    if requirement.notes:
        facts.append(("Note", requirement.notes))
    return facts + [("Case", case) for case in cases]
