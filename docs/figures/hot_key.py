"""Draw `hot_key.svg`: what a few hot keys do to the load of twelve partitions. `python -m docs.figures.hot_key`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from model.reference.partitioning import partition_for_key

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "tidegauge"  # the same bytes every time

from matplotlib import pyplot as plt  # noqa: E402  after the choice of what it draws with

PARTITIONS = 12
KEYS = 10_000
RECORDS = 200_000
EXPONENTS = (0.0, 0.8, 1.1)
"""Of Zipf's law: the n-th key is n ** -exponent as frequent as the first; 0: all are equally frequent."""


def load(exponent: float) -> list[float]:
    """The share of the records that each partition gets."""
    weights = [rank**-exponent for rank in range(1, KEYS + 1)]
    drawn = random.Random(1).choices(range(KEYS), weights, k=RECORDS)  # noqa: S311  nothing is secret
    counts: Counter[int] = Counter()
    for key, times in Counter(drawn).items():
        counts[partition_for_key(b"key-%d" % key, PARTITIONS)] += times
    return [counts[partition] / RECORDS for partition in range(PARTITIONS)]


def draw(loads: Sequence[Sequence[float]]) -> plt.Figure:
    """One panel for each exponent."""
    figure, panels = plt.subplots(1, len(loads), figsize=(10, 3), sharey=True, layout="constrained")
    for panel, exponent, shares in zip(panels, EXPONENTS, loads, strict=True):
        panel.bar(range(PARTITIONS), [100 * share for share in shares], color="#3f6fb5")
        panel.axhline(100 / PARTITIONS, color="#888888", linewidth=1, linestyle="--")
        name = "equally frequent keys" if exponent == 0 else f"Zipf, exponent {exponent:g}"
        panel.set_title(f"{name}\nhottest: {max(shares) * PARTITIONS:.1f} times an even share", fontsize=9)
        panel.set_xlabel("partition", fontsize=8)
        panel.tick_params(labelsize=8)
    panels[0].set_ylabel("records in %", fontsize=8)
    return figure


if __name__ == "__main__":
    draw([load(exponent) for exponent in EXPONENTS]).savefig(
        Path(__file__).with_suffix(".svg"), metadata={"Date": None}
    )
