"""Reports from given results: each is whole, agrees with the exit code, and can't be broken by what a broker says."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from conformance.report.badge import badge_of
from conformance.report.document import Document
from conformance.report.html import html_of, write_html
from conformance.report.json_report import ReportError, read_json, to_json, write_json
from conformance.report.junit import junit_of, write_junit
from conformance.report.matrix import blocks_of, columns_of
from conformance.report.words import profile_text
from model.profiles import profile_named

NASTY = "</script><img src=x onerror=alert(1)>\x00"


def step(id_: str, verdict: str) -> dict[str, object]:
    return {
        "number": 1,
        "kind": "Produce",
        "version": 3,
        "connection": "main",
        "operation": f"Produce({NASTY})",
        "request": "Produce request",
        "answer": "Produce answer",
        "sent": {"length": 600, "hex": "00ff41" * 10},
        "received": None,
        "reached": [],
        "wrong": [{"requirement": id_, "text": "error is 1"}] if verdict == "fail" else [],
        "allowed": ["t-0: produce.appended"],
    }


def row(id_: str, verdict: str, *, deviation: str | None = None, bad: bool | None = None) -> dict[str, object]:
    case = {
        "id": f"{id_}/a_case",
        "versions": "highest",
        "verdict": verdict,
        "detail": NASTY,
        "seconds": 0.1,
        "about": "Does a thing.",
        "beside": False,
        "steps": [step(id_, verdict)],
        "steps_in_all": 1,
    }
    return {
        "id": id_,
        "verdict": verdict,
        "level": "MUST",
        "seconds": 0.1,
        "detail": f"{id_}/a_case: {NASTY}",
        "deviation": deviation,
        "deviation_seen": "Fetch v12: error_code 0" if deviation else None,
        "deviation_link": "https://example.org/1" if deviation else None,
        "bad": bad if bad is not None else verdict == "fail",
        "why": f"{id_} fails: {NASTY}" if verdict == "fail" else "",
        "family": id_[:3],
        "tier": "wire",
        "sentence": "It MUST be so.",
        "source": ["KIP-1"],
        "cases": [case],
    }


@pytest.fixture
def document() -> Document:
    return {
        "target": "a <target>",
        "profile": "3.9-kraft",
        "versions": {"tidegauge": "0", "apis": {"Produce": [3, 11]}},
        "results": [
            row("IDM-01", "pass"),
            row("LOG-01", "pass"),
            row("LOG-02", "fail"),
            row("LOG-03", "fail", deviation="known for long", bad=False),
            row("LOG-04", "pass", deviation="but it passes", bad=True),
            row("LOG-05", "unsupported"),
            row("LOG-06", "not_run"),
            row("LOG-07", "non_strict"),
        ],
    }


# -- JSON ------------------------------------------------------------------------------------------------------------


def test_json_goes_out_and_comes_back(document: Document, tmp_path: Path) -> None:
    write_json(document, tmp_path / "r.json")
    assert read_json(tmp_path / "r.json") == document


def test_json_has_a_line_for_each_requirement(document: Document) -> None:
    lines = [line for line in to_json(document).splitlines() if line.startswith('  {"id": ')]
    assert len(lines) == len(document["results"])


def test_json_without_rows_is_json(document: Document) -> None:
    assert json.loads(to_json({**document, "results": []}))["results"] == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"target": 1}', '{"target": "", "profile": "", "versions": {}, "results": [{"id": "LOG-01"}]}'],
)
def test_other_files_are_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ReportError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


# -- JUnit and badge -------------------------------------------------------------------------------------------------


def test_junit_agrees_with_the_exit_code(document: Document, tmp_path: Path) -> None:
    write_junit(document, tmp_path / "j.xml")
    root = ET.parse(tmp_path / "j.xml").getroot()
    tests = {test.get("name", "")[:6]: test for test in root.iter("testcase")}
    assert {id_ for id_, test in tests.items() if test.find("failure") is not None} == {"LOG-02", "LOG-04"}
    assert {id_ for id_, test in tests.items() if test.find("skipped") is not None} == {"LOG-03", "LOG-05", "LOG-06"}
    kinds = {id_: found.get("type") for id_, test in tests.items() if (found := test.find("failure")) is not None}
    assert kinds == {"LOG-02": "fail", "LOG-04": "unexpected_pass"}
    suite = root.find("testsuite[@name='LOG']")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "2", "3")


def test_junit_names_requirement_and_verdict(document: Document) -> None:
    found = junit_of(document).findall("testsuite/testcase[@classname='tidegauge.IDM']/properties/property")
    assert {each.get("name"): each.get("value") for each in found}["verdict"] == "pass"


@pytest.mark.parametrize(("passing", "colour"), [(10, "brightgreen"), (9, "yellowgreen"), (0, "red")])
def test_badge_counts_what_must_pass(document: Document, passing: int, colour: str) -> None:
    rows = [row("LOG-01", "pass")] * passing + [row("LOG-02", "fail")] * (10 - passing)
    badge = badge_of({**document, "results": rows})
    assert badge["schemaVersion"] == 1
    assert badge["message"] == f"{passing} of 10 requirements"
    assert badge["color"] == colour


# -- HTML ------------------------------------------------------------------------------------------------------------


class Resources(HTMLParser):
    """What a page asks others for, and the ids of its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag in {"link", "script", "img", "iframe", "object", "source", "base"} or "srcset" in values:
            self.asked += [values[name] for name in ("src", "href", "data", "srcset") if name in values]
        if tag == "button" and "cell" in values.get("class", ""):
            self.cells.append((values["data-id"], values["data-column"]))


