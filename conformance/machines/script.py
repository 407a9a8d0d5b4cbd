"""A sequence as a file: the steps, on what it was found, and what was wrong; `tidegauge replay` runs it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen

from conformance.machines import registered
from conformance.machines.machine import Found
from conformance.machines.steps import Step, StepError

FORMAT = 1


class ScriptError(Exception):
    """A file is no sequence that can be replayed; says what is wrong with it."""


@frozen
class Script:
    """Groups of steps; those of one group are in flight together."""

    groups: tuple[tuple[Step, ...], ...]
    target: str = ""
    profile: str = ""
    seed: int | None = None
    violation: str = ""

    @classmethod
    def of(cls, found: Found, target: str, profile: str, seed: int | None) -> Script:
        """The script of a failing sequence."""
        return cls(tuple(act.steps for act in found.acts), target, profile, seed, str(found.violation))

    def text(self) -> str:
        """The file's content: JSON, a step a line."""
        head = {"tidegauge": FORMAT, "target": self.target, "profile": self.profile, "seed": self.seed}
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
        lines.append(f'  "violation": {json.dumps(self.violation)},')
        groups = [json.dumps([step.as_data() for step in group]) for group in self.groups]
        body = ",\n".join(f"    {group}" for group in groups)
        return "{\n" + "\n".join(lines) + '\n  "steps": [\n' + body + "\n  ]\n}\n"


def read_script(file: Path) -> Script:
    """Read a script.

    Raises:
        ScriptError: it can't be read, is no JSON, or has steps that this version does not know.
    """
    registered.load()
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ScriptError(f"{file} can't be read: {error}") from error
    if not isinstance(data, dict) or data.get("tidegauge") != FORMAT or not isinstance(data.get("steps"), list):
        raise ScriptError(f"{file} is no script of `tidegauge fuzz` (format {FORMAT})")
    try:
        groups = tuple(_group(group) for group in data["steps"])
    except StepError as error:
        raise ScriptError(f"{file}: {error}") from error
    return Script(groups, data.get("target", ""), data.get("profile", ""), data.get("seed"), data.get("violation", ""))


def _group(group: Any) -> tuple[Step, ...]:
    if not isinstance(group, list) or not all(isinstance(step, dict) for step in group):
        raise StepError("a group is a list of steps, each an object")
    return tuple(Step.from_data(step) for step in group)
