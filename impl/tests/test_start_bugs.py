"""Each bug of the lists named below is seen by a check; none sees what is not there."""

from collections.abc import Callable, Sequence
from pkgutil import resolve_name

import pytest

from impl.tests import (
    broker_bugs,
    checkpoint_bugs,
    cleaner_bugs,
    cleaning_bugs,
    cut_bugs,
    descriptor_bugs,
    expiry_bugs,
    found_bugs,
    kept_bugs,
    missing_bugs,
    offline_bugs,
    rolling_bugs,
    start_bugs,
)
from impl.tests.durability import Violation
from impl.tests.storage_bugs import StorageBug

pytestmark = pytest.mark.usefixtures("quiet")

Checks = Sequence[Callable[[], None]]
LISTS: tuple[tuple[Checks, Sequence[StorageBug]], ...] = (
    (start_bugs.CHECKS, start_bugs.BUGS),
    (cleaning_bugs.CHECKS, cleaning_bugs.BUGS),
    (cleaner_bugs.CHECKS, cleaner_bugs.BUGS),
    (rolling_bugs.CHECKS, rolling_bugs.BUGS),
    (cut_bugs.CHECKS, cut_bugs.BUGS),
    (kept_bugs.CHECKS, kept_bugs.BUGS),
    (missing_bugs.CHECKS, missing_bugs.BUGS),
    (offline_bugs.CHECKS, offline_bugs.BUGS),
    (broker_bugs.CHECKS, broker_bugs.BUGS),
    (found_bugs.CHECKS, found_bugs.BUGS),
    (checkpoint_bugs.CHECKS, checkpoint_bugs.BUGS),
    (expiry_bugs.CHECKS, expiry_bugs.BUGS),
    (descriptor_bugs.CHECKS, descriptor_bugs.BUGS),
)
PLANTED = [pytest.param(checks, bug, id=bug.name.replace(" ", "-")) for checks, bugs in LISTS for bug in bugs]


def run_checks(checks: Checks) -> None:
    """Run checks up to the first that fails. Raises Violation."""
    for check in checks:
        check()


@pytest.mark.parametrize(("checks", "bug"), PLANTED)
def test_every_planted_bug_is_seen(checks: Checks, bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(Violation):
        run_checks(checks)


def test_no_check_sees_what_is_not_there() -> None:
    for checks, _ in LISTS:
        run_checks(checks)
