"""What a case is, and what it is given to work with.

A case drives operations until its requirement's rule has been met; the right answers are the model's. It fails when
an answer breaks a rule of *its* requirements. A wrong answer that breaks another requirement's rule is laid at that
one's door: the case goes on if it can, and is reported as not run if it can't.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen

from conformance.client import Client, NotReady, Range, Unsupported, poll
from conformance.names import Names
from conformance.placement import made_with_settings, topic_spec
from conformance.session import Outcome, Pending, Performed, Session, Unknown
from conformance.targets.base import carry_out
from conformance.wire.apis import Api, client_range
from conformance.wire.batch import encoded_size
from conformance.wire.connection import Exchange
from model.profiles import Profile
from model.reference.administration import CreateTopics, DeleteTopics
from model.reference.batch import Batch, Compression, Record
from model.reference.epochs import learned
from model.reference.errors import ErrorCode
from model.reference.operations import Fetch, FetchPart, Isolation, Metadata, Operation, Produce, ProducePart
from model.reference.outcomes import Mismatch
from model.reference.restart import elects, restarted
from model.reference.state import Partition, Topic


class CaseFailed(Exception):
    """An answer broke a rule of the case's own requirements."""


class SetUpFailed(Exception):
    """A step on the way broke another requirement's rule, so that the case could not reach its own."""


@frozen
class Case:
    """A case of the suite: a function that drives operations, and the requirements that it checks."""

    name: str
    requirements: tuple[str, ...]
    drive: Callable[[Run], None]
    versions: Mapping[Api, Range]
    needs: frozenset[str]
    about: str
    module: str

    @property
    def id(self) -> str:
        """What reports call it, for instance `LOG-03/fetch_past_the_end`."""
        return f"{self.requirements[0]}/{self.name}"


CASES: dict[str, Case] = {}
"""Every case that has been imported, by id."""


def case(
    *requirements: str,
    versions: Mapping[Api, tuple[int, int | None]] | None = None,
    needs: Sequence[str] = (),
) -> Callable[[Callable[[Run], None]], Case]:
    """Make a case of a function.

    Args:
        requirements: ids of what it checks, the main one first.
        versions: for each API that matters, the least and greatest version at which the case means anything.
        needs: what the target must offer beyond the wire: names of fault actions (`restart`), `durable`, `storage`.
    """

    def make(drive: Callable[[Run], None]) -> Case:
        ranges = {
            api: Range(least, client_range(api)[1] if most is None else most)
            for api, (least, most) in (versions or {}).items()
        }
        about = inspect.getdoc(drive)
        if not requirements or not about:
            raise TypeError(f"{drive.__name__}: a case names its requirements and says in a docstring what it does")
        made = Case(drive.__name__, requirements, drive, ranges, frozenset(needs), about, drive.__module__)
        if made.id in CASES and CASES[made.id].module != made.module:
            raise TypeError(f"two cases are called {made.id}")
        CASES[made.id] = made
        return made

    return make


IMPATIENT_S = 0.5
"""How long to wait for a new leader epoch once the target has let one whole wait pass, in seconds."""


def _cited(step: Performed) -> frozenset[str]:
    """The requirements that an answer to this step could have been held to."""
    return frozenset(
        expect.requirement for section in step.sections for choice in section.choices for expect in choice.expects
    )


