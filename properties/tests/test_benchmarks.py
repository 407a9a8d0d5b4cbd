"""The benchmark of exploration and proof runs; what it measures is no part of a test."""

from __future__ import annotations

from model.machines.published import base
from properties.benchmarks import TLC_STATES_A_SECOND, exploration


def test_an_exploration_is_measured() -> None:
    figures = exploration(base.sizes(replicas=2, log=2, records=2, epochs=1), rounds=1, workers=1)
    assert figures["distinct"] == 957
    assert figures["states_a_second"] > 0
    assert figures["times_tlc_recorded"] == round(figures["states_a_second"] / TLC_STATES_A_SECOND, 1)
