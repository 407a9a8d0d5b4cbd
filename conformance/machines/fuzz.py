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

from attrs import frozen
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky

from conformance.engine import Bench
from conformance.machines.actor import Violation
from conformance.machines.machine import Plan, Tally, explore, machine
from conformance.machines.script import Script
from conformance.machines.sequences import minimised, tolerated_of
from model.catalogue import families
from model.reference.outcomes import OUTCOMES

SEQUENCES_A_ROUND = 100
SHRINKING_MOST_S = 60.0
"""A failing sequence with faults in it takes long to shrink: the smallest of those seen by then is reported."""
MINIMISING_MOST_S = 60.0
"""For leaving out, at the end, the steps that are not needed."""
DATABASE = Path(".tidegauge/examples")


NOT_TRIED: Mapping[str, str] = {
    "delete_records.internal": "the brokers' own topics are left alone",
    "find_coordinator.not_yet": "only while a broker starts; sequences wait until it serves",
    "init_producer_id.not_yet": "only while a broker starts; sequences wait until it serves",
    "keys.answered": "needs a client library; a case does it",
    "keys.located": "needs a client library; a case does it",
    "list_offsets.greatest_deleted": "needs several segments; a case does it",
    "list_offsets.segment_spent": "needs several segments; a case does it",
    "list_offsets.untold": "the broker's stamps are always told, unless an answer was lost",
    "offset_for_leader_epoch.untold": "leader epochs are always told, unless Metadata lacks them",
}
"""Outcomes that generated sequences do not come to, and why."""


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

    @property
    def per_minute(self) -> float:
        """Operations a minute."""
        return self.operations / self.seconds * 60 if self.seconds else 0.0

    @property
    def never_reached(self) -> tuple[str, ...]:
        """The outcomes of the model that no operation came to, but for those that sequences do not try."""
        return tuple(sorted(OUTCOMES.keys() - self.reached - NOT_TRIED.keys()))


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
    tally = Tally()
    chosen = frozenset(only) or frozenset(family.name for family in families())
    plan = Plan(chosen, faults=faults, tolerated=tolerated_of(deviations))
    started = time.monotonic()
    shown = started
    found_at: float | None = None

    def goes_on() -> bool:
        nonlocal shown, found_at
        now = time.monotonic()
        if now - shown > 0.2:
            shown = now
            found = str(tally.found.violation) if tally.found is not None else None
            show(Progress(tally.operations, tally.sequences, now - started, len(tally.reached), found))
        if tally.found is None:
            return now - started < minutes * 60
        found_at = found_at or now
        return now - found_at < SHRINKING_MOST_S

    examples = DirectoryBasedExampleDatabase(str(database)) if database is not None else None
    round_seed = seed
    try:
        while goes_on():
            explore(machine(bench, plan, tally, goes_on), plan, SEQUENCES_A_ROUND, round_seed, examples)
            round_seed += 1
    except (Violation, Flaky):
        if tally.found is None:
            raise
    script = None
    if tally.found is not None:
        script = Script.of(tally.found, bench.target.name, bench.profile.name, round_seed)
        script = minimised(bench, script, plan.tolerated, MINIMISING_MOST_S)
    return FuzzReport(
        tally.operations,
        tally.sequences,
        time.monotonic() - started,
        frozenset(tally.reached),
        tuple(sorted(tally.unsupported)),
        script,
        tally.failures != 1,
    )
