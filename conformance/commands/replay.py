"""`tidegauge replay`: run a sequence again that `tidegauge fuzz` has found."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.text import Text

from conformance.client import NotReady, Unsupported
from conformance.collected import WRONG_CHOICES
from conformance.commands.options import FAILED, exits_on, file_to_read, no_color, target_options
from conformance.console import console_for
from conformance.machines.actor import Violation
from conformance.machines.script import ScriptError, read_script
from conformance.machines.sequences import performed, tolerated_of
from conformance.machines.sequences import replay as run_again
from conformance.report.terminal import left_lines
from conformance.report.words import step_text
from conformance.sitting import Settings, Sitting

EXAMPLES = """Run the sequence in FILE again, on TARGET.

Every step is printed with what was sent and what came back. Exit code 0: every answer was allowed; 1: a rule was
broken, or a fault of the sequence (--fault-command) failed; 2: a wrong choice, or the target can't be had.

\b
Examples:
  tidegauge replay tidegauge-found.json
  tidegauge replay tidegauge-found.json localhost:9092 --profile 3.9-zk
"""


@click.command(help=EXAMPLES)
@click.argument("file", type=file_to_read)
@target_options
@no_color
def replay(settings: Settings, file: Path, no_color: bool) -> None:
    """See EXAMPLES."""
    console = console_for(no_color=no_color)
    with exits_on(*WRONG_CHOICES, ScriptError, Unsupported, NotReady):
        script = read_script(file)
        with Sitting(settings) as sitting:
            actor, ended_by = run_again(sitting.bench, script, tolerated_of(sitting.deviations))
    events = [event for act in actor.acts for event in act.events]
    for number, event in enumerate(events, 1):
        console.print(Text(step_text(performed(event), number)), soft_wrap=True)
    for text in left_lines(sitting):
        console.print(text, soft_wrap=True)
    if ended_by is None:
        console.print(Text(f"Every answer was allowed (operations: {len(events)}).", style="bold green"))
        return
    said = "A rule was broken" if isinstance(ended_by, Violation) else "It ended early, because a fault failed"
    console.print(Text(f"{said}: {ended_by}", style="bold red"), soft_wrap=True)
    sys.exit(FAILED)
