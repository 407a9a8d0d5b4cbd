"""How long a fetch may take: `max.wait.ms` and `fetch.min.bytes`, the long poll.

A fetch that finds too little waits for more, at most `max_wait_ms`, and is answered as soon as there is enough. How
long it took is known from the client's clock, so every bound is generous towards the broker.

Not modelled: quotas. What is readable is taken from the state when the answer is judged, so that records that
arrived during the wait count.

Source: ReplicaManager.fetchMessages, DelayedFetch.tryComplete, KafkaApis.handleFetchRequest (`fetchMinBytes`).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from model.reference.operations import Fetch
from model.reference.outcomes import Between, Expect, Meets

AT_ONCE_MS = 4_000
"""What counts as "at once", on a machine that may be busy."""
LATE_MS = 5_000
"""By how much a broker may exceed `max_wait_ms`."""
EARLY_PART = 0.1
"""By which part of `max_wait_ms` a broker may fall short of it: timers tick, and clocks differ."""

NOT_KNOWN_AT_ONCE = ("fetch.unknown_partition", "fetch.unknown_topic_id")
"""Refusals that do not end Kafka's wait for the other partitions of the request."""


@frozen
class Volume:
    """What one partition brings to a fetch: its refusal, or bytes that can be returned."""

    refused: str | None = None
    least: int = 0
    """Bytes within the limits."""
    most: int | None = 0
    """Bytes if its first batch goes past the limits; None: not known."""
    fits: bool = False
    """Whether all that could be returned is within the limits."""
    is_in_one_segment: bool = True


@frozen
class Waited:
    """How long an answer took, and how much it brought."""

    ms: float
    bytes: int


def wait_of(operation: Fetch, volumes: Sequence[Volume]) -> tuple[Expect, ...]:
    """Bounds on the time that the answer took."""
    no_later = Expect("waited_ms", Between(None, max(0, operation.max_wait_ms) + LATE_MS), "LOG-23", vital=False)
    refused = [each.refused for each in volumes if each.refused is not None]
    if refused:
        ends_wait = len(refused) == len(volumes) or any(name not in NOT_KNOWN_AT_ONCE for name in refused)
        return (no_later, _at_once("LOG-25")) if ends_wait else (no_later,)
    wanted = min(operation.min_bytes, operation.max_bytes)
    if wanted <= 0 or operation.max_wait_ms <= 0:
        return (_at_once("LOG-24"),)
    expects = [no_later]
    if sum(each.least for each in volumes) >= wanted:
        expects.append(_at_once("LOG-24"))
    if _must_wait(volumes, wanted, operation.max_bytes):
        expects.append(_waits(operation.max_wait_ms, wanted))
    return tuple(expects)


def _at_once(requirement: str) -> Expect:
    return Expect("waited_ms", Between(None, AT_ONCE_MS), requirement, vital=False)


def _must_wait(volumes: Sequence[Volume], wanted: int, max_bytes: int) -> bool:
    """Whether an early answer must bring the bytes wanted.

    Kafka reads one segment at a time and answers at once when there is more after it. With several partitions it
    counts batches that then have no room, so that it waits for certain only if there is too little altogether, or room
    for all.
    """
    if not all(each.is_in_one_segment for each in volumes):
        return False
    most = [each.most for each in volumes]
    total = None if None in most else sum(size for size in most if size is not None)
    if len(volumes) == 1:
        return True
    return total is not None and (total < wanted or (total <= max_bytes and all(each.fits for each in volumes)))


def _waits(max_wait_ms: int, wanted: int) -> Expect:
    least_ms = max_wait_ms * (1 - EARLY_PART) - 1

    def holds(seen: object) -> bool:
        return isinstance(seen, Waited) and (seen.ms >= least_ms or seen.bytes >= wanted)

    return Expect("wait", Meets(f"{wanted} bytes, or a wait of {max_wait_ms} ms", holds), "LOG-22", vital=False)
