"""What the user may choose: ids by their start, known deviations by file; what is wrong is refused with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.deviations import DeviationsError, default_deviations, deviations_for, parse_deviations
from conformance.selection import UnknownIdError, chosen, select, split_ids
from model.catalogue import requirements
from model.profiles import PROFILES, profile_named


def test_ids_are_split_and_raised() -> None:
    assert split_ids(" log-03, IDM,,") == ("LOG-03", "IDM")
    assert split_ids("") == ()


def test_start_of_an_id_chooses_all_that_begin_so() -> None:
    assert [each.id for each in chosen(["LOG-03"])] == ["LOG-03"]
    assert {each.family for each in chosen(["LOG", "IDM"])} == {"LOG", "IDM"}
    assert chosen(["LOG-0"]) == tuple(each for each in requirements().values() if each.id.startswith("LOG-0"))


def test_nothing_chosen_is_everything() -> None:
    assert len(chosen([])) == len(requirements())


@pytest.mark.parametrize(("word", "hint"), [("LGO", "LOG"), ("IDM-99", "IDM"), ("QQQ", "the families are")])
def test_id_that_matches_nothing_is_refused_with_what_comes_close(word: str, hint: str) -> None:
    with pytest.raises(UnknownIdError, match=hint):
        chosen(["LOG", word])


def test_what_does_not_hold_for_the_profile_is_left_out() -> None:
    for name in PROFILES:
        profile = profile_named(name)
        selection = select([], profile)
        assert all(each.holds_for(profile) for each in selection.requirements)
        assert not any(each.holds_for(profile) for each in selection.left_out)
        assert len(selection.requirements) + len(selection.left_out) == len(requirements())


def test_deviations_are_read() -> None:
    found = parse_deviations(
        "x.toml", '[LOG-01]\nreason = "so"\nseen = "Fetch v12: 3"\nlink = "https://x"\n[LOG-02]\nreason = "too"\n'
    )
    assert (found["LOG-01"].seen, found["LOG-01"].link) == ("Fetch v12: 3", "https://x")
    assert (found["LOG-02"].seen, found["LOG-02"].link) == (None, None)
    assert not found["LOG-01"].sometimes
    assert parse_deviations("x.toml", "[LOG-01]\nreason = 'so'\nsometimes = true")["LOG-01"].sometimes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[LOG-99]\nreason = 'x'", "no requirement LOG-99"),
        ("[LOG-01]", "needs a reason"),
        ("[LOG-01]\nreason = ' '", "needs a reason"),
        ("[LOG-01]\nreason = 'x'\nresaon = 'y'", "unknown: resaon"),
        ("[LOG-01]\nreason = 'x'\nlink = 3", "link is a string"),
        ("[LOG-01]\nreason = 'x'\nseen = 3", "seen is a string"),
        ("[LOG-01]\nreason = 'x'\nsometimes = 3", "sometimes is true or false"),
        ("LOG-01 = 3", "is not a table"),
        ("[LOG-01", "x.toml"),
    ],
)
def test_malformed_deviations_are_refused(text: str, why: str) -> None:
    with pytest.raises(DeviationsError, match=why):
        parse_deviations("x.toml", text)


def test_option_decides_over_the_target(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[LOG-01]\nreason = "mine"\n')
    assert deviations_for(str(file), "mock")["LOG-01"].reason == "mine"
    assert deviations_for("none", "mock") == {}
    assert deviations_for(None, None) == {}
    assert default_deviations("there-is-no-such-target") == {}
    with pytest.raises(DeviationsError, match=r"absent\.toml"):
        deviations_for(str(tmp_path / "absent.toml"), None)
