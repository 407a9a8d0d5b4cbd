"""The console that commands print on. In a file of its own, so that no command waits for what another one needs."""

from __future__ import annotations

from rich.console import Console

PLAIN_WIDTH = 140
"""Columns of a line where there is no terminal to ask."""


def console_for(*, no_color: bool = False, stderr: bool = False) -> Console:
    """A console that respects NO_COLOR, and that doesn't fold lines where nobody looks at a screen."""
    console = Console(no_color=no_color or None, highlight=False, markup=False, emoji=False, stderr=stderr)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console
