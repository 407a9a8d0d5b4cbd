"""Counterexamples to look at: numbered steps beside what changes for whom, in a terminal, as SVG, and as an ITF trace.

A step changes cells of the state. Those that belong to a replica are told in its lane, the others in that of their
place, and if they have none in the controller's.
ITF is the trace format of Apalache and Quint (Apalache ADR-015).
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import itf_py
from attrs import frozen
from itf_py import Trace
from rich.table import Table

from model.language import BOOLEAN, Field, Machine, Option, Record, Sizes, State
from model.readings import values
from model.readings.values import ValueMap, ValueSequence, ValueSet

LANE_PX, LINE_PX, TOP_PX, LABEL_PX = 230, 15, 56, 250
CONTROLLER = "controller"

Steps = Sequence[tuple[str, Mapping[str, int]]]
"""Actions with their arguments, from the first state."""


@frozen
class Told:
    """One step: its number, who does what, and what changes in which lane."""

    number: int
    action: str
    arguments: Mapping[str, int]
    changes: Mapping[str, tuple[str, ...]]
    state: State
    """The state after it."""

    @property
    def title(self) -> str:
        """Who does what."""
        said = ", ".join(f"{name} {value}" for name, value in self.arguments.items())
        return f"{self.action.replace('_', ' ')} ({said})" if said else self.action.replace("_", " ")


@frozen
class Story:
    """A counterexample, told step by step."""

    lanes: tuple[str, ...]
    first: State
    steps: tuple[Told, ...]


def story(machine: Machine, sizes: Sizes, steps: Steps) -> Story:
    """Run the steps, whatever their guards say, and tell what each changes."""
    state = first = values.initial(machine, sizes)
    places = dict.fromkeys(_lane(field) for field in machine.fields.values() if not field.is_history)
    lanes = [*places, *(f"replica {number}" for number in range(sizes.get("Replica", 0)))]
    told = []
    for number, (name, arguments) in enumerate(steps, 1):
        action = machine.actions[name]
        after = action.apply(state, **arguments).effect()
        told.append(Told(number, name, arguments, _changes(machine, state, after), after))
        state = after
    return Story(tuple(lanes), first, tuple(told))


def _lane(field: Field) -> str:
    """Where a change is told that is no replica's."""
    return field.place or CONTROLLER


def _changes(machine: Machine, before: State, after: State) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, field in machine.fields.items():
        if field.is_history:
            continue
        old, new = getattr(before, name), getattr(after, name)
        if not field.keys:
            if old != new:
                found.setdefault(_lane(field), []).append(f"{_plain(name)}: {_value(new, field.sort)}")
            continue
        for lane, said in _cells(name, field, old, new):
            found.setdefault(lane, []).append(said)
    return {lane: tuple(said) for lane, said in found.items()}


def _cells(name: str, field: Field, old: ValueMap, new: ValueMap) -> list[tuple[str, str]]:
    found = []
    for key in new.places():
        one, other = old[key], new[key]
        if one == other:
            continue
        is_replicas = field.keys[0].is_named
        lane = f"replica {key[0]}" if is_replicas else _lane(field)
        rest = ", ".join(map(str, key[1:] if is_replicas else key))
        found.append((lane, f"{_plain(name)}{f'[{rest}]' if rest else ''}: {_value(other, field.sort)}"))
    return found


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Any, sort: Any) -> str:
    match value:
        case ValueSet():
            return "{" + ", ".join(map(str, sorted(value.members))) + "}"
        case ValueSequence():
            return "[" + "; ".join(_value(each, None) for each in value.items) + "]"
        case Option():
            return _value(value.value, None) if value.exists else "none"
        case Record():
            return ", ".join(f"{_plain(name)} {_value(each, None)}" for name, each in value.parts.items())
        case _:
            return ("yes" if value else "no") if sort == BOOLEAN or isinstance(value, bool) else str(value)


# -- a terminal ------------------------------------------------------------------------------------------------------


def as_table(told: Story) -> Table:
    """A table for a terminal: a row a step, a column a lane."""
    table = Table(box=None, pad_edge=False, show_lines=False)
    table.add_column("", justify="right")
    table.add_column("step")
    for lane in told.lanes:
        table.add_column(lane)
    for each in told.steps:
        table.add_row(str(each.number), each.title, *("\n".join(each.changes.get(lane, ())) for lane in told.lanes))
    return table


# -- a drawing -------------------------------------------------------------------------------------------------------


