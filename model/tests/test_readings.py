"""One text, several readings: what they say of a step must be the same."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import z3
from attrs import frozen
from hypothesis import given

from model.language import IllegalStepError, Machine, Sizes, State
from model.language.sorts import size_of
from model.language.symbols import const, lifted
from model.language.tracing import Unbounded, cells_of, parameters_of, places, symbolic_state, trace
from model.machines import replication
from model.machines.published import PUBLISHED, base
from model.readings import values
from model.readings.columns import Hand, Instance, Layout, Steps
from model.readings.terms import Terms
from model.readings.weighing import Weighing

SMALL = base.sizes(replicas=2, log=2, records=2, epochs=2)
MACHINES: dict[str, tuple[Machine, Sizes]] = {
    **{name: (machine, SMALL) for name, machine in PUBLISHED.items()},
    "replication": (replication.replication, replication.sizes(replicas=2, log=2, epochs=2)),
}
_COMPILED: dict[str, Hand] = {}


def compiled(name: str) -> Hand:
    if name not in _COMPILED:
        machine, sizes = MACHINES[name]
        _COMPILED[name] = Hand(Steps.of(machine, sizes, Layout.of(machine, sizes)))
    return _COMPILED[name]


def some_row(name: str, data: st.DataObject) -> tuple[int, ...]:
    """Any state of a machine, reachable or not. What means nothing in it is zero, as it always is."""
    machine, sizes = MACHINES[name]
    layout = compiled(name).steps.layout
    drawn = data.draw(st.tuples(*(st.integers(each.least, each.most) for each in layout.columns)), label="state")
    return values.row_of(machine, sizes, values.state_of(machine, sizes, drawn))


@frozen
class Drawn:
    """A state, and a step that may or may not be taken from it."""

    machine: Machine
    sizes: Sizes
    row: tuple[int, ...]
    state: State
    step: Instance


def drawn(name: str, data: st.DataObject) -> Drawn:
    machine, sizes = MACHINES[name]
    row = some_row(name, data)
    step = data.draw(st.sampled_from(compiled(name).steps.instances), label="step")
    return Drawn(machine, sizes, row, values.state_of(machine, sizes, row), step)


@pytest.mark.parametrize("name", MACHINES)
def test_a_first_state_survives_being_written_as_a_row(name: str) -> None:
    machine, sizes = MACHINES[name]
    first = values.initial(machine, sizes)
    assert values.state_of(machine, sizes, values.row_of(machine, sizes, first)) == first


@pytest.mark.parametrize("name", MACHINES)
@given(data=st.data())
def test_values_and_columns_take_the_same_steps(name: str, data: st.DataObject) -> None:
    one, hand = drawn(name, data), compiled(name)
    layout, chosen = hand.steps.layout, one.step
    block = layout.block([one.row, one.row])
    weights = np.arange(layout.width)
    taken = hand.take(block, 0, 2, Weighing.plain(weights))
    is_it = taken.steps == hand.steps.instances.index(chosen)
    try:
        after = values.row_of(one.machine, one.sizes, values.take(chosen.action, one.state, **chosen.arguments))
    except IllegalStepError:
        assert not is_it.any()
        return
    stays = all(column.least <= value <= column.most for column, value in zip(layout.columns, after, strict=True))
    assert list(taken.places[is_it]) == ([0, 1] if stays else [])
    if stays:
        out = np.empty_like(block)
        hand.make(block, taken.places[is_it], taken.steps[is_it], out, 0)
        assert [tuple(made) for made in out.T] == [after, after]
        assert list(taken.sums[is_it]) == list(weights @ out)


@pytest.mark.parametrize("name", MACHINES)
@given(data=st.data())
def test_an_illegal_step_raises_and_changes_nothing(name: str, data: st.DataObject) -> None:
    one = drawn(name, data)
    chosen = one.step
    if not chosen.action.apply(one.state, **chosen.arguments).enabled:
        with pytest.raises(IllegalStepError, match=chosen.action.name):
            values.take(chosen.action, one.state, **chosen.arguments)
    assert values.row_of(one.machine, one.sizes, one.state) == one.row


# -- terms -----------------------------------------------------------------------------------------------------------


def _in_sizes(terms: Terms, machine: Machine, sizes: Sizes) -> list[Any]:
    """That a state is one of these sizes, and that maps read as zero around them, as they do in the other readings."""
    world = Unbounded()
    layout = Layout.of(machine, sizes)
    found: list[Any] = []
    for cells in cells_of(machine):
        inside = set(places(cells, sizes))
        around = {**sizes, **{key.name: len({at[i] for at in inside}) for i, key in enumerate(cells.keys)}}
        ranges = [
            range(key.least, key.least + around[key.name])
            if key.is_named
            else range(key.least - 2, key.least + around[key.name] + 3)
            for key in cells.keys
        ]
        for at in np.ndindex(*(len(each) for each in ranges)):
            keys = tuple(each[i] for each, i in zip(ranges, at, strict=True))
            held = terms.term(
                world.cell(cells.name, tuple(map(const, keys, cells.keys)), tuple(cells.keys), cells.sort)
            )
            if keys not in inside:
                found.append(z3.Not(held) if z3.is_bool(held) else held == terms.term(const(0, cells.sort)))
            elif z3.is_int(held):
                column = layout.by_cell[cells.name, keys]
                found += [held >= column.least, held <= column.most]
    return found


def _row_in(model: Any, terms: Terms, machine: Machine, sizes: Sizes, cell: Any) -> tuple[int, ...]:
    """The cells of a state as the solver's model has them."""
    numbers = {str(value): i for some in terms.named_values().values() for i, value in enumerate(some)}
    row = []
    for cells in cells_of(machine):
        for keys in places(cells, sizes):
            value = model.eval(
                terms.term(lifted(cell(cells, tuple(map(const, keys, cells.keys))))), model_completion=True
            )
            if z3.is_bool(value):
                row.append(int(z3.is_true(value)))
            else:
                row.append(value.as_long() if z3.is_int_value(value) else numbers[str(value)])
    return tuple(row)


