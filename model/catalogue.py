"""The catalogue: every requirement, read from `model/requirements/*.toml` and checked while reading.

A file is a family; its tables are requirements. A malformed entry is refused with the file, the id and what is
wrong, because a requirement that is silently dropped is a rule that nobody checks.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from attrs import field, frozen

from model.profiles import Profile


class CatalogueError(Exception):
    """An entry of the catalogue is malformed; the message names file, id and what is wrong."""


class Level(StrEnum):
    """How binding a requirement is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Tier(StrEnum):
    """What a target must offer for the requirement to be checked (docs: targets and tiers)."""

    WIRE = "wire"
    CLUSTER = "cluster"
    IN_PROCESS = "in-process"


_ID = re.compile(r"[A-Z]{3}-\d{2,3}")
_RELEASE = re.compile(r"\d+\.\d+")


@frozen
class Requirement:
    """One rule that an implementation is held to."""

    id: str
    level: Level
    sentence: str
    intent: str
    source: tuple[str, ...]
    """Where Kafka says so: KIP, configuration name, source file. At least one."""
    stated_by: str
    """`module:name` of what states it in `model/`."""
    tier: Tier = Tier.WIRE
    since: str = "0.11"
    """First release that it holds for (0.11: since message format v2)."""
    until: str | None = None
    """Last release that it holds for; None: it still does."""
    control_plane: str | None = None
    """`kraft` or `zk` if it holds for one only."""
    notes: str = ""
    family: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "family", self.id[:3])

    def holds_for(self, profile: Profile) -> bool:
        """Whether a target of this profile is held to it."""
        if self.control_plane is not None and self.control_plane != profile.control_plane:
            return False
        return _release(self.since) <= profile.release and (
            self.until is None or profile.release <= _release(self.until)
        )


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


@frozen
class Family:
    """The requirements of one file, and what they are about."""

    name: str
    title: str
    about: str
    requirements: tuple[Requirement, ...]


def parse_family(file_name: str, text: str) -> Family:
    """Read one file of the catalogue.

    Raises:
        CatalogueError: it is no TOML, or an entry lacks something, has something unknown, or is badly formed.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{file_name}: {error}") from error
    head = table.pop("family", None)
    if not isinstance(head, dict) or not {"name", "title", "about"} <= head.keys():
        raise CatalogueError(f"{file_name}: needs a [family] table with name, title and about")
    found = tuple(_requirement(file_name, head["name"], name, entry) for name, entry in table.items())
    return Family(head["name"], head["title"], head["about"].strip(), found)


def _requirement(file_name: str, family: str, name: str, entry: Any) -> Requirement:
    def refuse(why: str) -> CatalogueError:
        return CatalogueError(f"{file_name}: {name}: {why}")

    if not _ID.fullmatch(name) or not name.startswith(family):
        raise refuse(f"an id is {family}-NN")
    if not isinstance(entry, dict):
        raise refuse("is not a table")
    entry = dict(entry)
    problem = _problem(entry)
    if problem is not None:
        raise refuse(problem)
    entry["level"], entry["tier"] = Level(entry["level"]), Tier(entry.get("tier", "wire"))
    entry["source"] = tuple(entry["source"])
    try:
        return Requirement(id=name, **entry)
    except TypeError as error:
        raise refuse(str(error)) from error


def _problem(entry: Mapping[str, Any]) -> str | None:
    """What is wrong with an entry's fields, or None."""
    missing = {"level", "sentence", "intent", "source", "stated_by"} - entry.keys()
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    if entry["level"] not in set(Level) or entry.get("tier", "wire") not in set(Tier):
        return f"level is one of {', '.join(Level)}; tier is one of {', '.join(Tier)}"
    if entry["level"] not in entry["sentence"]:
        return f"its sentence must contain {entry['level']}"
    source = entry["source"]
    if not isinstance(source, list) or not source or not all(isinstance(line, str) and line for line in source):
        return "source is a list of at least one KIP, configuration name or Kafka source file"
    if any(not _RELEASE.fullmatch(entry[key]) for key in ("since", "until") if key in entry):
        return "since and until are releases like 3.7"
    if ":" not in entry["stated_by"]:
        return "stated_by is module:name"
    return None


@cache
def families() -> tuple[Family, ...]:
    """Every family of the catalogue, by file name.

    Raises:
        CatalogueError: an entry is malformed or an id occurs twice.
    """
    folder = resources.files("model.requirements")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    read = tuple(parse_family(item.name, item.read_text(encoding="utf-8")) for item in files)
    seen: set[str] = set()
    for requirement in (each for family in read for each in family.requirements):
        if requirement.id in seen:
            raise CatalogueError(f"{requirement.id} occurs twice")
        seen.add(requirement.id)
    return read


@cache
def requirements() -> Mapping[str, Requirement]:
    """Every requirement by id."""
    return {requirement.id: requirement for family in families() for requirement in family.requirements}
