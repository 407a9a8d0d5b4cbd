"""Refutation: guards are left out one by one, counterexamples are shortest and run, and what is redundant is said."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import itf_py
import pytest

from model.machines.replication import replication, sizes
from model.readings import values
from properties.prove.engine import module_of
from properties.prove.obligations import claims_in
from properties.refute import diagram
from properties.refute.engine import Refutation, Verdict, refute
from properties.refute.variants import UnknownVariantError, variant, variants

MODULE = module_of("replication")
MACHINE = claims_in(MODULE).machine
UNCLEAN = "controller_elects.it_is_in_the_isr"


@pytest.fixture(scope="module")
def unclean() -> Refutation:
    return refute(MODULE, variant(MACHINE, UNCLEAN))


def test_every_guard_and_every_conjunct_is_a_variant() -> None:
    found = variants(MACHINE)
    assert UNCLEAN in found
    assert {f"follower_copies.it_follows.{number}" for number in range(1, 5)} <= found.keys()
    assert "follower_copies.it_follows" in found


def test_an_unclean_election_loses_what_was_committed(unclean: Refutation) -> None:
    assert unclean.verdict is Verdict.REFUTED
    assert unclean.violation is not None
    assert unclean.violation.level == len(unclean.violation.steps) + 1


def test_the_counterexample_runs_but_for_the_guard(unclean: Refutation) -> None:
    assert unclean.violation is not None
    assert unclean.sizes is not None
    theorem = claims_in(MODULE).theorems[unclean.theorem or ""]
    state = values.initial(replication, unclean.sizes)
    illegal = []
    broken = False
    for name, arguments in unclean.violation.steps:
        step = replication.actions[name].apply(state, **arguments)
        illegal += [f"{name}.{guard.name}" for guard in step.guards if not guard.holds]
        after = step.effect()
        broken = (theorem.of_step is not None and not theorem.of_step(state, after)) or (
            theorem.of_state is not None and not theorem.of_state(after)
        )
        state = after
    assert set(illegal) == {UNCLEAN}
    assert broken


@pytest.mark.deep
def test_what_is_redundant_is_proved_without_it() -> None:
    found = refute(
        MODULE, variant(MACHINE, "controller_fences.it_has_a_session"), sizes=[sizes(replicas=2, log=1, epochs=1)]
    )
    assert (found.verdict, found.theorem, found.violation) == (Verdict.REDUNDANT, None, None)


def test_what_is_neither_is_said_to_be_undecided() -> None:
    # Too small to go wrong, and too much left out to be proved.
    found = refute(MODULE, variant(MACHINE, UNCLEAN), sizes=[sizes(replicas=1, log=1, epochs=1)])
    assert found.verdict is Verdict.UNDECIDED
    assert found.open


def test_unknown_variants_are_refused_with_those_alike() -> None:
    with pytest.raises(UnknownVariantError, match=r"controller_elects\.it_has_a_session"):
        variant(MACHINE, "controller_elects.nix")
    with pytest.raises(UnknownVariantError, match="there are controller_fences"):
        variant(MACHINE, "nix")


def test_a_counterexample_is_drawn_and_written(unclean: Refutation) -> None:
    assert unclean.violation is not None
    assert unclean.sizes is not None
    story = diagram.story(replication, unclean.sizes, unclean.violation.steps)
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


def tidegauge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.cli", "refute", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_json() -> None:
    done = tidegauge(UNCLEAN, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["variant"], found["verdict"]) == (UNCLEAN, "refuted")
    assert found["level"] == len(found["steps"]) + 1


def test_the_command_without_a_variant_says_what_to_do() -> None:
    done = tidegauge()
    assert (done.returncode, done.stdout) == (2, "")
    assert "tidegauge refute --list" in done.stderr
