"""`make bench`: the bundled broker against Apache Kafka 3.9, alternating rounds in one run.

Prints the median of each figure and the ratio, and writes them as JSON if asked, anew with each figure. `traffic` is
what clients send and read, `storage` what a broker finds on disk when it starts, `growth` how both grow with ever more
on the disk.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click
from attrs import frozen
from confluent_kafka import KafkaException
from rich.console import Console

from conformance.benchmarks import growth, storage, traffic
from conformance.benchmarks.broker import StalledError
from conformance.benchmarks.figures import OURS, THEIRS, Broker, Figures, Notes
from conformance.commands.bars import bar
from conformance.targets.apache_kafka import SERVER_JVM, ApacheKafka
from conformance.targets.base import TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.process_target import ProcessTarget

BROKERS: Mapping[Broker, Callable[[], ProcessTarget]] = {
    OURS: Bundled,
    THEIRS: lambda: ApacheKafka(jvm=SERVER_JVM),
}


@frozen
class Part:
    """What is measured together."""

    measure: Callable[[ProcessTarget, Notes], None]
    rounds: int | None = None
    """How often, if not as often as was asked for."""
    remark: str = ""
    """What else a reader of its figures must know."""


PARTS: Mapping[str, Part] = {
    "traffic": Part(traffic.measure),
    "storage": Part(storage.measure),
    "growth": Part(growth.measure, rounds=1, remark="; logs are sparse, of 1 MB batches"),
}


@click.command(epilog="Example: python -m conformance.benchmarks --part storage --rounds 5 --json figures.json")
@click.option("--part", type=click.Choice(list(PARTS)), help="Measure only this.  [default: all]")
@click.option("--broker", type=click.Choice(list(BROKERS)), help="Measure only this.  [default: both]")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Rounds of each broker; the median counts. Growth, which takes long, has one.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(part: str | None, broker: Broker | None, rounds: int, json_file: Path | None) -> None:
    """Measure the bundled broker against Apache Kafka 3.9 (KRaft) on this machine."""
    figures = Figures()
    turns = [
        (name, f"round {number + 1} of {_rounds(name, rounds)}", each)
        for name in PARTS
        if part in (None, name)
        for number in range(_rounds(name, rounds))
        for each in BROKERS
        if broker in (None, each)
    ]
    console = Console(stderr=True)
    where = ""
    try:
        with bar(console, quiet=False) as show:
            tell = show if console.is_terminal else _say
            for done, (name, number, each) in enumerate(turns):
                where = f"{name}, {number}, {each}"
                step = partial(_tell_step, tell, where, done, len(turns))
                PARTS[name].measure(BROKERS[each](), Notes(_keeper(figures, name, each, json_file), step))
    except (TargetError, StalledError, KafkaException, OSError, subprocess.SubprocessError) as error:
        raise click.ClickException(f"{where}: {error}; what was measured before it failed is above") from error
    finally:
        for name in figures.parts:
            how = "one round" if _rounds(name, rounds) == 1 else f"medians of {rounds} alternating rounds"
            Console().print(figures.table(name, f"{name}: {how}{PARTS[name].remark}"))


def _rounds(part: str, wanted: int) -> int:
    """How many rounds a part has."""
    return PARTS[part].rounds or wanted


def _keeper(figures: Figures, part: str, broker: Broker, json_file: Path | None) -> Callable[[str, float], None]:
    """What keeps a figure, and writes all there are: a run that ends early has lost nothing."""

    def keep(figure: str, value: float) -> None:
        figures.keep(part, broker, figure, value)
        if json_file is not None:
            json_file.write_text(json.dumps(figures.as_json(), indent=2) + "\n", encoding="utf-8")

    return keep


def _say(said: str, _done: int, _of: int) -> None:
    """Where there is no terminal to show a bar on, a line."""
    click.echo(said, err=True)


def _tell_step(tell: Callable[[str, int, int], None], where: str, done: int, of: int, step: str) -> None:
    """Say what a broker is made to do now."""
    tell(f"{where}: {step}", done, of)


if __name__ == "__main__":
    main()
