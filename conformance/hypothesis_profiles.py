"""Hypothesis profiles for the tests of all rooms, loaded by pytest: `ci`, `dev` and `deep`.

- `ci`: the same examples every time; what `make test` uses.
- `dev`: fewer examples, others every time; what pytest uses if nothing is said. The seed is printed.
- `deep`: many examples, others every time; what `make test-deep` uses. The seed is printed.

Choose with `--hypothesis-profile NAME` or HYPOTHESIS_PROFILE; run the same examples again with `--hypothesis-seed N`.
Deep tests that draw histories by seeds of their own begin with TIDEGAUGE_SEED (0 if it is not set): the header says so,
and a failure which seed it was.

No example has a deadline: machines are noisy, and speed is measured elsewhere.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import hypothesis.core
import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, database=None)
settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=2_000, deadline=None, print_blob=True)

DEFAULT = "dev"
_CHOSEN = pytest.StashKey[str]()
_DRAWN = pytest.StashKey[int]()
_SEED = "tidegauge_seed"
"""Under which a process of a run is told the seed that was drawn."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the chosen profile, and choose a seed if none is given."""
    name = config.getoption("--hypothesis-profile", None) or os.environ.get("HYPOTHESIS_PROFILE") or DEFAULT
    settings.load_profile(name)
    if settings.default is None or settings.default.derandomize:
        config.stash[_CHOSEN] = f"profile {name}, the same examples every time"
        return
    given = config.getoption("--hypothesis-seed", None)
    if given is None:
        given = getattr(config, "workerinput", {}).get(_SEED) or secrets.randbits(32)
        config.stash[_DRAWN] = given
        vars(hypothesis.core)["global_force_seed"] = given  # as --hypothesis-seed does
    config.stash[_CHOSEN] = (
        f"profile {name}, seed {given} (again: --hypothesis-profile={name} --hypothesis-seed={given})"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tests that run in several processes have one seed."""
    node.workerinput[_SEED] = node.config.stash.get(_DRAWN, None)


def pytest_report_header(config: pytest.Config) -> str:
    """Which profile it is, how to run the same examples again, and which histories deep tests draw themselves."""
    first = os.environ.get("TIDEGAUGE_SEED", "0")
    return f"examples: {config.stash[_CHOSEN]}; histories that deep tests draw: from seed {first} (TIDEGAUGE_SEED)"
