"""One text, several readings: what they say of a step must be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import z3
from attrs import frozen
from hypothesis import given

from model.language import Field, Guard, IllegalStepError, LanguageError, Machine, Sizes, Sort, State, Step, ite
from model.language.sorts import size_of
from model.language.symbols import const, equal, fresh, lifted
from model.language.tracing import Cells, Unbounded, cells_of, check, parameters_of, places, symbolic_state, trace
from model.machines import replication
from model.machines.producer import producer
from model.machines.published import PUBLISHED, base
from model.readings import values
from model.readings.columns import Instance, Steps, StepTaker, changes_of, conditions_of
from model.readings.layouts import Layout
from model.readings.terms import Terms
from model.readings.weighing import Weighing

SMALL = base.sizes(replicas=2, log=2, records=2, epochs=2)
MACHINES: dict[str, tuple[Machine, Sizes]] = {
    **{name: (machine, SMALL) for name, machine in PUBLISHED.items()},
    "replication": (replication.replication, replication.sizes(replicas=2, log=2, epochs=2)),
}
_COMPILED: dict[str, StepTaker] = {}


def compiled(name: str) -> StepTaker:
    if name not in _COMPILED:
        machine, sizes = MACHINES[name]
        _COMPILED[name] = StepTaker(Steps.of(machine, sizes, Layout.of(machine, sizes)))
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
    one, taker = drawn(name, data), compiled(name)
    layout, chosen = taker.steps.layout, one.step
    block = layout.block([one.row, one.row])
    weights = np.arange(layout.width)
    taken = taker.take(block, 0, 2, Weighing.plain(weights))
    is_it = taken.steps == taker.steps.instances.index(chosen)
    try:
        after = values.row_of(one.machine, one.sizes, values.take(chosen.action, one.state, **chosen.arguments))
    except IllegalStepError:
        assert not is_it.any()
        return
    stays = all(column.least <= value <= column.most for column, value in zip(layout.columns, after, strict=True))
    assert list(taken.places[is_it]) == ([0, 1] if stays else [])
    if stays:
        out = np.empty_like(block)
        taker.make(block, taken.places[is_it], taken.steps[is_it], out, 0)
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


def _number(value: Any, terms: Terms) -> int:
    """A value of the solver's as the other readings have it."""
    if z3.is_bool(value):
        return int(z3.is_true(value))
    if z3.is_int_value(value):
        return int(value.as_long())
    return next(i for some in terms.named_values().values() for i, each in enumerate(some) if each.eq(value))


def _cells(machine: Machine, sizes: Sizes, terms: Terms, cell: Callable[[Cells, Any], Any]) -> list[Any]:
    """The terms of a state's cells, in the order of a row."""
    return [
        terms.term(lifted(cell(cells, tuple(map(const, keys, cells.keys)))))
        for cells in cells_of(machine)
        for keys in places(cells, sizes)
    ]


def _state_of(solver: Any, machine: Machine, sizes: Sizes, terms: Terms, held: list[Any]) -> tuple[Any, State]:
    """A model of what the solver was told, and the state in it.

    Where a state has no value the solver may think of any, and the other readings have zero: it is told so until all
    such cells are zero.
    """
    while True:
        assert solver.check() == z3.sat
        model = solver.model()
        row = tuple(_number(model.eval(each, model_completion=True), terms) for each in held)
        state = values.state_of(machine, sizes, row)
        nothing = [
            each
            for each, one, other in zip(held, row, values.row_of(machine, sizes, state), strict=True)
            if one != other
        ]
        if not nothing:
            return model, state
        solver.add(*(z3.Not(each) if z3.is_bool(each) else each == _zero(each, terms) for each in nothing))


def _zero(term: Any, terms: Terms) -> Any:
    if z3.is_int(term):
        return 0
    return next(some[0] for some in terms.named_values().values() if some[0].sort() == term.sort())


@pytest.mark.parametrize("name", ["kip320", "replication"])
def test_a_step_that_the_solver_found_is_one_that_runs(name: str) -> None:
    machine, sizes = MACHINES[name]
    world = Unbounded()
    for action in machine.actions.values():
        terms = Terms({"Replica": sizes["Replica"]})
        arguments = parameters_of(action)
        traced = trace(machine, action, symbolic_state(machine, world), arguments)
        solver = z3.Solver()
        solver.add(*_in_sizes(terms, machine, sizes), *terms.in_range(arguments))
        # Arguments beyond the sizes as well would look at cells that the other readings do not have.
        numbers = [each for each in arguments.values() if z3.is_int(terms.term(each))]
        solver.add(*(terms.term(each) < each.sort.least + (size_of(each.sort, sizes) or 0) for each in numbers))
        solver.add(*(terms.term(guard.holds) for guard in traced.guards))

        def held(cells: Cells, keys: Any) -> Any:
            return world.cell(cells.name, keys, cells.keys, cells.sort)

        def changed(cells: Cells, keys: Any) -> Any:
            change = traced.changes.get(cells.name)  # noqa: B023  called at once
            return held(cells, keys) if change is None else change(*keys)

        model, before = _state_of(solver, machine, sizes, terms, _cells(machine, sizes, terms, held))

        def value(term: Any) -> int:
            return _number(model.eval(term, model_completion=True), terms)  # noqa: B023  called at once

        given_ = {each: value(terms.term(symbol)) for each, symbol in arguments.items()}
        after = values.row_of(machine, sizes, values.take(action, before, **given_))
        assert tuple(map(value, _cells(machine, sizes, terms, changed))) == after, action.name


