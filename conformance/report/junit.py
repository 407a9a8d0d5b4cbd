"""The JUnit report: a test suite for each family, a test for each requirement, as CI systems read it.

A test fails where the requirement fails the run, so that the file and the exit code agree: a known deviation is
skipped with its reason, one that has gone is a failure, a broken SHOULD passes with a word in its output.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from conformance.report.document import Document
from conformance.results import Verdict

NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
SKIPPED = {Verdict.NOT_RUN, Verdict.UNSUPPORTED}


def junit_of(document: Document) -> Element:
    """The root element."""
    root = Element("testsuites", name=f"tidegauge {document['target']} {document['profile']}")
    for family, rows in groupby(document["results"], key=lambda row: row["family"]):
        _suite(root, family, list(rows), document)
    return root


def write_junit(document: Document, path: Path) -> None:
    """Write the report to a file."""
    root = junit_of(document)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(root: Element, family: str, rows: list[dict[str, Any]], document: Document) -> None:
    suite = SubElement(root, "testsuite", name=family, tests=str(len(rows)), errors="0")
    _properties(suite, target=document["target"], profile=document["profile"])
    for row in rows:
        _test(suite, row)
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", f"{sum(row['seconds'] for row in rows):.3f}")


def _test(suite: Element, row: dict[str, Any]) -> None:
    test = SubElement(
        suite,
        "testcase",
        classname=f"tidegauge.{row['family']}",
        name=f"{row['id']} {row['sentence']}",
        time=f"{row['seconds']:.3f}",
    )
    _properties(test, requirement=row["id"], level=row["level"], verdict=row["verdict"], tier=row["tier"])
    verdict = Verdict(row["verdict"])
    if row["bad"]:
        kind = "unexpected_pass" if verdict is Verdict.PASS else verdict.value
        failure = SubElement(test, "failure", type=kind, message=_clean(row["why"]))
        failure.text = _clean("\n\n".join([row["detail"], *_steps(row)]))
    elif row["deviation"] is not None and verdict in {Verdict.FAIL, Verdict.NON_STRICT}:
        SubElement(test, "skipped", message=_clean(f"known deviation: {row['deviation']}"))
    elif verdict in SKIPPED:
        SubElement(test, "skipped", message=_clean(f"{verdict.value}: {row['detail']}"))
    elif verdict is Verdict.NON_STRICT:
        SubElement(test, "system-out").text = _clean(f"non_strict: {row['detail']}")


def _steps(row: dict[str, Any]) -> list[str]:
    """The step that tells, of each failing run."""
    texts = []
    for case in row["cases"]:
        if case["verdict"] == Verdict.FAIL and case["steps"]:
            step = case["steps"][-1]
            allowed = "\n".join(step.get("allowed", ()))
            head = f"{case['id']}[{case['versions']}], step {step['number']}: {step['operation']}"
            texts.append(f"{head}\n\n{step['request']}\n\n{step['answer']}\n\nAllowed:\n{allowed}")
    return texts


def _properties(parent: Element, **values: str) -> None:
    holder = SubElement(parent, "properties")
    for name, value in values.items():
        SubElement(holder, "property", name=name, value=_clean(value))


def _clean(text: str) -> str:
    """The text without the characters that XML can't carry."""
    return NOT_IN_XML.sub("�", text)
