"""Make `targets.md` of results: `python -m docs.targets mock.json tansu.json noida.json ... > docs/targets.md`.

The results are those that `tidegauge conform TARGET --json FILE` writes, or `RESULTS=DIR .ci/run`; nothing in the page
is written by hand but its first lines.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

HEAD = """# Targets

What became of each requirement on brokers that nobody here wrote. Apache Kafka is the measure of the spec: where it
differed, the spec was corrected. The others are compared with it; their deviations are in `conformance/deviations/`,
and `tidegauge conform TARGET --only ID` shows the operations and bytes of each. What stands under "seen by hand" was
sent without this suite.

Apache Kafka runs as a single node. With ZooKeeper a lone broker keeps its leader epochs over a restart, because nobody
takes the leadership from it while it is away. For a requirement that speaks of an older epoch, `apache-kafka:3.9-zk`
therefore starts a second broker while the first is down: it becomes the controller, sees that the partitions have no
leader, elects the first again when it is back, and ends before the suite goes on. It never holds a partition.

The requirements that are unsupported on Apache Kafka are those on the log itself (SEG, DUR but for DUR-17, parts of RET
and CMP), whose cases drive a storage process: Kafka has none. They rest on its source, which each of them cites, and on
tests that compare files: each reads, recovers and compacts what the other wrote (`impl/tests/real/`). No case has tried
them on Kafka.

| mark | verdict |
|---|---|
| ✓ | pass |
| ✗ | fail: a MUST is broken |
| ~ | non-strict: a SHOULD is broken |
| ○ | unsupported: the target lacks what is needed |
| ? | not run: another deviation was in the way |
| (blank) | does not hold for the profile |
"""
MARKS = {"pass": "✓", "fail": "✗", "non_strict": "~", "unsupported": "○", "not_run": "?"}

Results = Mapping[str, Any]


def page(results: Sequence[Results]) -> str:
    """The page: a summary, the matrix, and the deviations in words."""
    parts = [HEAD, "## In numbers\n", _summary(results), "\n## Matrix\n", _matrix(results)]
    parts += [_deviations(each) for each in results]
    return "\n".join(part for part in parts if part)


def _summary(results: Sequence[Results]) -> str:
    lines = ["| target | profile | " + " | ".join(MARKS) + " |", "|---" * (len(MARKS) + 2) + "|"]
    for each in results:
        counts = Counter(row["verdict"] for row in each["results"])
        numbers = " | ".join(str(counts[verdict]) for verdict in MARKS)
        lines.append(f"| {each['target']} | {each['profile']} | {numbers} |")
    return "\n".join(lines)


def _matrix(results: Sequence[Results]) -> str:
    verdicts = [{row["id"]: row["verdict"] for row in each["results"]} for each in results]
    sentences = {row["id"]: row["sentence"] for each in results for row in each["results"]}
    lines = [
        "| id | " + " | ".join(each["target"] for each in results) + " | what must hold |",
        "|---" * (len(results) + 2) + "|",
    ]
    for id_, sentence in sorted(sentences.items()):
        marks = " | ".join(MARKS.get(each.get(id_, ""), "") for each in verdicts)
        lines.append(f"| {id_} | {marks} | {sentence} |")
    return "\n".join(lines)


def _deviations(results: Results) -> str:
    known = [row for row in results["results"] if row["deviation"]]
    if not known:
        return ""
    lines = [
        f"\n## {results['target']}: what deviates\n",
        "| id | level | what it does | seen by hand |",
        "|---|---|---|---|",
    ]
    for row in known:
        link = f" ([tracked]({row['deviation_link']}))" if row["deviation_link"] else ""
        lines.append(
            f"| {row['id']} | {row['level']} | {_cell(row['deviation'])}{link} | {_cell(row.get('deviation_seen'))} |"
        )
    return "\n".join(lines)


def _cell(text: str | None) -> str:
    """Text that can stand in a cell: no column ends in it, and nothing in it is taken for HTML."""
    return " ".join((text or "").split()).replace("|", "/").replace("<", "&lt;")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    """Print the page."""
    click.echo(page([json.loads(each.read_text(encoding="utf-8")) for each in files]))


if __name__ == "__main__":
    main()
