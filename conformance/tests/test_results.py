"""Verdicts: the worst counts, a breach is laid at the door of the rule that it breaks, deviations are known or gone."""

from __future__ import annotations

from itertools import combinations

import pytest

from conformance.report.words import why_bad
from conformance.results import Deviation, Row, Verdict, is_bad, is_unexpected_pass, rows, worst
from conformance.tests.fakes import requirement, result
from model.catalogue import Level

KNOWN = {"LOG-01": Deviation("LOG-01", "not done yet", "https://example.org/1")}


def one(*results: object, level: Level = Level.MUST, known: bool = False) -> Row:
    (row,) = rows([requirement(level=level)], results, KNOWN if known else {})  # type: ignore[arg-type]
    return row


def test_order_is_the_one_of_the_docs() -> None:
    assert [each.value for each in Verdict] == ["pass", "unsupported", "not_run", "non_strict", "fail"]


@pytest.mark.parametrize(("better", "worse"), list(combinations(Verdict, 2)))
def test_worst_counts(better: Verdict, worse: Verdict) -> None:
    assert worst([better, worse]) is worst([worse, better]) is worse
    assert one(result(better), result(worse), result(better)).verdict is worse


def test_requirement_without_a_case_is_not_run() -> None:
    row = one()
    assert row.verdict is Verdict.NOT_RUN
    assert row.detail == "no case was run"


def test_broken_should_is_not_strict_and_does_not_fail_the_run() -> None:
    row = one(result(Verdict.FAIL, detail="x"), level=Level.SHOULD)
    assert row.verdict is Verdict.NON_STRICT
    assert not is_bad(row)


def test_case_of_two_fails_only_what_it_broke() -> None:
    found = rows(
        [requirement("LOG-01"), requirement("LOG-02")],
        [result(Verdict.FAIL, "LOG-01", "LOG-02", broken=["LOG-02"], detail="wrong")],
        {},
    )
    assert [row.verdict for row in found] == [Verdict.NOT_RUN, Verdict.FAIL]
    assert "LOG-02 broken" in found[0].detail


def test_silence_fails_all_that_a_case_checks() -> None:
    found = rows(
        [requirement("LOG-01"), requirement("LOG-02")], [result(Verdict.FAIL, "LOG-01", "LOG-02", detail="closed")], {}
    )
    assert {row.verdict for row in found} == {Verdict.FAIL}


def test_case_that_missed_one_still_passes_the_other() -> None:
    found = rows(
        [requirement("LOG-01"), requirement("LOG-02")],
        [result(Verdict.NOT_RUN, "LOG-01", "LOG-02", missed=["LOG-02"], detail="did not come to LOG-02")],
        {},
    )
    assert [row.verdict for row in found] == [Verdict.PASS, Verdict.NOT_RUN]


def test_breach_seen_beside_fails_its_own_row() -> None:
    found = rows(
        [requirement("LOG-01"), requirement("LOG-02")],
        [result(Verdict.PASS, "LOG-01"), result(Verdict.PASS, "LOG-02", beside=["LOG-01"])],
        {},
    )
    assert [row.verdict for row in found] == [Verdict.FAIL, Verdict.PASS]
    assert "seen in LOG-02/a_case" in found[0].detail


def test_many_sightings_are_counted_not_listed() -> None:
    many = [result(Verdict.PASS, "LOG-02", beside=["LOG-01"]) for _ in range(10)]
    assert one(*many).detail.splitlines()[-1] == "and in 7 more runs of cases"


def test_same_words_at_both_ends_are_said_once() -> None:
    both = [result(Verdict.FAIL, versions=end, detail="wrong") for end in ("lowest", "highest")]
    assert one(*both).detail == "LOG-01/a_case [lowest, highest]: wrong"


def test_failures_are_said_first() -> None:
    row = one(result(Verdict.NOT_RUN, detail="later"), result(Verdict.FAIL, detail="wrong"))
    assert row.detail.splitlines()[0].endswith("wrong")


@pytest.mark.parametrize(
    ("verdict", "bad"),
    [
        (Verdict.FAIL, False),
        (Verdict.PASS, True),
        (Verdict.UNSUPPORTED, False),
        (Verdict.NOT_RUN, False),
    ],
)
def test_known_deviation_is_bad_only_when_it_has_gone(verdict: Verdict, bad: bool) -> None:
    row = one(result(verdict, detail="x"), known=True)
    assert row.verdict is verdict
    assert row.deviation == "not done yet"
    assert is_bad(row) is bad
    assert is_unexpected_pass(row) is bad


def test_pass_of_a_deviation_that_comes_and_goes_is_no_news() -> None:
    known = {"LOG-01": Deviation("LOG-01", "a race", sometimes=True)}
    (passed,) = rows([requirement()], [result(Verdict.PASS)], known)
    (failed,) = rows([requirement()], [result(Verdict.FAIL)], known)
    assert not is_bad(passed)
    assert not is_unexpected_pass(passed)
    assert not is_bad(failed)


LOST = result(Verdict.NOT_RUN, detail="exit code 3", fault_failed=True)


@pytest.mark.parametrize("known", [False, True])
def test_what_was_not_run_is_bad_only_if_a_fault_failed(known: bool) -> None:
    assert is_bad(one(LOST, known=known))
    assert why_bad(one(LOST, known=known)) == "LOG-01 was not run: LOG-01/a_case [highest]: exit code 3"
    assert not is_bad(one(result(Verdict.NOT_RUN, detail="later"), known=known))


@pytest.mark.parametrize(("level", "known"), [(Level.MUST, True), (Level.SHOULD, False), (Level.SHOULD, True)])
def test_a_fault_that_failed_is_not_hidden_by_a_breach_that_is_excused(level: Level, known: bool) -> None:
    row = one(result(Verdict.FAIL, versions="lowest", detail="wrong"), LOST, level=level, known=known)
    assert is_bad(row)
    assert why_bad(row) == "LOG-01 was not run in full: LOG-01/a_case [highest]: exit code 3"


def test_of_a_breach_that_is_not_known_the_breach_is_told_first() -> None:
    row = one(LOST, result(Verdict.FAIL, versions="lowest", detail="wrong"))
    assert why_bad(row) == "LOG-01 fails: LOG-01/a_case [lowest]: wrong"


def test_unknown_failure_is_bad() -> None:
    assert is_bad(one(result(Verdict.FAIL)))
    assert not is_bad(one(result(Verdict.PASS)))
