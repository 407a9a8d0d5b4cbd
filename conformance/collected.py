"""The suite as pytest sees it: which files hold cases, an item for each of them, and what makes a run fail.

Two plug-in objects: `Suite` collects and runs the items of a sitting that someone else starts and ends
(`tidegauge conform`); `PytestRun` also does that, for people who start pytest themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.deviations import DeviationsError
from conformance.plugin import case_folder
from conformance.report.document import document_of
from conformance.report.html import write_html
from conformance.report.json_report import write_json
from conformance.report.words import result_text, why_bad
from conformance.results import CaseResult, Verdict
from conformance.selection import UnknownIdError, split_ids
from conformance.sitting import Planned, Settings, Sitting
from conformance.targets.base import TargetError
from model.catalogue import Level, requirements
from model.profiles import UnknownProfileError

WRONG_CHOICES = (TargetError, UnknownProfileError, UnknownIdError, DeviationsError)
"""What a sitting raises when the user has to choose otherwise."""


class CaseBroken(Exception):
    """The target broke a rule; the text is for people."""


class CaseItem(pytest.Item):
    """A case at one end of the API versions, or the generated sequences of a family."""

    def __init__(self, *, sitting: Sitting, planned: Planned, **of_node: Any) -> None:
        super().__init__(**of_node)
        self.sitting = sitting
        self.planned = planned

    def runtest(self) -> None:
        """Run it: a failure is raised, a known one is an expected failure, what was not run is skipped."""
        for result in self.sitting.run(self.planned):
            self._judge(result)

    def _judge(self, result: CaseResult) -> None:
        if result.verdict in {Verdict.NOT_RUN, Verdict.UNSUPPORTED}:
            pytest.skip(f"{result.verdict.value}: {result.detail}")
        if result.verdict is not Verdict.FAIL:
            return
        broken = result.broken or frozenset(result.requirements)
        unknown = [each for each in sorted(broken) if each not in self.sitting.deviations]
        if not unknown:
            pytest.xfail("; ".join(f"{each}: {self.sitting.deviations[each].reason}" for each in sorted(broken)))
        if all(requirements()[each].level is Level.SHOULD for each in unknown if each in requirements()):
            pytest.xfail(f"non_strict: {result.detail}")
        raise CaseBroken(result_text(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """A broken rule is shown in our words, not as a traceback (which takes long to make)."""
        if isinstance(excinfo.value, (CaseBroken, pytest.xfail.Exception)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What pytest calls it."""
        return self.path, None, self.planned.name


class CaseFile(pytest.File):
    """A file of cases."""

    sitting: Sitting

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, sitting: Sitting) -> CaseFile:
        """The collector for a file."""
        made = cls.from_parent(parent, path=path)
        made.sitting = sitting
        return made

    def collect(self) -> Iterator[pytest.Item]:
        """An item for everything in the plan that comes from this file."""
        for planned in self.sitting.plan:
            if planned.case is not None and planned.case.module == f"conformance.cases.{self.path.stem}":
                yield CaseItem.from_parent(self, name=planned.name, sitting=self.sitting, planned=planned)


class SequencesFile(CaseFile):
    """Stands for the package of cases; holds the generated sequences, a family an item."""

    def collect(self) -> Iterator[pytest.Item]:
        for planned in self.sitting.plan:
            if planned.case is None:
                yield CaseItem.from_parent(self, name=planned.name, sitting=self.sitting, planned=planned)


class Suite:
    """Collects and runs the items of a sitting that has been entered."""

    def __init__(self, sitting: Sitting) -> None:
        self.sitting = sitting

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The suite's own files of cases, wherever the package is installed."""
        if file_path.suffix != ".py" or file_path.parent != case_folder():
            return None
        kind = SequencesFile if file_path.stem == "__init__" else CaseFile
        return kind.of(parent, file_path, self.sitting)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Our items run in the plan's order, after everything else that was collected."""
        place = {planned.name: index for index, planned in enumerate(self.sitting.plan)}
        items.sort(key=lambda item: place.get(item.name, -1) if isinstance(item, CaseItem) else -1)

    def pytest_keyboard_interrupt(self) -> None:
        """The rest of the plan is reported as not run."""
        self.sitting.interrupted = True


class PytestRun(Suite):
    """For those who start pytest themselves: also starts and ends the target, and speaks in pytest's summary."""

    def __init__(self, settings: Settings, json: str | None, html: str | None) -> None:
        try:
            super().__init__(Sitting(settings))
        except WRONG_CHOICES as error:
            raise pytest.UsageError(str(error)) from error
        self.json, self.html = json, html

    @classmethod
    def from_options(cls, config: pytest.Config, target: str) -> PytestRun:
        """What the command line asks for."""
        option = config.getoption
        config_file = option("--command-config")
        settings = Settings(
            target,
            split_ids(option("--only")),
            option("--profile"),
            option("--deviations"),
            Path(config_file) if config_file else None,
            option("--fault-command"),
            option("--examples"),
            option("--sequence-seed"),
        )
        return cls(settings, option("--tidegauge-json"), option("--tidegauge-html"))

    def pytest_sessionstart(self) -> None:
        """Start the target before anything is collected: which cases there are depends on its API versions."""
        try:
            self.sitting.__enter__()
            self.sitting.try_storage()
        except TargetError as error:
            self.sitting.close()
            raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The rows decide: a rule broken beside a case, or a deviation that has gone, fails the run too."""
        if session.exitstatus == pytest.ExitCode.OK and (self.sitting.bad or self.sitting.errors):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.json or self.html:
            document = document_of(self.sitting)
            if self.json:
                write_json(document, Path(self.json))
            if self.html:
                write_html([document], Path(self.html))
        self.sitting.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The requirements that fail the run."""
        lines = [why_bad(row) for row in self.sitting.bad]
        if lines:
            terminalreporter.section("Tidegauge: requirements", sep="=")
            for line in lines:
                terminalreporter.write_line(line)
