"""Performing operations on a target with the model beside it.

A session sends an operation, reads what comes, asks the model which outcomes were allowed, and moves the model's
cluster on. It decides nothing about verdicts: it keeps every step, with its findings, for whoever does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from conformance.client import Client, Range, Unsupported
from conformance.translate import Conversation, conversation_of, translation_of
from conformance.wire.apis import Api, client_range
from conformance.wire.connection import Connection, Exchange, Ticket
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed, MalformedAnswer, Unreachable
from model.profiles import Profile
from model.reference.errors import ErrorCode
from model.reference.operations import Operation
from model.reference.oracle import Context, allowed
from model.reference.outcomes import Finding, Mismatch, Section, Values, judge
from model.reference.state import Cluster

IMPATIENT_S = 1.0
"""How long `eventually` waits for what is known to be broken."""
CONTROLLED = {Api.CREATE_TOPICS, Api.DELETE_TOPICS, Api.CREATE_PARTITIONS}
"""What only the controller does, where it is one of the brokers (ZooKeeper)."""
BY_NAME_UNTIL = {Api.PRODUCE: 12, Api.FETCH: 12}
"""The last versions that name topics; later ones give their ids (KIP-516)."""


@frozen
class Answered:
    """The broker answered: the fields of each section."""

    sections: tuple[Values, ...]


@frozen
class Unanswered:
    """No answer was due (acks=0)."""


@frozen
class Unknown:
    """No answer came that can be read: whether the operation took effect is not known."""

    reason: str


Outcome = Answered | Unanswered | Unknown


@frozen
class Performed:
    """One operation, what came of it, and how that was judged."""

    operation: Operation
    version: int
    connection: str
    outcome: Outcome
    exchange: Exchange | None
    sections: tuple[Section, ...]
    findings: tuple[Finding, ...]

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """What was not allowed."""
        return tuple(mismatch for finding in self.findings for mismatch in finding.mismatches)

    @property
    def judged(self) -> frozenset[str]:
        """The requirements whose rules this step was held to."""
        return frozenset().union(*(finding.judged for finding in self.findings))

    @property
    def reached(self) -> tuple[str, ...]:
        """The outcomes of the model that were taken, one a section."""
        return tuple(finding.outcome.name for finding in self.findings)

    def values(self, part: int = 0) -> Values:
        """The fields that came for one part (topic, partition or group) of the request; -1: the request as a whole."""
        return self.outcome.sections[part + 1] if isinstance(self.outcome, Answered) else {}


@frozen
class Pending:
    """An operation that was sent and whose answer was not read yet."""

    operation: Operation
    ticket: Ticket
    link: Connection
    connection: str
    broker: int
    sent_ms: int
    pipelined: bool = False
    """Whether an earlier request of the connection was not answered yet."""


def now_ms() -> int:
    """The suite's clock, in milliseconds since the epoch."""
    return int(time.time() * 1000)


