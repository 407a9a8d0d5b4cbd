"""`tidegauge conform`: hold a target to the specification. A thin command over pytest, with reports of its own."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import pytest
from attrs import evolve, frozen
from rich.console import Console

from conformance.collected import WRONG_CHOICES, Suite
from conformance.commands.listing import listing
from conformance.commands.options import (
    FAILED,
    INTERRUPTED,
    TERMINATED,
    USAGE,
    exits_on,
    file_to_write,
    no_color,
    target_options,
)
from conformance.console import console_for
from conformance.report.document import document_of
from conformance.report.html import write_html
from conformance.report.json_report import write_json
from conformance.report.junit import write_junit
from conformance.report.terminal import TerminalReport
from conformance.selection import split_ids
from conformance.sitting import Settings, Sitting

EXAMPLES = """Hold TARGET to the specification, and report what it breaks.

TARGET is `bundled` (default: our broker, started for you), HOST:PORT[,HOST:PORT...] (anything that speaks Kafka),
`apache-kafka[:PROFILE]`, `mock`, `tansu`, `noida`, or PATH.py:NAME (an adapter of yours).

\b
Examples:
  tidegauge conform
  tidegauge conform localhost:9092 --only IDM,LOG-03
  tidegauge conform broker:9093 --command-config client.properties --profile 3.9-zk
  tidegauge conform localhost:9092 --fault-command './broker.sh {action} {broker}'
  tidegauge conform apache-kafka --html report.html --junit junit.xml --json kafka.json
  tidegauge conform --list

Topics and groups that are made on the target carry a random prefix and are removed in the end; what stays is told.
Exit code 0: all is well; 1: a requirement failed (also a requirement outside `--only` that was seen broken on the way),
a known deviation passed, or --fault-command failed; 2: a wrong choice, the target can't be had, or the suite itself
broke; 130: interrupted (143 by SIGTERM).
"""


@frozen
class Files:
    """Where reports go; None: not wanted."""

    json: Path | None
    html: Path | None
    junit: Path | None


@click.command(help=EXAMPLES)
@target_options
@click.option("--only", default="", metavar="IDS", help="Requirements by the start of their id: IDM,LOG-03.")
@click.option(
    "--examples",
    default=10,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Generated sequences per family, after the cases; 0 for none.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the generated sequences; random if not given.")
@click.option("--json", "json_file", type=file_to_write, metavar="FILE", help="Write the results as JSON.")
@click.option("--html", "html_file", type=file_to_write, metavar="FILE", help="Write the results as one HTML file.")
@click.option("--junit", "junit_file", type=file_to_write, metavar="FILE", help="Write the results as JUnit XML.")
@click.option("--list", "list_only", is_flag=True, help="List requirements and cases, and start nothing.")
@no_color
def conform(
    settings: Settings,
    only: str,
    examples: int,
    seed: int | None,
    json_file: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    list_only: bool,
    no_color: bool,
) -> None:
    """See EXAMPLES."""
    seed = secrets.randbits(32) if seed is None else seed
    settings = evolve(settings, only=split_ids(only), examples=examples, seed=seed)
    console = console_for(no_color=no_color)
    with exits_on(*WRONG_CHOICES):
        if list_only:
            listing(settings, console)
            return
        code = hold(settings, Files(json_file, html_file, junit_file), console)
    sys.exit(code)


def hold(settings: Settings, files: Files, console: Console) -> int:
    """Run the suite and write the reports; the exit code.

    Raises:
        TargetError, UnknownProfileError, UnknownIdError, DeviationsError: a choice is wrong, or there is no target.
    """
    sitting = Sitting(settings)
    terminated = False

    def on_terminate(_number: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    report = TerminalReport(sitting, console)
    try:
        with _on_sigterm(on_terminate), sitting:
            sitting.try_storage()
            with report:
                status = run_pytest(sitting)
    except KeyboardInterrupt:
        sitting.interrupted = True
        if not sitting.plan:  # the target was still being started: there is nothing to tell
            return TERMINATED if terminated else INTERRUPTED
        status = pytest.ExitCode.INTERRUPTED
    report.conclude()
    _write(sitting, files, console)
    if sitting.interrupted:
        return TERMINATED if terminated else INTERRUPTED
    if sitting.errors or status in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
        return USAGE
    return FAILED if sitting.has_failed else 0


def run_pytest(sitting: Sitting) -> int:
    """Run the plan by pytest, with nothing of the user's: no configuration, no conftest.py, no plug-ins."""
    import_root = Path(__file__).resolve().parents[2]
    arguments = [
        *("-c", os.devnull, "--rootdir", str(import_root), "--noconftest"),
        *("-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:logging", "-p", "conformance.plugin"),
        *("--capture=no", "--assert=plain", "--import-mode=importlib"),
        str(import_root / "conformance" / "cases"),
    ]
    with _environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS=None, PYTEST_PLUGINS=None):
        return pytest.main(arguments, plugins=[Suite(sitting)])


@contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _on_sigterm(handler: signal.Handlers | object) -> Iterator[None]:
    """A job that is cancelled should clean up after itself as one does that is interrupted."""
    before = signal.signal(signal.SIGTERM, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(sitting: Sitting, files: Files, console: Console) -> None:
    if files == Files(None, None, None):
        return  # a document of a whole run takes seconds to make
    document = document_of(sitting)
    if files.json is not None:
        write_json(document, files.json)
    if files.html is not None:
        write_html([document], files.html)
    if files.junit is not None:
        write_junit(document, files.junit)
    for path in (files.json, files.html, files.junit):
        if path is not None:
            console.print(f"Wrote {path}", soft_wrap=True)
