"""The explorer sees what TLC sees: the same states, steps, levels, and violations at the same level.

The figures are TLC's, without symmetry (hachikuji/kafka-specification, commit d68782b); what TLC was not measured at
is marked as ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from model.language import IllegalStepError, LanguageError, State
from model.machines import replication
from model.machines.published import PUBLISHED, base
from model.readings import columns, values
from model.readings.columns import StepTaker
from model.readings.layouts import Layout
from properties.explore import engine
from properties.explore.engine import Explorer, Result
from properties.explore.fingerprints import LOAD_MOST, SMALLEST, Seen
from properties.explore.machines import EXPLORABLE, UnknownMachineError, UnusableChoiceError, explorable


def explored(name: str, n: int, log: int, records: int, epochs: int, *, keep_going: bool = True) -> Result:
    sizes = base.sizes(replicas=n, log=log, records=records, epochs=epochs)
    return Explorer(PUBLISHED[name], sizes, base.INVARIANTS).run(keep_going=keep_going)


ROWS = [
    ("kip320", (2, 2, 2, 1), 957, 1_819, 15),
    ("kip320", (2, 2, 2, 2), 5_973, 11_839, 18),
    ("kip320", (2, 3, 3, 2), 21_493, 45_141, 22),
    ("kip320", (2, 3, 3, 3), 120_879, 261_017, 26),
    ("kip320", (3, 2, 2, 1), 39_619, 104_488, 22),
    ("kip320", (3, 2, 2, 2), 737_794, 1_967_560, 26),
    ("truncate-to-hw", (2, 3, 3, 2), 37_667, 96_117, None),
    ("kip101", (2, 3, 3, 2), 32_933, 81_253, None),
    ("kip279", (2, 3, 3, 2), 32_713, 86_831, None),
    ("kip320-first-try", (2, 3, 3, 2), 30_737, 73_715, None),
]


def _check(row: tuple[str, tuple[int, int, int, int], int, int, int | None]) -> None:
    name, (n, log, records, epochs), distinct, generated, depth = row
    result = explored(name, n, log, records, epochs)
    assert (result.distinct, result.generated) == (distinct, generated)
    assert depth in (None, result.depth)
    assert result.is_complete
    if name in ("kip320", "kip279", "kip320-first-try"):
        assert result.violations == ()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_counts_are_tlcs(row: tuple[str, tuple[int, int, int, int], int, int, int | None]) -> None:
    _check(row)


@pytest.mark.deep
def test_millions_of_states_take_little_memory() -> None:
    result = explored("kip320", 3, 3, 3, 2)  # TLC was not asked: the figures are ours
    assert (result.distinct, result.generated, result.depth) == (4_093_531, 11_663_770, 31)
    assert result.bytes_per_state < 64
    assert result.collision_odds < 1e-5


@pytest.mark.parametrize(
    ("name", "sizes", "levels"),
    [
        ("truncate-to-hw", (2, 2, 2, 2), {"WeakIsr": 9}),
        ("kip101", (2, 2, 2, 2), {"WeakIsr": 12}),
    ],
)
def test_violations_are_at_tlcs_levels(name: str, sizes: tuple[int, int, int, int], levels: dict[str, int]) -> None:
    found = {each.invariant: each.level for each in explored(name, *sizes).violations}
    assert levels.items() <= found.items()


@pytest.mark.parametrize(
    ("name", "levels"),
    [("kip279", {"WeakIsr": 11, "StrongIsr": 11}), ("kip320-first-try", {"WeakIsr": 12, "StrongIsr": 13})],
)
def test_violations_among_three_are_at_tlcs_levels(name: str, levels: dict[str, int]) -> None:
    result = explored(name, 3, 2, 2, 2)
    assert {each.invariant: each.level for each in result.violations} == levels


@pytest.mark.parametrize("name", ["truncate-to-hw", "kip101"])
def test_a_trace_runs_and_ends_in_what_it_violates(name: str) -> None:
    sizes = base.sizes(replicas=2, log=2, records=2, epochs=2)
    result = Explorer(PUBLISHED[name], sizes, base.INVARIANTS).run()
    assert not result.is_complete
    for each in result.violations:
        state = values.initial(PUBLISHED[name], sizes)
        holds = base.INVARIANTS[each.invariant]
        for action, arguments in each.steps:
            assert holds(state)
            state = values.take(PUBLISHED[name].actions[action], state, **arguments)
        assert not holds(state)
        assert len(each.steps) == each.level - 1


def by_hand(name: str) -> tuple[int, int, int]:
    """The same search, on Python's values, one state at a time."""
    sizes = base.sizes(replicas=2, log=1, records=1, epochs=1)
    machine = PUBLISHED[name]
    layout = Layout.of(machine, sizes)
    first = values.initial(machine, sizes)
    seen = {values.row_of(machine, sizes, first)}
    level, generated, depth = [first], 1, 0
    while level:
        depth += 1
        following: list[State] = []
        for state in level:
            for step in values.enabled(machine, state):
                after = step.take()
                row = values.row_of(machine, sizes, after)
                if any(not c.least <= cell <= c.most for c, cell in zip(layout.columns, row, strict=True)):
                    continue
                generated += 1
                if row not in seen:
                    seen.add(row)
                    following.append(after)
        level = following
    return len(seen), generated, depth


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_search_on_values_sees_the_same(name: str) -> None:
    result = explored(name, 2, 1, 1, 1)
    assert (result.distinct, result.generated, result.depth) == by_hand(name)


