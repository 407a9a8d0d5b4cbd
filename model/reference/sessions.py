"""Fetch sessions (KIP-227): what a broker remembers of a client's fetches, and what it may leave out.

A session holds partitions, each with the position last named and the bounds last answered. An incremental fetch
names only what changes on the client's side and is answered only what changed on the broker's.

Not modelled: eviction, the sessions of followers, topic ids against names in one session (KIP-516).

Source: FetchManager.newContext, FetchSession, CachedPartition.maybeUpdateResponseData; KIP-227.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from model.reference.errors import ErrorCode
from model.reference.operations import Fetch, FetchInSession, FetchPart
from model.reference.outcomes import (
    Effect,
    Exactly,
    Expect,
    Meets,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, allowed, rule
from model.reference.state import Cluster

FULL = declare("fetch_session.full", "every partition named was answered; a session may have been opened")
INCREMENTAL = declare("fetch_session.incremental", "what changed in the session was answered")
EMPTIED = declare("fetch_session.emptied", "the last partition was forgotten, and the session with it")
NO_SESSION = declare("fetch_session.unknown", "there is no such session")
WRONG_EPOCH = declare("fetch_session.wrong_epoch", "the request is not the session's next one")
LEFT_OUT = declare("fetch_session.left_out", "the partition was left out of the answer")

ABSENT_PART = "left out"
"""Stands for the error code of a partition that the answer does not name."""
OPEN = 0
CLOSE = -1
EPOCH_LIMIT = 2**31 - 1

Place = tuple[str, int]


@frozen
class Remembered:
    """A partition in a session: what the client named last, and the bounds that it was told last (None: no valid)."""

    part: FetchPart
    bounds: tuple[int, int] | None = None


@frozen
class FetchSession:
    """An open session: the epoch that comes next, and its partitions."""

    next_epoch: int
    partitions: Mapping[Place, Remembered]


def session_of(cluster: Cluster, operation: FetchInSession) -> FetchSession | None:
    """The open session that a request continues, if there is one."""
    found = cluster.sessions.get(operation.session_id)
    return found if isinstance(found, FetchSession) and operation.session_epoch not in (OPEN, CLOSE) else None


def places(cluster: Cluster, operation: FetchInSession) -> tuple[FetchPart, ...]:
    """The partitions for which the model has a section: those of the session, those named, those forgotten."""
    session = session_of(cluster, operation)
    found = {place: each.part for place, each in session.partitions.items()} if session is not None else {}
    found |= {(part.topic, part.partition): part for part in operation.parts}
    found |= {
        place: FetchPart(topic=place[0], partition=place[1]) for place in operation.forgotten if place not in found
    }
    return tuple(found.values())


@rule(FetchInSession)
def fetch_in_session(cluster: Cluster, operation: FetchInSession, context: Context) -> tuple[Section, ...]:
    """What may be answered as a whole, and for each partition of the session or the request."""
    parts = places(cluster, operation)
    if operation.session_epoch in (OPEN, CLOSE):
        return _full(cluster, operation, parts, context)
    session = session_of(cluster, operation)
    if session is None:
        was_closed = operation.session_id in cluster.sessions
        requirement = "MET-62" if was_closed else "MET-59"
        return _refused(NO_SESSION, ErrorCode.FETCH_SESSION_ID_NOT_FOUND, requirement, parts)
    if operation.session_epoch != session.next_epoch:
        return _refused(WRONG_EPOCH, ErrorCode.INVALID_FETCH_SESSION_EPOCH, "MET-60", parts)
    return _incremental(cluster, operation, session, parts, context)


def _where(part: FetchPart) -> str:
    return f"{part.topic}-{part.partition}"


def _left_out(part: FetchPart, requirement: str) -> Section:
    return Section(
        _where(part), (Permitted(LEFT_OUT, (Expect("error", Exactly(ABSENT_PART), requirement, vital=False),)),)
    )


def _refused(name: str, code: ErrorCode, requirement: str, parts: tuple[FetchPart, ...]) -> tuple[Section, ...]:
    whole = Permitted(name, (error(code, requirement),))
    return (Section("request", (whole,)), *(_left_out(part, requirement) for part in parts))


def _included(cluster: Cluster, part: FetchPart, context: Context, requirement: str) -> Section:
    """A partition that must be answered, as any fetch of it would be."""
    _, section = allowed(cluster, Fetch(parts=(part,)), context)
    is_there = Expect("error", Meets("answered at all", lambda seen: seen != ABSENT_PART), requirement)
    return Section(
        section.where, tuple(Permitted(each.name, (is_there, *each.expects), each.then) for each in section.choices)
    )


def _bounds(cluster: Cluster, part: FetchPart, context: Context) -> tuple[int, int] | None:
    """High watermark and log start offset as a fetch of this partition would tell them; None: with an error."""
    partition = cluster.partition(part.topic, part.partition)
    _, section = allowed(cluster, Fetch(parts=(part,)), context)
    succeeds = any(
        expect.field == "error" and expect.allowed.admits(ErrorCode.NONE)
        for choice in section.choices
        for expect in choice.expects
    )
    if partition is None or not succeeds:
        return None
    return partition.high_watermark, partition.log_start_offset


# -- full fetches ----------------------------------------------------------------------------------------------------


def _full(
    cluster: Cluster, operation: FetchInSession, parts: tuple[FetchPart, ...], context: Context
) -> tuple[Section, ...]:
    closes = operation.session_epoch == CLOSE
    requirement = "MET-62" if closes else "MET-56"
    named = {(part.topic, part.partition): part for part in operation.parts}
    partitions = {place: Remembered(part, _bounds(cluster, part, context)) for place, part in named.items()}

    def is_session(seen: object) -> bool:
        return isinstance(seen, int) and (seen == 0 or (seen > 0 and seen not in cluster.sessions))

    opened = Exactly(0) if closes else Meets("0, or the id of a session not open before", is_session)

    def then(after: Cluster, answer: Values) -> Cluster:
        sessions = dict(after.sessions)
        if operation.session_id in sessions:
            sessions[operation.session_id] = None
        session_id = answer.get("session_id")
        if isinstance(session_id, int) and session_id > 0 and not closes:
            sessions[session_id] = FetchSession(1, partitions)
        return evolve(after, sessions=sessions)

    whole = Permitted(FULL, (success(requirement), Expect("session_id", opened, requirement)), then)
    return (
        Section("request", (whole,)),
        *(_included(cluster, part, context, requirement) for part in parts if (part.topic, part.partition) in named),
        *(_left_out(part, "MET-61") for part in parts if (part.topic, part.partition) not in named),
    )


# -- incremental fetches ---------------------------------------------------------------------------------------------


def _incremental(
    cluster: Cluster, operation: FetchInSession, session: FetchSession, parts: tuple[FetchPart, ...], context: Context
) -> tuple[Section, ...]:
    named = {(part.topic, part.partition): part for part in operation.parts}
    partitions: dict[Place, Remembered] = {}
    sections = []
    for part in parts:
        place = part.topic, part.partition
        if place in operation.forgotten:
            sections.append(_left_out(part, "MET-61"))
            continue
        before = session.partitions.get(place)
        now = _bounds(cluster, part, context)
        sections.append(_changed_or_not(cluster, part, before, now, context, is_named=place in named))
        partitions[place] = Remembered(part, now)
    return (Section("request", (_whole(operation, session, partitions),)), *sections)


def _changed_or_not(
    cluster: Cluster,
    part: FetchPart,
    before: Remembered | None,
    now: tuple[int, int] | None,
    context: Context,
    *,
    is_named: bool,
) -> Section:
    """A partition's section: answered if there is anything to say, otherwise left out."""
    if now is None:
        return _included(cluster, part, context, "MET-63")
    if before is None:
        return _included(cluster, part, context, "MET-64")
    partition = cluster.topics[part.topic].partitions[part.partition]
    if partition.from_offset(part.offset):
        return _included(cluster, part, context, "MET-64" if is_named else "MET-58")
    if before.bounds != now:
        return _included(cluster, part, context, "MET-63" if before.bounds is None else "MET-58")
    return _left_out(part, "MET-57")


def _whole(operation: FetchInSession, session: FetchSession, partitions: Mapping[Place, Remembered]) -> Permitted:
    strangers = Expect("strangers", Exactly(frozenset()), "MET-61", vital=False)
    if not partitions:

        def emptied(after: Cluster, answer: Values) -> Cluster:
            return evolve(after, sessions={**after.sessions, operation.session_id: None})

        return Permitted(EMPTIED, (success("MET-61"), Expect("session_id", Exactly(0), "MET-61"), strangers), emptied)
    following = session.next_epoch + 1 if session.next_epoch < EPOCH_LIMIT else 1
    then: Effect = lambda after, _answer: evolve(  # noqa: E731
        after, sessions={**after.sessions, operation.session_id: FetchSession(following, partitions)}
    )
    same = Expect("session_id", Exactly(operation.session_id), "MET-58")
    return Permitted(INCREMENTAL, (success("MET-58"), same, strangers), then)
