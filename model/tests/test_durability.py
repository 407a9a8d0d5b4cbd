"""The durability machine, run: its recovery yields what `segments.recovered` says of what it found."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import frozen

from model.language import IllegalStepError, State
from model.machines.durability import OFFSET, durability, sizes
from model.readings import values
from model.reference.segments import DiskBatch, Recovered, Segment, recovered

SIZES = sizes(log=4, openings=30)
STEPS = 1000
SELDOM = {"power_is_lost": 3, "process_is_killed": 1, "process_stops": 1, "log_is_cut": 1}
"""How likely actions are that end what was begun; of the others: 20."""
SYNCS_ALL = 0.5
"""How likely a sync is one of the whole log."""
WEIGHTS = [SELDOM.get(each, 20) for each in durability.actions]


def found(state: State) -> Recovered:
    """What a start yields of the files that it finds, by the plain function."""
    batches = tuple(
        DiskBatch(base_offset=each, last_offset=each, size=1, is_valid=state.log[each] > 0) for each in range(state.end)
    )
    segments = (Segment(base_offset=0, batches=batches),)
    return recovered(segments, state.checkpoint, 0, was_clean=state.marker)


def some_step(state: State, random: Random) -> tuple[str, State] | None:
    """A step of an action taken at random; None: a guard did not hold, or the log is full."""
    ((name, action),) = random.choices(list(durability.actions.items()), WEIGHTS)
    arguments = {each: random.randrange(SIZES[OFFSET.name]) for each in action.parameters}
    if name == "segments_are_synced" and random.random() < SYNCS_ALL:
        arguments = {"since": 0, "to": state.end}
    if name == "records_are_appended" and state.end == SIZES[OFFSET.name] - 1:
        return None
    try:
        return name, values.take(action, state, **arguments)
    except IllegalStepError:
        return None


@frozen
class Recovery:
    """A recovery that was seen."""

    was_clean: bool
    found: int
    """How many records the start found, and how many there are when it is over."""
    left: int
    point: int
    """The recovery point when it is over."""


def recoveries(seed: int) -> Iterator[Recovery]:
    """The recoveries of a run, each of which yields what the plain function says."""
    random = Random(seed)
    state: Any = values.initial(durability, SIZES)
    opened = state
    for _ in range(STEPS):
        if state.opening == SIZES["Opening"] - 1:
            break
        made = some_step(state, random)
        if made is None:
            continue
        name, after = made
        if name == "log_is_opened":
            opened = state
        if name == "recovery_ends":
            expected = found(opened)
            assert (after.end, after.point) == (expected.log_end_offset, expected.recovery_point), seed
            yield Recovery(opened.marker, opened.end, after.end, after.point)
        state = after


def test_a_recovery_yields_what_the_plain_function_says() -> None:
    seen = [each for seed in range(200) for each in recoveries(seed)]
    clean = [each for each in seen if each.was_clean]
    others = [each for each in seen if not each.was_clean]
    assert len(clean) >= 20
    assert len(others) >= 100
    assert sum(each.left > 0 for each in clean) >= 20
    assert sum(each.left < each.found for each in others) >= 10
    assert sum(0 < each.point < each.left for each in others) >= 20
