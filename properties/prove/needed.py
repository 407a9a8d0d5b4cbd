"""Which clauses of an invariant are needed: what is open without each of them.

Every obligation is asked once more, to learn from which facts it follows. A clause from which nothing else follows is
redundant. For another, the obligations that use it are asked without it, one after the other: if all follow from the
other facts, it is redundant as well; else it is needed, by the first that was not shown with limited effort.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from attrs import frozen

from properties.prove.asking import ask, used
from properties.prove.obligations import Obligation, Purpose, asked_for, claims_in, obligations

WAYS_MOST = 5
"""So many ways of asking are tried without a clause, and to learn what is used."""


@frozen
class Need:
    """What became of a clause: the obligation that is open without it; none: it is redundant."""

    clause: str
    by: Obligation | None


def used_by(obligation: Obligation) -> tuple[Obligation, frozenset[str] | None]:
    """The facts from which an obligation follows; None: that is not known."""
    asked = asked_for(obligation)
    return obligation, frozenset() if asked is None else used(asked, WAYS_MOST)


def need(clause: str, users: Sequence[Obligation]) -> Need:
    """Ask the obligations that use a clause without it, until one is open."""
    for each in users:
        asked = asked_for(each)
        assert asked is not None, "what is untouched uses nothing"
        said, _way, _model = ask(asked.without(clause), WAYS_MOST)
        if said != "unsat":
            return Need(clause, each)
    return Need(clause, None)


def needs(places: Sequence[str], show: Callable[[int, int], None], workers: int) -> Iterator[Need]:
    """What each clause of these claims is needed for.

    Args:
        places: where the claims are made.
        show: told how many steps are done, and of how many.
        workers: processes.
    """
    asked = [each for place in places for each in obligations(place) if each.purpose is not Purpose.SOMETIMES]
    clauses = list(dict.fromkeys(name for place in places for name in claims_in(place).clauses))
    steps = len(asked) + len(clauses)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        users: dict[str, list[Obligation]] = {each: [] for each in clauses}
        for done, (obligation, facts) in enumerate(pool.map(used_by, asked, chunksize=8), 1):
            for each in clauses if facts is None else facts & users.keys():
                if each != obligation.name:  # that it keeps itself needs nobody, if nobody needs it
                    users[each].append(obligation)
            show(done, steps)
        futures = [pool.submit(need, each, _likely_first(found)) for each, found in users.items()]
        for done, future in enumerate(as_completed(futures), len(asked) + 1):
            show(done, steps)
            yield future.result()


def _likely_first(users: Sequence[Obligation]) -> Sequence[Obligation]:
    """Those first that are quick to fail: what follows in a state, before what a step keeps."""
    return sorted(users, key=lambda each: each.purpose is Purpose.KEPT)


def as_data(found: Sequence[Need]) -> Sequence[Mapping[str, str | None]]:
    """Needs as JSON data."""
    return [{"clause": each.clause, "needed_by": each.by.about if each.by is not None else None} for each in found]
