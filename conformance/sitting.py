"""A sitting: one run of the suite against one target, from the choice of requirements to the rows of the report.

It knows neither pytest nor any report: the plug-in asks it for the plan and tells it to run the items of it; reports
listen (`Listener`) and read its rows.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from attrs import evolve, frozen

from conformance.case import CASES, Case
from conformance.deviations import deviations_for
from conformance.engine import STORAGE, Bench, cases_for, ends_of, load_cases, run_case
from conformance.machines.sequences import NAME as SEQUENCES
from conformance.machines.sequences import run_family
from conformance.results import CaseResult, Deviation, Row, Stray, Verdict, is_bad, rows
from conformance.selection import Selection, select
from conformance.session import Performed, Unknown
from conformance.targets.base import Target, TargetError
from conformance.targets.resolve import resolve
from conformance.translate.disk import try_storage
from conformance.wire.errors import Unreachable, WireError
from model.catalogue import Family, Level, families, requirements
from model.profiles import Profile, profile_named


@frozen
class Settings:
    """What the user chose."""

    target: str = "bundled"
    only: tuple[str, ...] = ()
    profile: str | None = None
    """None: the target's own."""
    deviations: str | None = None
    """A file, `none`, or None for the target's own file."""
    command_config: Path | None = None
    fault_command: str | None = None
    examples: int = 10
    seed: int = 0


@frozen
class Planned:
    """One thing to run: a case at one end of the API versions, or the generated sequences of a family."""

    case: Case | None
    versions: str
    family: str

    @property
    def name(self) -> str:
        """What reports call it, for instance `LOG-03/reading_around_the_ends[highest]`."""
        if self.case is None:
            return f"{self.family}/{SEQUENCES}"
        return f"{self.case.id}[{self.versions}]"

    @property
    def requirements(self) -> tuple[str, ...]:
        """What it checks; of generated sequences that is known only afterwards."""
        return self.case.requirements if self.case is not None else ()


class Listener(Protocol):
    """Whoever wants to know how the run goes on."""

    def starting(self, planned: Planned) -> None:
        """An item is about to run."""

    def finished(self, planned: Planned, results: Sequence[CaseResult]) -> None:
        """An item has run."""


@frozen
class SuiteError:
    """The suite itself broke: a fault of ours, not of the target."""

    planned: str
    text: str