class Run(Session):
    """A session for one case: judges every step by the case's requirements, and knows the common ways to act."""

    def __init__(
        self,
        client: Client,
        profile: Profile,
        names: Names,
        requirements: Sequence[str] = (),
        versions: Mapping[Api, Range] | None = None,
        *,
        highest: bool = True,
    ) -> None:
        super().__init__(client, profile, versions, highest=highest)
        self.names = names
        self.requirements = frozenset(requirements)
        self.beside: list[Mismatch] = []
        """Mismatches of other requirements' rules, seen on the way."""
        self.epochs_before: dict[tuple[str, int], int] = {}
        """Leader epochs as they were before the last fault."""
        self.is_killed = False
        """Whether that was a kill."""
        self.fault_failed = False
        """Whether it ended because a fault that the target offers failed."""
        self.watch = self._decide
        self.waits_for = lambda mismatch: mismatch.vital or mismatch.requirement in self.requirements
        self.is_settled = lambda broken: bool(broken) and broken <= self.requirements & self.client.overdue

    def _decide(self, step: Performed) -> None:
        own = [each for each in step.mismatches if each.requirement in self.requirements]
        if own:
            raise CaseFailed("; ".join(map(str, own)))
        self.beside += step.mismatches
        vital = [each for each in step.mismatches if each.vital]
        if vital:
            raise SetUpFailed("; ".join(map(str, vital)))
        if isinstance(step.outcome, Unknown):
            reason = f"{step.operation.kind} got no answer that can be read: {step.outcome.reason}"
            raise CaseFailed(reason) if self.requirements & _cited(step) else SetUpFailed(reason)

    # -- topics ------------------------------------------------------------------------------------------------------

    def topic(
        self, partitions: int = 1, config: Mapping[str, str] | None = None, *, stem: str = "t", placed: bool = True
    ) -> str:
        """A new topic whose partitions all have leaders, its id and epochs known to the model.

        Of several brokers one leads it all, unless it is not to be `placed`.
        """
        name = self.names.new(stem)
        if Api.CREATE_TOPICS in self.client.ranges:
            self._create(name, partitions, config or {}, placed=placed)
            self.settle(name, partitions)
        elif config:
            raise Unsupported("the target offers no CREATE_TOPICS, and a topic made by asking for it has no settings")
        else:
            self._make_by_asking(name, partitions)
        return name

    def _create(self, name: str, partitions: int, config: Mapping[str, str], *, placed: bool) -> None:
        """Create a topic, set as all topics of the suite are if the target allows it."""

        def attempt() -> tuple[Pending | Performed, Outcome, Exchange | None]:
            spec = topic_spec(self.client, name, partitions, config, placed=placed)
            pending = self.send(CreateTopics(topics=(spec,)))
            if isinstance(pending, Performed):
                return pending, pending.outcome, None
            return pending, *self.await_answer(pending)

        pending, outcome, exchange = made_with_settings(self.client, attempt, lambda made: [made[1]])
        if isinstance(pending, Pending):
            self.judged(pending, outcome, exchange)

    def _make_by_asking(self, topic: str, partitions: int) -> None:
        """A topic that the target makes because it was asked about, with as many partitions as it likes: not judged."""
        self.client.refresh((topic,), create=True)
        ready = partial(self.client.leaders_are_known, topic, 1)
        poll(f"leaders of {topic}", ready, ceiling_s=self.client.settling_s)
        (found,) = self.client.refresh((topic,)).topics
        count = len(found.partitions)
        if count < partitions:
            raise Unsupported(f"the target offers no CREATE_TOPICS, and makes topics of {count} partitions")
        if not all(self.client.is_at_home(topic, index) for index in range(count)):
            raise Unsupported("the target offers no CREATE_TOPICS, and makes topics on several brokers")
        told = self.client.leader_epochs((topic,))
        partitions_made = (learned(Partition(), told.get((topic, index), -1)) for index in range(count))
        self.cluster = self.cluster.with_topic(Topic(topic, tuple(partitions_made)))

    def settle(self, topic: str, partitions: int = 1) -> None:
        """Wait until every partition has a leader (creation is not immediate), then let the model learn ids."""
        try:
            ready = partial(self.client.leaders_are_known, topic, partitions)
            poll(f"leaders of {topic}", ready, ceiling_s=self.client.settling_s)
        except NotReady:
            self.perform(Metadata(topics=(topic,)))  # if it shows what is wrong, that is what there is to report
            raise
        self.perform(Metadata(topics=(topic,)))

    def delete(self, *topics: str) -> None:
        """Delete topics, and wait until the target knows them no more."""
        self.perform(DeleteTopics(topics=topics))
        self.eventually(Metadata(topics=None))  # not by name: up to v3 that would create them again

    def create_again(self, topic: str, partitions: int = 1) -> None:
        """Create a topic whose name was used before; a target may still be busy with removing the old one."""
        spec = topic_spec(self.client, topic, partitions, {}, placed=False)
        self.eventually(CreateTopics(topics=(spec,)), while_refused=ErrorCode.TOPIC_ALREADY_EXISTS)
        self.settle(topic, partitions)

    # -- the common operations ---------------------------------------------------------------------------------------

    def produce(
        self,
        topic: str,
        *batches: Batch,
        partition: int = 0,
        acks: int = -1,
        connection: str = "main",
        **other: Any,
    ) -> Performed:
        """Produce batches to one partition."""
        part = part_of(topic, *batches, partition=partition)
        return self.perform(Produce(parts=(part,), acks=acks, **other), connection)

    def fetch(
        self, topic: str, offset: int = 0, *, partition: int = 0, connection: str = "main", **other: Any
    ) -> Performed:
        """Fetch one partition from an offset; options of `Fetch` and `FetchPart` by name."""
        of_part = {name: other.pop(name) for name in list(other) if name in _OF_FETCH_PART}
        if "partition_max_bytes" in other:
            of_part["max_bytes"] = other.pop("partition_max_bytes")
        part = FetchPart(topic=topic, partition=partition, offset=offset, **of_part)
        return self.perform(Fetch(parts=(part,), **other), connection)

    def read_through(
        self, topic: str, offset: int = 0, *, partition: int = 0, connection: str = "main", **other: Any
    ) -> None:
        """Fetch from an offset on, each time from where the last answer ended, until nothing comes."""
        while True:
            step = self.fetch(topic, offset, partition=partition, connection=connection, **other)
            batches = step.values().get("records")
            if not isinstance(batches, tuple) or not batches or batches[-1].next_offset <= offset:
                return
            offset = batches[-1].next_offset

    def can(self, action: str) -> bool:
        """Whether the target can do this to a broker."""
        faults = self.client.target.faults
        return faults is not None and action in faults.actions

    def do(self, action: str) -> None:
        """Do something (`restart`, `kill`, ...) to the broker that leads the topics; connections are dropped."""
        faults = self.client.target.faults
        if faults is None or action not in faults.actions:
            raise Unsupported(f"the target can't {action} a broker: see --fault-command")
        if action in ("restart", "elect", "stop", "kill"):
            self.is_killed = action == "kill"
            told = self.client.leader_epochs(tuple(self.cluster.topics))
            self.epochs_before = {place: epoch for place, epoch in told.items() if self.client.is_at_home(*place)}
        carry_out(faults, action, self.client.home)
        self.client.forget()
        if action in ("restart", "elect", "start"):
            is_elected = elects(self.profile, in_order=action != "start", is_witnessed=action == "elect")
            self.cluster = restarted(self.cluster, self.epochs_before, is_elected=is_elected, is_killed=self.is_killed)
            self._await_leaders(1 if is_elected else 0)

    def _await_leaders(self, newer: int) -> None:
        """Wait until the restarted broker leads again, in an epoch that is `newer` by so much.

        At first it may tell, and even serve, what was before: a broker that hands out producer ids has registered.
        """

        def lead_again() -> bool:
            now = self.client.leader_epochs(tuple(self.cluster.topics))
            return all(
                place in now and now[place] >= epoch + newer and self.client.leads_in(*place, now[place])
                for place, epoch in self.epochs_before.items()
            )

        try:
            poll("producer ids", self.client.hands_out_ids, ceiling_s=self.client.patience_s)
            if all(epoch >= 0 for epoch in self.epochs_before.values()):
                poll("leaders in their epoch", lead_again, ceiling_s=self.client.patience_s)
        except NotReady:
            # The model finds out a target that does none of this; there is no point in waiting so long again.
            self.client.patience_s = IMPATIENT_S
        for topic in list(self.cluster.topics.values()):
            self.settle(topic.name, len(topic.partitions))


_OF_FETCH_PART = {"current_leader_epoch", "last_fetched_epoch", "log_start_offset", "topic_id"}


def part_of(topic: str, *batches: Batch, partition: int = 0) -> ProducePart:
    """One partition's part of a produce."""
    sizes = tuple(encoded_size(each) for each in batches)
    plain_sizes = tuple(
        size if each.compression is Compression.NONE else encoded_size(evolve(each, compression=Compression.NONE))
        for each, size in zip(batches, sizes, strict=True)
    )
    return ProducePart(topic=topic, partition=partition, batches=batches, sizes=sizes, plain_sizes=plain_sizes)


def batch_of(*values: bytes | None, timestamp: int = 1_700_000_000_000, **claims: Any) -> Batch:
    """A batch of records with these values, a millisecond apart; any claim of `Batch` can be given by name."""
    records = tuple(Record(value, timestamp=timestamp + index) for index, value in enumerate(values))
    return Batch(records=records, **claims)


__all__ = [
    "CASES",
    "Case",
    "CaseFailed",
    "Isolation",
    "Names",
    "Operation",
    "Run",
    "SetUpFailed",
    "batch_of",
    "case",
    "part_of",
]
