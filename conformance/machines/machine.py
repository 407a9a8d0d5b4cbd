"""The Hypothesis state machine: draws steps, and lets an actor perform them.

One rule for each kind of step, one for several steps in flight together, and one for a fault where the target allows.
Every sequence has topics and producers of its own, so that a failure can be shrunk by running parts of it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import define, field, frozen
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from conformance.engine import Bench
from conformance.machines import registered
from conformance.machines.actor import FAULT, Act, Actor, Violation
from conformance.machines.steps import KINDS, Kind, Step
from conformance.session import now_ms

CONNECTIONS = st.integers(0, 2)
FAULTS = ("restart", "kill")


@frozen
class Found:
    """A sequence that breaks a rule: its steps, fault steps among them, and what was wrong at the end of it."""

    acts: tuple[Act, ...]
    violation: Violation
    started_ms: int


@define
class Tally:
    """What has been done so far, over all sequences."""

    operations: int = 0
    sequences: int = 0
    reached: Counter[str] = field(factory=Counter)
    unsupported: Counter[str] = field(factory=Counter)
    judged: set[str] = field(factory=set)
    """The requirements whose rules were consulted."""
    found: Found | None = None
    """The last failing sequence: the smallest, once Hypothesis has shrunk it."""
    failures: int = 0
    """How many sequences have failed, shrinking included."""


@frozen
class Plan:
    """How sequences are to be made."""

    families: frozenset[str]
    steps_most: int = 25
    faults: bool = False
    tolerated: frozenset[str] = frozenset()


def kinds_for(families: Iterable[str]) -> list[Kind]:
    """The kinds of step about any of these families."""
    registered.load()
    wanted = set(families)
    return [each for each in KINDS.values() if each.families & wanted]


def _steps_of(kind: Kind) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(kind.name), st.fixed_dictionaries(dict(kind.arguments)), CONNECTIONS)


def machine(
    bench: Bench, plan: Plan, tally: Tally, goes_on: Callable[[], bool] = lambda: True
) -> type[RuleBasedStateMachine]:
    """A state machine on this bench. Steps are passed over once `goes_on` says no (time is up)."""
    kinds = kinds_for(plan.families)
    steps = st.one_of(*(_steps_of(each) for each in kinds))
    can = bench.target.faults.actions if bench.target.faults is not None else frozenset()
    faults = [each for each in FAULTS if each in can] if plan.faults else []

    class Sequences(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.actor = Actor(bench, plan.tolerated)
            self.fault: str | None = None
            self.fault_after = 0
            self.started_ms = now_ms()
            tally.sequences += 1

        @initialize(fault=st.sampled_from((None,) * 22 + FAULTS), after=st.integers(3, 12), newest=st.booleans())
        def begin(self, *, fault: str | None, after: int, newest: bool) -> None:
            self.fault = fault if fault in faults else None
            self.fault_after = after
            self.actor.session.highest = newest

        def act(self, steps: Sequence[Step]) -> None:
            if not goes_on():
                return
            if self.fault is not None and len(self.actor.acts) >= self.fault_after:
                # While these steps are under way. One a sequence: a restart takes long.
                steps = [Step(FAULT, {"action": self.fault}), *steps]
                self.fault = None
            _perform(self.actor, steps, tally, self.started_ms)

        @rule(together=st.lists(steps, min_size=2, max_size=4))
        def in_flight_together(self, together: list[Step]) -> None:
            self.act(together)

        def teardown(self) -> None:
            tally.reached.update(self.actor.reached)
            tally.judged |= self.actor.judged
            tally.unsupported.update(self.actor.unsupported)
            self.actor.leave()

    for each in kinds:
        _add_rule(Sequences, each)
    return Sequences


def _perform(actor: Actor, steps: Sequence[Step], tally: Tally, started_ms: int) -> None:
    before = actor.operations
    try:
        actor.act(steps)
    except Violation as violation:
        # The act that failed is part of the story, though it was not kept.
        acts = (*actor.acts, Act(tuple(steps), actor.last))
        tally.failures += 1
        if tally.found is None or len(acts) <= len(tally.found.acts):
            tally.found = Found(acts, violation, started_ms)
        raise
    finally:
        tally.operations += actor.operations - before


def _add_rule(sequences: type[RuleBasedStateMachine], kind: Kind) -> None:
    def perform(self: Any, connection: int, **arguments: Any) -> None:
        self.act([Step(kind.name, arguments, connection)])

    perform.__name__ = kind.name
    arguments: dict[str, Any] = {"connection": CONNECTIONS, **kind.arguments}
    setattr(sequences, kind.name, rule(**arguments)(perform))  # type: ignore[no-untyped-call]


def explore(
    sequences: type[RuleBasedStateMachine],
    plan: Plan,
    examples: int,
    seed_number: int,
    database: ExampleDatabase | None,
) -> None:
    """Run sequences until one breaks a rule or `examples` have been run; a failing one is shrunk.

    Raises:
        Violation: a rule was broken, and by the smallest sequence found.
    """
    run_state_machine_as_test(
        seed(seed_number)(sequences),
        settings=settings(
            max_examples=examples,
            stateful_step_count=plan.steps_most,
            deadline=None,
            database=database,
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        ),
    )
