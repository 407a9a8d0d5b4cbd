"""Running cases: one case at one end of the API versions, with everything that may go wrong told apart.

Not here: what is run and in which order (`conformance.sitting`), and what the verdicts mean (`conformance.results`).
"""

from __future__ import annotations

import importlib
import pkgutil
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from attrs import field, frozen

from conformance import cases as cases_package
from conformance.broker_settings import as_told, plainly
from conformance.case import CASES, Case, CaseFailed, Run, SetUpFailed
from conformance.client import Client, NotReady, Unsupported, poll
from conformance.names import Names
from conformance.results import CaseResult, Verdict
from conformance.targets.base import FaultFailedError, Target, TargetError
from conformance.tidying import clear, remove_topics
from conformance.translate import Unsayable
from conformance.wire.errors import WireError
from model.catalogue import requirements
from model.profiles import Profile
from model.reference.disk_log import UndecidedError

REVIVAL_CEILING_S = 20.0
"""How long a target that stopped answering is given to come back before the rest of the run is called off."""
STORAGE = "storage"
"""What a case needs of a target whose log can be driven by itself; such a case asks no broker for anything."""
DURABLE = "durable"
"""What a case needs of a target whose brokers keep what they acknowledged over stop, or kill, and start."""


def new_prefix() -> str:
    """A random prefix for everything that a run makes."""
    return f"tidegauge-{secrets.token_hex(4)}"


def load_cases() -> Mapping[str, Case]:
    """Import every file of cases; all cases by id."""
    for found in pkgutil.iter_modules(cases_package.__path__):
        importlib.import_module(f"{cases_package.__name__}.{found.name}")
    return CASES


@frozen
class Bench:
    """A target that is running, a client on it, and what it is held to."""

    target: Target
    client: Client
    profile: Profile
    names: Names = field(factory=lambda: Names(new_prefix()))

    @classmethod
    def on(cls, target: Target, profile: Profile, client: Client | None = None) -> Bench:
        """A bench on a target that has been started; it is held to the settings that it says it has."""
        client = client or Client(target)
        told = as_told(profile, client)
        client.kept = {**client.kept, **plainly(told)}
        return cls(target, client, told)

    def tidy(self) -> None:
        """Remove every topic that was made here; a target that can't delete keeps them.

        A broker with few topics starts quickly: this is done before it is restarted.
        """
        with suppress(Unsupported, WireError):
            remove_topics(self.client, self.names.beginning)

    def clean_up(self) -> tuple[str, ...]:
        """Remove all that was made here, and close the connections; what is left, in words."""
        try:
            return clear(self.client, self.names.beginning)
        finally:
            self.client.close()

    def answers(self) -> bool:
        """Whether the target answers, by fresh connections; of several brokers the one that leads the topics must."""
        try:
            self.client.refresh(())
            return self.client.home_answers()
        except (WireError, Unsupported):
            return False

    def revive(self) -> bool:
        """Bring a target back that a case has left stopped, paused or crashed; whether it answers after that."""
        if self.answers():
            return True
        self.client.forget()
        faults = self.target.faults
        for action in ("resume", "start"):
            if faults is not None and action in faults.actions:
                with suppress(TargetError):
                    faults.do(action, self.client.home)
        try:
            return bool(poll("the target", self.answers, REVIVAL_CEILING_S))
        except NotReady:
            return False


def ends_of(case: Case, bench: Bench) -> tuple[str, ...]:
    """The ends of the API versions at which a case runs: one if lowest and highest are the same for its APIs."""
    if STORAGE in case.needs:
        return ("highest",)
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
    bench.client.drop_awaiting()
    missed = _missed(case, run) if verdict is Verdict.PASS else ()
    if missed:
        verdict, detail = Verdict.NOT_RUN, f"the case did not come to {', '.join(missed)} at these API versions"
    return CaseResult(
        case.id,
        case.requirements,
        versions,
        verdict,
        detail,
        time.monotonic() - started,
        tuple(run.steps),
        tuple(run.beside),
        _broken(run) if verdict is Verdict.FAIL else frozenset(),
        frozenset(missed),
        run.fault_failed,
    )


def _missed(case: Case, run: Run) -> tuple[str, ...]:
    """The case's requirements that no step was held to, of those that the profile asks for."""
    known = requirements()
    reached = frozenset().union(*(step.judged for step in run.steps))
    return tuple(
        each
        for each in case.requirements
        if each not in reached and (each not in known or known[each].holds_for(run.profile))
    )


def _broken(run: Run) -> frozenset[str]:
    found = {mismatch.requirement for step in run.steps for mismatch in step.mismatches}
    return frozenset(found & run.requirements)


def _verdict(case: Case, run: Run) -> tuple[Verdict, str]:
    lacking = _lacking(case, run.client.target)
    if lacking:
        return Verdict.UNSUPPORTED, lacking
    try:
        case.drive(run)
    except CaseFailed as error:
        return Verdict.FAIL, str(error)
    except SetUpFailed as error:
        return Verdict.NOT_RUN, f"could not get to the rule: {error}"
    except Unsupported as error:
        return Verdict.UNSUPPORTED, str(error)
    except (NotReady, TargetError, Unsayable, UndecidedError) as error:
        run.fault_failed = isinstance(error, FaultFailedError)
        return Verdict.NOT_RUN, str(error)
    except WireError as error:
        return Verdict.FAIL, f"{type(error).__name__}: {error}"
    return Verdict.PASS, ""


def _lacking(case: Case, target: Target) -> str:
    """What the target can't do that the case needs, in words; empty if nothing."""
    if STORAGE in case.needs and target.storage_process() is None:
        return "the target has no storage process: its log can't be driven by itself"
    faults = target.faults
    actions = sorted(case.needs - {DURABLE, STORAGE} - (faults.actions if faults is not None else frozenset()))
    if actions:
        return f"the target can't {', '.join(actions)} a broker: see --fault-command"
    if DURABLE in case.needs and (faults is None or not faults.keeps_data_over_restart):
        return "the target keeps nothing over a restart"
    return ""


def run_cases(cases: Sequence[Case], bench: Bench) -> Iterator[CaseResult]:
    """Run cases one after the other, each at both ends of the API versions."""
    for case in cases:
        for versions in ends_of(case, bench):
            yield run_case(case, bench, versions)


def cases_for(ids: Sequence[str]) -> list[Case]:
    """The cases that check one of the given requirements, by id."""
    wanted = set(ids)
    return [case for case in CASES.values() if wanted & set(case.requirements)]
