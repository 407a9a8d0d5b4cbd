"""The JSON report: written with a line for each requirement, so that two of them can be compared as text.

Not here: what is in it (`conformance.report.document`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.report.document import Document
from conformance.results import Verdict


class ReportError(Exception):
    """A file is no JSON report of ours; the message names it and says what is wrong."""


def to_json(document: Document) -> str:
    """The document as text."""
    head = [f"{_text(key)}: {_text(value)}" for key, value in document.items() if key != "results"]
    rows = ",\n  ".join(_text(row) for row in document["results"])
    head.append(f'"results": [\n  {rows}\n]' if rows else '"results": []')
    return "{" + ",\n".join(head) + "}\n"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_json(document: Document, path: Path) -> None:
    """Write the document to a file."""
    path.write_text(to_json(document), encoding="utf-8")


def read_json(path: Path) -> Document:
    """Read a report that `write_json` wrote; rows may lack everything beyond the keys that are promised.

    Raises:
        ReportError: it can't be read or is something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ReportError(f"{path} can't be read as a report: {error}") from error
    if not isinstance(document, dict) or not {"target", "profile", "versions", "results"} <= document.keys():
        raise ReportError(f"{path} is no report of `tidegauge conform --json`")
    for row in document["results"]:
        if not isinstance(row, dict) or not {"id", "verdict", "level"} <= row.keys():
            raise ReportError(f"{path}: a row lacks id, verdict or level")
        if row["verdict"] not in set(Verdict):
            raise ReportError(f"{path}: {row['id']}: {row['verdict']!r} is no verdict")
    return document
