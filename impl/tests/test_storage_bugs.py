"""Every bug of `storage_bugs` is seen by a check, and none of the checks sees anything where there is no bug."""

from pkgutil import resolve_name
from random import Random

import pytest

from impl.tests.durability import Step
from impl.tests.histories import with_transactions
from impl.tests.storage_bugs import BUGS, StorageBug
from impl.tests.storage_checks import CHECKS, FAULT_SEEDS, SEEDS, check_faults, check_losses_of_power
from impl.tests.test_durability import drawn_history

pytestmark = pytest.mark.usefixtures("quiet")


def run_checks(first_seed: int = 0) -> None:
    """Run the checks up to the first that fails. Raises Violation."""
    check_losses_of_power(drawn_history, [first_seed])
    for check in CHECKS:
        check()
    check_losses_of_power(drawn_history)
    check_faults(drawn_history)


def transactional_history(random: Random) -> list[Step]:
    """A history with transactions."""
    return with_transactions(random, drawn_history(random))


def named(bug: StorageBug) -> str:
    """A bug's name, as that of a test."""
    return bug.name.replace(" ", "-")


@pytest.mark.parametrize("bug", [bug for bug in BUGS if not bug.is_fault and not bug.is_transactional], ids=named)
def test_every_planted_bug_is_seen(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(bug.shows_as):  # not by code that trips over its bug, unless that is what is meant
        run_checks(bug.seed)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.is_fault], ids=named)
def test_histories_with_faults_see_theirs(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(bug.shows_as):
        check_faults(drawn_history, [bug.seed])


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.is_transactional], ids=named)
def test_histories_with_transactions_see_theirs(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(bug.shows_as):
        check_losses_of_power(transactional_history, [bug.seed])


def test_there_are_enough_bugs() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25


def test_no_check_sees_what_is_not_there() -> None:
    run_checks()
    plain = [bug for bug in BUGS if not bug.is_fault and not bug.is_transactional]
    check_losses_of_power(drawn_history, {bug.seed for bug in plain} - set(SEEDS))
    check_losses_of_power(transactional_history, {*SEEDS, *(bug.seed for bug in BUGS if bug.is_transactional)})
    check_faults(drawn_history, {bug.seed for bug in BUGS if bug.is_fault} - set(FAULT_SEEDS))
