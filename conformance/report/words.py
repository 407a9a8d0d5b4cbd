"""Operations, steps and rows in words: what every report for people is made of.

Not here: colours and layout (`terminal`, `html`), and how requests, answers and bytes are rendered
(`conformance.wire.render`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import attrs

from conformance.results import CaseResult, Row, Verdict, is_bad, is_unexpected_pass, is_unknown_failure
from conformance.session import Performed, Unanswered, Unknown
from conformance.wire.render import describe_answer, describe_batch, describe_request, hexdump
from model.profiles import PROFILES, Profile
from model.reference.batch import Batch
from model.reference.operations import Operation
from model.reference.outcomes import Permitted, Section

SHOWN_BYTES = 24
SHOWN_ITEMS = 4
DUMP_BYTES = 256
SHOWN_LINES = 30
"""Lines of a decoded request or answer that a terminal gets; the HTML report has the rest."""
ALLOWED_LENGTH_MAX = 240

MARKS = {
    Verdict.PASS: "✓",
    Verdict.UNSUPPORTED: "○",
    Verdict.NOT_RUN: "?",
    Verdict.NON_STRICT: "~",
    Verdict.FAIL: "✗",
}
VERDICT_WORDS = {
    Verdict.PASS: "pass",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.NOT_RUN: "not run",
    Verdict.NON_STRICT: "non-strict",
    Verdict.FAIL: "fail",
}


def profile_text(profile: Profile) -> str:
    """A profile's name; of the newest also that later releases have none of their own."""
    if profile.release < max(each.release for each in PROFILES.values()):
        return profile.name
    return f"{profile.name} (also for every release after {profile.release_name})"


