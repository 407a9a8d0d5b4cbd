"""Pages about the machines, made of their text: what a state holds, who acts when, the guards, what is shown.

A page is for a reader who knows Kafka and no logic. Nothing in it is written a second time: the words are the machine's
docstrings and the names of its guards; what goes wrong without a guard is what was found (`docs.counterexamples`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from docs import counterexamples, failures
from docs.counterexamples import outcome, refutations
from docs.introductions import introduction
from model.language import Machine
from model.language.machine import Action, Field
from model.language.tracing import check
from model.machines.durability import durability
from model.machines.producer import producer
from model.machines.published import PUBLISHED, base
from model.machines.replication import replication
from properties.claims import Claims, Theorem
from properties.prove.engine import claimed_of
from properties.refute.catalogue import variant_named
from properties.refute.engine import Refutation
from properties.variants import designs
from properties.variants import durability as mistakes
from properties.variants.variant import Kind, Variant, setting_called

MACHINES: Mapping[str, Machine] = {
    "replication": replication,
    "durability": durability,
    "producer": producer,
    **PUBLISHED,
}
CLAIMED = "replication"
"""The machine of which theorems are claimed under several failures; its guards are named without the machine."""
DESIGNS: Mapping[str, tuple[str, Sequence[Variant]]] = {
    CLAIMED: ("Designs that were tried, and failures", designs.DESIGNS),
    "durability": ("Mistakes", mistakes.DESIGNS),
}
"""What a machine's page calls its named variants, and which they are."""
PROVED = {CLAIMED: "for any number of replicas", "durability": "for any log"}
"""The machines of which theorems are claimed, and for what sizes."""


def pages() -> Mapping[str, str]:
    """The generated pages by file name."""
    made = {f"machines/{name}.md": machine_page(name, machine) for name, machine in MACHINES.items()}
    made["machines/index.md"] = index_page()
    return {**made, **counterexamples.pages(), **failures.pages()}


def index_page() -> str:
    """All machines in one table."""
    lines = [
        "# Machines",
        "",
        "A machine is a protocol, written once: what a state holds, and who may do what, when. The same text is run on",
        "values, explored over every state of a small size (`tidegauge explore`), and proved for any size",
        "(`tidegauge prove`). What goes wrong when something is left out is told as",
        "[counterexamples](counterexamples/index.md) (`tidegauge refute`), and which theorem holds under which",
        "failures in [one table](failures.md).",
        "",
        "| machine | what it is | actions | theorems |",
        "|---|---|---|---|",
    ]
    for name, machine in MACHINES.items():
        theorems = ", ".join(each.name for each, _setting, _claims in _theorems(name)) if name in PROVED else ""
        lines.append(f"| [{name}]({name}.md) | {_about(machine)} | {len(machine.actions)} | {theorems} |")
    return "\n".join(lines) + "\n"


def machine_page(name: str, machine: Machine) -> str:
    """One machine: what it is, what is shown about it, its state, its actions with their guards."""
    lines = [f"# {name}", "", _about(machine), "", introduction(name)]
    if name == CLAIMED:
        lines += [*_theorem_part(name), *_failure_part(), *_design_part(name)]
    elif name in PROVED:
        lines += [*_theorem_part(name), *_design_part(name)]
    elif name in PUBLISHED:
        lines += _what_must_hold(name)
    lines += ["## What a state holds", "", "| field | what it is | of | for each |", "|---|---|---|---|"]
    lines += [_field(each, about) for each, about in machine.fields.items()]
    lines += ["", "## Who acts, and when", ""]
    if any(_found_of(name, action) for action in machine.actions.values()):
        lines += [
            "“Without it” says what a search or the proof says of the machine without the guard: the theorem that",
            "breaks, with the fewest steps that a search of its size and of its actions needs, or that all is proved",
            "without it, and then why it is kept.",
            "",
        ]
    for action in machine.actions.values():
        lines += _action(name, machine, action)
    if name in PROVED:
        lines += _clause_part(name)
    return "\n".join(lines) + "\n"


def _about(machine: Machine) -> str:
    return machine.about or f"The machine `{machine.name}`."


def _field(name: str, field: Field) -> str:
    keys = ", ".join(key.name for key in field.keys)
    kind = " (a setting: no action changes it)" if field.is_setting else ""
    kind += " (history: nobody acts on it)" if field.is_history else ""
    return f"| `{name}` | {field.about}{kind} | {field.sort.name} | {keys} |"


