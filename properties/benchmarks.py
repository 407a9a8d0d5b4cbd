"""`make bench`, the spec's part: how fast states are explored and theorems are proved, on this machine.

TLC is not run here: its rate was recorded once, on another machine with two cores, with nothing else running. So its
ratio says about how much faster the exploration is, not exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from model.language import Sizes
from model.machines.published import PUBLISHED, base
from properties.explore.engine import Explorer
from properties.prove.engine import prove

TLC_STATES_A_SECOND = 24_000
"""Distinct states a second, two workers, on `kip320` with 3 replicas, log 2, records 2, epochs 2 (737,794 states)."""
SIZES: Mapping[str, Sizes] = {
    "kip320, 3 replicas, epochs 2": base.sizes(replicas=3, log=2, records=2, epochs=2),
    "kip320, 3 replicas, epochs 3": base.sizes(replicas=3, log=2, records=2, epochs=3),
}


@click.command(epilog="Example: python -m properties.benchmarks --rounds 5 --json figures.json")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="The median counts.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(min=1), help="Threads, and processes.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here."
)
def main(rounds: int, workers: int, json_file: Path | None) -> None:
    """Measure exploration and proof on this machine."""
    console = Console()
    explored = {name: exploration(sizes, rounds, workers) for name, sizes in SIZES.items()}
    proof = prove("replication", workers=workers)
    proved = {"obligations": len(proof.answers), "open": len(proof.open), "seconds": round(proof.seconds, 1)}
    console.print(_table(explored, rounds))
    console.print(
        f"TLC's rate is a recorded figure of another run, on two cores: {TLC_STATES_A_SECOND:,} states a second."
    )
    console.print(
        f"Proof of replication: {proved['obligations']:,} obligations, {proved['open']} open, {proved['seconds']} s"
        f" with {workers} processes."
    )
    if json_file is not None:
        figures = {"exploration": explored, "proof": proved, "tlc_recorded": TLC_STATES_A_SECOND}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def exploration(sizes: Sizes, rounds: int, workers: int) -> Mapping[str, float]:
    """States, states a second and bytes a state of `kip320` with these sizes; of several rounds the median."""
    explorer = Explorer(PUBLISHED["kip320"], sizes, base.INVARIANTS)
    results = [explorer.run(keep_going=True, workers=workers) for _ in range(rounds)]
    rate = median(each.distinct / each.seconds for each in results)
    return {
        "distinct": results[0].distinct,
        "states_a_second": round(rate),
        "bytes_a_state": round(median(each.bytes_per_state for each in results), 1),
        "times_tlc_recorded": round(rate / TLC_STATES_A_SECOND, 1),
    }


def _table(explored: Mapping[str, Mapping[str, float]], rounds: int) -> Table:
    table = Table("exploration", title=f"medians of {rounds} rounds")
    for heading in ("states", "states a second", "bytes a state", "times TLC's rate"):
        table.add_column(heading, justify="right")
    for name, figures in explored.items():
        table.add_row(name, *(f"{value:,}" for value in figures.values()))
    return table


if __name__ == "__main__":
    main()