def shortened(text: str, length: int) -> str:
    """At most `length` characters of a text, cut at a word if one is near."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > length * 2 // 3 else cut).rstrip(" ,;:") + "…"


# -- operations ------------------------------------------------------------------------------------------------------


def operation_text(operation: Operation) -> str:
    """An operation on one line: its kind and what is not left to the default."""
    return _structure(operation)


def _structure(value: Any) -> str:
    fields = []
    for each in attrs.fields(type(value)):
        held = getattr(value, each.name)
        if held == _default(each) or each.name.endswith("sizes"):
            continue
        fields.append(f"{each.name}={_value(held)}")
    return f"{type(value).__name__}({', '.join(fields)})"


def _default(attribute: Any) -> Any:
    default = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory() if not default.takes_self else attrs.NOTHING
    return default


def _value(value: Any) -> str:
    if isinstance(value, Batch):
        first, *_ = describe_batch(value).splitlines()
        return f"<{first}>"
    if attrs.has(type(value)):
        return _structure(value)
    if isinstance(value, bytes):
        return repr(value) if len(value) <= SHOWN_BYTES else f"{value[:SHOWN_BYTES]!r}... ({len(value)} bytes)"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple | list | frozenset):
        shown = [_value(each) for each in list(value)[:SHOWN_ITEMS]]
        more = [f"... {len(value) - SHOWN_ITEMS} more"] if len(value) > SHOWN_ITEMS else []
        return f"[{', '.join(shown + more)}]"
    return shortened(repr(value), 200)


# -- steps -----------------------------------------------------------------------------------------------------------


def request_text(step: Performed) -> str:
    """The decoded request; empty if nothing could be sent."""
    exchange = step.exchange
    return describe_request(exchange.api, exchange.version, exchange.request) if exchange is not None else ""


def answer_text(step: Performed) -> str:
    """The decoded answer, or why there is none."""
    if isinstance(step.outcome, Unknown):
        return f"No answer that can be read: {step.outcome.reason}"
    if isinstance(step.outcome, Unanswered):
        return "No answer is due (acks=0)."
    exchange = step.exchange
    return describe_answer(exchange.api, exchange.version, exchange.answer) if exchange is not None else ""


def allowed_lines(section: Section) -> Iterator[str]:
    """What was allowed for a part of an answer: a line for each permitted outcome."""
    for choice in section.choices:
        yield f"{section.where}: {choice.name}{_expected(choice)}"


def _expected(choice: Permitted) -> str:
    if not choice.expects:
        return ""
    return ": " + "; ".join(
        f"{each.field} {shortened(str(each.allowed), ALLOWED_LENGTH_MAX)} [{each.requirement}]"
        for each in choice.expects
    )


def telling_step(result: CaseResult) -> int | None:
    """The index of the step at which a run went wrong: the last that broke a rule or stayed without an answer."""
    for index in range(len(result.steps) - 1, -1, -1):
        step = result.steps[index]
        if step.mismatches or isinstance(step.outcome, Unknown):
            return index
    return len(result.steps) - 1 if result.steps else None


def step_text(step: Performed, number: int) -> str:
    """One step with all that was sent, came back and was allowed."""
    parts = [f"Step {number}, on connection {step.connection!r}: {operation_text(step.operation)}"]
    exchange = step.exchange
    if exchange is not None:
        parts += ["Sent:", _indented(request_text(step)), _indented(hexdump(exchange.sent, DUMP_BYTES))]
    parts += ["Came back:", _indented(answer_text(step))]
    if exchange is not None and exchange.received is not None:
        parts.append(_indented(hexdump(exchange.received, DUMP_BYTES)))
    wrong = [str(mismatch) for mismatch in step.mismatches]
    if wrong:
        parts += ["Wrong:", _indented("\n".join(shortened(each, 600) for each in wrong))]
    judged = {finding.outcome.name for finding in step.findings if finding.mismatches}
    sections = [
        section for section in step.sections if not judged or any(choice.name in judged for choice in section.choices)
    ]
    allowed = [line for section in sections for line in allowed_lines(section)]
    if allowed:
        parts += ["Allowed:", _indented("\n".join(allowed))]
    return "\n".join(parts)


def _indented(text: str) -> str:
    lines = text.splitlines()
    shown = [f"  {line}" for line in lines[:SHOWN_LINES]]
    if len(lines) > SHOWN_LINES:
        shown.append(f"  ... {len(lines) - SHOWN_LINES} more lines")
    return "\n".join(shown)


def result_text(result: CaseResult) -> str:
    """A failed run of a case, for people: what was wrong, and the step that shows it."""
    parts = [f"{result.name}: {result.detail}"]
    index = telling_step(result)
    if index is not None:
        parts += [f"Step {each + 1}: {operation_text(result.steps[each].operation)}" for each in range(index)]
        parts.append(step_text(result.steps[index], index + 1))
    return "\n".join(parts)


# -- rows ------------------------------------------------------------------------------------------------------------


def verdict_words(row: Row) -> str:
    """A row's verdict, with what its deviation makes of it."""
    word = VERDICT_WORDS[row.verdict]
    if is_unexpected_pass(row):
        return "unexpected pass"
    if row.deviation is not None and row.verdict in {Verdict.FAIL, Verdict.NON_STRICT}:
        return f"{word} (known)"
    return word


def why_bad(row: Row) -> str:
    """Why a row fails the run, on one line; empty if it doesn't."""
    if not is_bad(row):
        return ""
    if is_unexpected_pass(row):
        return f"{row.id} passes, but is a known deviation ({row.deviation}): take it out of the deviations file"
    first, *_ = row.detail.splitlines() or ["no detail"]
    lost = row.lacks_fault
    if lost is None or is_unknown_failure(row):
        return f"{row.id} fails: {first}"
    first, *_ = lost.detail.splitlines() or ["no detail"]
    how = "was not run" if row.verdict is Verdict.NOT_RUN else "was not run in full"
    return f"{row.id} {how}: {lost.case} [{lost.versions}]: {first}"


def tally(found: Sequence[Row]) -> str:
    """How many rows have which verdict, the good ones first."""
    counts = {verdict: sum(row.verdict is verdict for row in found) for verdict in Verdict}
    return ", ".join(f"{count} {VERDICT_WORDS[verdict]}" for verdict, count in counts.items() if count)
