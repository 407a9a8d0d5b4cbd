"""Pages of counterexamples: what is otherwise, who did so and when, and the steps, told and drawn.

What was found is read from `docs/data/refutations.json`, which `tidegauge refute --all --conjuncts --json` writes, and
`docs/data/theorems.json` (`tidegauge refute --table --json`). A test runs every trace again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from properties.refute import diagram
from properties.refute.catalogue import variant_named
from properties.refute.engine import Refutation, Verdict
from properties.variants import designs, durability
from properties.variants.redundant import why_kept
from properties.variants.variant import Kind, Search, Variant, machine_of, setting_called, theorems_of

DATA = Path(__file__).parent / "data"
FOLDER = "machines/counterexamples"


@cache
def refutations() -> Mapping[str, Refutation]:
    """What became of every variant, by name."""
    data = json.loads((DATA / "refutations.json").read_text(encoding="utf-8"))
    return {each["variant"]: Refutation.of_data(each) for each in data}


def pages() -> Mapping[str, str]:
    """A page and a drawing for every variant with a counterexample, and the table of all designs and assumptions."""
    made = {f"{FOLDER}/index.md": index_page()}
    for refutation in refutations().values():
        if refutation.counterexample is not None:
            made |= _pages_of(refutation)
    return made


def slug(name: str) -> str:
    """A variant's name as that of a file."""
    return name.replace("/", "-").replace(".", "-").replace("_", "-").lower()


def index_page() -> str:
    """All designs and assumptions."""
    lines = [
        "# Counterexamples",
        "",
        "What goes wrong in designs that were tried, in releases of Kafka, and where theorems are claimed without what",
        "they assume. `tidegauge refute NAME` finds it again. The guards of a machine are on its page.",
        "",
    ]
    lines += ["## Designs, releases, failures", "", *design_table(designs.DESIGNS, ""), ""]
    lines += ["## A log on a disk", "", *design_table(durability.DESIGNS, "")]
    lines += ["", "## Theorems without one of their assumptions", ""]
    lines += ["| name | what is otherwise | what breaks |", "|---|---|---|"]
    lines += [f"| `{variant.name}` | {variant.about} | {outcome(each, '')} |" for each, variant in _of(Kind.ASSUMPTION)]
    lines.append("")
    return "\n".join(lines)


def design_table(named: Iterable[Variant], folder: str) -> Iterator[str]:
    """Named variants: what is otherwise, until when Kafka did so, and what breaks."""
    yield from ("| name | what is otherwise | in Kafka | what breaks |", "|---|---|---|---|")
    for each in named:
        until = each.history.until if each.history is not None else ""
        yield f"| `{each.name}` | {each.about} | {until} | {outcome(refutations().get(each.name), folder)} |"


def _of(kind: Kind) -> list[tuple[Refutation, Variant]]:
    return [(each, variant_named(each.variant)) for each in refutations().values() if each.kind is kind]


def outcome(refutation: Refutation | None, folder: str = "counterexamples/") -> str:
    """What became of a variant, in a few words, with a link to its counterexample."""
    if refutation is None:
        return ""
    found = refutation.counterexample
    if found is not None:
        return f"[{found.theorem} breaks with step {len(found.steps)}]({folder}{slug(refutation.variant)}.md)"
    said = "nothing broke where it was looked for, nor is all proved without it"
    if refutation.verdict is Verdict.REDUNDANT:
        said = "redundant: all is proved without it"
    why = why_kept(refutation.variant)
    if why is None:
        return said
    return (
        f"{said}; it may not be needed: {why}" if refutation.kind is Kind.ASSUMPTION else f"{said}; kept because {why}"
    )


def _pages_of(refutation: Refutation) -> Mapping[str, str]:
    variant, found = variant_named(refutation.variant), refutation.counterexample
    assert found is not None
    said = [variant.about, ""]
    if variant.history is not None:
        said += [f"- **In Kafka:** {variant.history.until}", f"- **Source:** {variant.history.source}"]
    theorem = theorems_of(found.search.setting)[found.theorem]
    said += [
        f"- **What breaks:** {found.theorem}. {theorem.sentence}",
        f"- **Looked for:** {looked_for(found.search)}",
        f"- **Find it again:** `tidegauge refute {variant.name}`",
    ]
    story = diagram.story(machine_of(variant, found.search), found.search.sizes, found.steps)
    return story_pages(slug(variant.name), f"{variant.name}: {found.theorem} breaks", said, story)


def story_pages(name: str, heading: str, said: Iterable[str], story: diagram.Story) -> Mapping[str, str]:
    """A page and a drawing of a counterexample."""
    lines = [f"# {heading}", "", *said, "", "## Step by step", "", *told(story), ""]
    lines += [
        "With the last step it holds no more. In these sizes, with these actions, no way is shorter.",
        "",
        "## Drawn",
        "",
        f"![space-time diagram]({name}.svg)",
    ]
    return {
        f"{FOLDER}/{name}.md": "\n".join(lines) + "\n",
        f"{FOLDER}/{name}.svg": diagram.as_svg(story, heading),
    }


def looked_for(search: Search) -> str:
    """Where a counterexample was looked for, in words."""
    sizes = ", ".join(f"{_in_words(name)} {size}" for name, size in search.sizes.items())
    given = "".join(f", {name} = {value}" for name, value in search.given.items())
    without = f"; without {', '.join(each.replace('_', ' ') for each in search.without)}" if search.without else ""
    return f"setting `{setting_called(search.setting)}`{given}; number of values: {sizes}{without}"


def _in_words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def told(story: diagram.Story) -> Iterator[str]:
    """The steps as a numbered list."""
    for each in story.steps:
        yield f"{each.number}. **{each.title}**"
        for lane in story.lanes:
            if lane in each.changes:
                yield f"    - {lane}: {'; '.join(f'`{said}`' for said in each.changes[lane])}"


def without(assumption: str, setting: str, theorem: str) -> list[Refutation]:
    """How a theorem of a setting breaks without an assumption: a guard, or actions that are not taken."""
    parts = assumption.split(", ")
    named = [each for each in refutations().values() if each.kind in {Kind.DESIGN, Kind.ASSUMPTION}]
    broken = [each for each in named if each.counterexample is not None and each.counterexample.theorem == theorem]
    return [each for each in broken if _drops(variant_named(each.variant), parts, setting)]


def _drops(variant: Variant, parts: Iterable[str], setting: str) -> bool:
    if not variant.changes or any(search.setting != setting for search in variant.searches):
        return False
    name = variant.changes[0].name
    return any(name == part or ("." not in part and name.startswith(part)) for part in parts)