@pytest.mark.parametrize(
    "machine", [*(machine for machine, _sizes in MACHINES.values()), producer], ids=lambda m: m.name
)
def test_all_that_is_accepted_can_be_read_on_terms(machine: Machine) -> None:
    terms = Terms()
    for action in machine.actions.values():
        traced = check(machine, action)
        assert all(z3.is_bool(terms.term(guard.holds)) for guard in traced.guards)
        for cells in cells_of(machine):
            if cells.name in traced.changes:
                after = traced.changes[cells.name](*map(fresh, cells.keys))
                assert z3.is_bool(terms.term(equal(after, fresh(cells.sort)))), (action.name, cells.name)


# -- what columns can't hold -----------------------------------------------------------------------------------------

OFFSET = Sort("Offset", unit="records")


def computing(what: Callable[[State], Any]) -> Machine:
    """A machine that computes something of two cells, for a field and for a guard."""
    machine = Machine("toy", {"one": Field(OFFSET, "a cell"), "other": Field(OFFSET, "a cell")})

    @machine.action()
    def computes(s: State) -> Step:
        """A step.

        Who: somebody.
        When: at any time.
        Changes: one cell.
        Source: this test.
        """
        return Step((Guard("it_is_more", what(s) > 1),), lambda: s.but(one=what(s)))

    return machine


THRICE: dict[str, Callable[[State], Any]] = {
    "a multiple": lambda s: s.one * 3,
    "a sum": lambda s: s.one + s.one + s.one,
    "a choice": lambda s: ite(s.one > 1, s.one * 3, 3),
}


@pytest.mark.parametrize("what", THRICE.values(), ids=THRICE)
def test_what_does_not_fit_into_columns_is_refused_with_the_line(what: Callable[[State], Any]) -> None:
    machine, sizes = computing(what), {"Offset": 60}  # three times 59 is more than eight bits hold
    line = machine.actions["computes"].apply.__code__.co_firstlineno
    with pytest.raises(LanguageError, match=rf"test_readings.py:{line}: toy.computes\(\): .*can be 0 to 177"):
        Steps.of(machine, sizes, Layout.of(machine, sizes))


@pytest.mark.parametrize("what", THRICE.values(), ids=THRICE)
@pytest.mark.parametrize("size", [8, 40, 70, 20_000])
def test_what_fits_is_what_values_say(what: Callable[[State], Any], size: int) -> None:
    machine, sizes = computing(what), {"Offset": size}
    layout = Layout.of(machine, sizes)
    steps = Steps.of(machine, sizes, layout)
    rows = [(one, 0) for one in range(0, size, max(1, size // 50))]
    taker, block = StepTaker(steps), layout.block(rows)
    taken = taker.take(block, 0, len(rows), Weighing.plain(np.arange(2, dtype=np.int64)))
    expected = [what(values.state_of(machine, sizes, (one, 0))) for one, _ in rows]
    inside = [place for place, each in enumerate(expected) if 1 < each < size]
    assert taken.places.tolist() == inside
    assert taken.left == sum(each >= size for each in expected)
    out = layout.block([(0, 0)] * len(inside))
    taker.make(block, taken.places, taken.steps, out, 0)
    assert out[0].tolist() == [expected[place] for place in inside]


def test_a_condition_that_does_not_fit_is_refused_by_its_name() -> None:
    machine, sizes = computing(lambda s: s.one), {"Offset": 60}
    layout = Layout.of(machine, sizes)
    assert conditions_of(machine, sizes, layout, {"fits": lambda s: s.one + s.other < 7}).registers > 0
    with pytest.raises(LanguageError, match=r"^too_much: .*can be 0 to 177"):
        conditions_of(machine, sizes, layout, {"fits": lambda s: s.one < 7, "too_much": lambda s: s.one * 3 < 7})
    with pytest.raises(LanguageError, match=r"^too_much: .*can be -177 to 0"):
        changes_of(machine, sizes, layout, {"too_much": lambda s, after: 0 - s.one - after.one - s.other < 7})
