"""A badge: the JSON that shields.io's endpoint reads (https://shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.report.document import Document
from conformance.results import Verdict
from model.catalogue import Level

COLOURS = ((100, "brightgreen"), (95, "green"), (85, "yellowgreen"), (70, "yellow"), (50, "orange"), (0, "red"))
"""From that percentage on, that colour."""


def badge_of(document: Document) -> dict[str, Any]:
    """How many of the MUSTs pass; what was not run or is not supported does not pass."""
    must = [row for row in document["results"] if row["level"] == Level.MUST]
    passed = sum(row["verdict"] == Verdict.PASS for row in must)
    percentage = 100 * passed // len(must) if must else 0
    return {
        "schemaVersion": 1,
        "label": f"Kafka {document['profile']}",
        "message": f"{passed} of {len(must)} requirements",
        "color": next(colour for least, colour in COLOURS if percentage >= least),
    }


def write_badge(document: Document, path: Path) -> None:
    """Write the badge's JSON to a file."""
    path.write_text(json.dumps(badge_of(document), indent=2) + "\n", encoding="utf-8")
