"""Every bug of `storage_bugs` is seen by a check, and none of the checks sees anything where there is no bug."""

import logging
from collections.abc import Iterator
from pkgutil import resolve_name

import pytest

from impl.tests.storage_bugs import BUGS, StorageBug
from impl.tests.storage_checks import CHECKS, check_losses_of_power
from impl.tests.test_durability import drawn_history


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_checks(first_seed: int = 0) -> str | None:
    """What the first check sees that fails; None if all hold. Code that trips over its bug has been seen too."""
    try:
        check_losses_of_power(drawn_history, [first_seed])
        for check in CHECKS:
            check()
        check_losses_of_power(drawn_history)
    except Exception as error:  # noqa: BLE001 - any failure of a check is a bug that was seen
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_every_planted_bug_is_seen(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    assert run_checks(bug.seed) is not None


def test_there_are_enough_bugs() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25


def test_no_check_sees_what_is_not_there() -> None:
    assert run_checks() is None
