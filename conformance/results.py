"""Verdicts: of one run of a case, and of a requirement over all its cases.

A case may check several requirements. When one of them is broken the others are not: they are reported as not run,
because the case ended before it had gone all the way for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from conformance.session import Performed
from model.catalogue import Level, Requirement
from model.reference.outcomes import Mismatch

LINE_MAX = 600
"""Characters of a line of a row's detail: what a broker answered can be a whole log."""
SEEN_BESIDE_MAX = 3
"""How many sightings of one requirement's breach in cases of others a row's detail spells out."""


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
    """One run of one case, at one end of the API versions (or of one generated sequence)."""

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
    broken: frozenset[str] = frozenset()
    """Which of its requirements a step broke; none: it failed as a whole (no answer that can be read)."""
    missed: frozenset[str] = frozenset()
    """Which of its requirements no step came to, though nothing went wrong."""
    fault_failed: bool = False
    """Whether it was not run because a fault that the target offers, or the user's `--fault-command`, failed."""

    @property
    def name(self) -> str:
        """What reports call this run, for instance `LOG-03/reading_around_the_ends[highest]`."""
        return f"{self.case}[{self.versions}]"

    def verdict_for(self, requirement: str) -> Verdict:
        """What this run says of one of its requirements."""
        if self.verdict is Verdict.FAIL and self.broken and requirement not in self.broken:
            return Verdict.NOT_RUN
        if self.verdict is Verdict.NOT_RUN and self.missed and requirement not in self.missed:
            return Verdict.PASS
        return self.verdict

    def detail_for(self, requirement: str) -> str:
        """Why, in words; empty if there is nothing to say."""
        verdict = self.verdict_for(requirement)
        if verdict is Verdict.PASS:
            return ""
        if verdict is not self.verdict:
            return f"the case ended early, because it found {', '.join(sorted(self.broken))} broken"
        return self.detail


@frozen
class Row:
    """A requirement's line in a report."""

    id: str
    verdict: Verdict
    level: Level
    seconds: float
    detail: str
    deviation: str | None
    """The entry of the deviations file that knows of it: its reason."""
    results: tuple[CaseResult, ...]
    beside: tuple[CaseResult, ...] = ()
    """Runs of cases of other requirements in which this one was seen broken."""
    sometimes: bool = False
    """Whether the deviation comes and goes."""

    @property
    def lacks_fault(self) -> CaseResult | None:
        """A run that came to nothing because a fault failed, whatever others found: nobody knows what it hides."""
        return next((each for each in self.results if each.fault_failed), None)


@frozen
class Stray:
    """A breach of a requirement that is not in the run: not chosen, or not of the profile."""

    requirement: str
    text: str
    is_bad: bool
    """Whether it fails the run: a MUST of the profile that is not known to be broken."""


@frozen
class Deviation:
    """A known deviation of a target: still a failure, but an expected one."""

    id: str
    reason: str
    """What the target does, in words."""
    seen: str | None = None
    """What was sent to it by hand, without this suite, and what came back."""
    link: str | None = None
    """Where it is tracked."""
    sometimes: bool = False
    """It comes and goes, so that a pass is no news."""


def rows(
    requirements: Sequence[Requirement],
    results: Sequence[CaseResult],
    deviations: Mapping[str, Deviation],
) -> tuple[Row, ...]:
    """One row for each requirement, in the order given."""
    return tuple(_row(requirement, results, deviations.get(requirement.id)) for requirement in requirements)


def _row(requirement: Requirement, results: Sequence[CaseResult], known: Deviation | None) -> Row:
    own = tuple(result for result in results if requirement.id in result.requirements)
    beside = tuple(
        result for result in results if any(mismatch.requirement == requirement.id for mismatch in result.beside)
    )
    verdicts = [result.verdict_for(requirement.id) for result in own]
    if beside:
        verdicts.append(Verdict.FAIL)
    return Row(
        requirement.id,
        _graded(worst(verdicts), requirement) if verdicts else Verdict.NOT_RUN,
        requirement.level,
        sum(result.seconds for result in own),
        "\n".join(_clipped(detail) for detail in _details(requirement.id, own, beside)),
        known.reason if known is not None else None,
        own,
        beside,
        known is not None and known.sometimes,
    )


def _details(requirement: str, own: Sequence[CaseResult], beside: Sequence[CaseResult]) -> Iterable[str]:
    """What there is to say of a row, failures first; the same words at both ends of the versions are said once."""
    if not own and not beside:
        yield "no case was run"
    said: dict[tuple[bool, str, str], list[str]] = {}
    for result in own:
        detail = result.detail_for(requirement)
        if detail:
            failed = result.verdict_for(requirement) is Verdict.FAIL
            said.setdefault((failed, result.case, detail), []).append(result.versions)
    words = {key: f"{key[1]} [{', '.join(versions)}]: {key[2]}" for key, versions in said.items()}
    yield from (text for key, text in words.items() if key[0])
    for result in beside[:SEEN_BESIDE_MAX]:
        mismatch = next(each for each in result.beside if each.requirement == requirement)
        yield f"seen in {result.case} [{result.versions}]: {mismatch}"
    if len(beside) > SEEN_BESIDE_MAX:
        yield f"and in {len(beside) - SEEN_BESIDE_MAX} more runs of cases"
    yield from (text for key, text in words.items() if not key[0])


def _clipped(text: str) -> str:
    return "\n".join(line if len(line) <= LINE_MAX else f"{line[:LINE_MAX]}…" for line in text.splitlines())


def _graded(verdict: Verdict, requirement: Requirement) -> Verdict:
    """A broken SHOULD is `non_strict`."""
    return Verdict.NON_STRICT if verdict is Verdict.FAIL and requirement.level is Level.SHOULD else verdict


def is_unexpected_pass(row: Row) -> bool:
    """Whether a known deviation has gone, so that its entry must go too."""
    return row.deviation is not None and not row.sometimes and row.verdict is Verdict.PASS


def is_unknown_failure(row: Row) -> bool:
    """Whether a MUST is broken of which no deviation tells."""
    return row.verdict is Verdict.FAIL and row.deviation is None


def is_bad(row: Row) -> bool:
    """Whether a row fails the run: a failure that is not known, a known deviation that has gone, a failed fault."""
    return row.lacks_fault is not None or is_unknown_failure(row) or is_unexpected_pass(row)