def test_html_asks_nobody_for_anything(document: Document) -> None:
    text = html_of([document])
    page = Resources()
    page.feed(text)
    assert page.asked == []
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert "fetch(" not in text


def test_html_is_not_broken_by_what_a_broker_says(document: Document) -> None:
    page = Resources()
    page.feed(html_of([document]))
    assert "img" not in page.tags


def test_matrix_has_a_cell_for_each_row_and_a_gap_where_there_is_none(document: Document) -> None:
    other = copy.deepcopy(document)
    other["target"] = "other"
    other["results"] = [each for each in other["results"] if each["id"] != "LOG-02"]
    page = Resources()
    page.feed(html_of([document, other]))
    assert ("LOG-02", "0") in page.cells
    assert ("LOG-02", "1") not in page.cells
    assert len(page.cells) == 15


def test_matrix_keeps_the_catalogues_order_and_knows_what_differs(document: Document) -> None:
    other = copy.deepcopy(document)
    other["results"][1]["verdict"] = "fail"
    blocks = blocks_of([document, other])
    assert [block.name for block in blocks] == ["IDM", "LOG"]
    assert [line.id for block in blocks for line in block.lines if line.differs] == ["LOG-01"]
    assert columns_of([document])[0].known == 1


def test_report_of_promised_keys_only_can_be_shown() -> None:
    bare = {"id": "LOG-01", "verdict": "fail", "level": "MUST", "seconds": 1, "detail": "x", "deviation": None}
    gone = {**bare, "id": "ZZZ-01"}
    assert "ZZZ-01" in html_of([{"target": "t", "profile": "p", "versions": {}, "results": [bare, gone]}])


@pytest.mark.real
def test_cell_opens_in_a_browser(document: Document, tmp_path: Path) -> None:
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        pytest.skip("no Chromium is installed")
    write_html([document], tmp_path / "r.html")
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'browser'}"),
        *("--virtual-time-budget=3000", "--dump-dom", f"file://{tmp_path}/r.html#LOG-02@0"),
    ]
    dom = subprocess.run([browser, *flags], capture_output=True, text=True, timeout=60, check=True).stdout
    body = dom[dom.index('id="cell-body"') :]
    assert "Produce(&lt;/script&gt;" in body
    assert "00 ff 41" in body
    assert "produce.appended" in body


def test_the_newest_profile_is_said_to_be_for_later_releases_too() -> None:
    assert profile_text(profile_named("4.1-kraft")) == "4.1-kraft (also for every release after 4.1)"
    assert profile_text(profile_named("3.9-zk")) == "3.9-zk"
