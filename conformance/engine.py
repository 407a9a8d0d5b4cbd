"""Running cases: one case at one end of the API versions, with everything that may go wrong told apart."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence

from attrs import field, frozen

from conformance.case import CASES, Case, CaseFailed, Names, Run, SetUpFailed
from conformance.client import Client, NotReady, Unsupported
from conformance.results import CaseResult, Verdict
from conformance.targets.base import Target, TargetError
from conformance.translate import Unsayable
from conformance.wire.errors import WireError
from model.profiles import Profile


def new_prefix() -> str:
    """A random prefix for everything that a run makes."""
    return f"tidegauge-{secrets.token_hex(4)}"


@frozen
class Bench:
    """A target that is running, a client on it, and what it is held to."""

    target: Target
    client: Client
    profile: Profile
    names: Names = field(factory=lambda: Names(new_prefix()))

    @classmethod
    def on(cls, target: Target, profile: Profile) -> Bench:
        """A bench on a target that has been started."""
        return cls(target, Client(target), profile)

    def clean_up(self) -> None:
        """Remove every topic that was made here, and close the connections."""
        for stem, count in self.names.taken.items():
            for number in range(1, count + 1):
                self.client.delete_topic(f"{self.names.prefix}-{stem}-{number}")
        self.client.close()


def ends_of(case: Case, bench: Bench) -> tuple[str, ...]:
    """The ends of the API versions at which a case runs: one if lowest and highest are the same for its APIs."""
    lowest, highest = (
        Run(bench.client, bench.profile, bench.names, (), case.versions, highest=end) for end in (False, True)
    )
    for api in bench.client.ranges:
        try:
            if lowest.version_of(api) != highest.version_of(api):
                return ("lowest", "highest")
        except Unsupported:
            continue
    return ("highest",)


def run_case(case: Case, bench: Bench, versions: str) -> CaseResult:
    """Run a case; whatever happens becomes a verdict with a reason."""
    run = Run(
        bench.client,
        bench.profile,
        bench.names,
        case.requirements,
        case.versions,
        highest=versions == "highest",
    )
    started = time.monotonic()
    verdict, detail = _verdict(case, run)
    if verdict is Verdict.PASS:
        reached = frozenset().union(*(step.judged for step in run.steps))
        missed = [each for each in case.requirements if each not in reached]
        if missed:
            verdict, detail = (
                Verdict.NOT_RUN,
                f"the case did not come to {', '.join(missed)} at these API versions",
            )
    seconds = time.monotonic() - started
    return CaseResult(
        case.id, case.requirements, versions, verdict, detail, seconds, tuple(run.steps), tuple(run.beside)
    )


def _verdict(case: Case, run: Run) -> tuple[Verdict, str]:
    faults = run.client.target.faults
    lacking = case.needs - (faults.actions if faults is not None else frozenset())
    if lacking:
        return (
            Verdict.UNSUPPORTED,
            f"the target can't {', '.join(sorted(lacking))} a broker: see --fault-command",
        )
    try:
        case.drive(run)
    except CaseFailed as error:
        return Verdict.FAIL, str(error)
    except SetUpFailed as error:
        return Verdict.NOT_RUN, f"could not get to the rule: {error}"
    except Unsupported as error:
        return Verdict.UNSUPPORTED, str(error)
    except (NotReady, TargetError, Unsayable) as error:
        return Verdict.NOT_RUN, str(error)
    except WireError as error:
        return Verdict.FAIL, f"{type(error).__name__}: {error}"
    return Verdict.PASS, ""


def run_cases(cases: Sequence[Case], bench: Bench) -> Iterator[CaseResult]:
    """Run cases one after the other, each at both ends of the API versions."""
    for case in cases:
        for versions in ends_of(case, bench):
            yield run_case(case, bench, versions)


def cases_for(ids: Sequence[str]) -> list[Case]:
    """The cases that check one of the given requirements, by id."""
    wanted = set(ids)
    return [case for case in CASES.values() if wanted & set(case.requirements)]
