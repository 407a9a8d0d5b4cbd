"""Why guards are kept without which all theorems are proved, or nothing is known to break: for the documentation."""

from __future__ import annotations

from collections.abc import Mapping

REDUNDANT: Mapping[str, str] = {}
"""By the name of the variant that leaves the guard out: a clause that goes on after “It is kept because”."""


def why_kept(name: str) -> str | None:
    """Why a guard is kept, or a conjunct of it: a clause that goes on after “It is kept because”; None: nobody says."""
    return REDUNDANT.get(name)
