"""The proof: all obligations, discharged side by side in processes of their own.

Each process reads the machine and its claims for itself, so that nothing of the solver passes between them; what
comes back is what was asked, what was said, and how long it took.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Any

from attrs import frozen

from properties.claims import Claims
from properties.prove.obligations import Answer, Obligation, Purpose, claims_in, discharge, obligations

WORKERS = 2

_REPLICATION = "properties.invariants.replication"
MACHINES = {
    "replication": tuple(
        f"{_REPLICATION}:{each}"
        for each in ("clean", "survivor", "eligible", "acknowledged", "last", "anything", "unassumed")
    ),
    "durability": ("properties.invariants.durability:anything",),
}
"""Where claims about machines are made, by the machine's name: one for each setting of failures and assumptions."""


class UnknownNameError(ValueError):
    """No machine, or no theorem, has this name; lists those there are."""


@frozen
class Proof:
    """What became of the obligations of a machine."""

    machine: str
    answers: tuple[Answer, ...]
    theorems: tuple[str, ...]
    seconds: float

    @property
    def open(self) -> tuple[Answer, ...]:
        """Those that were not discharged."""
        return tuple(each for each in self.answers if not each.is_discharged)

    def obligations_of(self, theorem: str) -> tuple[Answer, ...]:
        """The answers that a theorem rests on: those about the invariant, and its own."""
        own = {Purpose.STEP, Purpose.IMPLIED}
        places = _needed([each for each in MACHINES[self.machine] if theorem in claims_in(each).theorems])
        return tuple(
            each
            for each in self.answers
            if each.obligation.claims in places
            and (each.obligation.purpose not in own or each.obligation.name == theorem)
        )

    def is_proved(self, theorem: str) -> bool:
        """Whether a theorem is proved: nothing that it rests on is open."""
        return all(each.is_discharged for each in self.obligations_of(theorem))

    def as_data(self) -> dict[str, Any]:
        """This proof as JSON data."""
        return {
            "machine": self.machine,
            "obligations": len(self.answers),
            "open": len(self.open),
            "seconds": round(self.seconds, 3),
            "theorems": [
                {"name": each, "proved": self.is_proved(each), "obligations": len(self.obligations_of(each))}
                for each in self.theorems
            ],
        }


@frozen
class Progress:
    """How far a proof is."""

    done: int
    of: int
    open: int
    newest: Answer


def claimed_of(machine: str) -> Mapping[str, Claims]:
    """All claims about a machine, by where they are made.

    Raises:
        UnknownNameError: there are none.
    """
    if machine not in MACHINES:
        raise UnknownNameError(f"nothing is claimed of a machine {machine!r}; there are {', '.join(MACHINES)}")
    return {each: claims_in(each) for each in MACHINES[machine]}


def module_of(machine: str) -> str:
    """Where the claims about a machine are made from which guards are left out, to see what breaks.

    Raises:
        UnknownNameError: there are none.
    """
    return next(place for place, each in claimed_of(machine).items() if each.refuted_at and each.within is None)


def _needed(places: Sequence[str]) -> list[str]:
    """These claims, and the wider ones that they rest on."""
    wider = [within for each in places if (within := claims_in(each).within) is not None]
    return list(dict.fromkeys((*places, *wider)))


def prove(
    machine: str,
    theorem: str | None = None,
    *,
    show: Callable[[Progress], None] = lambda _progress: None,
    workers: int = WORKERS,
) -> Proof:
    """Prove a theorem about a machine, or all of them.

    Raises:
        UnknownNameError: there is no such machine or theorem.
    """
    claims = claimed_of(machine)
    theorems = tuple(dict.fromkeys(name for each in claims.values() for name in each.theorems))
    if theorem is not None and theorem not in theorems:
        raise UnknownNameError(f"no theorem {theorem!r} about {machine}; there are {', '.join(theorems)}")
    began = time.monotonic()
    places = _needed([place for place, each in claims.items() if theorem is None or theorem in each.theorems])
    asked = [each for place in places for each in obligations(place, theorem)]
    answers = _discharged(asked, show, workers)
    chosen = theorems if theorem is None else (theorem,)
    return Proof(machine, tuple(answers), chosen, time.monotonic() - began)


def _discharged(asked: Sequence[Obligation], show: Callable[[Progress], None], workers: int) -> Iterable[Answer]:
    """Ask everything; what stays unknown is asked once more, by processes that were asked nothing before.

    What a solver does depends on what it did before. So each process has its questions from the start, in their order,
    not whichever are left when it is free: the same question is then asked in the same way every time.
    """
    answers: dict[Obligation, Answer] = {}

    def ask_all(questions: Sequence[Obligation]) -> None:
        for done in _asked_side_by_side(questions, workers):
            answers[done.obligation] = done
            failed = sum(not each.is_discharged for each in answers.values())
            show(Progress(len(answers), len(asked), failed, done))

    ask_all(asked)
    ask_all([each for each in asked if answers[each].said == "unknown"])
    return [answers[each] for each in asked]


def _asked_side_by_side(asked: Sequence[Obligation], workers: int) -> Iterator[Answer]:
    # Started afresh, not forked: the solver has threads, and what it holds must not be shared.
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for _ in range(min(workers, len(asked)))
        ]
        try:
            futures = [pools[number % len(pools)].submit(discharge, each) for number, each in enumerate(asked)]
            for done in as_completed(futures):
                yield done.result()
        except BaseException:
            for pool in pools:
                pool.shutdown(cancel_futures=True)
            raise
