"""Why guards are kept without which all theorems are proved: what is said of them in the documentation."""

from __future__ import annotations

from collections.abc import Mapping

REDUNDANT: Mapping[str, str] = {}
"""By the name of the variant that leaves the guard out: a clause that goes on after “It is kept because”."""
