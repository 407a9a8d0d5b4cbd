"""The HTML report: one file without any resource of another, a matrix if it is given several results.

The matrix and the failures are plain HTML and can be read without scripts. Operations and bytes are many, so they
lie in the file compressed (deflate, Base64); the script unpacks them when a cell is opened.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.report.document import Document
from conformance.report.matrix import Block, blocks_of, columns_of
from conformance.report.words import MARKS, VERDICT_WORDS
from conformance.results import Verdict

NEEDED_BY_SCRIPT = ("detail", "deviation", "deviation_seen", "deviation_link", "cases", "why")


def html_of(documents: Sequence[Document]) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    blocks = blocks_of(documents)
    return environment.get_template("report.html.j2").render(
        columns=columns_of(documents),
        blocks=blocks,
        requirements_json=_for_element(_rules(blocks)),
        marks={verdict.value: mark for verdict, mark in MARKS.items()},
        words={verdict.value: word for verdict, word in VERDICT_WORDS.items()},
        verdicts=[verdict.value for verdict in reversed(Verdict)],
        failures=_failures(documents),
        payload=_packed([_for_script(document) for document in documents]),
        tools=sorted({document["versions"].get("tidegauge", "?") for document in documents}),
    )


def write_html(documents: Sequence[Document], path: Path) -> None:
    """Write the page to a file."""
    path.write_text(html_of(documents), encoding="utf-8")


def _failures(documents: Sequence[Document]) -> list[tuple[int, str, dict[str, Any]]]:
    """Every row that fails its run: the column, the target, the row."""
    return [
        (column, document["target"], row)
        for column, document in enumerate(documents)
        for row in document["results"]
        if row.get("bad")
    ]


def _rules(blocks: Sequence[Block]) -> dict[str, Any]:
    return {
        line.id: {"sentence": line.sentence, "intent": line.intent, "source": line.source}
        for block in blocks
        for line in block.lines
    }


def _for_element(data: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def _for_script(document: Document) -> dict[str, Any]:
    return {row["id"]: {key: row[key] for key in NEEDED_BY_SCRIPT if key in row} for row in document["results"]}


def _packed(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
