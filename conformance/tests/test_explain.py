"""The search for an order, and for lost operations that took effect after all."""

from __future__ import annotations

import pytest
from attrs import evolve

from conformance.history import explain as searching
from conformance.history.explain import Event, Explanation, SearchGivenUpError, Sent, World
from conformance.session import Answered, Outcome, Unanswered, Unknown
from conformance.wire.batch import encoded_size
from model.profiles import Profile, profile_named
from model.reference.batch import Batch, Record
from model.reference.errors import ErrorCode
from model.reference.operations import (
    ListOffsets,
    ListOffsetsPart,
    Operation,
    Produce,
    ProducePart,
    ProduceUnanswered,
)
from model.reference.outcomes import Finding
from model.reference.state import Cluster, Partition, Topic

PROFILE = profile_named("3.9-kraft")
EMPTY = World(Cluster(topics={"t": Topic("t", (Partition(leader_epoch=0),))}))
LOST = Unknown("the broker went away")


def append(value: bytes, acks: int = -1, producer: int = -1) -> Operation:
    numbers = 0 if producer >= 0 else -1
    batch = Batch(records=(Record(value),), producer_id=producer, producer_epoch=numbers, base_sequence=numbers)
    return Produce(parts=(ProducePart(topic="t", batches=(batch,), sizes=(encoded_size(batch),)),), acks=acks)


def end() -> Operation:
    return ListOffsets(parts=(ListOffsetsPart(topic="t"),))


def event(operation: Operation, outcome: Outcome, connection: str = "c0") -> Event:
    return Event(Sent(operation, 7, connection, 1_000), outcome, 1_001)


def at(offset: int) -> Answered:
    """The answer to a produce, or to a question for the end of the log."""
    return Answered(({}, {"error": ErrorCode.NONE, "base_offset": offset, "offset": offset}))


def log_end(world: World) -> int:
    partition = world.cluster.partition("t", 0)
    assert partition is not None
    return partition.log_end_offset


def explain(
    world: World, events: list[Event], profile: Profile, tolerated: frozenset[str] = frozenset()
) -> Explanation | None:
    found = searching.explain([world], events, profile, tolerated)
    return found[0] if found else None


def test_one_answer_is_taken_as_it_comes() -> None:
    found = explain(EMPTY, [event(append(b"a"), at(0))], PROFILE)
    assert found is not None
    assert log_end(found.world) == 1
    assert not found.world.pending


def test_a_wrong_answer_has_no_explanation() -> None:
    assert explain(EMPTY, [event(append(b"a"), at(1))], PROFILE) is None


def test_what_was_lost_lands_only_when_an_answer_needs_it() -> None:
    lost = explain(EMPTY, [event(append(b"a"), LOST)], PROFILE)
    assert lost is not None
    assert len(lost.world.pending) == 1
    untouched = explain(lost.world, [event(end(), at(0))], PROFILE)
    assert untouched is not None
    assert len(untouched.world.pending) == 1, "it may still land later"
    landed = explain(lost.world, [event(end(), at(1))], PROFILE)
    assert landed is not None
    assert not landed.world.pending
    assert log_end(landed.world) == 1


def test_what_was_lost_may_land_between_two_others() -> None:
    world = EMPTY
    for each in (event(append(b"a"), LOST), event(append(b"b"), at(0)), event(append(b"c"), at(2))):
        found = explain(world, [each], PROFILE)
        assert found is not None
        world = found.world
    assert log_end(world) == 3
    values = [entry.batch.records[0].value for entry in world.cluster.topics["t"].partitions[0].entries]
    assert values == [b"b", b"a", b"c"]


def test_what_was_lost_lands_once() -> None:
    lost = explain(EMPTY, [event(append(b"a"), LOST)], PROFILE)
    assert lost is not None
    assert explain(lost.world, [event(end(), at(2))], PROFILE) is None


def test_connections_may_overtake_each_other() -> None:
    together = [event(append(b"a"), at(1), "c0"), event(append(b"b"), at(0), "c1")]
    found = explain(EMPTY, together, PROFILE)
    assert found is not None
    assert [each.sent.connection for each, _findings in found.findings] == ["c1", "c0"]


def test_one_connection_keeps_its_order() -> None:
    assert explain(EMPTY, [event(append(b"a"), at(1)), event(append(b"b"), at(0))], PROFILE) is None


def test_an_append_without_an_answer_was_taken_before_a_later_answer_on_its_connection() -> None:
    silent = event(append(b"a", acks=0), Unanswered())
    assert explain(EMPTY, [silent, event(end(), at(0))], PROFILE) is None
    assert explain(EMPTY, [silent, event(end(), at(1))], PROFILE) is not None
    elsewhere = explain(EMPTY, [silent, event(end(), at(0), "c1")], PROFILE)
    assert elsewhere is not None, "on another connection it need not have been seen yet"


