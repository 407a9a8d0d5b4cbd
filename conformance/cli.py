"""`tidegauge`: the commands. Each is imported when it is called, so that one need not wait for the others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click
from attrs import frozen


@frozen
class Place:
    """Where a command is, and what it does: the first sentence of its help."""

    module: str
    name: str
    about: str


COMMANDS: Mapping[str, Place] = {
    "conform": Place(
        "conformance.commands.conform", "conform", "Hold TARGET to the specification, and report what it breaks."
    ),
    "fuzz": Place("conformance.commands.fuzz", "fuzz", "Hold TARGET to the specification by generated sequences."),
    "replay": Place("conformance.commands.replay", "replay", "Run the sequence in FILE again, on TARGET."),
    "report": Place("conformance.commands.report", "report", "Make reports from the JSON of one or several runs."),
    "spec": Place("conformance.commands.spec", "spec", "Show what must hold, why, and who checks it."),
    "prove": Place(
        "conformance.commands.prove", "prove", "Prove the theorems about MACHINE, or one of them, for any size."
    ),
    "refute": Place(
        "conformance.commands.refute", "refute", "Leave out what keeps a machine safe, and look for what breaks."
    ),
    "explore": Place(
        "conformance.commands.explore", "explore", "See in every state of MACHINE whether what must hold does."
    ),
    "serve": Place("impl.server.cli", "serve", "Run a Kafka broker that keeps its data in files."),
}
"""Where each command is. `serve` is the bundled broker's own: nothing else here knows `impl`."""

EXAMPLES = """An executable reference model of Kafka's replicated log, and the suite that holds brokers to it.

\b
Examples:
  tidegauge conform localhost:9092
  tidegauge conform apache-kafka --only IDM,LOG-03 --html report.html
  tidegauge fuzz localhost:9092 --minutes 10
  tidegauge prove replication
  tidegauge refute controller_elects.it_is_in_the_isr
  tidegauge explore kip320 --replicas 3 --epochs 2
  tidegauge spec LOG-03
  tidegauge serve --data /tmp/kafka --port 9092
"""


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        place = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(place.module), place.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """What each command does, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.about) for name, place in COMMANDS.items()])


@click.group(cls=Commands, help=EXAMPLES)
@click.version_option(package_name="tidegauge")
def main() -> None:
    """See EXAMPLES."""


if __name__ == "__main__":
    main()
