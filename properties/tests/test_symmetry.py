"""Symmetry: as many states as there are orbits, at the same levels; who is told apart is not interchangeable."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from model.language import (
    NONE,
    Guard,
    Machine,
    Option,
    OptionOf,
    Record,
    RecordOf,
    SequenceOf,
    SetOf,
    Sizes,
    Sort,
    State,
    Step,
    some,
)
from model.machines.published import PUBLISHED, base
from model.readings import values
from model.readings.columns import StepTaker
from properties.explore.engine import Explorer
from properties.explore.symmetry import NotSymmetricError

Image = Callable[[int], int]


def renamed(value: Any, sort: Any, image: Image) -> Any:
    """A value in which every replica has become another."""
    match sort:
        case Sort():
            return image(value) if sort.is_named else value
        case SetOf():
            return values.ValueSet(frozenset(renamed(each, sort.element, image) for each in value.members))
        case OptionOf():
            option = value if isinstance(value, Option) else some(value)
            return Option(exists=True, value=renamed(option.value, sort.of, image)) if option.exists else NONE
        case RecordOf():
            return Record(**{name: renamed(getattr(value, name), of, image) for name, of in sort.parts.items()})
        case SequenceOf():
            return values.ValueSequence(tuple(renamed(each, sort.of, image) for each in value.items), value.zero)


def renamed_state(machine: Machine, state: State, image: Image) -> State:
    fields = {}
    for name, field in machine.fields.items():
        held = getattr(state, name)
        if not field.keys:
            fields[name] = renamed(held, field.sort, image)
            continue
        cells = dict(zip(held.places(), held.cells, strict=True))
        moved = {
            tuple(renamed(key, sort, image) for key, sort in zip(keys, field.keys, strict=True)): renamed(
                cell, field.sort, image
            )
            for keys, cell in cells.items()
        }
        fields[name] = values.ValueMap(tuple(moved[keys] for keys in held.places()), held.dimensions, held.zero)
    return state.but(**fields)


def all_states(explorer: Explorer) -> set[tuple[int, ...]]:
    taker = StepTaker(explorer.steps)
    level = explorer.first
    seen = {tuple(row) for row in level.T.tolist()}
    while level.size:
        taken = taker.take(level, 0, level.shape[1], explorer.weighing)
        assert taken.stop == level.shape[1]
        out = np.empty((level.shape[0], taken.places.size), level.dtype)
        taker.make(level, taken.places, taken.steps, out, 0)
        new = {tuple(row) for row in out.T.tolist()} - seen
        seen |= new
        level = explorer.layout.block(sorted(new))
    return seen


def orbits(machine: Machine, sizes: Sizes, replicas: int) -> int:
    """How many states there are up to renaming, counted by renaming every state in every way."""
    found = set()
    for row in all_states(Explorer(machine, sizes)):
        state = values.state_of(machine, sizes, row)
        ways = (renamed_state(machine, state, each.__getitem__) for each in itertools.permutations(range(replicas)))
        found.add(min(values.row_of(machine, sizes, each) for each in ways))
    return len(found)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(("replicas", "epochs"), [(2, 1), (3, 0)])
def test_there_are_as_many_states_as_orbits(name: str, replicas: int, epochs: int) -> None:
    sizes = base.sizes(replicas=replicas, log=1, records=1, epochs=epochs)
    result = Explorer(PUBLISHED[name], sizes, base.INVARIANTS).run(keep_going=True, symmetry=True)
    assert result.distinct == orbits(PUBLISHED[name], sizes, replicas)
    assert result.permutations == (2 if replicas == 2 else 6)


@pytest.mark.parametrize(
    ("name", "size", "distinct"),
    [
        ("kip320", (2, 2, 2, 1), 479),
        ("kip320", (3, 2, 2, 1), 6_713),
        ("kip320", (3, 2, 2, 2), 123_311),
        ("kip101", (2, 2, 2, 2), 4_523),
    ],
)
def test_counts_up_to_symmetry(name: str, size: tuple[int, int, int, int], distinct: int) -> None:
    replicas, log, records, epochs = size
    sizes = base.sizes(replicas=replicas, log=log, records=records, epochs=epochs)
    explorer = Explorer(PUBLISHED[name], sizes, base.INVARIANTS)
    whole, reduced = (explorer.run(keep_going=True, symmetry=symmetry) for symmetry in (False, True))
    assert reduced.distinct == distinct
    assert whole.depth == reduced.depth
    assert levels(whole.violations) == levels(reduced.violations)


def levels(violations: Any) -> Mapping[str, int]:
    return {each.invariant: each.level for each in violations}


def test_a_trace_found_with_symmetry_runs() -> None:
    machine, sizes = PUBLISHED["kip101"], base.sizes(replicas=2, log=2, records=2, epochs=2)
    (found, *_) = Explorer(machine, sizes, base.INVARIANTS).run(symmetry=True).violations
    state = values.initial(machine, sizes)
    for action, arguments in found.steps:
        state = values.take(machine.actions[action], state, **arguments)
    assert not base.INVARIANTS[found.invariant](state)


def reduced(machine: Machine, replicas: int, invariants: Any = None, changes: Any = None) -> int:
    sizes = base.sizes(replicas=replicas, log=1, records=1, epochs=1)
    return Explorer(machine, sizes, invariants, changes=changes).run(symmetry=True).permutations


def test_who_is_named_at_first_is_not_interchangeable() -> None:
    kip320 = PUBLISHED["kip320"]
    led = evolve(kip320, start=lambda zero: {**kip320.start(zero), "quorum_leader": some(0)})
    assert reduced(led, 3) == 2  # the other two are
    with pytest.raises(NotSymmetricError, match="the first state tells them apart"):
        reduced(led, 2)


def test_a_text_that_tells_replicas_apart_is_refused() -> None:
    kip320 = PUBLISHED["kip320"]
    partial = kip320.extended("partial", "One replica never leads.")
    whole = partial.actions["controller_elects"]

    def apply(state: State, replica: Any) -> Step:
        step = whole.apply(state, replica=replica)
        return Step((*step.guards, Guard("it_is_not_the_first", replica != 0)), step.effect)

    partial.actions["controller_elects"] = evolve(whole, apply=apply)
    with pytest.raises(NotSymmetricError, match="what can be done depends on who is who"):
        reduced(partial, 2)


def test_what_must_hold_may_not_tell_replicas_apart() -> None:
    kip320 = PUBLISHED["kip320"]
    with pytest.raises(NotSymmetricError, match="what holds of states"):
        reduced(kip320, 2, {"the first never leads": lambda s: s.leader[0] != 0})
    with pytest.raises(NotSymmetricError, match="what holds of steps"):
        reduced(kip320, 2, changes={"the first stays": lambda before, after: before.epoch[0] == after.epoch[0]})


def tidegauge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_says_that_states_count_as_one() -> None:
    done = tidegauge("explore", "kip320", "--symmetry")
    assert done.returncode == 0, done.stderr
    assert "kip320: 479 states" in done.stdout
    assert "States that differ only in which replica is which count as one (2 permutations)." in done.stdout
    found = json.loads(tidegauge("explore", "kip320", "--symmetry", "--json").stdout)
    assert (found["distinct"], found["symmetry"]) == (479, True)


def test_the_command_refuses_where_replicas_are_not_interchangeable() -> None:
    done = tidegauge("explore", "kip320", "--replicas", "1", "--symmetry")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no two values of Replica are interchangeable" in done.stderr
