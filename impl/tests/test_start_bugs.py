"""Every bug of `start_bugs` is seen by a check, and none of the checks sees anything where there is no bug."""

from pkgutil import resolve_name

import pytest

from impl.tests.durability import Violation
from impl.tests.start_bugs import BUGS, CHECKS
from impl.tests.storage_bugs import StorageBug

pytestmark = pytest.mark.usefixtures("quiet")


def run_checks() -> None:
    """Run the checks up to the first that fails. Raises Violation."""
    for check in CHECKS:
        check()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_every_planted_bug_is_seen(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(Violation):
        run_checks()


def test_no_check_sees_what_is_not_there() -> None:
    run_checks()