def as_svg(told: Story, title: str) -> str:
    """A space-time diagram: a lane for each who acts, time downwards, an arrow between two replicas that meet."""
    width = LABEL_PX + LANE_PX * len(told.lanes)
    body: list[str] = []
    y = TOP_PX
    for each in told.steps:
        height = max(len(_title(each)), *(len(_lines(each, lane)) for lane in told.lanes))
        body += _row(told, each, y)
        y += height * LINE_PX + 14
    lanes = []
    for index, lane in enumerate(told.lanes):
        x = LABEL_PX + LANE_PX * index + 8
        lanes.append(f'<text x="{x + 6}" y="{TOP_PX - 16}" class="lane">{html.escape(lane)}</text>')
        lanes.append(f'<line x1="{x}" y1="{TOP_PX - 8}" x2="{x}" y2="{y}" class="time"/>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 12}" width="{width}" height="{y + 12}">'
        "<style>text{font:12px sans-serif;fill:#222}.lane{font-weight:bold}.title{font-size:14px;font-weight:bold}"
        ".time{stroke:#999}.meet{stroke:#06c;marker-end:url(#to)}.dot{fill:#06c}</style>"
        '<defs><marker id="to" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6 z" fill="#06c"/></marker></defs>'
        f'<rect width="{width}" height="{y + 12}" fill="#fff"/>'
        f'<text x="8" y="18" class="title">{html.escape(title)}</text>'
    )
    return "\n".join([head, *lanes, *body, "</svg>"]) + "\n"


def _lines(each: Told, lane: str) -> list[str]:
    return [line for said in each.changes.get(lane, ()) for line in textwrap.wrap(said, 34)]


def _title(each: Told) -> list[str]:
    return textwrap.wrap(f"{each.number}. {each.title}", 38)


def _row(told: Story, each: Told, y: int) -> list[str]:
    body = [
        f'<text x="8" y="{y + 11 + line * LINE_PX}">{html.escape(said)}</text>'
        for line, said in enumerate(_title(each))
    ]
    for index, lane in enumerate(told.lanes):
        x = LABEL_PX + LANE_PX * index + 8
        for line, said in enumerate(_lines(each, lane)):
            body.append(f'<text x="{x + 8}" y="{y + 11 + line * LINE_PX}">{html.escape(said)}</text>')
        if lane in each.changes:
            body.append(f'<circle cx="{x}" cy="{y + 7}" r="4" class="dot"/>')
    return body + _arrow(told, each, y - 3)  # above what is told, which it would cross out


def _arrow(told: Story, each: Told, y: int) -> list[str]:
    """From the replica that acts to the other one that it meets, where two are named."""
    lanes = [f"replica {value}" for name, value in each.arguments.items() if name in ("leader", "follower", "replica")]
    if len(lanes) != 2 or lanes[0] == lanes[1]:
        return []
    start, end = (LABEL_PX + LANE_PX * told.lanes.index(lane) + 8 for lane in lanes)
    gap = 6 if end > start else -6
    return [f'<line x1="{start + gap}" y1="{y}" x2="{end - gap}" y2="{y}" class="meet"/>']


# -- a trace for other tools -----------------------------------------------------------------------------------------


def as_itf(machine: Machine, told: Story) -> dict[str, Any]:
    """The trace in the Informal Trace Format: the first state, and the state after each step."""
    states = [("", told.first), *((each.title, each.state) for each in told.steps)]
    trace = Trace(
        {"format": "ITF", "description": f"a counterexample of the machine {machine.name}"},
        [],
        ["step", *machine.fields],
        [
            itf_py.State(
                {"index": index}, {"step": step, **{name: _itf(getattr(state, name)) for name in machine.fields}}
            )
            for index, (step, state) in enumerate(states)
        ],
        None,
    )
    data: dict[str, Any] = itf_py.trace_to_json(trace)
    return data


def _itf(value: Any) -> Any:
    """A value of the machine as one that the writer of traces knows."""
    match value:
        case ValueMap():
            return {key if len(key) > 1 else key[0]: _itf(value[key]) for key in value.places()}
        case ValueSet():
            return value.members
        case ValueSequence():
            return [_itf(each) for each in value.items]
        case Option():
            # As a set of one or none: the readers that were tried stumble over tagged numbers.
            return frozenset([_itf(value.value)] if value.exists else [])
        case Record():
            return SimpleNamespace(**{name: _itf(each) for name, each in value.parts.items()})
        case _:
            return value