@pytest.mark.parametrize("keep_going", [True, False])
def test_it_does_not_matter_how_many_threads_there_are(monkeypatch: pytest.MonkeyPatch, keep_going: bool) -> None:
    monkeypatch.setattr(engine, "CHUNK", 100)  # so that there is something to share
    sizes = base.sizes(replicas=2, log=2, records=2, epochs=2)
    leader_stays = {"leader stays": lambda before, after: before.quorum_leader == after.quorum_leader}
    explorer = Explorer(PUBLISHED["kip101"], sizes, base.INVARIANTS, changes=leader_stays)
    one, *others = (explorer.run(keep_going=keep_going, workers=workers) for workers in (1, 2, 3))
    for other in others:
        assert told(one) == told(other)


def told(result: Result) -> tuple[Any, ...]:
    return result.distinct, result.generated, result.depth, result.violations, result.is_complete


def test_a_small_room_for_steps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explored("kip101", 2, 2, 2, 2)
    monkeypatch.setattr(columns, "ROWS", 1)
    monkeypatch.setattr(columns, "TILES", 1)
    assert told(explored("kip101", 2, 2, 2, 2))[:3] == told(whole)[:3]


# -- fingerprints ----------------------------------------------------------------------------------------------------


def test_a_successors_sum_is_that_of_its_state() -> None:
    sizes = base.sizes(replicas=2, log=1, records=1, epochs=1)
    explorer = Explorer(PUBLISHED["kip320"], sizes)
    taker, level, weighing = StepTaker(explorer.steps), explorer.first, explorer.weighing
    taken = taker.take(level, 0, 1, weighing)
    assert taken.places.size
    out = np.empty((level.shape[0], taken.places.size), level.dtype)
    taker.make(level, taken.places, taken.steps, out, 0)
    assert list(weighing.sums(out)[0]) == list(taken.sums)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_table_grows_and_forgets_nothing(workers: int) -> None:
    seen = Seen.of(workers)
    count = 5 * SMALLEST
    numbers = np.arange(count, dtype=np.int64) * 7 - 500
    assert seen.add(numbers).all()
    assert not seen.add(numbers).any()
    assert list(seen.add(np.array([-501, -501, -500], np.int64))) == [True, False, False]
    assert seen.count == count + 1
    assert seen.bytes_most() < 8 * count * 3 / LOAD_MOST
    assert seen.bytes_most() < 8 * count * 2 / LOAD_MOST


# -- choices ---------------------------------------------------------------------------------------------------------


def test_an_unknown_machine_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownMachineError, match="replication, durability, truncate-to-hw"):
        explorable("nix")


def test_a_sort_without_a_size_is_refused() -> None:
    with pytest.raises(LanguageError, match="Offset has no bound"):
        Explorer(PUBLISHED["kip320"], {"Replica": 2})


@pytest.mark.parametrize("name", EXPLORABLE)
def test_every_machine_can_be_explored(name: str) -> None:
    smallest = {"log": 1, "openings": 1} if name == "durability" else {"replicas": 1, "log": 1, "epochs": 1}
    chosen = explorable(name, sizes=smallest)
    assert Explorer(chosen.machine, chosen.sizes, chosen.invariants, changes=chosen.changes).run().distinct > 1


def test_steps_that_no_guard_allows_raise() -> None:
    sizes = replication.sizes(replicas=2, log=1, epochs=1)
    first = values.initial(replication.replication, sizes)
    with pytest.raises(IllegalStepError, match="leader_appends: it leads does not hold"):
        values.take(replication.replication.actions["leader_appends"], first, leader=0)


def test_claims_and_settings_are_chosen() -> None:
    chosen = explorable("replication", claims="eligible", settings={"min_isr": "1", "bumps_epoch": "true"})
    given = {"min_isr": 1, "has_elr": True, "bumps_epoch": True, "keeps_positions": False, "survivor": 0}
    assert chosen.settings == given
    assert {"MIN-ISR", "LAST-MEMBER", "who_is_eligible_or_dropped"} <= chosen.invariants.keys()
    assert "ELIGIBLE-HOLD-COMMITTED" in chosen.changes
    assert "controller_elects_unclean" not in chosen.machine.actions


