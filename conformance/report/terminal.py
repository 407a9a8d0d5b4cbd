"""The report on the terminal: a tree by family while the run goes on, and every failure in full at its end.

On a terminal a bar shows how far the run is; without one (a CI log) there is no bar and no colour, only lines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from conformance.report.failures import failure_lines
from conformance.report.words import MARKS, profile_text, shortened, tally, verdict_words, why_bad
from conformance.results import CaseResult, Row, Verdict, is_bad, is_unexpected_pass, is_unknown_failure, rows
from conformance.sitting import Planned, Sitting
from model.catalogue import families, requirements

SENTENCE_MIN = 24
NAME_WIDTH = 44
LEFT_MAX = 20
"""Names of what is left on the target; the prefix that they share says enough."""

STYLES = {
    Verdict.PASS: "green",
    Verdict.UNSUPPORTED: "bright_black",
    Verdict.NOT_RUN: "yellow",
    Verdict.NON_STRICT: "yellow",
    Verdict.FAIL: "red",
}


class TerminalReport:
    """Follows a sitting. Enter it when the target runs; `conclude` after the last item."""

    def __init__(self, sitting: Sitting, console: Console) -> None:
        self.sitting = sitting
        self.console = console
        self._place = {each.id: index for index, each in enumerate(sitting.selection.requirements)}
        self._told: dict[str, Row] = {}
        self._heading: str | None = None
        self._following: dict[str, Planned | None] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("")

    def __enter__(self) -> Self:
        plan = self.sitting.plan
        self._following = {planned.name: following for planned, following in zip(plan, [*plan[1:], None], strict=True)}
        self._progress.update(self._task, total=len(plan))
        self._head()
        self._progress.start()
        self.sitting.listeners.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    # -- while it runs -----------------------------------------------------------------------------------------------

    def starting(self, planned: Planned) -> None:
        """Show it beside the bar."""
        name = shortened(planned.name, NAME_WIDTH)
        self._progress.update(self._task, description=f"{name:<{NAME_WIDTH}}")

    def finished(self, planned: Planned, results: Sequence[CaseResult]) -> None:
        """Write a line for every requirement that is done with."""
        self._progress.advance(self._task)
        if planned.case is None:
            self._tell_sequences(planned, results)
        following = self._following[planned.name]
        if following is None or following.case is None:
            self._tell_up_to(len(self._place))
        else:
            self._tell_up_to(self._first_place(following))

    def _first_place(self, planned: Planned) -> int:
        return min((self._place[each] for each in planned.requirements if each in self._place), default=0)

    def _head(self) -> None:
        sitting = self.sitting
        chosen, left_out = sitting.selection.requirements, sitting.selection.left_out
        cases = sum(planned.case is not None for planned in sitting.plan)
        self._line(Text.assemble(("Target   ", "dim"), (sitting.target.name, "bold")))
        self._line(Text.assemble(("Profile  ", "dim"), profile_text(sitting.profile)))
        said = f"{_count(len(chosen), 'requirement')}, {_count(cases, 'run')} of cases"
        if left_out:
            said += f"; {_count(len(left_out), 'requirement')} left out, not of this profile"
        self._line(Text.assemble(("Plan     ", "dim"), said))
        if sitting.settings.examples:
            self._line(Text.assemble(("Seed     ", "dim"), f"{sitting.settings.seed} (of the generated sequences)"))
        if sitting.deviations:
            self._line(Text.assemble(("Known    ", "dim"), _count(len(sitting.deviations), "deviation")))

    def _tell_up_to(self, place: int) -> None:
        """A line for every requirement before that place in the catalogue that has none yet."""
        waiting = [each for each in self.sitting.selection.requirements[:place] if each.id not in self._told]
        if not waiting:
            return
        results = [result for found in self.sitting.done.values() for result in found]
        for requirement, row in zip(waiting, rows(waiting, results, self.sitting.deviations), strict=True):
            self._told[row.id] = row
            self._head_of(requirement.family)
            self._tell(row)

    def _head_of(self, family: str) -> None:
        if self._heading != family:
            self._heading = family
            title = next((each.title for each in families() if each.name == family), family)
            self._line()
            self._line(Text.assemble((f"{family}  ", "bold cyan"), (title, "bold")))

    def _tell(self, row: Row) -> None:
        style = STYLES[row.verdict] if not is_unexpected_pass(row) else "red"
        known = row.deviation is not None and not is_bad(row)
        ending = f"{verdict_words(row)}  {row.seconds:6.2f} s"
        room = max(SENTENCE_MIN, self.console.width - len(row.id) - len(ending) - 8)
        sentence = shortened(requirements()[row.id].sentence, room)
        mark = MARKS[Verdict.FAIL] if is_unexpected_pass(row) else MARKS[row.verdict]
        self._line(
            Text.assemble(
                "  ",
                (mark, "yellow" if known else style),
                f" {row.id}  ",
                (f"{sentence:<{room}}", "" if is_bad(row) else "dim"),
                " ",
                (ending, "yellow" if known else style),
            )
        )
        if row.verdict is not Verdict.PASS:
            self._line(Text(self._in_short(row), style="dim"))

    def _in_short(self, row: Row) -> str:
        """The first line of a detail: its beginning, but all of it where it says what to do to have the check run."""
        first = (row.detail.splitlines() or [""])[0]
        room = self.console.width - 7
        is_whole = row.verdict in {Verdict.UNSUPPORTED, Verdict.NOT_RUN}
        lines = textwrap.wrap(first, max(room, SENTENCE_MIN)) if is_whole else [shortened(first, room)]
        return textwrap.indent("\n".join(lines), " " * 6)

    def _tell_sequences(self, planned: Planned, results: Sequence[CaseResult]) -> None:
        self._tell_up_to(len(self._place))
        if self._heading != "sequences":
            self._heading = "sequences"
            self._line()
            self._line(Text("Generated sequences", style="bold"))
        for result in results:
            style = STYLES[result.verdict]
            first = (result.detail.splitlines() or [""])[0]
            said = f"{planned.family}  {result.verdict.value.replace('_', ' ')}  {result.seconds:.2f} s  {first}"
            line = Text.assemble("  ", (MARKS[result.verdict], style), " ", shortened(said, self.console.width - 5))
            self._line(line)

    # -- at the end --------------------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Write the failures in full, and the sums."""
        found = self.sitting.rows()
        self._tell_changes(found)
        failing = [row for row in found if is_unknown_failure(row)]
        if failing:
            self._line()
            self.console.rule(Text("Failures", style="bold red"), style="red")
        for row in failing:
            self._line()
            for line in failure_lines(row):
                self._line(line)
        self._sum_up(found)

    def _tell_changes(self, found: Sequence[Row]) -> None:
        """Requirements whose verdict is another than was told, because a later item saw them broken."""
        changed = [row for row in found if row.id in self._told and self._told[row.id].verdict != row.verdict]
        if changed and not self.sitting.interrupted:
            self._line()
            self._line(Text("Seen later, in cases of other requirements or in sequences", style="bold"))
            for row in changed:
                self._tell(row)

    def _sum_up(self, found: Sequence[Row]) -> None:
        sitting = self.sitting
        self._line()
        for stray in sitting.strays:
            said = "Fails, beside this run" if stray.is_bad else "Beside this run"
            self._line(Text(f"{said}: {stray.text}", style="red" if stray.is_bad else "yellow"))
        self._tell_errors()
        for text in left_lines(sitting):
            self._line(text)
        if sitting.gone is not None:
            self._line(Text(f"Called off: {sitting.gone}.", style="bold red"))
        if sitting.interrupted:
            self._line(Text("Interrupted: this is what was done until then.", style="bold yellow"))
        known = sum(row.deviation is not None and row.verdict in {Verdict.FAIL, Verdict.NON_STRICT} for row in found)
        words = f" ({known} of them known)" if known else ""
        self._line(Text(f"{_count(len(found), 'requirement')}: {tally(found)}{words}", style="bold"))
        for row in sitting.bad:
            self._line(Text(f"  {shortened(why_bad(row), self.console.width - 3)}", style="red"))

    def _tell_errors(self) -> None:
        """Where the suite itself broke; the same fault in several places is shown once."""
        shown: set[str] = set()
        for error in self.sitting.errors:
            *_, last = error.text.rstrip().splitlines()
            self._line(Text(f"The suite itself broke in {error.planned}: {last}", style="bold red"))
            if last not in shown:
                self._line(Text(f"{error.text.rstrip()}\nPlease report this.", style="red"))
            shown.add(last)

    def _line(self, text: Text | str = "") -> None:
        # Long lines stay whole: whoever greps a log wants a line to be a line.
        self._progress.console.print(text, soft_wrap=True)


def left_lines(sitting: Sitting) -> list[Text]:
    """What the suite could not remove from the target: a line, or none."""
    if not sitting.left:
        return []
    more = f" and {len(sitting.left) - LEFT_MAX} more" if len(sitting.left) > LEFT_MAX else ""
    return [Text(f"Left on the target: {', '.join(sitting.left[:LEFT_MAX])}{more}", style="yellow")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
