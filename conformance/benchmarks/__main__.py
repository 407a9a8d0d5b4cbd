"""`make bench`: the bundled broker against Apache Kafka 3.9, alternating rounds in one run.

Prints the median of each figure and the ratio, and writes them as JSON if asked. `traffic` is what clients send and
read, `storage` what a broker finds on disk when it starts, `growth` that with ever more on the disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import click
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from conformance.benchmarks import broker, growth, storage
from conformance.targets.apache_kafka import SERVER_JVM, ApacheKafka
from conformance.targets.base import TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.process_target import ProcessTarget

PARTS: Mapping[str, Callable[[ProcessTarget], Mapping[str, float]]] = {
    "traffic": broker.measure,
    "storage": storage.measure,
    "growth": growth.measure,
}
ONE_ROUND = frozenset({"growth"})
"""Parts that take too long for more."""


@click.command(epilog="Example: python -m conformance.benchmarks --part storage --rounds 5 --json figures.json")
@click.option("--part", type=click.Choice(list(PARTS)), help="Measure only this.  [default: all]")
@click.option("--rounds", default=3, show_default=True, help="Rounds of each broker; the median counts.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(part: str | None, rounds: int, json_file: Path | None) -> None:
    """Measure the bundled broker against Apache Kafka 3.9 (KRaft) on this machine."""
    console = Console()
    figures: dict[str, dict[str, list[float]]] = {"bundled": {}, "apache-kafka": {}}
    parts = {name: measure for name, measure in PARTS.items() if part in (None, name)}
    total = 2 * sum(1 if name in ONE_ROUND else rounds for name in parts)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=total)
        for number in range(rounds):
            for name, measured in figures.items():
                for chosen, measure in parts.items():
                    if number and chosen in ONE_ROUND:
                        continue
                    target: ProcessTarget = Bundled() if name == "bundled" else ApacheKafka(jvm=SERVER_JVM)
                    try:
                        for figure, value in measure(target).items():
                            measured.setdefault(figure, []).append(value)
                    except (TargetError, broker.StalledError, KafkaException) as error:
                        raise click.ClickException(str(error)) from error
                    progress.advance(task)
    table = Table("", "bundled", "Apache Kafka", "ratio", title=f"medians of {rounds} alternating rounds")
    result = {}
    for figure, values in figures["bundled"].items():
        ours, theirs = median(values), median(figures["apache-kafka"][figure])
        result[figure] = {"bundled": ours, "apache-kafka": theirs, "ratio": ours / theirs}
        table.add_row(figure, f"{ours:,.2f}", f"{theirs:,.2f}", f"{ours / theirs:.2f}")
    console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
