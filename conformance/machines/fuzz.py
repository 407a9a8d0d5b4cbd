"""`tidegauge fuzz`: generated sequences until time is up or a rule is broken.

Rounds of sequences are run one after the other, each round with the next seed; Hypothesis shrinks what breaks a rule
and keeps it in an example database, so that the next run begins with it. What is printed is operations a minute and
the outcomes of the model that were reached; an outcome that was never reached is named, because a rule that nothing
ever came to has not been tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import define, field, frozen
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky

from conformance.engine import Bench
from conformance.machines.actor import Violation
from conformance.machines.machine import HarnessBroken, Plan, ShrinkingTime, Tally, TimeIsUp, explore, machine
from conformance.machines.script import Script
from conformance.machines.sequences import minimised, tolerated_of
from model.catalogue import families
from model.reference.outcomes import OUTCOMES

STEPS_MOST = 60
SEQUENCES_A_ROUND = 10
"""From its eleventh on, Hypothesis makes five of six by changing little of the one before: too much alike here."""
SHOWN_EVERY_S = 0.2
SHRINKING_MOST_S = 60.0
"""A failing sequence with faults in it takes long to shrink: the smallest of those seen by then is reported."""
MINIMISING_MOST_S = 60.0
"""For leaving out, at the end, the steps that are not needed."""
DATABASE = Path(".tidegauge/examples")


NOT_NEEDED: Mapping[str, str] = {
    "connection.awaited": "only a broker whose socket.request.max.bytes was raised takes frames of such a length",
    "find_coordinator.not_yet": "a broker may say so while it starts, and sequences ask then; it need not",
    "init_producer_id.not_yet": "a broker may say so while it starts, and sequences ask then; it need not",
}
"""Outcomes that a good broker may never have, and why: not to have reached them is no gap of a run."""


@frozen
class FuzzReport:
    """What a run of `fuzz` did."""

    operations: int
    sequences: int
    seconds: float
    reached: frozenset[str]
    unsupported: tuple[str, ...]
    script: Script | None
    """The smallest failing sequence found; None: nothing was found."""
    repeatable: bool = True
    """False if the failure was seen but did not come again when its steps were run once more."""
    given_up: Mapping[str, int] = field(factory=dict)
    """How many sequences were ended before their time, by reason."""
    fault_failed: str | None = None
    """How a fault failed that the target offers, which ended the run."""

    @property
    def per_minute(self) -> float:
        """Operations a minute."""
        return self.operations / self.seconds * 60 if self.seconds else 0.0

    @property
    def never_reached(self) -> tuple[str, ...]:
        """The outcomes of the model that no operation came to, but for those that a broker need not have."""
        return tuple(sorted(OUTCOMES.keys() - self.reached - NOT_NEEDED.keys()))


@frozen
class Progress:
    """How far a run is, for whoever shows it."""

    operations: int
    sequences: int
    seconds: float
    reached: int
    found: str | None
    """What was found to be wrong; it is being shrunk."""


def run(
    bench: Bench,
    *,
    minutes: float,
    seed: int,
    only: Iterable[str] = (),
    faults: bool = True,
    deviations: Iterable[str] = (),
    database: Path | None = DATABASE,
    show: Callable[[Progress], None] = lambda _progress: None,
) -> FuzzReport:
    """Fuzz a target.

    Args:
        bench: the running target.
        minutes: after this long no further sequence is begun.
        seed: the first round's; the same seed on the same target makes the same sequences.
        only: families; none given means all.
        faults: restart and kill the broker now and then, where the target allows.
        deviations: requirements that the target is known to break; a sequence ends where one of them steers it away.
        database: folder of the examples that failed before; None: none is kept.
        show: called a few times a second.
    """
    chosen = frozenset(only) or frozenset(family.name for family in families())
    plan = Plan(chosen, STEPS_MOST, faults, tolerated_of(deviations))
    clock = _Clock(Tally(), minutes * 60, show)
    last_seed = _rounds(bench, plan, clock, seed, database)
    return _report(bench, plan, clock, last_seed)


@define
class _Clock:
    """How long a run goes on, and who is shown how far it is."""

    tally: Tally
    seconds: float
    show: Callable[[Progress], None]
    started: float = field(factory=time.monotonic)
    shown: float = field(factory=time.monotonic)
    shrinking: ShrinkingTime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.shrinking = ShrinkingTime(self.tally, SHRINKING_MOST_S)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def goes_on(self) -> bool:
        """Whether there is time left: for the run, or for shrinking what was found."""
        now = time.monotonic()
        tally = self.tally
        if now - self.shown > SHOWN_EVERY_S:
            self.shown = now
            found = str(tally.found.violation) if tally.found is not None else None
            self.show(Progress(tally.operations, tally.sequences, self.elapsed, len(tally.reached), found))
        return self.shrinking.is_left() and (tally.found is not None or self.elapsed < self.seconds)


def _rounds(bench: Bench, plan: Plan, clock: _Clock, seed: int, database: Path | None) -> int:
    """Run rounds until time is up or a rule is broken; the seed of the last round is returned."""
    examples = DirectoryBasedExampleDatabase(str(database)) if database is not None else None
    try:
        while clock.goes_on():
            explore(machine(bench, plan, clock.tally, clock.goes_on), plan, SEQUENCES_A_ROUND, seed, examples)
            seed += 1
    except (TimeIsUp, HarnessBroken):
        pass
    except (Violation, Flaky):
        if clock.tally.found is None:
            raise
    return seed


def _report(bench: Bench, plan: Plan, clock: _Clock, seed: int) -> FuzzReport:
    tally = clock.tally
    script = None
    if tally.found is not None:
        script = Script.of(tally.found, bench.target.name, bench.profile.name, seed)
        if tally.fault_failed is None:
            script = minimised(bench, script, plan.tolerated, MINIMISING_MOST_S)
    return FuzzReport(
        tally.operations,
        tally.sequences,
        clock.elapsed,
        frozenset(tally.reached),
        tuple(sorted(tally.unsupported)),
        script,
        tally.failures != 1,
        dict(tally.given_up),
        tally.fault_failed,
    )