class Session:
    """A sequence of operations on one target, and the model's cluster after each."""

    def __init__(
        self,
        client: Client,
        profile: Profile,
        versions: Mapping[Api, Range] | None = None,
        *,
        highest: bool = True,
    ) -> None:
        """`versions` narrows the API versions that may be used; of those in common the highest or lowest is."""
        self.client = client
        self.profile = profile
        self.versions = versions or {}
        self.highest = highest
        self.cluster = Cluster()
        self.steps: list[Performed] = []
        self.watch: Callable[[Performed], None] | None = None
        self.waits_for: Callable[[Mismatch], bool] = lambda _mismatch: True
        """What `eventually` waits for to pass."""
        self.is_settled: Callable[[set[str]], bool] = lambda _requirements: False
        """Whether there is no point in waiting any longer for these requirements to be kept."""

    def version_of(self, api: Api, most: int | None = None) -> int:
        """The API version that this session uses, of those up to `most`.

        Raises:
            Unsupported: target, suite and case have none in common.
        """
        offered = self.client.ranges.get(api)
        if offered is None:
            raise Unsupported(f"the target does not offer {api.name}")
        spoken = Range(*client_range(api))
        if api in BY_NAME_UNTIL and any(topic.topic_id is None for topic in self.cluster.topics.values()):
            # As Kafka's own clients do: without an id a topic is asked for by its name.
            spoken = Range(spoken.least, BY_NAME_UNTIL[api])
        if most is not None:
            spoken = Range(spoken.least, min(spoken.most, most))
        wanted = self.versions.get(api, spoken)
        common = offered.common(spoken)
        common = common.common(wanted) if common is not None else None
        if common is None:
            raise Unsupported(
                f"{api.name}: the target offers {offered.least} to {offered.most}, "
                f"the case needs {max(spoken.least, wanted.least)} to {min(spoken.most, wanted.most)}"
            )
        return common.most if self.highest else common.least

    def broker_for(self, operation: Operation) -> int:
        """The broker that must be asked."""
        translation = translation_of(operation)
        certain = translation.broker(operation)
        if certain is not None:
            return certain
        group = translation.coordinator(operation)
        if group is not None:
            return self.client.coordinator(group)
        place = translation.leader_of(operation)
        if place is not None:
            return self.client.leader(*place)
        return self.client.controlling_broker() if translation.api in CONTROLLED else self.client.any_broker()

    # -- one operation -----------------------------------------------------------------------------------------------

    def perform(self, operation: Operation, connection: str = "main", broker: int | None = None) -> Performed:
        """Send an operation, await its answer, judge it, and move the model on."""
        conversation = conversation_of(operation)
        if conversation is not None:
            return self._accepted(*self._held(operation, conversation))
        return self.finish(self.send(operation, connection, broker))

    def eventually(
        self,
        operation: Operation,
        connection: str = "main",
        ceiling_s: float = 5.0,
        while_refused: ErrorCode | None = None,
    ) -> Performed:
        """Perform an operation that only looks again and again, until its answer is allowed or time is up.

        What one broker was told reaches the others, and its own caches, in a while. The last answer is the one that
        is judged and kept. An operation that changes something is repeated only `while_refused` with one error.
        """
        started = time.monotonic()
        pause = 0.002
        while True:
            step, cluster = self.tried(operation, connection)
            if not isinstance(step.outcome, Answered):
                return self._accepted(step, cluster)
            wrong = {mismatch.requirement for mismatch in step.mismatches if self.waits_for(mismatch)}
            if while_refused is not None:
                is_right = not any(values.get("error") == while_refused for values in step.outcome.sections)
            else:
                is_right = not wrong
            waited_s = time.monotonic() - started
            if is_right or waited_s > ceiling_s or (waited_s > IMPATIENT_S and self.is_settled(wrong)):
                if not is_right and waited_s > ceiling_s:
                    self.client.overdue |= wrong
                return self._accepted(step, cluster)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def tried(self, operation: Operation, connection: str) -> tuple[Performed, Cluster]:
        """What comes of an operation, and the cluster after it, with nothing kept and the model where it was."""
        conversation = conversation_of(operation)
        if conversation is not None:
            return self._held(operation, conversation)
        pending = self._sent(operation, connection)
        if isinstance(pending, Performed):
            return pending, self.cluster
        return self._step(pending, *self.await_answer(pending))

    def _accepted(self, step: Performed, cluster: Cluster) -> Performed:
        """Keep a step, and let the model be where it leads."""
        self.cluster = cluster
        self._keep(step)
        return step

    def _held(self, operation: Operation, conversation: Conversation) -> tuple[Performed, Cluster]:
        """Carry out an operation that is no single request, and judge what came of it."""
        versions = [self.version_of(api) for api in conversation.apis]
        version = versions[0] if versions else 0
        sent_ms = now_ms()
        findings: tuple[Finding, ...] = ()
        cluster = self.cluster
        outcome: Outcome
        try:
            outcome = Answered(tuple(conversation.hold(operation, self.client, self.cluster, self.version_of)))
        except (ConnectionClosed, AnswerTimedOut, MalformedAnswer, Unreachable) as error:
            outcome = Unknown(f"{type(error).__name__}: {error}")
        sections = allowed(self.cluster, operation, Context(self.profile, version, sent_ms, now_ms()))
        if isinstance(outcome, Answered):
            findings = tuple(judge(section, values) for section, values in zip(sections, outcome.sections, strict=True))
            for finding, values in zip(findings, outcome.sections, strict=True):
                cluster = finding.outcome.then(cluster, values)
        return Performed(operation, version, "own", outcome, None, sections, findings), cluster

    def finish(self, pending: Pending | Performed, timeout_s: float | None = None) -> Performed:
        """Await and judge the answer to an operation that was sent."""
        if isinstance(pending, Performed):
            return pending
        return self.judged(pending, *self.await_answer(pending, timeout_s))

    def send(self, operation: Operation, connection: str = "main", broker: int | None = None) -> Pending | Performed:
        """Send an operation without awaiting its answer; `Performed` (unknown) if it could not be sent."""
        sent = self._sent(operation, connection, broker)
        return self._accepted(sent, self.cluster) if isinstance(sent, Performed) else sent

    def _sent(self, operation: Operation, connection: str, broker: int | None = None) -> Pending | Performed:
        """Send an operation, with nothing kept."""
        translation = translation_of(operation)
        version = self.version_of(translation.api)
        node = self.broker_for(operation) if broker is None else broker
        request = translation.encode(operation, version, self.cluster)
        sent_ms = now_ms()
        try:
            link = self.client.connection(connection, node)
            pipelined = link.is_awaiting
            ticket = link.send(translation.api, version, request)
        except (ConnectionClosed, AnswerTimedOut, Unreachable) as error:
            self.client.drop(connection, node)
            return Performed(operation, version, connection, Unknown(str(error)), None, (), ())
        return Pending(operation, ticket, link, connection, node, sent_ms, pipelined)

    def await_answer(self, pending: Pending, timeout_s: float | None = None) -> tuple[Outcome, Exchange | None]:
        """Read the answer to an operation under way, undecided and unjudged."""
        translation = translation_of(pending.operation)
        try:
            exchange = pending.link.receive(pending.ticket, timeout_s)
            if not translation.answered(pending.operation):
                return Unanswered(), exchange
            version = pending.ticket.version
            return Answered(tuple(translation.decode(pending.operation, version, exchange, self.cluster))), exchange
        except (ConnectionClosed, AnswerTimedOut, MalformedAnswer) as error:
            self.client.drop(pending.connection, pending.broker)
            return Unknown(f"{type(error).__name__}: {error}"), None

    def judged(self, pending: Pending, outcome: Outcome, exchange: Exchange | None) -> Performed:
        """Hold an outcome to the model, move the model on, and keep the step."""
        return self._accepted(*self._step(pending, outcome, exchange))

    def _step(self, pending: Pending, outcome: Outcome, exchange: Exchange | None) -> tuple[Performed, Cluster]:
        """An outcome as the model judges it, and the cluster after it."""
        version = pending.ticket.version
        sections, findings, cluster = self.explain(self.cluster, pending, outcome)
        step = Performed(pending.operation, version, pending.connection, outcome, exchange, sections, findings)
        return step, cluster

    def explain(
        self, cluster: Cluster, pending: Pending, outcome: Outcome
    ) -> tuple[tuple[Section, ...], tuple[Finding, ...], Cluster]:
        """How the model judges an outcome from a given cluster, and the cluster after it; changes nothing."""
        context = Context(self.profile, pending.ticket.version, pending.sent_ms, now_ms(), pipelined=pending.pipelined)
        sections = allowed(cluster, pending.operation, context)
        if isinstance(outcome, Unknown):
            return sections, (), cluster
        answers: Sequence[Values] = outcome.sections if isinstance(outcome, Answered) else tuple({} for _ in sections)
        findings = []
        for section, values in zip(sections, answers, strict=True):
            finding = judge(section, values) if isinstance(outcome, Answered) else _assumed(section)
            findings.append(finding)
            cluster = finding.outcome.then(cluster, values)
        return sections, tuple(findings), cluster

    def _keep(self, step: Performed) -> None:
        self.steps.append(step)
        if self.watch is not None:
            self.watch(step)


def _assumed(section: Section) -> Finding:
    """The outcome of a section for which no answer was due: the first permitted, which is what Kafka does."""
    return Finding(section.choices[0], frozenset(), ())
