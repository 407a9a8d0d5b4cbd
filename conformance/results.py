"""Verdicts: of one run of a case, and of a requirement over all its cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from conformance.session import Performed
from model.catalogue import Level, Requirement
from model.reference.outcomes import Mismatch


class Verdict(StrEnum):
    """What became of a requirement. The order is from best to worst: the worst of its cases counts."""

    PASS = "pass"  # noqa: S105  no password
    UNSUPPORTED = "unsupported"
    NOT_RUN = "not_run"
    NON_STRICT = "non_strict"
    FAIL = "fail"


_BADNESS = {verdict: index for index, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts."""
    return max(verdicts, key=_BADNESS.__getitem__)


@frozen
class CaseResult:
    """One run of one case, at one end of the API versions."""

    case: str
    requirements: tuple[str, ...]
    versions: str
    """`lowest` or `highest`."""
    verdict: Verdict
    detail: str
    seconds: float
    steps: tuple[Performed, ...]
    beside: tuple[Mismatch, ...]
    """Mismatches of other requirements' rules, seen on the way."""


@frozen
class Row:
    """A requirement's line in a report."""

    id: str
    verdict: Verdict
    level: Level
    seconds: float
    detail: str
    deviation: str | None
    """The entry of the deviations file that knows of it."""
    results: tuple[CaseResult, ...]


@frozen
class Deviation:
    """A known deviation of a target: still a failure, but an expected one."""

    id: str
    reason: str
    link: str | None = None


def rows(
    requirements: Sequence[Requirement],
    results: Sequence[CaseResult],
    deviations: Mapping[str, Deviation],
) -> tuple[Row, ...]:
    """One row for each requirement, in the order given."""
    made = []
    for requirement in requirements:
        own = tuple(result for result in results if requirement.id in result.requirements)
        seen_beside = [
            (result, mismatch)
            for result in results
            for mismatch in result.beside
            if mismatch.requirement == requirement.id
        ]
        verdicts = [_graded(result.verdict, requirement) for result in own]
        if seen_beside:
            verdicts.append(_graded(Verdict.FAIL, requirement))
        verdict = worst(verdicts) if verdicts else Verdict.NOT_RUN
        details = [f"{r.case} [{r.versions}]: {r.detail}" for r in own if r.detail]
        details += [f"seen in {result.case} [{result.versions}]: {mismatch}" for result, mismatch in seen_beside]
        if not own and not details:
            details = ["no case was run"]
        known = deviations.get(requirement.id)
        made.append(
            Row(
                requirement.id,
                verdict,
                requirement.level,
                sum(result.seconds for result in own),
                "\n".join(dict.fromkeys(details)),
                known.reason if known is not None else None,
                own,
            )
        )
    return tuple(made)


def _graded(verdict: Verdict, requirement: Requirement) -> Verdict:
    """A broken SHOULD is `non_strict`."""
    return Verdict.NON_STRICT if verdict is Verdict.FAIL and requirement.level is Level.SHOULD else verdict


def is_bad(row: Row) -> bool:
    """Whether a row makes the run fail: a failure that is not known, or a known deviation that has gone."""
    if row.deviation is not None:
        return row.verdict is Verdict.PASS
    return row.verdict is Verdict.FAIL
