"""`tidegauge`: the commands. Each is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "conform": ("conformance.commands.conform:conform", "Hold a target to the specification."),
}
"""Where each command is, and what it does, in a line."""

EXAMPLES = """An executable reference model of Kafka's replicated log, and the suite that holds brokers to it.

\b
Examples:
  tidegauge conform localhost:9092
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
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, help=EXAMPLES)
@click.version_option(package_name="tidegauge")
def main() -> None:
    """See EXAMPLES."""


if __name__ == "__main__":
    main()
