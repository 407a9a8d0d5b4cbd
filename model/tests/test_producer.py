"""The idempotent producer's machine, held to a producer that forgets nothing, and step by step."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from model.language import IllegalStepError, State
from model.machines import producer as machine
from model.machines.producer import MODULUS, WINDOW, producer
from model.readings import values

LAST = MODULUS - 1

Claim = tuple[int, int, int]


def start() -> State:
    return values.initial(producer)


def enabled(state: State, claim: Claim) -> list[values.Enabled]:
    epoch, first, last = claim
    return list(values.enabled(producer, state, epoch=epoch, first=first, last=last))


def sent(state: State, *claims: Claim) -> State:
    """The state after batches that are all treated in the one way that is allowed."""
    for claim in claims:
        (step,) = enabled(state, claim)
        state = step.take()
    return state


def name_of(state: State, claim: Claim) -> str:
    (step,) = enabled(state, claim)
    return step.action.name


@define
class Diary:
    """A leader that writes down every batch, and decides by reading all of it: slow, and plainly right."""

    batches: list[tuple[Claim, int]] = field(factory=list)
    end: int = 0

    def treat(self, claim: Claim) -> tuple[str, int | None]:
        epoch, first, last = claim
        newest = self.batches[-1][0] if self.batches else None
        of_epoch = [entry for entry in self.batches if newest is not None and entry[0][0] == newest[0]]
        for known, offset in of_epoch[-WINDOW:]:
            if known == claim:
                return "duplicate", offset
        if newest is not None:
            if epoch < newest[0]:
                return "old epoch", None
            due = 0 if epoch > newest[0] else (newest[2] + 1) % MODULUS
            if first != due:
                return "out of order", None
        self.batches.append((claim, self.end))
        self.end += (last - first) % MODULUS + 1
        return "appended", self.batches[-1][1]


WORDS = {
    "append_of_unknown_producer": "appended",
    "append_next": "appended",
    "append_in_new_epoch": "appended",
    "answer_duplicate": "duplicate",
    "refuse_gap": "out of order",
    "refuse_late_start": "out of order",
    "refuse_old_epoch": "old epoch",
}

SEQUENCES = st.sampled_from((0, 1, 2, 3, 4, LAST - 2, LAST - 1, LAST))
CLAIMS = st.builds(
    lambda epoch, first, count: (epoch, first, (first + count - 1) % MODULUS),
    st.integers(0, 2),
    SEQUENCES,
    st.integers(1, 3),
)


@given(st.lists(CLAIMS, max_size=25))
def test_every_batch_is_treated_as_by_a_leader_that_forgets_nothing(claims: list[Claim]) -> None:
    state, diary = start(), Diary()
    for claim in claims:
        word, offset = diary.treat(claim)
        (step,) = enabled(state, claim)
        assert WORDS[step.action.name] == word
        if word == "duplicate":
            assert state.offset[step.arguments["slot"]] == offset
        state = step.take()
        assert state.log_end_offset == diary.end


@given(st.lists(st.tuples(CLAIMS, st.integers(0, WINDOW)), max_size=15))
def test_exactly_one_action_is_enabled_also_after_restarts(steps: list[tuple[Claim, int]]) -> None:
    state = start()
    for claim, kept in steps:
        state = sent(state, claim)
        for recalled in values.ways(machine.recall, state):
            if recalled.arguments["kept"] == kept:
                state = recalled.take()
        assert state.remembered <= WINDOW


def test_the_last_five_are_known_and_the_sixth_is_not() -> None:
    state = sent(start(), *((0, number, number) for number in range(7)))
    assert [name_of(state, (0, number, number)) for number in range(7)] == ["refuse_gap"] * 2 + ["answer_duplicate"] * 5


def test_a_part_of_a_batch_is_no_duplicate() -> None:
    state = sent(start(), (0, 0, 3), (0, 4, 7))
    for first, last in ((4, 6), (5, 7), (4, 8), (0, 7), (3, 4)):
        assert name_of(state, (0, first, last)) == "refuse_gap"


def test_numbers_wrap() -> None:
    state = sent(start(), (0, LAST - 1, LAST))
    assert name_of(state, (0, 0, 0)) == "append_next"
    wrapped = sent(start(), (0, LAST - 1, 1))
    assert wrapped.log_end_offset == 4
    assert name_of(wrapped, (0, LAST - 1, 1)) == "answer_duplicate"
    assert name_of(wrapped, (0, 2, 2)) == "append_next"


def test_a_new_epoch_forgets_and_an_old_one_is_refused() -> None:
    state = sent(start(), (0, 0, 1), (1, 0, 1))
    assert state.remembered == 1
    assert name_of(state, (0, 0, 1)) == "refuse_old_epoch"
    assert name_of(state, (2, 5, 5)) == "refuse_late_start"
    assert name_of(state, (2, 0, 0)) == "append_in_new_epoch"


def test_a_batch_without_an_epoch_binds_nobody() -> None:
    state = sent(start(), (-1, 0, 1))
    assert name_of(state, (-1, 0, 1)) == "answer_duplicate"
    assert name_of(state, (-1, 9, 9)) == "append_of_unknown_producer"
    assert name_of(state, (0, 9, 9)) == "append_of_unknown_producer"


def test_a_restart_keeps_the_newest_batch_at_least() -> None:
    state = sent(start(), *((0, number, number) for number in range(5)))
    kept = [step.arguments["kept"] for step in values.ways(machine.recall, state)]
    assert kept == [1, 2, 3, 4, 5]
    least = values.take(machine.recall, state, kept=1)
    assert name_of(least, (0, 4, 4)) == "answer_duplicate"
    assert name_of(least, (0, 3, 3)) == "refuse_gap"
    assert name_of(least, (0, 5, 5)) == "append_next"


def test_an_entry_that_expired_is_as_at_first_but_for_the_log() -> None:
    state = sent(start(), (3, 0, 1))
    assert values.take(machine.expire, state) == start().but(log_end_offset=2)


def test_an_illegal_step_names_its_guard_and_changes_nothing() -> None:
    state = sent(start(), (0, 0, 1))
    before = copy.copy(state)
    with pytest.raises(IllegalStepError, match="its sequence follows"):
        values.take(machine.append_next, state, epoch=0, first=5, last=5)
    assert state == before


def test_memories_that_are_equal_to_a_client_are_equal_states() -> None:
    old = sent(start(), *((0, number, number) for number in range(3)), (1, 0, 0))
    assert old.but(offset=old.offset.set(0, 0), log_end_offset=1) == sent(start(), (1, 0, 0))


def test_states_can_be_pickled_and_hashed() -> None:
    state = sent(start(), (0, 0, 1))
    again = pickle.loads(pickle.dumps(state))
    assert again == state
    assert hash(again) == hash(state)


@pytest.mark.parametrize("action", producer.actions.values(), ids=lambda action: action.name)
def test_every_guard_of_an_action_can_fail_alone(action: Any) -> None:
    """No guard is implied by the others of its action, in some state: each is there for a reason."""
    if action.name in ("recall", "expire", "answer_duplicate", "refuse_old_epoch"):
        return
    states = [
        start(),
        sent(start(), (0, 0, 1)),
        sent(start(), (1, 0, 1), (1, 2, 2)),
        sent(start(), (-1, 0, 1)),
        sent(start(), (0, 0, 0), (0, 1, 1), (0, 2, 2)),
        sent(start(), (0, LAST, 0)),
    ]
    claims = [(epoch, first, last) for epoch in (-1, 0, 1) for first in (0, 1, 2, LAST) for last in (0, 1, 2)]
    alone = set()
    for state in states:
        for epoch, first, last in claims:
            failing = [g.name for g in action.apply(state, epoch=epoch, first=first, last=last).guards if not g.holds]
            if len(failing) == 1:
                alone.add(failing[0])
    names = {guard.name for guard in action.apply(start(), epoch=0, first=0, last=0).guards}
    assert names - alone <= {"it_is_not_a_duplicate"}
