"""The durability machine, run: its recovery yields what `segments.recovered` says of what it found."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from model.language import IllegalStepError, State
from model.machines.durability import OFFSET, durability, sizes
from model.readings import values
from model.reference.segments import DiskBatch, Recovered, Segment, recovered

SIZES = sizes(log=4, openings=30)
STEPS = 1000
SELDOM = {"power_is_lost": 1, "process_is_killed": 1, "process_stops": 1, "log_is_cut": 1}
"""How likely actions are that end what was begun; of the others: 20."""
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
    if name == "records_are_appended" and state.end == SIZES[OFFSET.name] - 1:
        return None
    try:
        return name, values.take(action, state, **arguments)
    except IllegalStepError:
        return None


@pytest.mark.parametrize("seed", range(20))
def test_a_recovery_yields_what_the_plain_function_says(seed: int) -> None:
    random = Random(seed)
    state: Any = values.initial(durability, SIZES)
    expected: Recovered | None = None
    lengths = set()
    for _ in range(STEPS):
        if state.opening == SIZES["Opening"] - 1:
            break
        made = some_step(state, random)
        if made is None:
            continue
        name, after = made
        if name == "log_is_opened":
            expected = found(state)
        if name == "recovery_ends" and expected is not None:
            lengths.add(after.end)
            assert after.end == expected.log_end_offset
            assert after.point <= expected.recovery_point
        state = after
    assert max(lengths) > 0
