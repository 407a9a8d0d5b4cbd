"""How the suite makes its topics: on which broker, and set to what; and which broker coordinates its groups.

A request with several partitions goes to one broker, and faults are done to one. So where there are several brokers,
every topic of a run is on the same one (`Client.home`), by replica assignments. And a topic is set to keep its
records for ever, unless the target refuses that setting.

Not here: topics whose creation is what a case is about; a case makes those itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from conformance.client import Client
from conformance.names import Names
from conformance.session import Answered, Outcome
from model.reference.administration import TopicSpec
from model.reference.errors import ErrorCode

BY_ASSIGNMENT = -1
"""The count of partitions, and of replicas, of a topic whose replicas are chosen one by one."""
_REFUSED = {ErrorCode.INVALID_CONFIG, ErrorCode.POLICY_VIOLATION, ErrorCode.INVALID_REQUEST}

Made = TypeVar("Made")


def topic_spec(
    client: Client, name: str, partitions: int, config: Mapping[str, str], *, placed: bool = True
) -> TopicSpec:
    """A topic of one replica; of several brokers the home broker has it, if it is `placed`."""
    config = {**client.kept, **config}
    chosen = replicas_of_new(client, partitions) if placed else None
    if chosen is None:
        return TopicSpec(name=name, partitions=partitions, config=config)
    return TopicSpec(
        name=name,
        partitions=BY_ASSIGNMENT,
        replication_factor=BY_ASSIGNMENT,
        assignments=tuple(enumerate(chosen)),
        config=config,
    )


def replicas_of_new(client: Client, count: int) -> tuple[tuple[int, ...], ...] | None:
    """The replicas of so many new partitions; None where there is nothing to choose."""
    return ((client.home,),) * count if client.has_several_brokers and count > 0 else None


def groups_together(client: Client, names: Names, count: int) -> tuple[str, ...]:
    """New groups that one broker coordinates: a request about several of them goes to it."""
    found: dict[int, list[str]] = {}
    while True:
        group = names.new("g")
        by = found.setdefault(client.coordinator(group) if client.has_several_brokers else client.home, [])
        by.append(group)
        if len(by) == count:
            return tuple(by)


def made_with_settings(
    client: Client, attempt: Callable[[], Made], outcomes_of: Callable[[Made], Sequence[Outcome]]
) -> Made:
    """What came of `attempt`, which creates a topic; tried again without what all topics are set to, if refused.

    That setting is given up for good if the target then creates the topic. Otherwise something else was wrong.
    """
    made = attempt()
    if not client.kept or not _is_refused(outcomes_of(made)):
        return made
    kept, client.kept = client.kept, {}
    made = attempt()
    if _is_refused(outcomes_of(made)):
        client.kept = kept
    return made


def _is_refused(outcomes: Sequence[Outcome]) -> bool:
    sections = (section for outcome in outcomes if isinstance(outcome, Answered) for section in outcome.sections)
    return any(section.get("error") in _REFUSED for section in sections)
