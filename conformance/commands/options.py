"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from model.profiles import PROFILES

FAILED = 1
"""Exit code if a requirement failed, or a known deviation passed."""
USAGE = 2
"""Exit code for a wrong choice, and for a target that can't be had."""
INTERRUPTED = 130
TERMINATED = 143


PROFILE_HELP = (
    f"Release and control plane it is held to: {', '.join(PROFILES)}; the newest is for all later releases, too.  "
    "[default: the target's own; of HOST:PORT 3.9-kraft]"
)


class FileToWrite(click.Path):
    """A file that can be made: told at once, not after a run of minutes."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Also refuse a file in a folder that isn't there or can't be written to."""
        path = super().convert(value, param, ctx)
        folder = Path(os.fsdecode(path)).resolve().parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"nothing can be written to {folder}", param, ctx)
        return path


file_to_write = FileToWrite()
file_to_read = click.Path(dir_okay=False, exists=True, path_type=Path)

no_color = click.option("--no-color", is_flag=True, help="No colours (as with NO_COLOR in the environment).")


@contextmanager
def exits_on(*wrong_choices: type[Exception]) -> Iterator[None]:
    """A wrong choice ends the command with a line that says what is wrong, an interruption with one that says so."""
    try:
        yield
    except wrong_choices as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """TARGET and how to reach, control and judge it, given to the command as `settings`."""

    @click.argument("target", default="bundled")
    @click.option("--profile", metavar="NAME", help=PROFILE_HELP)
    @click.option("--deviations", metavar="FILE", help="Known deviations; `none` for none. Default: the target's own.")
    @click.option("--fault-command", metavar="CMD", help="How to do things to a broker: 'CMD {action} {broker}'.")
    @click.option("--command-config", type=file_to_read, metavar="FILE", help="Kafka's client properties: TLS, SASL.")
    @wraps(command)
    def with_settings(
        *,
        target: str,
        profile: str | None,
        deviations: str | None,
        fault_command: str | None,
        command_config: Path | None,
        **other: Any,
    ) -> Any:
        from conformance.sitting import Settings  # noqa: PLC0415  commands without a target need not wait for it

        settings = Settings(
            target=target,
            profile=profile,
            deviations=deviations,
            fault_command=fault_command,
            command_config=command_config,
        )
        return command(settings=settings, **other)

    return with_settings