# -- actions ---------------------------------------------------------------------------------------------------------


def _action(machine_name: str, machine: Machine, action: Action) -> Iterator[str]:
    header = action.header
    yield from (f"### {action.name.replace('_', ' ')}", "", header.summary, "")
    yield from (f"- **Who:** {header.who}", f"- **When:** {header.when}")
    yield from (f"- **Changes:** {header.changes}", f"- **Source:** {header.source}", "")
    found = _found_of(machine_name, action)
    yield f"| guard | safety-critical |{' without it |' if found else ''}"
    yield f"|---|---|{'---|' if found else ''}"
    for guard in check(machine, action).guards:
        said = f"| {guard.name.replace('_', ' ')} | {'yes' if guard.safety_critical else ''} |"
        yield said + (f" {_without_it(found, f'{action.name}.{guard.name}')} |" if found else "")
    yield ""


def _found_of(machine_name: str, action: Action) -> Mapping[str, Refutation]:
    """What became of an action without its guards, and conjuncts of them, by `action.guard[.conjunct]`."""
    prefix = "" if machine_name == CLAIMED else f"{machine_name}/"
    start = f"{prefix}{action.name}."
    return {name.removeprefix(prefix): each for name, each in refutations().items() if name.startswith(start)}


def _without_it(found: Mapping[str, Refutation], guard: str) -> str:
    said = [outcome(found.get(guard))]
    conjuncts = [name for name in found if name.startswith(f"{guard}.")]
    said += [f"without its conjunct {name.rpartition('.')[2]}: {outcome(found[name])}" for name in conjuncts]
    return "<br>".join(filter(None, said))


# -- what is claimed -------------------------------------------------------------------------------------------------


def _theorems(name: str) -> Iterator[tuple[Theorem, str, Claims]]:
    """Every theorem of a machine, with the setting that it is claimed in."""
    for setting, claims in claimed_of(name).items():
        for theorem in claims.theorems.values():
            yield theorem, setting, claims


def _theorem_part(name: str) -> Iterator[str]:
    yield from (f"## What is proved, {PROVED[name]}", "")
    for theorem, setting, claims in _theorems(name):
        yield from (f"### {theorem.name}", "", f"**{theorem.sentence}**", "")
        yield from (f"- Setting `{setting_called(setting)}`: {claims.machine.about}",)
        for said, guard in theorem.assumes:
            broken = [
                f"{outcome(each)} (`{each.variant}`)" for each in counterexamples.without(guard, setting, theorem.name)
            ]
            yield f"- Assuming that {said} (`{guard}`)." + (f" Without it: {'; '.join(broken)}." if broken else "")
        yield ""


def _failure_part() -> Iterator[str]:
    yield from ("## Theorems and failures", "", *failures.table("counterexamples/"), "")


def _design_part(machine: str) -> Iterator[str]:
    heading, named = DESIGNS[machine]
    yield from (f"## {heading}", "", *counterexamples.design_table(named, "counterexamples/"), "")


def _what_must_hold(name: str) -> Iterator[str]:
    yield from ("## What must hold", "")
    for invariant, holds in base.INVARIANTS.items():
        yield f"- **{invariant}**: {' '.join((holds.__doc__ or '').split())}"
    broken = [each for each in refutations().values() if _is_design(each, name)]
    if broken:
        yield from ("", f"It does not: {outcome(broken[0])}. {variant_named(broken[0].variant).about}")
    yield ""


def _is_design(each: Refutation, name: str) -> bool:
    found = each.counterexample
    return each.kind is Kind.DESIGN and found is not None and setting_called(found.search.setting) == name


def _clause_part(machine: str) -> Iterator[str]:
    yield from ("## The invariant", "", "Each clause holds at first, and every action keeps it, given all others.", "")
    clauses = {name: each for claims in claimed_of(machine).values() for name, each in claims.clauses.items()}
    yield from (f"- **{name.replace('_', ' ')}**: {each.about}" for name, each in clauses.items())
    lemmas = {name: each for claims in claimed_of(machine).values() for name, each in claims.lemmas.items()}
    if lemmas:
        yield from ("", "What follows from the clauses, proved once and then used:", "")
    yield from (f"- **{name.replace('_', ' ')}**: {each.about}" for name, each in lemmas.items())
    yield from ("", "So that nothing is proved of nothing, these states are shown to be reachable:", "")
    for claims in claimed_of(machine).values():
        yield from (f"- {each.about}" for each in claims.sometimes.values())
    yield ""