def test_sizes_of_replication_that_others_do_not_have() -> None:
    chosen = explorable("replication", sizes={"versions": 1, "registrations": 4})
    assert (chosen.sizes["Partition epoch"], chosen.sizes["Broker epoch"]) == (2, 5)


@pytest.mark.parametrize(
    ("name", "chosen", "said"),
    [
        ("replication", {"sizes": {"records": 2}}, "replication has no records; its sizes are replicas, log, epochs,"),
        ("kip320", {"sizes": {"versions": 2}}, "kip320 has no versions"),
        ("kip320", {"claims": "last"}, "nothing is claimed of it"),
        ("kip320", {"settings": {"min_isr": "1"}}, "no setting 'min_isr'; it has none"),
        ("replication", {"claims": "nix"}, "there are .*last, anything"),
        ("replication", {"settings": {"isr": "1"}}, "no setting 'isr'; there are min_isr, has_elr"),
        ("replication", {"settings": {"min_isr": "3"}}, "min_isr .* is a number from 0 to 2 here, not '3'"),
        ("replication", {"settings": {"has_elr": "1"}}, "has_elr .* is true or false, not '1'"),
        ("replication", {"claims": "eligible", "settings": {"has_elr": "false"}}, "has_elr is true wherever"),
        ("replication", {"claims": "eligible", "sizes": {"replicas": 1}}, "than min_isr=2, has_elr=true"),
    ],
)
def test_what_a_machine_has_no_use_for_is_refused(name: str, chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(UnusableChoiceError, match=said):
        explorable(name, **chosen)


def rises_of_the_high_watermark(min_isr: str, levels: int) -> int:
    """How often a leader raises its high watermark within so many levels."""
    sizes = {"log": 1, "versions": 2, "registrations": 1}
    chosen = explorable("replication", settings={"min_isr": min_isr}, sizes=sizes)
    explorer = Explorer(chosen.machine, chosen.sizes)
    counts = zip(explorer.steps.instances, explorer.run(levels=levels, workers=1).counts, strict=True)
    return sum(count for each, count in counts if each.action.name == "leader_advances_hw")


def test_a_setting_decides_what_can_happen() -> None:
    """A leader that is alone in the ISR raises its high watermark only if one replica is enough."""
    assert rises_of_the_high_watermark("1", 8) > 0
    assert rises_of_the_high_watermark("2", 8) == 0
    assert rises_of_the_high_watermark("2", 9) > 0


def tidegauge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_json_and_fails_on_a_violation() -> None:
    done = tidegauge("explore", "truncate-to-hw", "--epochs", "2", "--json", "--keep-going")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["distinct"], found["generated"], found["depth"]) == (10_131, 24_459, 20)
    assert found["violations"][0] == {"invariant": "WeakIsr", "level": 9}
    assert found["bytes_per_state"] > 0
    assert (found["symmetry"], found["complete"]) == (False, True)


def test_the_command_tells_the_way_to_a_violation() -> None:
    done = tidegauge("explore", "kip101", "--epochs", "2")
    assert done.returncode == 1, done.stderr
    assert "WeakIsr breaks with step 11 (level 12):" in done.stdout
    assert "  1. controller elects (replica=" in done.stdout


def test_the_command_tells_what_was_claimed_and_set() -> None:
    sizes = ("--log", "1", "--versions", "1", "--registrations", "1", "--levels", "6")
    done = tidegauge("explore", "replication", "--claims", "clean", "--set", "min_isr=2", *sizes)
    assert done.returncode == 0, done.stderr
    assert "Setting clean: " in done.stdout
    assert "With min_isr=2, has_elr=false" in done.stdout
    found = json.loads(tidegauge("explore", "replication", "--json", *sizes).stdout)
    assert (found["claims"], found["settings"]["min_isr"]) == ("last", 1)


@pytest.mark.parametrize(
    ("profile", "said"),
    [("3.9-kraft", "bumps_epoch=false"), ("3.9-zk", "bumps_epoch=true"), ("4.1-kraft", "has_elr=true")],
)
def test_the_release_decides_settings(profile: str, said: str) -> None:
    done = tidegauge("explore", "replication", "--profile", profile, "--levels", "2")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_a_wrong_size_or_setting_is_a_wrong_choice() -> None:
    done = tidegauge("explore", "replication", "--records", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "replication has no records" in done.stderr
    done = tidegauge("explore", "replication", "--set", "has_elr")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--set has_elr: say NAME=VALUE" in done.stderr


def test_a_wrong_machine_is_a_wrong_choice() -> None:
    done = tidegauge("explore", "nix")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no machine 'nix'" in done.stderr
