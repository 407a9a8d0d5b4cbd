"""Targets and cases for the runner's own tests: nothing here is a broker."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.results import CaseResult, Verdict
from model.catalogue import Level, Requirement
from model.reference.outcomes import Mismatch


def requirement(id_: str = "LOG-01", level: Level = Level.MUST) -> Requirement:
    return Requirement(
        id=id_,
        level=level,
        sentence=f"It {level.value} be so.",
        intent="Because.",
        source=("KIP-1",),
        stated_by="model.x:y",
    )


def result(
    verdict: Verdict,
    *ids: str,
    case: str | None = None,
    versions: str = "highest",
    detail: str = "",
    beside: Sequence[str] = (),
    broken: Sequence[str] = (),
    missed: Sequence[str] = (),
    fault_failed: bool = False,
) -> CaseResult:
    ids = ids or ("LOG-01",)
    return CaseResult(
        case or f"{ids[0]}/a_case",
        ids,
        versions,
        verdict,
        detail,
        0.25,
        (),
        tuple(mismatch(each) for each in beside),
        frozenset(broken),
        frozenset(missed),
        fault_failed,
    )


def mismatch(requirement_id: str) -> Mismatch:
    return Mismatch("t-0", "error", 1, "NONE", requirement_id, True, "produce.appended")
