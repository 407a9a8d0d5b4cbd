"""Slicing: what nothing depends on is not written, and what breaks does so at the same level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from model.language import BOOLEAN, Field, Guard, Machine, Sort, State, Step, no
from model.readings import values
from properties.explore.engine import Explorer
from properties.refute.slicing import fields_that_matter, sliced

COUNT = Sort("Count", 4)


def toy() -> Machine:
    """A counter that stops where another says, and two that nobody looks at: one of them looks at the other."""
    numbers = {name: Field(COUNT, name) for name in ("counter", "end", "seen", "history")}
    machine = Machine("toy", {**numbers, "flag": Field(BOOLEAN, "a flag")}, start=lambda _zero: {"end": 3})

    @machine.action()
    def counts(s: State) -> Step:
        """It counts.

        Who: the counter.
        When: it is not at its end.
        Changes: the counter, and what was seen of it.
        Source: this test.
        """
        return Step((Guard("not_at_its_end", s.counter < s.end),), lambda: s.but(counter=s.counter + 1, seen=s.counter))

    @machine.action()
    def ends_earlier(s: State) -> Step:
        """It ends earlier, where the flag is up.

        Who: the counter.
        When: at any time.
        Changes: its end, what was seen before, and the flag.
        Source: this test.
        """
        return Step((Guard("later", s.end > 1),), lambda: s.but(end=s.end - 1, history=s.seen, flag=no(s.flag)))

    return machine


def test_guards_and_what_they_depend_on_matter() -> None:
    assert fields_that_matter(toy(), [], []) == {"counter", "end"}


def test_what_is_asked_matters_and_what_that_is_made_of() -> None:
    assert fields_that_matter(toy(), [lambda s: s.flag], []) == {"counter", "end", "flag"}
    assert fields_that_matter(toy(), [lambda s: s.history == 0], []) == {"counter", "end", "history", "seen"}


@pytest.mark.parametrize("asked", [lambda s, _after: s.seen == 0, lambda _s, after: after.seen == 0])
def test_what_is_asked_of_either_end_of_a_step_matters(asked: Any) -> None:
    assert fields_that_matter(toy(), [], [asked]) == {"counter", "end", "seen"}


def test_what_does_not_matter_is_never_written() -> None:
    machine = toy()
    less = sliced(machine, [lambda s: s.flag], [])
    first = values.initial(machine)
    for name, action in machine.actions.items():
        whole, part = (values.take(each, first.but(seen=2)) for each in (action, less.actions[name]))
        assert (part.counter, part.end, part.flag) == (whole.counter, whole.end, whole.flag)
        assert (part.seen, part.history) == (2, 0)
    assert list(machine.actions) == list(less.actions)


def test_there_are_fewer_states_and_the_same_levels() -> None:
    machine = toy()
    invariants: dict[str, Callable[[State], Any]] = {
        "it does not come to three": lambda s: s.counter != 3,
        "it does not pass its end": lambda s: s.counter <= s.end,
    }
    whole = Explorer(machine, {}, invariants).run(keep_going=True, workers=1)
    less = Explorer(sliced(machine, invariants.values(), []), {}, invariants).run(keep_going=True, workers=1)
    assert less.distinct < whole.distinct
    assert [(each.invariant, each.level) for each in less.violations] == [
        (each.invariant, each.level) for each in whole.violations
    ]
    assert {each.invariant for each in less.violations} == invariants.keys()
