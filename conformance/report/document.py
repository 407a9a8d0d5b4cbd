"""The results of a run as plain data: what the JSON report holds, and what the other reports are made from.

    {"target": ..., "profile": ..., "versions": {...}, "results": [row, ...]}

A row for each requirement: `id`, `verdict`, `level`, `seconds`, `detail`, `deviation` (the reason of its entry, or
null), and beyond these `deviation_seen`, `deviation_link`, `family`, `sentence`, `source`, `tier`, `bad` (whether it
fails the run) and `cases`: each run of a case with its steps. Steps and bytes are bounded, so that a report stays small
enough to pass on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from conformance.report.words import (
    allowed_lines,
    answer_text,
    operation_text,
    request_text,
    shortened,
    telling_step,
    why_bad,
)
from conformance.results import CaseResult, Row, Verdict, is_bad
from conformance.session import Performed
from conformance.sitting import Sitting
from model.catalogue import Requirement, requirements

Document = dict[str, Any]

STEPS_BEFORE_MAX = 24
"""Steps that are kept before the one that tells why a case failed."""
STEPS_OF_PASS_MAX = 10
BYTES_OF_FAILURE_MAX = 4096
BYTES_OF_PASS_MAX = 64
TEXT_OF_FAILURE_MAX = 8_000
TEXT_OF_PASS_MAX = 600
BESIDE_MAX = 2
"""Runs of other requirements' cases that are kept for a row that was seen broken there."""


def document_of(sitting: Sitting) -> Document:
    """The results so far."""
    return {
        "target": sitting.target.name,
        "profile": sitting.profile.name,
        "versions": {"tidegauge": _own_version(), "apis": dict(sitting.offered)},
        "results": [_row(row, requirements()[row.id], sitting) for row in sitting.rows()],
    }


def _own_version() -> str:
    try:
        return metadata.version("tidegauge")
    except metadata.PackageNotFoundError:
        return "(a checkout)"


def _row(row: Row, requirement: Requirement, sitting: Sitting) -> dict[str, Any]:
    known = sitting.deviations.get(row.id)
    return {
        "id": row.id,
        "verdict": row.verdict.value,
        "level": row.level.value,
        "seconds": round(row.seconds, 3),
        "detail": row.detail,
        "deviation": row.deviation,
        "deviation_seen": known.seen if known is not None else None,
        "deviation_link": known.link if known is not None else None,
        "bad": is_bad(row),
        "why": why_bad(row),
        "family": requirement.family,
        "tier": requirement.tier.value,
        "sentence": requirement.sentence,
        "source": list(requirement.source),
        "cases": [_case(result, row.id, sitting, beside=False) for result in row.results]
        + [_case(result, row.id, sitting, beside=True) for result in row.beside[:BESIDE_MAX]],
    }


def _case(result: CaseResult, requirement: str, sitting: Sitting, *, beside: bool) -> dict[str, Any]:
    verdict = Verdict.FAIL if beside else result.verdict_for(requirement)
    return {
        "id": result.case,
        "versions": result.versions,
        "verdict": verdict.value,
        "detail": "seen on the way" if beside else result.detail_for(requirement),
        "seconds": round(result.seconds, 3),
        "about": sitting.about(result.case),
        "beside": beside,
        **_steps(result, requirement, in_full=verdict is Verdict.FAIL),
    }


def _steps(result: CaseResult, requirement: str, *, in_full: bool) -> dict[str, Any]:
    """The steps worth showing, numbered from 1, and how many are left out before them."""
    steps = result.steps
    if in_full:
        telling = _broken_at(steps, requirement)
        last = (telling if telling is not None else telling_step(result) or 0) + 1
        first = max(0, last - 1 - STEPS_BEFORE_MAX)
    else:
        first, last = 0, min(len(steps), STEPS_OF_PASS_MAX)
    shown = [
        _step(steps[index], index + 1, in_full=in_full and index == last - 1)
        for index in range(first, min(last, len(steps)))
    ]
    return {"steps": shown, "steps_in_all": len(steps)}


def _broken_at(steps: Sequence[Performed], requirement: str) -> int | None:
    """The first step that broke this requirement's rule."""
    for index, step in enumerate(steps):
        if any(mismatch.requirement == requirement for mismatch in step.mismatches):
            return index
    return None


def _step(step: Performed, number: int, *, in_full: bool) -> dict[str, Any]:
    text_max = TEXT_OF_FAILURE_MAX if in_full else TEXT_OF_PASS_MAX
    exchange = step.exchange
    made: dict[str, Any] = {
        "number": number,
        "kind": step.operation.kind,
        "version": step.version,
        "connection": step.connection,
        "operation": shortened(operation_text(step.operation), text_max),
        "request": shortened(request_text(step), text_max),
        "answer": shortened(answer_text(step), text_max),
        "sent": _bytes(exchange.sent if exchange is not None else None, in_full=in_full),
        "received": _bytes(exchange.received if exchange is not None else None, in_full=in_full),
        "reached": list(step.reached),
        "wrong": [
            {"requirement": each.requirement, "text": shortened(str(each), text_max)} for each in step.mismatches
        ],
    }
    if in_full or step.mismatches:
        made["allowed"] = [line for section in step.sections for line in allowed_lines(section)]
    return made


def _bytes(data: bytes | None, *, in_full: bool) -> Mapping[str, Any] | None:
    if data is None:
        return None
    limit = BYTES_OF_FAILURE_MAX if in_full else BYTES_OF_PASS_MAX
    return {"length": len(data), "hex": data[:limit].hex()}
