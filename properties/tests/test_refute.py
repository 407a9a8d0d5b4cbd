"""Refutation: guards are left out one by one, counterexamples run, and what is redundant is said."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import itf_py
import pytest
from attrs import evolve

from model.language.tracing import check
from model.machines.durability import durability
from model.machines.replication import replication, sizes
from model.readings import values
from properties.refute import diagram
from properties.refute.catalogue import catalogue, variant_named
from properties.refute.engine import Refutation, Verdict, refute, refute_all
from properties.refute.redundancy import open_without
from properties.refute.replay import NotACounterexampleError, replay
from properties.refute.variants import UnknownVariantError, variants
from properties.variants.changes import LeftOut, guards_that_fail
from properties.variants.searching import LAST
from properties.variants.variant import Kind, Search, Variant, machine_of

UNCLEAN = "controller_elects.it_is_in_the_isr"


@pytest.fixture(scope="module")
def unclean() -> Refutation:
    return refute(variant_named(UNCLEAN))


# -- variants --------------------------------------------------------------------------------------------------------


def test_every_guard_and_every_conjunct_is_a_variant() -> None:
    found = variants(replication)
    assert UNCLEAN in found
    assert {f"follower_copies.it_follows.{number}" for number in range(1, 5)} <= found.keys()
    assert "follower_copies.it_follows" in found
    assert found.keys() <= catalogue().keys()


def test_what_is_critical_is_what_the_text_says() -> None:
    said = {
        f"{prefix}{action.name}.{guard.name}"
        for prefix, machine in (("", replication), ("durability/", durability))
        for action in machine.actions.values()
        for guard in check(machine, action).guards
        if guard.safety_critical
    }
    found = {each.name for each in catalogue().values() if each.kind is Kind.GUARD and each.is_critical}
    assert said == {each for each in found if not each.startswith("kip320/")}


@pytest.mark.parametrize("name", [each.name for each in catalogue().values() if each.kind is not Kind.CONJUNCT])
def test_every_variant_changes_what_there_is(name: str) -> None:
    variant = variant_named(name)
    for search in variant.searches:
        machine = machine_of(variant, search)
        for each in variant.changes:
            if isinstance(each, LeftOut):
                assert each.action in machine.actions
                check(machine, machine.actions[each.action])  # raises if it had no such guard


def test_a_conjunct_that_says_that_there_is_a_value_is_known() -> None:
    traced = check(replication, replication.actions["controller_adds"])
    found = [LeftOut("controller_adds", "the_leader_asked", number) for number in (1, 2)]
    assert [each.says_that_there_is_one(traced) for each in found] == [True, False]


def test_unknown_variants_are_refused_with_those_alike() -> None:
    with pytest.raises(UnknownVariantError, match=r"controller_elects\.it_has_a_session"):
        variant_named("controller_elects.nix")
    with pytest.raises(UnknownVariantError, match="n-1/it_never_lags"):
        variant_named("n-1/nix")
    with pytest.raises(UnknownVariantError, match="did you mean truncate-to-hw"):
        variant_named("truncate-hw")
    with pytest.raises(UnknownVariantError, match="--list"):
        variant_named("?")
    assert variant_named("N-1/it_never_lags").name == "n-1/it_never_lags"


# -- counterexamples -------------------------------------------------------------------------------------------------


def test_an_unclean_election_loses_what_was_committed(unclean: Refutation) -> None:
    assert (unclean.verdict, unclean.kind) == (Verdict.REFUTED, Kind.GUARD)
    assert unclean.counterexample is not None
    assert unclean.counterexample.level == len(unclean.counterexample.steps) + 1


def test_the_counterexample_runs_but_for_the_guard(unclean: Refutation) -> None:
    assert unclean.counterexample is not None
    state = values.initial(replication, unclean.counterexample.search.sizes)
    illegal = set()
    for name, arguments in unclean.counterexample.steps:
        step = replication.actions[name].apply(state, **arguments)
        illegal |= {f"{name}.{guard.name}" for guard in step.guards if not guard.holds}
        state = step.effect()
    assert illegal == guards_that_fail(variant_named(UNCLEAN).changes) == {UNCLEAN}
    replay(unclean)


def test_what_is_no_counterexample_is_refused(unclean: Refutation) -> None:
    assert unclean.counterexample is not None
    data = unclean.as_data()
    with pytest.raises(NotACounterexampleError, match="does not break"):
        replay(Refutation.of_data({**data, "steps": data["steps"][:-1]}))
    with pytest.raises(NotACounterexampleError, match="it was elected"):
        replay(Refutation.of_data({**data, "steps": [["become_leader", {"replica": 0, "version": 1}]]}))


def test_a_refutation_is_data(unclean: Refutation) -> None:
    read = Refutation.of_data(json.loads(json.dumps(unclean.as_data())))
    assert read.as_data() == unclean.as_data()


def too_small_to_go_wrong(*proved_in: str) -> Variant:
    search = Search(LAST, sizes(replicas=1, log=1, epochs=1))
    return evolve(variant_named(UNCLEAN), searches=(search,), proved_in=proved_in)


def test_what_is_neither_is_said_to_be_undecided() -> None:
    found = refute(too_small_to_go_wrong())
    assert (found.verdict, found.counterexample, found.open) == (Verdict.UNDECIDED, None, ())


def test_a_search_that_ended_at_its_limit_is_told() -> None:
    search = Search(LAST, sizes(replicas=2, log=1, epochs=1))
    found = refute(evolve(variant_named(UNCLEAN), searches=(search,), proved_in=()), states=1)
    assert (found.verdict, found.limited) == (
        Verdict.UNDECIDED,
        (", ".join(f"{n} {s}" for n, s in search.sizes.items()),),
    )
    assert Refutation.of_data(json.loads(json.dumps(found.as_data()))).limited == found.limited
    assert refute(too_small_to_go_wrong()).limited == ()


@pytest.mark.deep
def test_of_what_is_undecided_it_is_said_what_is_open() -> None:
    found = refute(too_small_to_go_wrong(LAST))
    assert found.verdict is Verdict.UNDECIDED
    assert found.open


def test_a_guard_that_follows_from_the_others_is_redundant() -> None:
    # What is not decided is of no leader epoch, and so of none that anybody is in.
    assert open_without(LeftOut("leader_learns_isr", "it_was_decided"), (LAST,)) == ()


@pytest.mark.deep
def test_what_is_redundant_is_proved_without_it() -> None:
    variant = variant_named("controller_fences.it_has_a_session")
    found = refute(variant)
    assert (found.verdict, found.counterexample) == (Verdict.REDUNDANT, None)


def test_several_run_side_by_side_and_come_back_in_order() -> None:
    told: list[tuple[str, int]] = []
    names = ["unclean-election", "acks-1"]
    found = refute_all(names, workers=2, show=lambda newest, done: told.append((newest.variant, done)))
    assert [(each.variant, each.verdict) for each in found] == [(name, Verdict.REFUTED) for name in names]
    assert sorted(name for name, _done in told) == sorted(names)
    assert [done for _name, done in told] == [1, 2]


# -- what is shown of one --------------------------------------------------------------------------------------------


def test_a_counterexample_is_drawn_and_written(unclean: Refutation) -> None:
    assert unclean.counterexample is not None
    story = diagram.story(replication, unclean.counterexample.search.sizes, unclean.counterexample.steps)
    drawn = ET.fromstring(diagram.as_svg(story, "unclean <election>"))
    texts = [each.text or "" for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "unclean <election>" in texts
    assert [text.split(". ")[0] for text in texts if text.split(". ")[0].isdigit()] == [
        str(number) for number in range(1, len(story.steps) + 1)
    ]
    trace = diagram.as_itf(replication, story)
    assert len(trace["states"]) == len(story.steps) + 1
    assert set(trace["vars"]) == trace["states"][0].keys() - {"#meta"}
    read = itf_py.trace_from_json(json.loads(json.dumps(trace)))
    assert [each.values["step"] for each in read.states] == ["", *(each.title for each in story.steps)]
    assert read.states[-1].values["isr"] == story.steps[-1].state.isr.members


def test_records_are_told_in_words() -> None:
    variant = variant_named("truncate-to-hw")
    machine = machine_of(variant, variant.searches[0])
    told = diagram.story(machine, variant.searches[0].sizes, [("controller_elects", {"replica": 1})])
    assert "requests[0]: leader 1, isr {0, 1}" in told.steps[0].changes["controller"]


# -- the command -----------------------------------------------------------------------------------------------------


def tidegauge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.cli", "refute", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_json() -> None:
    done = tidegauge(UNCLEAN, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["variant"], found["verdict"]) == (UNCLEAN, "refuted")
    assert found["level"] == len(found["steps"]) + 1


def test_the_command_tells_a_design_and_its_history() -> None:
    done = tidegauge("acks-1")
    assert done.returncode == 0, done.stderr
    assert "In Kafka the producer's default until 3.0 (KIP-679)" in done.stdout
    assert "ACKED-IS-COMMITTED breaks with step 4:" in done.stdout


def test_the_command_without_a_variant_says_what_to_do() -> None:
    done = tidegauge()
    assert (done.returncode, done.stdout) == (2, "")
    assert "tidegauge refute --list" in done.stderr


def test_the_command_lists_designs_assumptions_and_guards() -> None:
    done = tidegauge("--list")
    lines = done.stdout.splitlines()
    for name in ("expand-without-epoch-start", "n-1/it_never_lags", UNCLEAN):
        assert f"  {name}: {catalogue()[name].about}" in lines
    assert "Theorems without one of their assumptions:" in lines
    assert not any("conjunct" in each for each in lines)
