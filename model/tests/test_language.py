"""The language: what it refuses, at which line, and what it works out by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from model.language import (
    BOOLEAN,
    NONE,
    Field,
    Guard,
    LanguageError,
    Machine,
    OptionOf,
    Record,
    RecordOf,
    SequenceOf,
    SetOf,
    Sort,
    State,
    Step,
    allof,
    anyof,
    implies,
    ite,
    named,
    no,
    some,
)
from model.language import symbols as sy
from model.language.tracing import Unbounded, check, symbolic_state

REPLICA = named("Replica")
OFFSET = Sort("Offset", unit="records")
EPOCH = Sort("Epoch", unit="epochs")
ENTRY = RecordOf("Entry", {"epoch": EPOCH, "id": OFFSET})

HEADER = """A step.

Who: somebody.
When: at any time.
Changes: something.
Source: this test.
"""


def machine() -> Machine:
    return Machine(
        "toy",
        fields={
            "flag": Field(BOOLEAN, "a flag"),
            "end": Field(OFFSET, "an end", (REPLICA,)),
            "other": Field(OFFSET, "another end"),
            "epoch": Field(EPOCH, "an epoch"),
            "isr": Field(SetOf(REPLICA), "a set"),
            "leader": Field(OptionOf(REPLICA), "an option"),
            "log": Field(SequenceOf(ENTRY, OFFSET), "a log", (REPLICA,)),
        },
    )


def line_of(apply: Callable[..., Any], text: str) -> int:
    lines, first = inspect.getsourcelines(apply)
    return first + next(number for number, line in enumerate(lines) if text in line)


def refused(apply: Callable[..., Step], **parameters: Sort) -> str:
    apply.__doc__ = HEADER
    with pytest.raises(LanguageError) as caught:
        machine().action(**parameters)(apply)
    return str(caught.value)


def test_an_if_on_a_states_value_is_refused_with_its_line() -> None:
    def branches(s: State) -> Step:
        if s.flag:
            return Step((), lambda: s)
        return Step((), lambda: s.but(flag=True))

    said = refused(branches)
    assert f"test_language.py:{line_of(branches, 'if s.flag')}" in said
    assert "allof, anyof" in said


def test_a_chained_comparison_is_refused() -> None:
    def chains(s: State, r: Any) -> Step:
        return Step((Guard("between", 0 <= s.end[r] < 3),), lambda: s)

    assert "chained comparison" in refused(chains, r=REPLICA)


def test_counting_is_refused_at_its_line() -> None:
    def counts(s: State) -> Step:
        return Step(
            (
                Guard("it is set", s.flag),
                Guard("they are two", s.isr.count() == 2),
            ),
            lambda: s,
        )

    said = refused(counts)
    assert f"test_language.py:{line_of(counts, 'they are two')}: " in said
    assert "say at_least" in said


def within_every(s: State) -> Step:
    each = s.every(REPLICA, lambda r: s.at_least(1, REPLICA, lambda q: s.end[q] > s.end[r]))  # the line
    return Step((Guard("each", each),), lambda: s)


def within_at_least(s: State) -> Step:
    many = s.at_least(
        2,
        REPLICA,
        lambda r: s.at_least(1, REPLICA, lambda q: s.end[q] > s.end[r]),  # the line
    )
    return Step((Guard("many", many),), lambda: s)


def as_the_number(s: State) -> Step:
    some_end = s.some(REPLICA, lambda r: s.at_least(s.end[r], REPLICA, s.isr.has))  # the line
    return Step((Guard("some end", some_end),), lambda: s)


def in_a_map(s: State) -> Step:
    def how_far(r: Any) -> Any:
        return ite(s.at_least(2, REPLICA, lambda q: s.end[q] > s.end[r]), 1, 0)  # the line

    return Step((), lambda: s.but(end=s.end.where(lambda _r: True, how_far)))


def in_a_set(s: State) -> Step:
    return Step(
        (Guard("alive", s.flag),),
        lambda: s.but(
            isr=s.set_of(SetOf(REPLICA), lambda r: s.at_least(2, REPLICA, lambda q: s.end[q] > s.end[r]))  # the line
        ),
    )


@pytest.mark.parametrize("apply", [within_every, within_at_least, as_the_number, in_a_map, in_a_set])
def test_at_least_that_depends_on_a_variable_is_refused_at_its_line(apply: Callable[..., Step]) -> None:
    said = refused(apply)
    assert f"test_language.py:{line_of(apply, '# the line')}: " in said
    assert "keep it in a field" in said


def test_things_that_can_only_be_told_apart_have_no_numbers() -> None:
    def compares(s: State) -> Step:
        return Step((Guard("it leads", s.leader == 1),), lambda: s)

    def looks_up(s: State) -> Step:
        return Step((Guard("its end", s.end[0] > 1),), lambda: s)

    assert f"test_language.py:{line_of(compares, 'it leads')}: " in refused(compares)
    assert "no Replica has a number" in refused(compares)
    assert f"test_language.py:{line_of(looks_up, 'its end')}: " in refused(looks_up)
    assert "end is looked up by the number 0" in refused(looks_up)


def test_an_argument_is_of_a_simple_sort() -> None:
    def takes_a_set(s: State, those: Any) -> Step:
        return Step((), lambda: s)

    takes_a_set.__doc__ = HEADER
    sort: Any = SetOf(REPLICA)
    with pytest.raises(LanguageError, match=r"test_language.py:\d+: .*the argument those is a set of Replica"):
        machine().action(those=sort)(takes_a_set)


def test_offsets_are_not_compared_with_epochs() -> None:
    def confuses(s: State) -> Step:
        return Step((Guard("same", s.other == s.epoch),), lambda: s)

    assert "Offset (records) and Epoch (epochs)" in refused(confuses)


def test_replicas_have_no_order_and_no_arithmetic() -> None:
    def orders(s: State, r: Any, q: Any) -> Step:
        return Step((Guard("before", r < q),), lambda: s)

    def adds(s: State, r: Any) -> Step:
        return Step((), lambda: s.but(leader=some(r + 1)))

    assert "no order" in refused(orders, r=REPLICA, q=REPLICA)
    assert "no order" in refused(adds, r=REPLICA)


def test_a_product_of_two_values_is_refused_and_a_multiple_is_not() -> None:
    def multiplies(s: State) -> Step:
        return Step((), lambda: s.but(other=s.other * s.other))

    def doubles(s: State) -> Step:
        return Step((), lambda: s.but(other=s.other * 2))

    assert "product" in refused(multiplies)
    doubles.__doc__ = HEADER
    machine().action()(doubles)


def test_a_guard_must_be_a_condition_and_a_field_of_its_sort() -> None:
    def no_condition(s: State) -> Step:
        return Step((Guard("end", s.other),), lambda: s)

    def wrong_sort(s: State) -> Step:
        return Step((), lambda: s.but(epoch=s.other))

    def wrong_key(s: State) -> Step:
        return Step((), lambda: s.but(other=s.end[s.epoch]))

    assert "truth value" in refused(no_condition)
    assert f"test_language.py:{line_of(wrong_sort, 'def ')}: toy.wrong_sort" in refused(wrong_sort)
    assert "can't be compared" in refused(wrong_sort)
    assert "looked up by a Epoch" in refused(wrong_key)


def test_what_is_only_looked_at_later_is_checked_at_once() -> None:
    def wrong_inside(s: State) -> Step:
        return Step((), lambda: s.but(end=s.end.where(lambda r: r == s.leader, lambda _r: s.epoch)))

    assert "can't be compared" in refused(wrong_inside)


def test_unknown_fields_and_parts_are_refused() -> None:
    def no_field(s: State) -> Step:
        return Step((), lambda: s.but(ends=1))

    def no_part(s: State, r: Any) -> Step:
        return Step((Guard("old", s.log[r].last.age == 0),), lambda: s)

    assert "no field ['ends']" in refused(no_field)
    assert "no part 'age'" in refused(no_part, r=REPLICA)


def test_loops_members_and_division_are_refused() -> None:
    def loops(s: State) -> Step:
        return Step((Guard("all", all(s.other)),), lambda: s)

    def is_in(s: State, r: Any) -> Step:
        return Step((Guard("in", r in s.isr),), lambda: s)

    def divides(s: State) -> Step:
        return Step((), lambda: s.but(other=s.other // 2))

    assert "looped over" in refused(loops)
    assert refused(is_in, r=REPLICA)
    assert "division" in refused(divides)


@pytest.mark.parametrize("part", ["Who", "When", "Changes", "Source"])
def test_an_action_says_who_when_what_and_where_it_is_from(part: str) -> None:
    def silent(s: State) -> Step:
        return Step((), lambda: s)

    silent.__doc__ = "\n".join(line for line in HEADER.splitlines() if not line.startswith(part))
    with pytest.raises(LanguageError, match=rf"test_language.py:\d+: toy.silent: its docstring does not say {part}"):
        machine().action()(silent)


def test_a_header_is_read() -> None:
    def steps(s: State) -> Step:
        return Step((), lambda: s)

    steps.__doc__ = HEADER
    made = machine().action()(steps)
    assert (made.about, made.header.who, made.header.source) == ("A step.", "somebody.", "this test.")


def test_a_machine_that_extends_another_leaves_it_as_it_is() -> None:
    def first(s: State) -> Step:
        return Step((), lambda: s)

    def second(s: State) -> Step:
        return Step((), lambda: s.but(flag=True))

    first.__doc__ = second.__doc__ = HEADER
    one = machine()
    one.action()(first)
    other = one.extended("other", "Another.", without=("first",))
    other.action()(second)
    assert list(one.actions) == ["first"]
    assert list(other.actions) == ["second"]


# -- symbols ---------------------------------------------------------------------------------------------------------


def test_equal_expressions_are_one_object() -> None:
    s = symbolic_state(machine(), Unbounded())
    assert (s.other + 1) is (s.other + 1)
    assert allof(s.flag, s.other > 0) is allof(s.flag, s.other > 0)
    assert (s.other == 1) is not (s.other == 2)


def test_symbols_are_alike_whatever_their_variables_are_called() -> None:
    s = symbolic_state(machine(), Unbounded())

    def at_end(offset: Any) -> Any:
        return s.every(REPLICA, lambda r: s.end[r] >= offset)

    assert at_end(s.other) is not at_end(s.other)
    assert sy.alike(at_end(s.other), at_end(s.other))
    assert not sy.alike(at_end(s.other), at_end(s.other + 1))
    assert not sy.alike(at_end(1), at_end(2))
    assert not sy.alike(at_end(s.other), s.some(REPLICA, lambda r: s.end[r] >= s.other))
    assert not sy.alike(s.every(REPLICA, lambda _r: s.flag), s.every(OFFSET, lambda _o: s.flag))


def test_variables_of_two_quantifiers_are_not_mixed_up() -> None:
    s = symbolic_state(machine(), Unbounded())

    def nested(predicate: Callable[[Any, Any], Any]) -> Any:
        return s.every(REPLICA, lambda q: s.some(REPLICA, lambda r: predicate(q, r)))

    usual = nested(lambda q, r: s.end[q] < s.end[r])
    assert sy.alike(usual, nested(lambda q, r: s.end[r] > s.end[q]))
    assert not sy.alike(usual, nested(lambda q, r: s.end[r] < s.end[q]))
    assert not sy.alike(usual, nested(lambda q, _r: s.end[q] < s.end[q] + 1))
    free = sy.fresh(REPLICA)
    assert not sy.alike(nested(lambda q, _r: s.end[q] > 0), nested(lambda _q, _r: s.end[free] > 0))


def test_what_needs_no_state_is_worked_out() -> None:
    s = symbolic_state(machine(), Unbounded())
    assert allof(s.flag, True) is s.flag
    assert allof(s.flag, False) is sy.FALSE
    assert anyof(s.flag, True) is sy.TRUE
    assert implies(False, s.flag) is sy.TRUE
    assert no(no(s.flag)) is s.flag
    assert ite(s.flag, s.other, s.other) is s.other
    assert s.other + 0 is s.other
    assert (sy.const(2) + 3).args == (5,)
    assert (s.flag == True) is s.flag  # noqa: E712  the operator is what is tested


def test_an_update_is_seen_where_it_was_made() -> None:
    s = symbolic_state(machine(), Unbounded())
    r, q = (sy.make("parameter", (name,), REPLICA) for name in "rq")
    assert s.end.set(r, 7)[r] == 7
    assert s.end.set(r, 7)[q].op == "ite"
    assert s.isr.plus(r).has(r) is True
    assert s.isr.minus(r).has(r) is False
    entry = Record(epoch=s.epoch, id=s.other)
    grown = s.log[r].append(entry)
    assert grown[s.log[r].end].epoch is s.epoch
    assert s.but(leader=NONE).leader.exists is False
    assert (some(r) == r) is sy.TRUE


def test_check_gives_guards_and_their_conjuncts() -> None:
    def steps(s: State, r: Any) -> Step:
        return Step(
            (Guard("both", allof(s.flag, s.end[r] > 0), safety_critical=True), Guard("one", s.isr.has(r))),
            lambda: s.but(flag=False),
        )

    steps.__doc__ = HEADER
    toy = machine()
    traced = check(toy, toy.action(r=REPLICA)(steps))
    assert [(each.name, len(each.conjuncts), each.safety_critical) for each in traced.guards] == [
        ("both", 2, True),
        ("one", 1, False),
    ]
    assert list(traced.changes) == ["flag"]
