"""The one who acts: performs the steps of a sequence on a target, with the model beside.

It knows what the clients of the sequence know (topics, producers and what they sent) to make operations of steps, and
holds every answer to the model through `conformance.history`. A broker fault loses connections; what was under way
then stays pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from attrs import define, field, frozen

from conformance.client import NotReady, Unsupported, poll
from conformance.engine import Bench
from conformance.history.explain import Event, Explanation, Sent, World, broken, explain, judged
from conformance.machines.restarting import Place, await_leaders, fault_to_do, restarted_world, steps_of_fault
from conformance.machines.steps import Step, operation_of
from conformance.placement import made_with_settings, topic_spec
from conformance.session import Answered, Outcome, Pending, Session, Unknown, now_ms
from conformance.targets.base import carry_out
from conformance.translate import Unsayable
from conformance.translate.base import conversation_of
from conformance.wire.apis import Api
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed, MalformedAnswer, Unreachable
from model.reference.administration import CreateTopics, DeleteTopics
from model.reference.batch import Batch
from model.reference.errors import ErrorCode
from model.reference.operations import (
    FetchInSession,
    FindCoordinator,
    GroupOffsets,
    InitProducerId,
    ListOffsets,
    ListOffsetsPart,
    LocateKeys,
    Metadata,
    OffsetFetch,
    Operation,
)
from model.reference.outcomes import Mismatch
from model.reference.restart import elects

FAULT = "fault"
"""The kind of step that is a fault, and no operation."""

SEEN_WITHIN_S = 5.0


class Violation(Exception):
    """No order of the operations, and no landing of lost ones, accounts for what the target answered."""

    def __init__(self, message: str, mismatches: Sequence[Mismatch]) -> None:
        super().__init__(message)
        self.mismatches = tuple(mismatches)


@define
class Producer:
    """What a producer knows of itself, and the batches that it has sent to each partition."""

    producer_id: int
    epoch: int = 0
    sent: dict[Place, list[Batch]] = field(factory=dict)


@frozen
class Act:
    """Steps that were in flight together, and the operations that they meant."""

    steps: tuple[Step, ...]
    events: tuple[Event, ...]


class Actor:
    """A sequence under way."""

    def __init__(self, bench: Bench, tolerated: frozenset[str] = frozenset()) -> None:
        """`tolerated` names requirements whose breaking is passed over."""
        self.bench = bench
        self.tolerated = tolerated
        self.session = Session(bench.client, bench.profile)
        self.worlds: tuple[World, ...] = (World(self.session.cluster),)
        """What may be true: one world, unless it is open which lost operations have taken effect."""
        self.topics: list[str] = []
        self.producers: list[Producer] = []
        self.groups = [bench.names.new("g") for _ in range(2)]
        self.acts: list[Act] = []
        self.reached: Counter[str] = Counter()
        self.judged: frozenset[str] = frozenset()
        """The requirements whose rules were consulted."""
        self.last: tuple[Event, ...] = ()
        """The newest operations, whether or not they could be accounted for."""
        self.operations = 0
        self.unsupported: Counter[str] = Counter()
        self.passed_over: list[tuple[Event, Mismatch]] = []
        """Mismatches that were tolerated."""
        self.is_lost = False
        """Whether one of them was vital: model and target no longer agree, and the sequence can't go on."""
        self.counter = 0

    # -- what steps need ---------------------------------------------------------------------------------------------

    def number(self) -> int:
        """A number not given before in this sequence: it makes values unique."""
        self.counter += 1
        return self.counter

    def topic(self, place: int) -> str:
        """The topic at this place; the first is made when it is first needed."""
        if not self.topics:
            self.new_topic({})
        if not self.topics:
            raise Unsupported("the target makes no topics that the model can follow")
        return self.topics[place % len(self.topics)]

    def partition(self, topic: str, place: int) -> int:
        """A partition of the topic."""
        known = self.world.cluster.topics.get(topic)
        return place % len(known.partitions) if known is not None and known.partitions else 0

    def producer(self, place: int) -> Producer:
        """The producer at this place; made when it is first needed."""
        while len(self.producers) <= place:
            self.producers.append(poll("a producer id", self._new_producer))
        return self.producers[place]

    def _new_producer(self) -> Producer | None:
        """A producer with an id of its own; None if the broker is not ready to hand one out."""
        events = self.perform([(InitProducerId(transactional_id=None), 0)])
        outcome = events[0].outcome if events else None
        if isinstance(outcome, Unknown):
            return None
        given = outcome.sections[0] if isinstance(outcome, Answered) else {}
        if given.get("error") is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return None
        found = given.get("producer_id")
        if not isinstance(found, int):
            raise Unsupported("no producer id was handed out")
        return Producer(found)

    def new_topic(self, config: dict[str, str], partitions: int = 2) -> None:
        """Make a topic and wait until it can be used."""
        if Api.CREATE_TOPICS not in self.bench.client.ranges:
            raise Unsupported("the target offers no CREATE_TOPICS, and sequences have topics of their own")
        name = self.bench.names.new("f")
        client = self.bench.client

        def attempt() -> list[Event]:
            spec = topic_spec(client, name, partitions, config)
            return self._read(self._send([(CreateTopics(topics=(spec,)), 0)]))

        self.account_for(made_with_settings(client, attempt, lambda events: [each.outcome for each in events]))
        if name in self.world.cluster.topics:
            self.topics.append(name)
            self.settle([name])

    def remove_topic(self, name: str) -> None:
        """Delete a topic, and wait until nobody knows it any more, nor what was committed (neither is immediate)."""
        kept = {group: [key for key in keys if key[0] == name] for group, keys in self.world.cluster.groups.items()}
        self.perform([(DeleteTopics(topics=(name,)), 0)])
        if name not in self.world.cluster.topics:
            self.topics.remove(name)
            poll(f"the end of {name}", partial(self.bench.client.is_gone, name))
            for group, keys in kept.items():
                if keys:
                    self.see(OffsetFetch(groups=(GroupOffsets(group=group, partitions=tuple(keys)),)))

    def settle(self, topics: Sequence[str]) -> None:
        """Wait for leaders, and let the model learn ids and epochs."""
        for name in topics:
            known = self.world.cluster.topics.get(name)
            if known is not None:
                count = len(known.partitions)
                poll(f"leaders of {name}", partial(self.bench.client.leaders_are_known, name, count))
                self.perform([(Metadata(topics=(name,)), 0)])

    def change(self, operation: Operation, look: Operation) -> None:
        """Perform what changes something, and wait until `look` shows it: a broker hears of it from its controller."""
        self.perform([(operation, 0)])
        self.see(look)

    def see(self, look: Operation) -> None:
        """Ask until the answer is as it should be; as it is after a while, it is judged."""

        def is_seen() -> bool:
            events = self._read(self._send([(look, 0)]))
            answered = [event for event in events if isinstance(event.outcome, Answered)]
            findings = [each for event in answered for each in judged(self.world.cluster, event, self.bench.profile)[0]]
            return not any(broken(each, self.tolerated) for each in findings)

        with suppress(NotReady):  # then it is judged as it is
            poll("a change", is_seen, SEEN_WITHIN_S)
        self.perform([(look, 0)])

    # -- acting ------------------------------------------------------------------------------------------------------

    def act(self, steps: Sequence[Step]) -> None:
        """Perform steps that are in flight together (mostly one). A fault among them comes after all were sent.

        What is no single request has connections of its own, and comes after the others; so does a fetch in a
        session, because which partitions it is about depends on all fetches in that session before it.

        Raises:
            Violation: the model does not account for what was answered.
        """
        if self.is_lost:
            return
        wanted: list[tuple[Operation, int]] = []
        alone: list[tuple[Operation, int]] = []
        for step in steps:
            operation = operation_of(self, step)
            if operation is not None:
                (alone if _goes_alone(operation) else wanted).append((operation, step.connection))
        operations = [operation for operation, _ in (*wanted, *alone)]
        named = [step.arguments["action"] for step in steps if step.kind == FAULT]
        faults = [fault_to_do(each, self.world.cluster, operations) for each in named]
        under_way = self._send(wanted)
        for action in faults:
            self._break(action)
        events = self._read(under_way)
        if faults:
            events = [event.untimed() for event in events]  # they were read when the broker was back
            self.bench.client.forget()
        self.account_for(events)
        self.acts.append(Act(tuple(steps), tuple(events)))
        for action in faults:
            self._after_fault(action)
        for operation, connection in alone:
            if conversation_of(operation) is not None:
                self._converse(operation)
            else:
                self.perform([(operation, connection)])

    def perform(self, wanted: Sequence[tuple[Operation, int]]) -> list[Event]:
        """Send operations, all of them before the first answer is read; then account for the answers."""
        events = self._read(self._send(wanted))
        self.account_for(events)
        return events

    def _converse(self, operation: Operation) -> None:
        """Carry out what is no single request, by itself."""
        conversation = conversation_of(operation)
        if conversation is None:
            raise TypeError(f"{operation.kind} is a single request")
        if isinstance(operation, LocateKeys) and (self.world.pending or len(self.worlds) > 1):
            return  # what is lost could land among the client's records, and be taken for them
        sent = Sent(operation, 0, "own", now_ms(), self.world.cluster.restarts)
        try:
            for api in conversation.apis:
                self.session.version_of(api)
            sections = conversation.hold(operation, self.bench.client, self.world.cluster, self.session.version_of)
            outcome: Outcome = Answered(tuple(sections))
        except (ConnectionClosed, AnswerTimedOut, MalformedAnswer, Unreachable) as error:
            outcome = Unknown(f"{type(error).__name__}: {error}")
        except (Unsupported, Unsayable) as error:
            self.unsupported[str(error)] += 1
            return
        self.account_for([Event(sent, outcome, now_ms())])

    def _send(self, wanted: Sequence[tuple[Operation, int]]) -> list[tuple[Sent, Pending | None]]:
        under_way: list[tuple[Sent, Pending | None]] = []
        for operation, connection in wanted:
            try:
                broker = self.session.broker_for(operation)
                pending = self.session.send(operation, f"c{connection}", broker)
            except (Unsupported, Unsayable) as error:
                self.unsupported[str(error)] += 1
                continue
            # The same name also for one that could not be sent: what is under way on the link is lost with it.
            link, restarts = f"c{connection}@{broker}", self.world.cluster.restarts
            if isinstance(pending, Pending):
                sent = Sent(operation, pending.ticket.version, link, pending.sent_ms, restarts)
                under_way.append((sent, pending))
            else:
                under_way.append((Sent(operation, pending.version, link, now_ms(), restarts), None))
        return under_way

    def _read(self, under_way: Sequence[tuple[Sent, Pending | None]]) -> list[Event]:
        """The answers, in the order of the requests; after one that failed to come nothing more comes on its link."""
        broken_links: set[int] = set()
        events = []
        for sent, pending in under_way:
            if pending is None or id(pending.link) in broken_links:
                events.append(Event(sent, Unknown("its connection was lost"), now_ms()))
                continue
            outcome, exchange = self.session.await_answer(pending)
            if isinstance(outcome, Unknown):
                broken_links.add(id(pending.link))
            events.append(Event(sent, outcome, now_ms(), exchange))
        return events

    def account_for(self, events: Sequence[Event]) -> None:
        """Hold a group of answers to the model, and move on to a world that explains them."""
        self.operations += len(events)
        self.last = tuple(events)
        found = explain(self.worlds, events, self.bench.profile, self.tolerated)
        if not found:
            raise self._violation(events)
        self._move_to(found[0])
        self.worlds = tuple(each.world for each in found)
        for event in events:
            if isinstance(event.outcome, Unknown):
                self.worlds = tuple(world.without_connection(event.sent.connection) for world in self.worlds)

    @property
    def world(self) -> World:
        """What is most likely true: steps are chosen by it. Answers are held to all that may be true."""
        return self.worlds[0]

    def _move_to(self, found: Explanation) -> None:
        self.session.cluster = found.world.cluster
        for event, findings in found.findings:
            self.reached.update(finding.outcome.name for finding in findings)
            self.judged = self.judged.union(*(finding.judged for finding in findings))
            passed_over = [each for finding in findings for each in finding.mismatches]
            self.passed_over += [(event, each) for each in passed_over]
            self.is_lost |= any(each.vital for each in passed_over)

    def _violation(self, events: Sequence[Event]) -> Violation:
        """What is wrong, told for the order in which the operations were sent."""
        cluster = self.world.cluster
        wrong: list[Mismatch] = []
        for event in events:
            if isinstance(event.outcome, Answered):
                findings, cluster = judged(cluster, event, self.bench.profile)
                wrong += [each for finding in findings for each in broken(finding, self.tolerated)]
        what = "; ".join(map(str, wrong)) or "each answer is allowed alone, but no order allows all of them"
        lost = f" (even if some of {len(self.world.pending)} lost operations took effect)" if self.world.pending else ""
        return Violation(f"{what}{lost}", wrong)

    # -- faults ------------------------------------------------------------------------------------------------------

    def _break(self, action: str) -> None:
        """Restart or kill the broker, and return when it serves again."""
        faults = self.bench.target.faults
        wanted = steps_of_fault(action)
        if faults is None or not faults.actions.issuperset(wanted):
            raise Unsupported(f"the target can't {' and '.join(wanted)} a broker: see --fault-command")
        for each in wanted:
            carry_out(faults, each, self.bench.client.home)

    def _after_fault(self, action: str) -> None:
        """Every connection is lost. What was pending may have been taken or not: where the logs end now shows it."""
        cluster = self.world.cluster
        places = [(name, each) for name, topic in cluster.topics.items() for each in range(len(topic.partitions))]
        is_killed = action == "kill"
        is_elected = elects(self.bench.profile, in_order=not is_killed, is_witnessed=action == "elect")
        self.worlds = tuple(
            restarted_world(world, places, is_elected=is_elected, is_killed=is_killed) for world in self.worlds
        )
        self.session.cluster = self.world.cluster
        # A broker that has just started may say that it can't tell yet.
        self.perform([(InitProducerId(), 0), (FindCoordinator(groups=tuple(self.groups[:1])), 1)])
        await_leaders(self.bench.client, self.topics, cluster, places, newer=1 if is_elected else 0)
        self.settle(list(self.topics))
        self.perform(
            [(ListOffsets(parts=tuple(ListOffsetsPart(topic=name, partition=index) for name, index in places)), 0)]
        )

    def leave(self) -> None:
        """Remove what the sequence made."""
        for name in self.topics:
            self.bench.client.delete_topic(name)
        self.bench.client.close()  # the broker may have closed some; the next sequence begins with new ones


def _goes_alone(operation: Operation) -> bool:
    """Whether nothing else may be in flight with it."""
    return conversation_of(operation) is not None or isinstance(operation, FetchInSession)


__all__ = ["Act", "Actor", "Place", "Producer", "Violation"]
