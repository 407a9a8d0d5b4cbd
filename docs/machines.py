"""Pages about the machines, made of their text: what a state holds, who acts when, the guards, what is shown.

A page is for a reader who knows Kafka and no logic. Nothing in it is written a second time: the words are the machine's
docstrings and the names of its guards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model.language import Machine
from model.language.machine import Action, Field
from model.language.tracing import check
from model.machines.producer import producer
from model.machines.published import PUBLISHED
from model.machines.replication import replication
from properties.claims import Claims, Clause, Theorem
from properties.invariants.replication import claims as replication_claims

MACHINES: Mapping[str, Machine] = {"replication": replication, "producer": producer, **PUBLISHED}
CLAIMS: Mapping[str, Claims] = {"replication": replication_claims}


def pages() -> Mapping[str, str]:
    """The generated pages by file name."""
    made = {f"machines/{name}.md": machine_page(machine, CLAIMS.get(name)) for name, machine in MACHINES.items()}
    made["machines/index.md"] = index_page()
    return made


def index_page() -> str:
    """All machines in one table."""
    lines = [
        "# Machines",
        "",
        "A machine is a protocol, written once: what a state holds, and who may do what, when. The same text is run on",
        "values, explored over every state of a small size (`tidegauge explore`), and proved for any size",
        "(`tidegauge prove`).",
        "",
        "| machine | what it is | actions | theorems |",
        "|---|---|---|---|",
    ]
    for name, machine in MACHINES.items():
        theorems = ", ".join(CLAIMS[name].theorems) if name in CLAIMS else ""
        lines.append(f"| [{name}]({name}.md) | {_about(machine)} | {len(machine.actions)} | {theorems} |")
    return "\n".join(lines) + "\n"


def machine_page(machine: Machine, claims: Claims | None) -> str:
    """One machine: its state, its actions with their guards, and what is shown about it."""
    lines = [f"# {machine.name}", "", _about(machine), ""]
    if claims is not None:
        lines += _theorems(claims.theorems.values())
    lines += ["## What a state holds", "", "| field | what it is | of | for each |", "|---|---|---|---|"]
    lines += [_field(name, each) for name, each in machine.fields.items()]
    lines += ["", "## Who acts, and when", ""]
    for action in machine.actions.values():
        lines += _action(machine, action)
    if claims is not None:
        lines += _clauses(claims.clauses.values(), claims.sometimes.values())
    return "\n".join(lines) + "\n"


def _about(machine: Machine) -> str:
    return machine.about or f"The machine `{machine.name}`."


def _field(name: str, field: Field) -> str:
    keys = ", ".join(key.name for key in field.keys)
    history = " (history: nobody acts on it)" if field.is_history else ""
    return f"| `{name}` | {field.about}{history} | {field.sort.name} | {keys} |"


def _action(machine: Machine, action: Action) -> list[str]:
    header = action.header
    lines = [
        f"### {action.name.replace('_', ' ')}",
        "",
        header.summary,
        "",
        f"- **Who:** {header.who}",
        f"- **When:** {header.when}",
        f"- **Changes:** {header.changes}",
        f"- **Source:** {header.source}",
        "",
        "| guard | safety-critical |",
        "|---|---|",
    ]
    lines += [
        f"| {guard.name.replace('_', ' ')} | {'yes' if guard.safety_critical else ''} |"
        for guard in check(machine, action).guards
    ]
    return [*lines, ""]


def _theorems(theorems: Iterable[Theorem]) -> list[str]:
    lines = ["## What is proved, for any number of replicas", ""]
    for theorem in theorems:
        lines += [f"### {theorem.name}", "", f"**{theorem.sentence}**", ""]
        lines += [f"- Assuming that {said} (guard `{guard}`)." for said, guard in theorem.assumes]
        lines.append("")
    return lines


def _clauses(clauses: Iterable[Clause], sometimes: Iterable[Clause]) -> list[str]:
    lines = ["## The invariant", "", "Each clause holds at first, and every action keeps it.", ""]
    lines += [f"- **{each.name.replace('_', ' ')}**: {each.about}" for each in clauses]
    lines += ["", "So that nothing is proved of nothing, these states are shown to be reachable:", ""]
    return [*lines, *(f"- {each.about}" for each in sometimes), ""]
