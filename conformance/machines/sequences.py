"""A short generated sequence for each family, as part of `tidegauge conform`.

What a sequence finds is laid at the door of the requirement whose rule was broken, whatever family was being tried.
No faults are done to the broker here: that is `tidegauge fuzz`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from attrs import evolve
from hypothesis.errors import Flaky

from conformance.client import NotReady, Unsupported
from conformance.engine import Bench
from conformance.history.explain import Event
from conformance.machines.actor import Actor, Violation
from conformance.machines.machine import Found, Plan, ShrinkingTime, Tally, explore, kinds_for, machine
from conformance.machines.script import Script
from conformance.results import CaseResult, Verdict
from conformance.session import Performed
from conformance.targets.base import FaultFailedError
from model.catalogue import Level, requirements

NAME = "generated_sequences"
SHRINKING_MOST_S = 30.0
"""The smallest failing sequence seen by then is reported."""


def tolerated_of(deviations: Iterable[str]) -> frozenset[str]:
    """What sequences pass over: known deviations, and every SHOULD."""
    should = {each.id for each in requirements().values() if each.level is Level.SHOULD}
    return frozenset(deviations) | should


def run_family(family: str, bench: Bench, examples: int, seed: int, deviations: Iterable[str] = ()) -> list[CaseResult]:
    """Run sequences of the steps that are about one family.

    Returns:
        Nothing if no step is about the family; otherwise one result, which names the requirements that were broken.
    """
    if examples <= 0 or not kinds_for([family]):
        return []
    tally = Tally()
    plan = Plan(frozenset({family}), tolerated=tolerated_of(deviations))
    started = time.monotonic()
    try:
        time_left = ShrinkingTime(tally, SHRINKING_MOST_S).is_left
        explore(machine(bench, plan, tally, time_left), plan, examples, seed, None)
    except (Violation, Flaky):
        if tally.found is None:
            raise
        return [_failed(family, bench, tally.found, seed, time.monotonic() - started)]
    except (Unsupported, NotReady) as error:
        verdict = Verdict.UNSUPPORTED if isinstance(error, Unsupported) else Verdict.NOT_RUN
        return [_result(family, (), verdict, str(error), time.monotonic() - started, ())]
    judged = tuple(sorted(each for each in tally.judged if each.startswith(family)))
    ended = "; ".join(
        f"{count} of {tally.sequences} were given up undecided: {why}" for why, count in tally.given_up.items()
    )
    verdict = Verdict.NOT_RUN if ended and not judged else Verdict.PASS
    return [_result(family, judged, verdict, ended, time.monotonic() - started, ())]


def _failed(family: str, bench: Bench, found: Found, seed: int, seconds: float) -> CaseResult:
    broken = tuple(dict.fromkeys(each.requirement for each in found.violation.mismatches)) or _first_of(family)
    script = Script.of(found, bench.target.name, bench.profile.name, seed)
    detail = f"{found.violation}\nThe steps, as a file for `tidegauge replay`:\n{script.text()}"
    steps = tuple(performed(event) for act in found.acts for event in act.events)
    return _result(family, broken, Verdict.FAIL, detail, seconds, steps)


def _first_of(family: str) -> tuple[str, ...]:
    """Where a breach is laid that no single rule explains."""
    return tuple(each for each in requirements() if each.startswith(family))[:1]


def _result(
    family: str, ids: tuple[str, ...], verdict: Verdict, detail: str, seconds: float, steps: tuple[Performed, ...]
) -> CaseResult:
    return CaseResult(f"{family}/{NAME}", ids, "highest", verdict, detail, seconds, steps, ())


def performed(event: Event) -> Performed:
    """An event as a step of a report."""
    sent = event.sent
    return Performed(sent.operation, sent.version, sent.connection, event.outcome, event.exchange, (), ())


def replay(
    bench: Bench, script: Script, tolerated: frozenset[str]
) -> tuple[Actor, Violation | FaultFailedError | None]:
    """Run the steps of a script.

    Returns:
        The actor, with all that was done, and what ended it early: a violation, or a fault that failed.
    """
    actor = Actor(bench, tolerated)
    try:
        for group in script.groups:
            actor.act(group)
    except (Violation, FaultFailedError) as error:
        return actor, error
    finally:
        actor.leave()
    return actor, None


def minimised(bench: Bench, script: Script, tolerated: frozenset[str], ceiling_s: float) -> Script:
    """A script without the steps that its violation does not need, as far as the time allows.

    Hypothesis shrinks by making other sequences; this only leaves steps out, one at a time, and is quick.
    """
    deadline = time.monotonic() + ceiling_s
    _actor, ended_by = replay(bench, script, tolerated)
    if not isinstance(ended_by, Violation):
        return script
    wanted = {each.requirement for each in ended_by.mismatches}
    place = 0
    while place < sum(len(group) for group in script.groups) and time.monotonic() < deadline:
        shorter = _without(script, place)
        _actor, ended_by = replay(bench, shorter, tolerated)
        if isinstance(ended_by, FaultFailedError):
            break  # what was found stays found
        if ended_by is not None and {each.requirement for each in ended_by.mismatches} == wanted:
            script = evolve(shorter, violation=str(ended_by))
        else:
            place += 1
    return script


def _without(script: Script, place: int) -> Script:
    """The script without its step number `place`."""
    groups = []
    for group in script.groups:
        groups.append(tuple(step for index, step in enumerate(group) if index != place))
        place -= len(group)
    return evolve(script, groups=tuple(group for group in groups if group))