@pytest.mark.parametrize("name", ["kip320", "replication"])
def test_a_step_that_the_solver_found_is_one_that_runs(name: str) -> None:
    machine, sizes = MACHINES[name]
    world = Unbounded()
    for action in machine.actions.values():
        terms = Terms({"Replica": sizes["Replica"]})
        state = symbolic_state(machine, world)
        arguments = parameters_of(action)
        traced = trace(machine, action, state, arguments)
        solver = z3.Solver()
        solver.add(*_in_sizes(terms, machine, sizes), *terms.in_range(arguments))
        # Arguments beyond the sizes as well would look at cells that the other readings do not have.
        numbers_ = [each for each in arguments.values() if z3.is_int(terms.term(each))]
        solver.add(*(terms.term(each) < each.sort.least + (size_of(each.sort, sizes) or 0) for each in numbers_))
        solver.add(*(terms.term(guard.holds) for guard in traced.guards))
        assert solver.check() == z3.sat, action.name
        model = solver.model()
        row = _row_in(
            model, terms, machine, sizes, lambda cells, keys: world.cell(cells.name, keys, cells.keys, cells.sort)
        )
        numbers = {str(value): i for some in terms.named_values().values() for i, value in enumerate(some)}
        given_ = {}
        for each, symbol in arguments.items():
            value = model.eval(terms.term(symbol), model_completion=True)
            given_[each] = value.as_long() if z3.is_int_value(value) else numbers[str(value)]
        before = values.state_of(machine, sizes, row)
        if values.row_of(machine, sizes, before) != row:
            continue  # a state in which something that means nothing is not zero: no other reading has such
        after = values.row_of(machine, sizes, values.take(action, before, **given_))

        def changed(cells: Any, keys: Any) -> Any:
            change = traced.changes.get(cells.name)  # noqa: B023  called at once
            return world.cell(cells.name, keys, cells.keys, cells.sort) if change is None else change(*keys)

        assert _row_in(model, terms, machine, sizes, changed) == after, action.name
