"""`tidegauge`: the commands. Each is imported when it is called, so that one need not wait for the others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, str] = {
    "conform": "conformance.commands.conform:conform",
    "fuzz": "conformance.commands.fuzz:fuzz",
    "replay": "conformance.commands.replay:replay",
    "report": "conformance.commands.report:report",
    "spec": "conformance.commands.spec:spec",
    "prove": "conformance.commands.prove:prove",
    "refute": "conformance.commands.refute:refute",
    "explore": "conformance.commands.explore:explore",
    "serve": "impl.server.cli:serve",
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
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, help=EXAMPLES)
@click.version_option(package_name="tidegauge")
def main() -> None:
    """See EXAMPLES."""


if __name__ == "__main__":
    main()
