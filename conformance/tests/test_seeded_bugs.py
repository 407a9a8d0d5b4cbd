"""The suite catches bugs: every seeded bug turns the row of its requirement, and without any all rows pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.results import Verdict
from conformance.sitting import Settings, Sitting
from conformance.tests.seeded import Bug, Trial, load_bugs, patched_text, try_bug
from model.catalogue import Level, families, requirements
from model.profiles import profile_named

AT_ONCE = 2


@pytest.fixture(scope="module")
def trial_of(request: pytest.FixtureRequest) -> Iterator[Callable[[Bug], Trial]]:
    """Tries a bug. Where one process runs all tests, those that were chosen are tried two at a time.

    A worker of pytest-xdist knows of all tests, but is told only one after the other which of them it runs.
    """
    if hasattr(request.config, "workerinput"):
        yield try_bug
        return
    asked = [item for item in request.session.items if isinstance(item, pytest.Function)]
    params = [item.callspec.params["bug"] for item in asked if item.originalname == "test_bug_is_caught"]
    chosen = [bug for bug in params if isinstance(bug, Bug)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = {bug.id: pool.submit(try_bug, bug) for bug in chosen}
        yield lambda bug: tried[bug.id].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("bug", load_bugs(), ids=lambda bug: bug.id)
def test_bug_is_caught(bug: Bug, trial_of: Callable[[Bug], Trial]) -> None:
    trial = trial_of(bug)
    assert trial.row.verdict is bug.expected, str(trial)
    assert trial.is_caught, f"only seen beside, in cases of other requirements:\n{trial}"


@pytest.mark.parametrize("bug", load_bugs(), ids=lambda bug: bug.id)
def test_patch_applies(bug: Bug) -> None:
    assert bug.after in patched_text(bug)


def test_every_must_has_a_bug() -> None:
    profile = profile_named("3.9-kraft")
    seeded = {bug.requirement for bug in load_bugs()}
    must = [each for each in requirements().values() if each.level is Level.MUST and each.holds_for(profile)]
    assert [each.id for each in must if each.id not in seeded] == []


@pytest.mark.parametrize("family", [each.name for each in families()])
def test_broker_without_a_bug_passes_everything(family: str) -> None:
    sitting = Sitting(Settings(only=(family,), examples=0, deviations="none"))
    with sitting:
        for planned in sitting.plan:
            sitting.run(planned)
    assert [(row.id, row.verdict, row.detail) for row in sitting.rows() if row.verdict is not Verdict.PASS] == []
    assert sitting.errors == []
    assert sitting.strays == ()