class Sitting:
    """One run against one target. Enter it to start the target; leaving it cleans up and ends what was started."""

    def __init__(self, settings: Settings) -> None:
        """Settle everything that can be settled without the target.

        Raises:
            TargetError, UnknownProfileError, UnknownIdError, DeviationsError: a choice is wrong; says what to do.
        """
        self.settings = settings
        self.target: Target = resolve(
            settings.target, command_config=settings.command_config, fault_command=settings.fault_command
        )
        self.profile: Profile = profile_named(settings.profile or self.target.default_profile)
        self.selection: Selection = select(settings.only, self.profile)
        self.deviations: Mapping[str, Deviation] = deviations_for(settings.deviations, self.target.default_deviations)
        load_cases()
        self.listeners: list[Listener] = []
        self.plan: tuple[Planned, ...] = ()
        self.done: dict[str, tuple[CaseResult, ...]] = {}
        self.errors: list[SuiteError] = []
        self.interrupted = False
        self.gone: str | None = None
        """Why nothing more can be run: the target no longer answers."""
        self.offered: Mapping[str, tuple[int, int]] = {}
        """The API versions of the target, by the API's name; empty until it has been asked."""
        self.left: tuple[str, ...] = ()
        """What could not be removed from a target that goes on after the run, in words."""
        self._bench: Bench | None = None

    # -- from start to end -------------------------------------------------------------------------------------------

    @property
    def bench(self) -> Bench:
        """The running target and what belongs to it."""
        if self._bench is None:
            raise TargetError(f"{self.target.name} has not been started")
        return self._bench

    def __enter__(self) -> Self:
        """Start the target, connect, and make the plan.

        Raises:
            TargetError: it can't be had, or doesn't speak with us.
        """
        self.target.__enter__()
        try:
            try:
                self._bench = Bench.on(self.target, self.profile)
            except Unreachable as error:
                has_log = self.target.storage_process() is not None
                need = " (a broker must listen there, also if only its log is tested)" if has_log else ""
                raise TargetError(f"{self.target.name} can't be reached: {error}{need}") from error
            except WireError as error:
                raise TargetError(f"{self.target.name} answers, but not as a Kafka broker does: {error}") from error
            ranges = self._bench.client.ranges
            self.offered = {api.title: (found.least, found.most) for api, found in sorted(ranges.items())}
            self.plan = self._planned()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupted |= kind is not None and issubclass(kind, KeyboardInterrupt)
        self.close()

    def close(self) -> None:
        """Remove what was made on the target and end what was started. Safe to call twice."""
        bench, self._bench = self._bench, None
        try:
            if bench is not None:
                left = bench.clean_up()
                self.left = () if self.target.is_thrown_away else left
        finally:
            self.target.stop()

    # -- the plan ----------------------------------------------------------------------------------------------------

    def _planned(self) -> tuple[Planned, ...]:
        place = {id_: index for index, id_ in enumerate(self.selection.ids)}
        found = sorted(
            cases_for(self.selection.ids),
            key=lambda case: (min(place[each] for each in case.requirements if each in place), case.name),
        )
        cases = [
            Planned(case, versions, case.requirements[0][:3])
            for case in found
            for versions in ends_of(case, self.bench)
        ]
        return (*cases, *self._sequences())

    def _sequences(self) -> list[Planned]:
        if self.settings.examples == 0:
            return []
        return [Planned(None, "highest", family.name) for family in self.families]

    @property
    def families(self) -> list[Family]:
        """The families that have a requirement in the run."""
        wanted = {each.family for each in self.selection.requirements}
        return [family for family in families() if family.name in wanted]

    def try_storage(self) -> None:
        """See that the target's storage process can be used, if the plan has cases that need it.

        Raises:
            TargetError: it can't be had; says why.
        """
        if any(planned.case is not None and STORAGE in planned.case.needs for planned in self.plan):
            try_storage(self.target)

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, planned: Planned) -> tuple[CaseResult, ...]:
        """Run one item of the plan and keep what came of it."""
        for listener in self.listeners:
            listener.starting(planned)
        if self.gone is not None:
            results: tuple[CaseResult, ...] = (_not_run(planned, self.gone),)
        else:
            results = self._run(planned)
            self._look_after_target(planned, results)
        self.done[planned.name] = results
        for listener in self.listeners:
            listener.finished(planned, results)
        return results

    def _run(self, planned: Planned) -> tuple[CaseResult, ...]:
        try:
            if planned.case is not None:
                if planned.case.needs:
                    self.bench.tidy()
                return (run_case(planned.case, self.bench, planned.versions),)
            options = self.settings
            return tuple(run_family(planned.family, self.bench, options.examples, options.seed, self.deviations))
        except Exception:  # noqa: BLE001  a fault of the suite ends this item, is reported, and fails the run
            self.errors.append(SuiteError(planned.name, traceback.format_exc()))
            return (_not_run(planned, "the suite itself broke: see the end of the report"),)

    def _look_after_target(self, planned: Planned, results: Sequence[CaseResult]) -> None:
        """After a fault or an answer that failed to come, see to it that the next item finds a target."""
        needs = planned.case.needs if planned.case is not None else frozenset()
        if not needs and not any(_ended_in_silence(result) for result in results):
            return
        if self.bench.revive():
            return
        try:
            self._start_anew()
        except (TargetError, WireError):
            self.gone = f"the target no longer answers, since {planned.name}"

    def _start_anew(self) -> None:
        """Start a target of ours once more, empty; brokers that someone else started can only be asked again.

        Raises:
            TargetError, WireError: it does not answer.
        """
        bench = self.bench
        bench.client.close()
        self.target.stop()
        self.target.start()
        self._bench = evolve(Bench.on(bench.target, self.profile), names=bench.names)

    # -- what came of it ---------------------------------------------------------------------------------------------

    @property
    def results(self) -> tuple[CaseResult, ...]:
        """The results of the plan, in its order; what was not run says so."""
        why = "the run was interrupted before" if self.interrupted else "it was not chosen"
        return tuple(
            result for planned in self.plan for result in self.done.get(planned.name, (_not_run(planned, why),))
        )

    def rows(self) -> tuple[Row, ...]:
        """A row for each requirement of the run."""
        return rows(self.selection.requirements, self.results, self.deviations)

    @staticmethod
    def about(case: str) -> str:
        """What a case does, in its own words; empty for generated sequences."""
        return CASES[case].about if case in CASES else ""

    @property
    def strays(self) -> tuple[Stray, ...]:
        """Breaches of requirements that are not in the run, one for each."""
        ids = set(self.selection.ids)
        found: dict[str, str] = {}
        for result in self.results:
            for mismatch in result.beside:
                found.setdefault(mismatch.requirement, f"{mismatch} (in {result.name})")
            if result.verdict is Verdict.FAIL:
                for each in result.broken or result.requirements:
                    found.setdefault(each, f"{each}: {result.detail} (in {result.name})")
        return tuple(
            Stray(id_, text, is_bad=self._fails_beside(id_)) for id_, text in sorted(found.items()) if id_ not in ids
        )

    def _fails_beside(self, id_: str) -> bool:
        requirement = requirements()[id_]
        is_asked = requirement.level is not Level.SHOULD and requirement.holds_for(self.profile)
        return is_asked and id_ not in self.deviations

    @property
    def bad(self) -> tuple[Row, ...]:
        """The rows that fail the run."""
        return tuple(row for row in self.rows() if is_bad(row))

    @property
    def has_failed(self) -> bool:
        """Whether a row fails the run, or what was seen beside it."""
        return bool(self.bad) or any(stray.is_bad for stray in self.strays)


def _not_run(planned: Planned, why: str) -> CaseResult:
    name = planned.case.id if planned.case is not None else planned.name
    return CaseResult(name, planned.requirements, planned.versions, Verdict.NOT_RUN, why, 0.0, (), ())


def _ended_in_silence(result: CaseResult) -> bool:
    """Whether no answer came to something that it asked."""
    if result.verdict in {Verdict.PASS, Verdict.UNSUPPORTED}:
        return False
    last: Performed | None = result.steps[-1] if result.steps else None
    return last is None or isinstance(last.outcome, Unknown) or not result.broken
