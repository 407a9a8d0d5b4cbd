"""`tidegauge report`: other reports from JSON results, a matrix if there are several."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.commands.options import exits_on, file_to_read, file_to_write
from conformance.report.badge import write_badge
from conformance.report.html import write_html
from conformance.report.json_report import ReportError, read_json
from conformance.report.junit import write_junit

EXAMPLES = """Make reports from the JSON of one or several runs.

Several results become a matrix with a column for each. A badge and JUnit are of one result.

\b
Examples:
  tidegauge report kafka.json --html kafka.html
  tidegauge report kafka.json tansu.json mock.json --html matrix.html
  tidegauge report kafka.json --badge badge.json
"""


@click.command(help=EXAMPLES)
@click.argument("results", nargs=-1, required=True, type=file_to_read)
@click.option("--html", "html_file", type=file_to_write, metavar="FILE", help="Write one HTML file.")
@click.option("--badge", "badge_file", type=file_to_write, metavar="FILE", help="Write a badge for shields.io.")
@click.option("--junit", "junit_file", type=file_to_write, metavar="FILE", help="Write JUnit XML.")
def report(results: tuple[Path, ...], html_file: Path | None, badge_file: Path | None, junit_file: Path | None) -> None:
    """See EXAMPLES."""
    if html_file is None and badge_file is None and junit_file is None:
        raise click.UsageError("nothing to make: name a file with --html, --badge or --junit")
    if len(results) > 1 and (badge_file is not None or junit_file is not None):
        raise click.UsageError("--badge and --junit are of one result")
    with exits_on(ReportError, OSError):
        documents = [read_json(path) for path in results]
        if html_file is not None:
            write_html(documents, html_file)
        if badge_file is not None:
            write_badge(documents[0], badge_file)
        if junit_file is not None:
            write_junit(documents[0], junit_file)
    for path in (html_file, badge_file, junit_file):
        if path is not None:
            click.echo(f"Wrote {path}")
