"""The pages of the machines: they say what there is, and their links lead somewhere."""

from __future__ import annotations

import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from docs import build, machines
from docs.introductions import introduction
from model.language.tracing import check
from model.machines.durability import durability
from model.machines.replication import replication
from properties.prove.engine import claimed_of
from properties.variants import designs
from properties.variants import durability as mistakes

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#]+\.(?:md|svg))\)")
PATH = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
WRITTEN = [path.name for path in (ROOT / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    return machines.pages()


def test_every_link_leads_to_a_page_or_a_drawing(pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        for target in LINK.findall(text):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) in pages, (name, target)


@cache
def made() -> frozenset[str]:
    """The paths of all pages and drawings that `make docs` makes."""
    return frozenset(f"docs/{name}" for name in build.pages())


@pytest.mark.parametrize("written", ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{name}" for name in WRITTEN)])
def test_every_link_of_a_written_page_leads_to_a_file_or_a_made_page(written: str) -> None:
    for target in PATH.findall((ROOT / written).read_text(encoding="utf-8")):
        led = posixpath.normpath(posixpath.join(posixpath.dirname(written), target))
        assert (ROOT / led).exists() or led in made(), target


def test_the_page_begins_with_what_is_modelled_and_how_it_is_read(pages: Mapping[str, str]) -> None:
    page = pages["machines/replication.md"]
    assert page.index(introduction("replication")) < page.index("## What is proved, for any number of replicas")
    for heading in ("any number of replicas” means", "How to read a counterexample"):
        assert heading in introduction("replication")


def test_the_page_says_how_many_conditions_the_invariant_has(pages: Mapping[str, str]) -> None:
    page = pages["machines/replication.md"]
    listed = page.partition("## The invariant")[2].partition("What follows from the clauses")[0].count("\n- **")
    assert f"an *invariant*: {listed} conditions" in " ".join(page.split())


def test_the_page_has_every_action_guard_field_theorem_and_clause(pages: Mapping[str, str]) -> None:
    page = pages["machines/replication.md"]
    assert all(f"### {name.replace('_', ' ')}\n" in page for name in replication.actions)
    assert all(f"| `{name}` |" in page for name in replication.fields)
    for claims in claimed_of("replication").values():
        assert all(f"**{theorem.sentence}**" in page for theorem in claims.theorems.values())
        assert all(clause.about in page for clause in claims.clauses.values())
        assert all(kind.about in page for kind in claims.sometimes.values())
    assert all(f"| `{each.name}` | {each.about} |" in page for each in designs.DESIGNS)
    assert all(f"| `{each.name}` | {each.about} |" in pages["machines/durability.md"] for each in mistakes.DESIGNS)


def test_a_guard_says_what_breaks_without_it(pages: Mapping[str, str]) -> None:
    (line,) = re.findall(r"^\| it is in the isr \| yes \|(.*)\|$", pages["machines/replication.md"], re.MULTILINE)
    assert "LAST-MEMBER breaks with step 9" in line
    assert "counterexamples/controller-elects-it-is-in-the-isr.md" in line


def test_every_guard_of_a_log_on_a_disk_says_what_breaks_or_why_it_is_kept(pages: Mapping[str, str]) -> None:
    lines = re.findall(r"^\| [a-z ]+ \| (?:yes)? ?\|(.*)\|$", pages["machines/durability.md"], re.MULTILINE)
    assert len(lines) == sum(len(check(durability, each).guards) for each in durability.actions.values())
    known = ("breaks with step", "proved without it; kept because")
    assert all(any(said in each for said in known) for each in lines)


def test_a_step_of_a_log_on_a_disk_is_told_by_where_it_changes_something(pages: Mapping[str, str]) -> None:
    page = pages["machines/counterexamples/cut-not-synced.md"]
    assert all(f"    - {place}: " in page for place in ("process", "page cache", "disk"))
    assert "controller" not in page


def test_a_broken_design_says_how_it_breaks(pages: Mapping[str, str]) -> None:
    assert "It does not: [WeakIsr breaks with step 8]" in pages["machines/truncate-to-hw.md"]
    assert "It does not" not in pages["machines/kip320.md"]


def test_every_drawing_can_be_read(pages: Mapping[str, str]) -> None:
    drawings = {name: text for name, text in pages.items() if name.endswith(".svg")}
    assert drawings
    for text in drawings.values():
        ET.fromstring(text)