def test_after_its_connection_is_lost_it_may_have_been_lost_too() -> None:
    silent = explain(EMPTY, [event(append(b"a", acks=0), Unanswered())], PROFILE)
    assert silent is not None
    world = silent.world.without_connection("c0")
    assert explain(world, [event(end(), at(0))], PROFILE) is not None


def test_a_retry_of_what_was_lost_is_a_duplicate_or_an_append() -> None:
    lost = explain(EMPTY, [event(append(b"a", producer=4), LOST)], PROFILE)
    assert lost is not None
    again = explain(lost.world, [event(append(b"a", producer=4), at(0))], PROFILE)
    assert again is not None
    twice = explain(again.world, [event(end(), at(2))], PROFILE)
    assert twice is None, "a batch with a sequence number is appended once"


def test_a_tolerated_breach_is_passed_over() -> None:
    wrong = event(append(b"a"), Answered(({}, {"error": ErrorCode.NONE, "base_offset": 0, "log_append_time_ms": 5})))
    assert explain(EMPTY, [wrong], PROFILE) is None
    broken = {each.requirement for _event, findings in [_judged(wrong)] for f in findings for each in f.mismatches}
    assert explain(EMPTY, [wrong], PROFILE, frozenset(broken)) is not None


def _judged(wrong: Event) -> tuple[Event, tuple[Finding, ...]]:
    return wrong, searching.judged(EMPTY.cluster, wrong, PROFILE)[0]


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "STATES_MOST", 3)
    world = evolve(EMPTY, pending=tuple(Sent(append(bytes([n])), 7, "c", 1) for n in range(5)))
    with pytest.raises(SearchGivenUpError):
        explain(world, [event(end(), at(9))], PROFILE)


def test_which_of_two_landed_stays_open_until_it_shows() -> None:
    lost: tuple[World, ...] = (EMPTY,)
    for value in (b"a", b"b"):
        lost = tuple(each.world for each in searching.explain(lost, [event(append(value), LOST)], PROFILE))
    after = searching.explain(lost, [event(append(b"c"), at(1))], PROFILE)
    firsts = {each.world.cluster.topics["t"].partitions[0].entries[0].batch.records[0].value for each in after}
    assert firsts == {b"a", b"b"}


def test_nothing_lands_that_need_not() -> None:
    lost = explain(EMPTY, [event(append(b"a"), LOST, "c0")], PROFILE)
    assert lost is not None
    silent = explain(lost.world, [event(append(b"b", acks=0), Unanswered(), "c1")], PROFILE)
    assert silent is not None
    seen = searching.explain([silent.world], [event(append(b"c"), at(1), "c1")], PROFILE)
    values = {
        tuple(entry.batch.records[0].value for entry in each.world.cluster.topics["t"].partitions[0].entries)
        for each in seen
    }
    assert values == {(b"b", b"c")}


def test_what_is_sent_after_an_append_without_an_answer_tells_nothing_of_it() -> None:
    world = EMPTY
    for value in (b"a", b"b"):
        found = explain(world, [event(append(value, acks=0), Unanswered())], PROFILE)
        assert found is not None
        world = found.world
    assert explain(world, [event(append(b"c"), at(0), "c1")], PROFILE) is not None
    assert explain(world, [event(append(b"c"), at(1), "c1")], PROFILE) is not None
    assert explain(world, [event(append(b"c"), at(1))], PROFILE) is None, "on their connection both came before it"


def watch(value: bytes) -> Event:
    produce = append(value, acks=0)
    assert isinstance(produce, Produce)
    return event(ProduceUnanswered(produce=produce), Answered(({"is_closed": False, "bytes_received": 0},)), "own")


def orders(accounts: tuple[Explanation, ...]) -> set[bytes]:
    """The values in the log, one after the other, by each account."""
    found = set()
    for account in accounts:
        partition = account.world.cluster.partition("t", 0)
        assert partition is not None
        found.add(b"".join(entry.batch.records[0].value or b"" for entry in partition.entries))
    return found


def pending(*values: bytes) -> World:
    """A world in which produces are pending, each on a connection of its own."""
    world = EMPTY
    for value in values:
        found = explain(world, [event(append(value, acks=0), Unanswered(), value.decode())], PROFILE)
        assert found is not None
        world = found.world
    return world


def test_a_produce_that_was_watched_may_come_after_those_that_are_pending() -> None:
    accounts = searching.explain([pending(b"a", b"b")], [watch(b"w")], PROFILE)
    assert orders(accounts) == {b"w", b"aw", b"bw", b"abw", b"baw"}


def test_one_that_is_due_may_come_after_others_that_are_pending() -> None:
    world = pending(b"a", b"b", b"d")
    question = ListOffsets(parts=(ListOffsetsPart(topic="other"),))
    answer = Answered(({}, {"error": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "offset": -1}))
    accounts = searching.explain([world], [event(question, answer, "d")], PROFILE)
    assert {b"d", b"abd", b"bad"} <= orders(accounts)
