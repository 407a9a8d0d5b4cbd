"""One failed requirement in full, for the terminal: the rule, the case, what was sent, came back, and was allowed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from conformance.case import CASES
from conformance.report.words import operation_text, shortened, step_text, telling_step
from conformance.results import CaseResult, Row, Verdict
from model.catalogue import requirements

EARLIER_STEPS_MAX = 8
LINE_MAX = 400


def failure_lines(row: Row) -> Iterator[Text]:
    """The lines of a failure: its first failing run in full, the others by name."""
    requirement = requirements()[row.id]
    yield Text.assemble((f"{row.id}  ", "bold red"), (requirement.sentence, "bold"))
    yield Text(f"  Why it matters: {requirement.intent}", style="dim")
    yield Text(f"  Source: {'; '.join(requirement.source)}", style="dim")
    failing = [result for result in row.results if result.verdict_for(row.id) is Verdict.FAIL]
    failing += row.beside
    if not failing:
        return
    first, *others = failing
    yield from _result_lines(first, row.id)
    if others:
        names = ", ".join(result.name for result in others[:4])
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        yield Text(f"  Also in {names}{more}", style="dim")


def _result_lines(result: CaseResult, requirement: str) -> Iterator[Text]:
    yield Text(f"  Case {result.name}", style="cyan")
    if result.case in CASES:
        yield Text(f"    {shortened(' '.join(CASES[result.case].about.split()), LINE_MAX)}", style="dim")
    index = _step_of(result, requirement)
    if index is None or not any(step.mismatches for step in result.steps):
        for line in result.detail.splitlines():
            yield Text(f"    {shortened(line, LINE_MAX)}", style="red")
    if index is None:
        return
    first = max(0, index - EARLIER_STEPS_MAX)
    if first:
        yield Text(f"    ... {first} steps before", style="dim")
    for number in range(first, index):
        said = f"    Step {number + 1}: {operation_text(result.steps[number].operation)}"
        yield Text(shortened(said, LINE_MAX), style="dim")
    for line in step_text(result.steps[index], index + 1).splitlines():
        yield Text(f"    {line}", style=_style(line))


def _step_of(result: CaseResult, requirement: str) -> int | None:
    """The step that broke the requirement's rule, otherwise the one at which the run went wrong."""
    for index, step in enumerate(result.steps):
        if any(mismatch.requirement == requirement for mismatch in step.mismatches):
            return index
    return telling_step(result)


def _style(line: str) -> str:
    if line.startswith("Step"):
        return "bold"
    return "cyan" if line in {"Sent:", "Came back:", "Wrong:", "Allowed:"} else ""
