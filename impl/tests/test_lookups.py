"""Lookups by offset and by time: what a flipped bit in an index does to them, and indexes as Kafka writes them."""

import logging
from collections.abc import Callable
from pkgutil import resolve_name

import pytest

from impl.storage.segment import INDEX, TIME_INDEX
from impl.tests.durability import Violation
from impl.tests.index_bugs import (
    BUGS,
    TIMES,
    answers,
    appended_together,
    check_flips_before_a_start,
    check_flips_under_an_open_log,
    check_that_lookups_are_short,
    indexed,
    run_checks,
)
from impl.tests.storage_bugs import StorageBug

in_any_order = pytest.mark.parametrize("time_of", TIMES.values(), ids=[name.replace(" ", "-") for name in TIMES])


@pytest.mark.usefixtures("quiet")
@in_any_order
@pytest.mark.parametrize("suffix", [INDEX, TIME_INDEX])
def test_every_answer_is_right_whatever_bit_of_an_index_has_flipped(suffix: str, time_of: Callable[[int], int]) -> None:
    check_flips_before_a_start(suffix, time_of)
    check_flips_under_an_open_log(suffix, time_of)


@pytest.mark.usefixtures("quiet")
def test_a_flipped_bit_makes_no_lookup_long() -> None:
    check_that_lookups_are_short()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_every_planted_bug_is_seen(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(Violation):
        run_checks()


@in_any_order
@pytest.mark.parametrize("together", [1, 2, 5, 30])
def test_an_index_of_batches_that_were_appended_together_is_used_as_it_is(
    together: int, time_of: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    log = appended_together(indexed(time_of), together)
    opened = log.open()
    assert {suffix: answers(opened, log.record_times, suffix) for suffix in (INDEX, TIME_INDEX)} == log.right_answers
    for segment in opened.segments:
        for suffix in (INDEX, TIME_INDEX):
            assert opened._files.read_file(segment.path(suffix)) == log.files.read_file(segment.path(suffix))
    assert not caplog.records


def test_an_entry_that_leads_too_far_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    log = indexed(TIMES["rising"])
    path = log.open().segments[0].path(INDEX)
    content = bytearray(log.files.read_file(path))
    content[4:8] = content[20:24]  # the first entry's position is the third's
    log.files.replace_file(path, bytes(content))
    opened = log.open()
    for _ in range(2):
        assert {
            suffix: answers(opened, log.record_times, suffix) for suffix in (INDEX, TIME_INDEX)
        } == log.right_answers
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(told) == 1
    assert str(path) in told[0]
    assert "it is not used" in told[0]
