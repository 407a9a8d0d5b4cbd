"""Several results side by side: a line for each requirement, a column for each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from conformance.report.document import Document
from conformance.results import Verdict
from model.catalogue import families, requirements


@frozen
class Line:
    """A requirement and its row in each of the results; None where a result has no such row."""

    id: str
    family: str
    level: str
    sentence: str
    intent: str
    source: tuple[str, ...]
    cells: tuple[dict[str, Any] | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the targets that were held to it do not all share one verdict."""
        return len({cell["verdict"] for cell in self.cells if cell is not None}) > 1

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Every verdict in the line, once."""
        return tuple(dict.fromkeys(cell["verdict"] for cell in self.cells if cell is not None))


@frozen
class Block:
    """The lines of a family."""

    name: str
    title: str
    about: str
    lines: tuple[Line, ...]


@frozen
class Column:
    """A result's head: the target, its profile, and how many rows have which verdict."""

    target: str
    profile: str
    counts: dict[str, int]
    known: int
    """How many of its failures are known deviations."""
    bad: int
    """How many rows fail the run."""
    seconds: float

    @property
    def total(self) -> int:
        """How many requirements it was held to."""
        return sum(self.counts.values())


def blocks_of(documents: Sequence[Document]) -> tuple[Block, ...]:
    """The lines by family, in the catalogue's order; ids that the catalogue no longer has come last."""
    by_id = [{row["id"]: row for row in document["results"]} for document in documents]
    present = dict.fromkeys(id_ for rows in by_id for id_ in rows)
    ids = [each for each in requirements() if each in present]
    ids += [each for each in present if each not in requirements()]
    lines = [_line(id_, tuple(rows.get(id_) for rows in by_id)) for id_ in ids]
    titles = {family.name: (family.title, family.about) for family in families()}
    names = dict.fromkeys(line.family for line in lines)
    return tuple(
        Block(name, *titles.get(name, (name, "")), tuple(line for line in lines if line.family == name))
        for name in names
    )


def _line(id_: str, cells: tuple[dict[str, Any] | None, ...]) -> Line:
    known = requirements().get(id_)
    if known is not None:
        return Line(id_, known.family, known.level.value, known.sentence, known.intent, known.source, cells)
    first = next(cell for cell in cells if cell is not None)
    return Line(id_, id_[:3], first["level"], first.get("sentence", ""), "", tuple(first.get("source", ())), cells)


def columns_of(documents: Sequence[Document]) -> tuple[Column, ...]:
    """The head of each column."""
    return tuple(
        Column(
            document["target"],
            document["profile"],
            {verdict.value: sum(row["verdict"] == verdict for row in document["results"]) for verdict in Verdict},
            sum(
                row.get("deviation") is not None and row["verdict"] in {Verdict.FAIL, Verdict.NON_STRICT}
                for row in document["results"]
            ),
            sum(bool(row.get("bad")) for row in document["results"]),
            sum(row.get("seconds", 0.0) for row in document["results"]),
        )
        for document in documents
    )
