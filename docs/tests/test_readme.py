"""The README: how many requirements need what of a target is counted, not remembered."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from conformance.engine import STORAGE, cases_for, load_cases
from conformance.targets.base import BRISK_MS
from model.catalogue import requirements
from model.profiles import profile_named

README = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
PROFILE = profile_named("3.9-kraft")
"""That of the bundled broker, which the README runs."""


def ids(said: str) -> set[str]:
    """The requirements of a text like “RET-14 to 23 and CMP-15 to 26”."""
    ranges = re.findall(r"([A-Z]{3})-(\d\d) to (\d\d)", said)
    return {f"{family}-{n:02}" for family, first, last in ranges for n in range(int(first), int(last) + 1)}


def need_of(id_: str, patient: set[str]) -> str:
    """What most of a requirement's cases need beyond an address."""
    needs = frozenset().union(*(case.needs for case in cases_for([id_])))
    return "storage" if STORAGE in needs else "fault" if needs else "brisk" if id_ in patient else "address"


def test_how_many_requirements_need_what_is_as_the_cases_say() -> None:
    load_cases()
    (brisk,) = re.findall(
        rf"(RET-\d\d to \d\d and CMP-\d\d to \d\d) are skipped .{{100,160}} of {BRISK_MS} or less", README
    )
    held = [each.id for each in requirements().values() if each.holds_for(PROFILE)]
    counts = Counter(need_of(each, ids(brisk)) for each in held)
    said = (
        f"{counts['address']} of the {len(held)} requirements are checked by it alone",
        f"{counts['fault']} more need a broker that can be restarted",
        f"{counts['storage']} test the log without a broker around it",
    )
    assert [each for each in said if each not in README] == []
    assert counts["brisk"] == len(ids(brisk))
