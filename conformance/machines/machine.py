"""The Hypothesis state machine: draws steps, and lets an actor perform them.

One rule for each kind of step, one for several steps in flight together, and one for a fault where the target allows.
Every sequence has topics and producers of its own, so that a failure can be shrunk by running parts of it again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from attrs import define, field, frozen
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from conformance.client import NotReady
from conformance.engine import Bench
from conformance.history.explain import SearchGivenUpError
from conformance.machines import generate_history, registered
from conformance.machines.actor import FAULT, Act, Actor, Violation
from conformance.machines.restarting import steps_of_fault
from conformance.machines.steps import KINDS, Kind, Step
from conformance.session import now_ms
from conformance.targets.base import FaultFailedError

CONNECTIONS = st.integers(0, 2)
FAULTS = ("restart", "kill", "elect")
FAULTLESS = 12
"""So many sequences go without a fault for each one with it, of each kind: a restart takes long."""


class TimeIsUp(KeyboardInterrupt):
    """No sequence is begun any more. Hypothesis lets go at once only of what looks like an interrupt from outside."""


class HarnessBroken(KeyboardInterrupt):
    """A fault failed that the target offers. No part of the sequence is run again: a failed fault is no finding."""


@frozen
class Trouble:
    """A fault that is to be done to the broker, and the steps that are taken next to it."""

    action: str
    after: int
    """How many acts go before."""
    again: bool
    """Whether the broker is restarted a second time, before anything was written in its new leader epoch."""
    before: Step | None
    afterwards: tuple[Step, ...]

    def around(self, steps: Sequence[Step]) -> list[Sequence[Step]]:
        """What is done, group by group, when the fault comes while `steps` are under way."""
        before = [[self.before]] if self.before is not None else []
        again = [[Step(FAULT, {"action": "restart"})]] if self.again else []
        return [*before, [Step(FAULT, {"action": self.action}), *steps], *again, *([each] for each in self.afterwards)]


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
    given_up: Counter[str] = field(factory=Counter)
    """Why sequences were ended before their time: nobody could tell any more what was true."""
    fault_failed: str | None = None
    """How a fault failed that the target offers: nothing was run after that."""


@define
class ShrinkingTime:
    """How long a failing sequence may be shrunk; it begins when one is found."""

    tally: Tally
    most_s: float
    found_at: float | None = None

    def is_left(self) -> bool:
        """Whether there is time left; always, as long as nothing was found."""
        if self.tally.found is None:
            return True
        now = time.monotonic()
        self.found_at = self.found_at or now
        return now - self.found_at < self.most_s


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


def _troubles(kinds: Sequence[Kind], actions: Iterable[str]) -> st.SearchStrategy[Trouble | None]:
    """No fault mostly, or one with steps around it that show what it did to logs and epochs."""
    steps = {each.name: _steps_of(each) for each in kinds if each.name in generate_history.NAMES}
    likely = [steps[name] for name in generate_history.NAMES if name in steps]
    afterwards = st.lists(st.one_of(*likely), min_size=4, max_size=12) if likely else st.just([])
    before = steps.get("produce_everywhere", st.none())

    def trouble(action: str | None) -> st.SearchStrategy[Trouble | None]:
        if action is None:
            return st.none()
        again = st.sampled_from((False, False, True))
        return st.builds(Trouble, st.just(action), st.integers(3, 12), again, before, afterwards.map(tuple))

    return st.sampled_from((None,) * FAULTLESS + tuple(actions)).flatmap(trouble)


def _faults(bench: Bench) -> list[str]:
    can = bench.target.faults.actions if bench.target.faults is not None else frozenset()
    return [each for each in FAULTS if can.issuperset(steps_of_fault(each))]


@frozen
class _Stage:
    """Where sequences are performed."""

    bench: Bench
    plan: Plan
    tally: Tally
    goes_on: Callable[[], bool]


class _Sequence(RuleBasedStateMachine):
    """One sequence. What it may be made of is added by `machine`."""

    stage: ClassVar[_Stage]

    def __init__(self) -> None:
        super().__init__()
        self.actor = Actor(self.stage.bench, self.stage.plan.tolerated)
        self.trouble: Trouble | None = None
        self.started_ms = now_ms()
        self.stage.tally.sequences += 1

    def begin(self, *, trouble: Trouble | None, newest: bool) -> None:
        if self.stage.tally.found is None and not self.stage.goes_on():
            raise TimeIsUp
        self.trouble = trouble
        self.actor.session.highest = newest

    def in_flight_together(self, together: list[Step]) -> None:
        self.act(together)

    def act(self, steps: Sequence[Step]) -> None:
        """Perform steps, amid the sequence's fault if its time has come."""
        groups: Sequence[Sequence[Step]] = [steps]
        if self.trouble is not None and len(self.actor.acts) >= self.trouble.after:
            groups = self.trouble.around(steps)
            self.trouble = None  # one a sequence: a restart takes long
        for group in groups:
            if self.stage.goes_on():
                _perform(self.actor, group, self.stage.tally, self.started_ms)

    def teardown(self) -> None:
        self.stage.tally.reached.update(self.actor.reached)
        self.stage.tally.judged |= self.actor.judged
        self.stage.tally.unsupported.update(self.actor.unsupported)
        self.actor.leave()


def machine(
    bench: Bench, plan: Plan, tally: Tally, goes_on: Callable[[], bool] = lambda: True
) -> type[RuleBasedStateMachine]:
    """A state machine on this bench.

    Once `goes_on` says no, steps are passed over, and the next sequence raises TimeIsUp unless one is being shrunk.
    """
    kinds = kinds_for(plan.families)
    steps = st.one_of(*(_steps_of(each) for each in kinds))
    troubles = _troubles(kinds, _faults(bench) if plan.faults else ())
    begin: Any = initialize(trouble=troubles, newest=st.sampled_from((True, True, False)))
    together: Any = rule(together=st.lists(steps, min_size=2, max_size=4))
    own = {
        "stage": _Stage(bench, plan, tally, goes_on),
        "begin": begin(_Sequence.begin),
        "in_flight_together": together(_Sequence.in_flight_together),
    }
    sequences = type("Sequences", (_Sequence,), own)
    for each in kinds:
        _add_rule(sequences, each)
    return sequences


def _perform(actor: Actor, steps: Sequence[Step], tally: Tally, started_ms: int) -> None:
    before = actor.operations
    try:
        actor.act(steps)
    except (SearchGivenUpError, NotReady) as error:
        tally.given_up[str(error)] += 1
        actor.is_lost = True
    except FaultFailedError as error:
        tally.fault_failed = str(error)
        raise HarnessBroken from error
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
        HarnessBroken: a fault failed.
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
