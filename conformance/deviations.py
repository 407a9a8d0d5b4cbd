"""Known deviations of a target: files that say which requirements it is known to break, and why.

    [LOG-03]
    reason = "Answers NONE past the end."
    seen = "ListOffsets v7 of offset 99: error_code 0"   # optional: what was sent by hand, and what came back
    link = "https://..."                  # optional: where it is tracked
    sometimes = true                      # optional: it comes and goes

Each target of ours has its file in `conformance/deviations/`. A known deviation stays a failure in every report; it
only doesn't fail the run. When it passes, the entry must go: an unexpected pass fails the run. One that comes and goes
says so.
Not possible: to excuse a part of a requirement, or to leave a requirement out (that is `--only`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from conformance.results import Deviation
from conformance.selection import close_to
from model.catalogue import requirements

NONE = "none"
"""What `--deviations` takes for: no deviation is known."""

OPTIONAL: Mapping[str, tuple[type, str]] = {
    "seen": (str, "a string"),
    "link": (str, "a string"),
    "sometimes": (bool, "true or false"),
}
"""What an entry may have besides its reason: the type, and how it is called."""


class DeviationsError(Exception):
    """A file of deviations can't be read or is malformed; the message names file, id and what is wrong."""


def deviations_for(option: str | None, default: str | None) -> Mapping[str, Deviation]:
    """What is known: the file that the user names, otherwise the target's own (`default` is its stem).

    Raises:
        DeviationsError: the file is missing or malformed.
    """
    if option == NONE:
        return {}
    if option is not None:
        return _read(Path(option))
    if default is None:
        return {}
    return default_deviations(default)


def default_deviations(stem: str) -> Mapping[str, Deviation]:
    """The deviations of a target of ours; none if it has no file."""
    item = resources.files("conformance") / "deviations" / f"{stem}.toml"
    return parse_deviations(item.name, item.read_text(encoding="utf-8")) if item.is_file() else {}


def _read(path: Path) -> Mapping[str, Deviation]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviationsError(f"--deviations {path} can't be read: {error}") from error
    return parse_deviations(str(path), text)


def parse_deviations(name: str, text: str) -> Mapping[str, Deviation]:
    """Read the text of a file of deviations.

    Raises:
        DeviationsError: it is no TOML, or an entry is malformed or names no requirement.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviationsError(f"{name}: {error}") from error
    return {id_: _entry(name, id_, entry) for id_, entry in table.items()}


def _entry(name: str, id_: str, entry: Any) -> Deviation:
    if id_ not in requirements():
        raise DeviationsError(f"{name}: the catalogue has no requirement {id_}{close_to(id_)}")
    if not isinstance(entry, dict):
        raise DeviationsError(f"{name}: {id_}: is not a table")
    unknown = entry.keys() - {"reason", *OPTIONAL}
    if unknown:
        there_are = f"there are reason and, optional, {' and '.join(OPTIONAL)}"
        raise DeviationsError(f"{name}: {id_}: unknown: {', '.join(sorted(unknown))}; {there_are}")
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise DeviationsError(f"{name}: {id_}: needs a reason")
    for field, (kind, called) in OPTIONAL.items():
        if field in entry and not isinstance(entry[field], kind):
            raise DeviationsError(f"{name}: {id_}: {field} is {called}")
    return Deviation(id_, reason.strip(), entry.get("seen"), entry.get("link"), entry.get("sometimes", False))
