"""Build the documentation site: `python -m docs.build`, or `make docs`.

The pages in this folder are copied; one page a requirement family, the index of requirements, the table of seeded bugs
and the pages of the machines are made from the same data that everything runs on, so they can't differ from it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from conformance.case import CASES, Case
from conformance.engine import load_cases
from conformance.tests.lying import LIES, Lie
from conformance.tests.seeded import Bug, bugs
from docs import machines
from model.catalogue import Family, Requirement, families
from model.reference.outcomes import OUTCOMES

HERE = Path(__file__).parent
SOURCE_LINK = "docs"


def pages() -> Mapping[str, str]:
    """The generated pages by file name."""
    load_cases()
    cases, seeded = list(CASES.values()), list(bugs().values())
    caught: list[Bug | Lie] = [*seeded, *LIES]
    made = {f"spec/{family.name.lower()}.md": family_page(family, cases, caught) for family in families()}
    made["spec/index.md"] = index_page()
    made["spec/outcomes.md"] = outcomes_page()
    made["spec/seeded-bugs.md"] = bugs_page(seeded)
    return {**made, **machines.pages()}


def index_page() -> str:
    """All requirements in one table."""
    lines = ["# The spec", "", "| id | level | what must hold |", "|---|---|---|"]
    for family in families():
        page = f"{family.name.lower()}.md"
        lines += [f"| [{r.id}]({page}#{r.id.lower()}) | {r.level} | {r.sentence} |" for r in family.requirements]
    total = sum(len(family.requirements) for family in families())
    lines[1:1] = ["", f"{total} requirements in {len(families())} families."]
    return "\n".join(lines) + "\n"


def family_page(family: Family, cases: Iterable[Case], caught: Iterable[Bug | Lie]) -> str:
    """One family: every requirement with its source, its cases and the bugs and lies that they are known to catch."""
    lines = [f"# {family.name}: {family.title}", "", family.about, ""]
    for each in family.requirements:
        own = [case for case in cases if each.id in case.requirements]
        lines += _requirement(each, own, [bug for bug in caught if bug.requirement == each.id])
    return "\n".join(lines) + "\n"


def _requirement(requirement: Requirement, cases: list[Case], caught: list[Bug | Lie]) -> list[str]:
    holds = f"since {requirement.since}" + (f" until {requirement.until}" if requirement.until else "")
    if requirement.control_plane:
        holds += f", {requirement.control_plane} only"
    lines = [
        f"## {requirement.id}",
        "",
        f"**{requirement.sentence}**",
        "",
        requirement.intent,
        "",
        f"- Level: {requirement.level}; {holds}; tier: {requirement.tier}",
        f"- Source: {'; '.join(requirement.source)}",
        f"- Stated by: `{requirement.stated_by}`",
    ]
    lines += [f"- Case `{case.id}`: {' '.join(case.about.split())}" for case in cases]
    lines += [f"- Known to catch: {bug.about}" for bug in caught]
    if requirement.notes:
        lines += ["", requirement.notes.strip()]
    return [*lines, ""]


def outcomes_page() -> str:
    """Every outcome that the model knows."""
    lines = ["# Outcomes of the model", "", "| outcome | what it means |", "|---|---|"]
    lines += [f"| `{name}` | {sentence} |" for name, sentence in sorted(OUTCOMES.items())]
    return "\n".join(lines) + "\n"


def bugs_page(seeded: Iterable[Bug]) -> str:
    """The seeded bugs: what each breaks, and the real bug that inspired it."""
    lines = [
        "# Seeded bugs",
        "",
        "Each is put into a copy of the bundled broker, alone; the requirement's own cases must then fail.",
        "`python -m conformance.tests.seeded ID` shows one.",
        "",
        "| id | what is wrong | inspired by |",
        "|---|---|---|",
    ]
    lines += [f"| {bug.id} | {bug.about} | {bug.inspired_by or ''} |" for bug in seeded]
    lines += [
        "",
        "## Lies",
        "",
        "A proxy before the bundled broker changes what fetches return; no single edit of the broker would. The",
        "requirement's own cases must fail.",
        "",
        "| id | what is wrong |",
        "|---|---|",
        *(f"| {lie.id} | {lie.about} |" for lie in LIES),
    ]
    return "\n".join(lines) + "\n"


@click.command(epilog="Example: python -m docs.build --out site")
@click.option("--out", default="site", show_default=True, type=click.Path(file_okay=False, path_type=Path))
def main(out: Path) -> None:
    """Build the site."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / SOURCE_LINK
        shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("*.py", "__pycache__", "*.yml", "tests"))
        for name, text in pages().items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text, encoding="utf-8")
        shutil.copy(HERE / "mkdocs.yml", scratch)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", f"{scratch}/mkdocs.yml"]
        quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's word on its successor is nobody's warning
        done = subprocess.run([*command, "-d", str(out.resolve())], check=False, env=quiet)  # noqa: S603  our own command
    if done.returncode:
        raise click.ClickException("mkdocs refused the pages; what it said is above")
    click.echo(f"the site is in {out}")


if __name__ == "__main__":
    main()
