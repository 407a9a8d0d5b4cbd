"""A bar that shows how far a command is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def bar(console: Console, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that is told what is done, how many are done, and of how many; nothing where there is no terminal."""
    if quiet or not console.is_terminal:
        yield lambda _said, _done, _of: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading the machine", total=None)

        def show(said: str, done: int, of: int) -> None:
            progress.update(task, total=of, completed=done, description=said)

        yield show
