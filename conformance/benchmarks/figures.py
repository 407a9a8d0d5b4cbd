"""What was measured: kept figure by figure as it comes, shown as tables, written as JSON.

The unit in a figure's name says which way is better. A limit is the machine's, not a broker's, and has no ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Final, Literal

from attrs import field, frozen
from rich.table import Table

OURS: Final = "bundled"
THEIRS: Final = "apache-kafka"
LIMIT: Final = "limit: "
MORE_IS_BETTER = frozenset({"MB/s", "GB/s"})
LESS_IS_BETTER = frozenset({"s", "ms", "MiB"})
Broker = Literal["bundled", "apache-kafka"]


def _pass_over(_step: str) -> None:
    """Tell nobody."""


@frozen
class Notes:
    """Where a part says what it does and what it measured; a failure later loses nothing of that."""

    figure: Callable[[str, float], None]
    """Takes a figure's name, which ends with its unit in brackets, and its value."""
    step: Callable[[str], None] = _pass_over
    """Takes what is done next, for whoever waits."""


@frozen
class Row:
    """One figure of both brokers, None where it was not measured."""

    figure: str
    ours: float | None
    theirs: float | None

    @property
    def ratio(self) -> float | None:
        """The bundled broker's figure by Kafka's; None for limits, and where one is missing or there is nothing."""
        if self.figure.startswith(LIMIT) or self.ours is None or not self.theirs:
            return None
        return self.ours / self.theirs

    @property
    def ahead(self) -> Broker | None:
        """Who is better. Raises ValueError if the name has no unit that is known."""
        unit = self.figure.rpartition("(")[2].removesuffix(")")
        if unit not in MORE_IS_BETTER | LESS_IS_BETTER:
            raise ValueError(f"{self.figure!r} does not end with a unit; there are {MORE_IS_BETTER | LESS_IS_BETTER}")
        if self.figure.startswith(LIMIT) or self.ours is None or self.theirs is None or self.ours == self.theirs:
            return None
        return OURS if (self.ours > self.theirs) == (unit in MORE_IS_BETTER) else THEIRS


@frozen
class Figures:
    """All that was measured so far, by part, figure and broker."""

    _values: dict[str, dict[str, dict[Broker, list[float]]]] = field(factory=dict, init=False)

    def keep(self, part: str, broker: Broker, figure: str, value: float) -> None:
        """Keep one figure of one round."""
        self._values.setdefault(part, {}).setdefault(figure, {}).setdefault(broker, []).append(value)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of which there are figures."""
        return tuple(self._values)

    def rows(self, part: str) -> list[Row]:
        """The medians of a part, in the order in which they were first measured."""
        medians = {
            figure: {broker: median(values) for broker, values in by_broker.items()}
            for figure, by_broker in self._values[part].items()
        }
        return [Row(figure, each.get(OURS), each.get(THEIRS)) for figure, each in medians.items()]

    def table(self, part: str, title: str) -> Table:
        """A part as a table."""
        table = Table("", "bundled", "Apache Kafka", "ratio", "ahead", title=title)
        for row in self.rows(part):
            table.add_row(row.figure, *(_shown(each) for each in (row.ours, row.theirs, row.ratio)), row.ahead or "")
        return table

    def as_json(self) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
        """By part and figure: both brokers' medians, the ratio, who is ahead, and what each round gave."""
        return {
            part: {
                row.figure: {
                    OURS: row.ours,
                    THEIRS: row.theirs,
                    "ratio": row.ratio,
                    "ahead": row.ahead,
                    "rounds": self._values[part][row.figure],
                }
                for row in self.rows(part)
            }
            for part in self._values
        }


def _shown(value: float | None) -> str:
    """With two places, or with as many as it takes to see what is far below one."""
    if value is None:
        return ""
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"
