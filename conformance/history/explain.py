"""Explaining what was seen: the order in which a broker took operations, and which lost ones it took among them.

An operation whose answer never came may have taken effect, may take effect later, or never. It is kept as a
*pending* operation; it lands only when an answer can't be explained without it. That is enough because a pending
effect that no answer depends on can as well land later, and it spares us an enumeration of possible worlds. Only where
something must have landed, and it is open what, are several accounts kept until an answer tells.

Operations in flight at once on several connections may have been taken in any order that keeps each connection's
own order (a broker answers the requests of one connection in turn). The search tries orders until the model allows
every answer; none left means that the broker broke a rule.

Not here: real-time order between groups of operations. A group is judged only when all its answers are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, field, frozen

from conformance.session import Answered, Outcome, Unanswered, Unknown
from conformance.wire.connection import Exchange
from model.profiles import Profile
from model.reference.operations import Operation, Produce, ProduceUnanswered
from model.reference.oracle import Context, allowed
from model.reference.outcomes import Finding, Mismatch, judge
from model.reference.state import Cluster, Partition

STATES_MOST = 5_000
"""How many partial explanations are looked at before a search is given up."""


MORE_LANDINGS = 1
"""How many more than the fewest pending operations are let land, once some must."""

WORLDS_MOST = 64
"""How many accounts are kept."""


TIMES = frozenset({"waited_ms", "wait"})
"""The fields that say how long an answer took."""


class SearchGivenUpError(Exception):
    """Too many orders were possible: nothing was decided about these answers."""


@frozen
class Sent:
    """An operation as it was sent."""

    operation: Operation
    version: int
    connection: str
    sent_ms: int
    restarts: int = 0
    """How often the broker had been restarted when it was sent."""
    in_turn: bool = False
    """No answer is due, but the connection still lives: a later answer on it means that this one was taken."""


@frozen
class Event:
    """An operation and what came of it."""

    sent: Sent
    outcome: Outcome
    answered_ms: int
    exchange: Exchange | None = None

    def untimed(self) -> Event:
        """This event without how long its answer took: it was read some time after it came."""
        if not isinstance(self.outcome, Answered):
            return self
        sections = tuple(
            {name: each for name, each in one.items() if name not in TIMES} for one in self.outcome.sections
        )
        return evolve(self, outcome=Answered(sections))


@frozen
class World:
    """What the model holds true, and the operations that may still take effect, oldest first."""

    cluster: Cluster
    pending: tuple[Sent, ...] = ()

    def without_connection(self, connection: str) -> World:
        """The world after a connection was lost: nothing on it is due any more."""
        lost = (evolve(each, in_turn=False) if each.connection == connection else each for each in self.pending)
        return evolve(self, pending=tuple(lost))


@frozen
class Explanation:
    """A world that accounts for every answer, and the outcomes that were taken on the way."""

    world: World
    findings: tuple[tuple[Event, tuple[Finding, ...]], ...] = ()
    landed: tuple[Sent, ...] = ()
    landings_left: int = 0
    """How many more pending operations may land."""


@frozen
class _Search:
    profile: Profile
    tolerated: frozenset[str]
    budget: list[int] = field(factory=lambda: [STATES_MOST])

    def explanations(self, so_far: Explanation, queues: tuple[tuple[Event, ...], ...]) -> Iterator[Explanation]:
        """Every way to account for the events that remain, those without landings first."""
        self.budget[0] -= 1
        if self.budget[0] < 0:
            raise SearchGivenUpError(f"more than {STATES_MOST:,} possible orders")
        if not any(queues):
            yield so_far
            return
        for index, queue in enumerate(queues):
            if queue and not _due_first(so_far.world, queue[0]):
                after = self.take(so_far, queue[0])
                if after is not None:
                    yield from self.explanations(after, (*queues[:index], queue[1:], *queues[index + 1 :]))
        if so_far.landings_left == 0:
            return
        for place in range(len(so_far.world.pending)):
            for after in self.land(so_far, place):
                yield from self.explanations(after, queues)

    def take(self, so_far: Explanation, event: Event) -> Explanation | None:
        """One answer, if the model allows it from here. An operation without an answer is pending from here on."""
        world = so_far.world
        if not isinstance(event.outcome, Answered):
            sent = evolve(event.sent, in_turn=isinstance(event.outcome, Unanswered))
            return evolve(so_far, world=evolve(world, pending=(*world.pending, sent)))
        findings, cluster = judged(world.cluster, event, self.profile)
        if any(broken(finding, self.tolerated) for finding in findings):
            return None
        return evolve(so_far, world=evolve(world, cluster=cluster), findings=(*so_far.findings, (event, findings)))

    def land(self, so_far: Explanation, place: int) -> Iterator[Explanation]:
        """A pending operation takes effect, in each way that the model permits."""
        world = so_far.world
        sent = world.pending[place]
        if any(each.in_turn and each.connection == sent.connection for each in world.pending[:place]):
            return
        rest = (*world.pending[:place], *world.pending[place + 1 :])
        for cluster in landings(world.cluster, sent, self.profile):
            yield evolve(
                so_far,
                world=World(cluster, rest),
                landed=(*so_far.landed, sent),
                landings_left=so_far.landings_left - 1,
            )


def landings(cluster: Cluster, sent: Sent, profile: Profile) -> Iterator[Cluster]:
    """The clusters in which a lost operation has taken effect, one for each way that the model permits.

    What was sent before a restart was appended under the leader before it, whose epoch may not be known any more.
    """
    is_old = sent.restarts < cluster.restarts
    places = _places(sent.operation)
    before = cluster
    if is_old:
        cluster = _patched(cluster, places, lambda _place, partition: evolve(partition, leader_epoch=None))
    clusters = [cluster]
    for section in allowed(cluster, sent.operation, Context(profile, sent.version, sent.sent_ms, sent.sent_ms)):
        clusters = [choice.then(each, {}) for each in clusters for choice in section.choices]

    def led_anew(place: tuple[str, int], partition: Partition) -> Partition:
        former = before.partition(*place)
        epoch = former.leader_epoch if former is not None else None
        return evolve(partition, leader_epoch=epoch, current_epoch_start=partition.log_end_offset)

    yield from (_patched(each, places, led_anew) if is_old else each for each in clusters)


def _patched(
    cluster: Cluster, places: Sequence[tuple[str, int]], change: Callable[[tuple[str, int], Partition], Partition]
) -> Cluster:
    """The cluster with some of its partitions changed."""
    for place in places:
        partition = cluster.partition(*place)
        if partition is not None:
            cluster = cluster.with_partition(*place, change(place, partition))
    return cluster


def _rivals(found: Explanation, events: Sequence[Event]) -> int:
    """How many operations that are still pending write where something was appended that no answer places."""
    unplaced = (*found.landed, *(each.sent for each in events if isinstance(each.sent.operation, ProduceUnanswered)))
    places = {place for sent in unplaced for place in _places(sent.operation)}
    return sum(not places.isdisjoint(_places(sent.operation)) for sent in found.world.pending)


def _places(operation: Operation) -> list[tuple[str, int]]:
    """The partitions that a produce writes to."""
    produce = operation.produce if isinstance(operation, ProduceUnanswered) else operation
    return [(each.topic, each.partition) for each in produce.parts] if isinstance(produce, Produce) else []


def _due_first(world: World, event: Event) -> bool:
    """Whether an unanswered operation must have been taken before this answer, which came on its connection."""
    return isinstance(event.outcome, Answered) and any(
        each.in_turn and each.connection == event.sent.connection for each in world.pending
    )


def broken(finding: Finding, tolerated: frozenset[str]) -> tuple[Mismatch, ...]:
    """The mismatches of a finding that are not tolerated."""
    return tuple(mismatch for mismatch in finding.mismatches if mismatch.requirement not in tolerated)


def judged(cluster: Cluster, event: Event, profile: Profile) -> tuple[tuple[Finding, ...], Cluster]:
    """How the model judges an answer from a given cluster, and the cluster after it."""
    if not isinstance(event.outcome, Answered):
        raise TypeError("only an answer can be judged")
    context = Context(profile, event.sent.version, event.sent.sent_ms, event.answered_ms)
    findings = []
    sections = allowed(cluster, event.sent.operation, context)
    for section, values in zip(sections, event.outcome.sections, strict=True):
        finding = judge(section, values)
        findings.append(finding)
        cluster = finding.outcome.then(cluster, values)
    return tuple(findings), cluster


def explain(
    worlds: Sequence[World], events: Sequence[Event], profile: Profile, tolerated: frozenset[str] = frozenset()
) -> tuple[Explanation, ...]:
    """The accounts of a group of operations that were in flight together; none if the model allows none.

    As few pending operations land as will do. Where some must, which of them did may be open (as may be the order of
    operations that were in flight together), so there can be several accounts, of which later answers rule some out.

    Args:
        worlds: what may have been true before the first of them was sent.
        events: the operations; those of one connection in the order in which they were sent.
        profile: what the target is held to.
        tolerated: requirements whose breaking is passed over (known deviations, SHOULDs).

    Raises:
        SearchGivenUpError: too many orders were possible.
    """
    queues: dict[str, list[Event]] = {}
    for event in events:
        queues.setdefault(event.sent.connection, []).append(event)
    search = _Search(profile, tolerated)
    found: list[Explanation] = []
    most = max(len(world.pending) for world in worlds) + len(events)
    deepest = most
    for landings in range(most + 1):
        if landings > deepest:
            break
        for world in worlds:
            start = Explanation(world, landings_left=landings)
            for each in search.explanations(start, tuple(tuple(queue) for queue in queues.values())):
                if each.landings_left == 0 and all(each.world != other.world for other in found):
                    found.append(each)
        if found and deepest == most:
            # What need not land now can as well land later. But two that landed may look like another one that did,
            # and where something was appended that no answer places, others may have been there before it.
            deepest = landings + max(MORE_LANDINGS if landings else 0, *(_rivals(each, events) for each in found))
    if len(found) > WORLDS_MOST:
        raise SearchGivenUpError(f"more than {WORLDS_MOST} accounts are possible")
    return tuple(found)


__all__ = ["Event", "Explanation", "SearchGivenUpError", "Sent", "Unknown", "World", "broken", "explain", "judged"]
