"""`tidegauge conform --list`: what would be checked, by family, without a target."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from conformance.engine import cases_for, load_cases
from conformance.selection import chosen
from conformance.sitting import Settings
from model.catalogue import Requirement, families
from model.profiles import profile_named


def listing(settings: Settings, console: Console) -> None:
    """Print the chosen requirements and the cases of each; of one profile only if one is named.

    Raises:
        UnknownIdError, UnknownProfileError: a choice matches nothing.
    """
    profile = profile_named(settings.profile) if settings.profile is not None else None
    load_cases()
    found = [each for each in chosen(settings.only) if profile is None or each.holds_for(profile)]
    heading = None
    for requirement in found:
        if requirement.family != heading:
            heading = requirement.family
            title = next(family.title for family in families() if family.name == heading)
            _line(
                console,
                Text.assemble(
                    ("\n" if requirement is not found[0] else "", ""), (f"{heading}  ", "bold cyan"), (title, "bold")
                ),
            )
        _line(
            console,
            Text.assemble("  ", (requirement.id, "bold"), f"  {requirement.sentence}", (_holds(requirement), "dim")),
        )
        for case in cases_for([requirement.id]):
            _line(console, Text(f"      {case.id}", style="dim"))
    cases = len(cases_for([each.id for each in found]))
    _line(console, Text(f"\n{len(found)} requirements, {cases} cases", style="bold"))


def _holds(requirement: Requirement) -> str:
    """What limits a requirement, in brackets; empty if nothing does."""
    limits = []
    if requirement.since != "0.11":
        limits.append(f"since {requirement.since}")
    if requirement.until is not None:
        limits.append(f"until {requirement.until}")
    if requirement.control_plane is not None:
        limits.append(f"{requirement.control_plane} only")
    if requirement.tier != "wire":
        limits.append(f"{requirement.tier} tier")
    return f" ({', '.join(limits)})" if limits else ""


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
